"""What runs leave on the disk: the stored table is opened again, and what retention does not ask for is dropped."""

from __future__ import annotations

import logging
import secrets
import shutil
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from mmflow.durations import parse_duration
from mmflow.errors import GiveUp
from mmflow.ledger import Ledger, OsLock, Run
from mmflow.run.order import Engine
from mmflow.table import Table

log = logging.getLogger(__name__)

RUN_TIME: Final = "%Y%m%dT%H%M%S"  # of the names of runs, and so of their files
LOCKS_KEPT: Final = timedelta(days=1)


def open_snapshot(engine: Engine, run: Run) -> Table:
    """Open the stored table of a run."""
    path = engine.root / run.snapshot
    if run.rows is None:
        raise GiveUp(f"run {run.id} ended before there was a table; run the job again for its window")
    if not run.snapshot or not path.exists():
        kept = engine.settings.retention.snapshots
        raise GiveUp(f"run {run.id} has no stored table (they are kept {kept}); run the job again for its window")
    return Table.open(path)


def sweep(engine: Engine, ledger: Ledger) -> None:
    """Drop what retention allows: old runs, their snapshots, and raw answers that failed runs left.

    Files go by their names, which begin with the time of their run, so that nothing a killed process left is kept.
    """
    now, keep = engine.clock.now(), engine.settings.retention
    snapshots, runs = (now - parse_duration(text) for text in (keep.snapshots, keep.runs))
    ledger.forget_before(snapshots, runs)
    oldest = f"{max(snapshots, runs):{RUN_TIME}}"
    for path in (*(engine.state / "snapshots").glob("*"), *(engine.state / "spool").glob("*")):
        if path.name.lstrip(".") < oldest:
            drop(path)
    for path in (engine.state / "locks").glob("*.backfill-*.lock"):  # one for each window, which nobody takes twice
        with suppress(FileNotFoundError):  # another process was faster
            if path.stat().st_mtime < (now - LOCKS_KEPT).timestamp() and not OsLock(path).is_held():
                drop(path)


def drop(path: Path) -> None:
    """Remove a file or a folder; one that another process removes, or has open, is no reason to fail a run."""
    try:
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    except OSError as error:
        log.warning("%s is not needed any more and cannot be removed: %s", path, error)


def name_run(now: datetime) -> str:
    """Make an id that sorts by time and is short enough to type."""
    return f"{now:{RUN_TIME}}-{secrets.token_hex(4)}"
