"""What is done while somebody has the workbook open: a file beside it, until it can take its place.

Excel leaves ``~$name.xlsx`` beside an open workbook, LibreOffice ``.~lock.name.xlsx#``. Replacing it would be possible
on Linux, but whoever has it open would then save the old numbers over the new ones. A lock that is older than a day
counts for nothing: programs that crash leave theirs behind, and on Windows the system itself still protects the file.
"""

from __future__ import annotations

import errno
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from mmflow import RunInfo, TryLater

STALE: Final = timedelta(days=1)
AGAIN_AFTER: Final = 300.0  # seconds until it is looked at again
IN_USE: Final = frozenset({errno.EBUSY, errno.ETXTBSY})
WINDOWS_IN_USE: Final = frozenset({5, 32, 33})  # access denied by a rename, sharing violation, lock violation


def find_lock(path: Path, now: datetime) -> Path | None:
    """Give the file by which a program says that it has the workbook open, unless it is older than a day."""
    for lock in (path.with_name(f"~${path.name}"), path.with_name(f".~lock.{path.name}#")):
        try:
            changed = datetime.fromtimestamp(lock.lstat().st_mtime, UTC)
        except OSError:
            continue
        if now - changed < STALE:
            return lock
    return None


def is_open(error: TryLater) -> bool:
    """Tell whether a file could not be replaced because another program holds it."""
    cause = error.__cause__
    return isinstance(cause, OSError) and (cause.errno in IN_USE or getattr(cause, "winerror", None) in WINDOWS_IN_USE)


def pending_name(path: Path, run: RunInfo) -> Path:
    """Give the name of the file beside it, with the time on the plant's clock."""
    zone = ZoneInfo(run.spans[0][1].zone if run.spans else "UTC")
    return path.with_name(f"{path.stem} (pending {run.clock.now().astimezone(zone):%H.%M}){path.suffix}")


def list_pending(path: Path) -> list[Path]:
    """Give the files that wait to take the place of a workbook, the oldest first."""
    form = re.compile(rf"{re.escape(path.stem)} \(pending \d\d\.\d\d\){re.escape(path.suffix)}")
    try:
        found = [one for one in path.parent.iterdir() if form.fullmatch(one.name) and one.is_file()]
    except FileNotFoundError:
        return []
    return sorted(found, key=lambda one: (one.stat().st_mtime_ns, one.name))


def remove_pending(path: Path, run: RunInfo, keep: Path | None = None) -> None:
    """Remove what waits beside a workbook and is out of date; what somebody has open, or cannot go, harms nobody."""
    for pending in list_pending(path):
        if pending != keep and find_lock(pending, run.clock.now()) is None:
            try:
                pending.unlink()
            except OSError as error:
                run.log.warning("%s is out of date and cannot be removed: %s", pending, error)
