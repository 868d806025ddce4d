"""``mmflow.yaml`` as it counts: as it is, or as it was when it last could be used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from mmflow.clock import Clock
from mmflow.errors import Problem, ProblemsError, raise_errors
from mmflow.plugins import Registry
from mmflow.roster.files import Files, Seen
from mmflow.roster.reading import keep_errors
from mmflow.roster.shelf import read_shelf
from mmflow.workspace import SETTINGS_FILE, Workspace, read_workspace


@dataclass(frozen=True, slots=True)
class InForce:
    """``mmflow.yaml`` as it counts, and what keeps a newer one from doing so."""

    workspace: Workspace
    text: str
    problems: tuple[Problem, ...] = ()


def open_in_force(root: Path, clock: Clock) -> Workspace:
    """Open a root for a daemon that starts: by ``mmflow.yaml`` as it is, or else as it was last good.

    Raises :class:`ProblemsError` when it never was.
    """
    (seen,) = Files(root, clock).look([SETTINGS_FILE], at_once=True)
    read = partial(read_settings, root=root, now=clock.now())
    return read_in_force(seen, lambda: read_shelf(root).settings, read).workspace


def read_in_force(seen: Seen, last: Callable[[], str], read: Callable[[Seen], Workspace]) -> InForce:
    """Give what a file says now, or else what it ``last`` said without an error; raises :class:`ProblemsError`."""
    try:
        return InForce(read(seen), (seen.data or b"").decode())
    except ProblemsError as error:
        try:
            text = last()
            return InForce(read(Seen(SETTINGS_FILE, "", text.encode())), text, keep_errors(error.problems))
        except ProblemsError:
            raise error from None


def read_settings(seen: Seen, root: Path, now: datetime, registry: Registry | None = None) -> Workspace:
    """Read and check ``mmflow.yaml``; raises :class:`ProblemsError`."""
    raise_errors(seen.problems)
    assert seen.data is not None, "mmflow.yaml is looked at whether it is there or not"
    workspace = read_workspace(seen.data, root, now, registry)
    raise_errors(workspace.checked.problems)
    return workspace
