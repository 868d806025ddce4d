"""Copies of a ledger's file: one a day, kept for a week, checked before one takes the ledger's place."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing, suppress
from datetime import UTC, datetime
from itertools import chain, count
from pathlib import Path
from typing import Final

from mmflow import __version__
from mmflow.atomic import make_private, replace_file, replace_path, sync_folder
from mmflow.errors import MmflowError, StateError, UserError
from mmflow.ledger.driver import Driver
from mmflow.ledger.identity import JOURNAL, SIDE_FILES, keep_silent
from mmflow.ledger.migrations import MIGRATIONS
from mmflow.ledger.sqlite import copy_pages

KEPT: Final = 7
BACKUPS: Final = "backups"  # the folder beside a ledger
ENDINGS: Final = ("", JOURNAL, *SIDE_FILES)  # of all files of a ledger
_NAME: Final = re.compile(r"ledger-\d{4}-\d\d-\d\d\.sqlite")


def back_up_daily(driver: Driver, folder: Path, now: datetime) -> Path | None:
    """Copy the ledger to ``ledger-2026-11-03.sqlite`` unless today's copy is there, and drop all but the last seven.

    The day is that of UTC. Gives the new copy, None when there is nothing to do. Raises :class:`StateError`.
    """
    copy = folder / f"ledger-{now.astimezone(UTC):%Y-%m-%d}.sqlite"
    if driver.shared or copy.exists():
        return None
    driver.back_up(copy)
    for old in list_daily(folder)[:-KEPT]:
        with suppress(OSError):  # tomorrow is another day
            old.unlink()
    return copy


def list_daily(folder: Path) -> list[Path]:
    """Give the copies that were made day by day, oldest first."""
    return sorted(path for path in folder.glob("ledger-*.sqlite") if _NAME.fullmatch(path.name))


def find_latest(folder: Path) -> Path | None:
    """Give the copy that was made last, by hand too; None when there is none."""
    return max(folder.glob("*.sqlite"), key=lambda path: path.stat().st_mtime, default=None)


def check_backup(path: Path) -> None:
    """Raise :class:`UserError` for what is no sound ledger that this version can read."""
    if not path.is_file():
        raise UserError(f"there is no file {path}; name a copy of the ledger, such as one in .mmflow/{BACKUPS}")
    if read_form(path) > len(MIGRATIONS):
        raise UserError(f"{path} was written by a newer mmflow; this is {__version__}: install that version or later")


def read_form(path: Path) -> int:
    """Look at every page of a ledger's file, and give its form; :class:`UserError` when it is damaged or none."""
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as copy:
            sound = copy.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok"
            version = copy.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchone()
            copy.execute("SELECT 1 FROM slot, run, delivery LIMIT 0")  # other programs have a table meta, too
    except sqlite3.Error as error:
        raise UserError(f"{path} is no copy of a ledger: {error}; name another") from error
    if not sound or not version:
        raise UserError(f"{path} is damaged; name another copy")
    return int(version[0])


def put_back(copy: Path, place: Path, now: datetime) -> Path | None:
    """Put a checked copy in the ledger's place; give where the old one is now, None when there was none.

    Nobody has the ledger open. Killed in between, it leaves no ledger, which the next command refuses by name. What was
    due until now sends no messages: what was sent after the copy was made is not in it.
    """
    fresh = place.with_name(f"{place.name}.restored")
    try:
        make_private(place.parent)
        with replace_path(fresh) as draft:
            copy_pages(copy, draft, *keep_silent(now))
        aside = set_aside(place, now)
        fresh.replace(place)
        sync_folder(place.parent)
    except (OSError, sqlite3.Error, MmflowError) as error:
        raise StateError(f"{copy} cannot be put in the place of {place}: {error}; make room, then try again") from error
    return aside


def set_aside(place: Path, now: datetime) -> Path | None:
    """Move a ledger's files out of the way, all under one name, and give it; None when there are none.

    Nobody has it open. Killed in between, the next time goes on under the same name: a log beside the file of another
    ledger would be taken for its own.
    """
    word = place.with_name(f"{place.name}.replacing")
    parts = [ending for ending in ENDINGS if place.with_name(place.name + ending).exists()]
    begun = word.exists()
    if not parts and not begun:
        return None
    aside = place.with_name(word.read_text(encoding="utf-8")) if begun else None
    if aside is None or (aside.exists() and "" in parts):  # somebody put another one there after a kill
        aside = name_aside(place, now)
        with replace_file(word) as file:
            file.write(aside.name.encode())
    for ending in parts:  # with what belongs to it and has not been written into it
        place.with_name(place.name + ending).rename(aside.with_name(aside.name + ending))
    sync_folder(place.parent)
    word.unlink()
    return aside


def name_aside(place: Path, now: datetime) -> Path:
    """Give a name under which no file of another ledger is."""
    name = f"{place.name}.replaced-{now.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    tries = (place.with_name(f"{name}{ending}") for ending in chain([""], (f"-{number}" for number in count(2))))
    return next(path for path in tries if not any(path.with_name(path.name + end).exists() for end in ENDINGS))
