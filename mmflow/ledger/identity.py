"""What a ledger is known by, and how to tell that it is the one that was there before, another one, or lost."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Final

from mmflow.atomic import make_private, replace_file
from mmflow.errors import MmflowError, StateError
from mmflow.ledger import statements as sql
from mmflow.ledger.driver import Driver, as_text
from mmflow.ledger.migrations import read_meta, write_meta
from mmflow.ledger.place import LEDGER_FILE
from mmflow.ledger.upkeep import TABLES

IDENTITY: Final = "identity"  # keys of the ledger's notes
COPIED: Final = "copied"
RESTORED: Final = "restored_at"
# What is in these folders beside a ledger came about by one, and so did files that are called like it.
TRACES: Final = ("snapshots", "spool", "backups")
SIDE_FILES: Final = ("-wal", "-shm")  # endings of the files that belong to one that is open, or was when a process died
SEEN: Final = "database"  # the file in a root's .mmflow that names the database with which there was work
JOURNAL: Final = "-journal"
NEEDED: Final = frozenset({"meta", "slot", "run", "delivery"})  # tables that every ledger has
ADVICE: Final = "'mmflow state restore FILE' puts a backup in its place, 'mmflow state init' begins anew"
ADVICE_DATABASE: Final = (
    "restore it as the database was backed up, such as by pg_restore, or begin anew: 'mmflow state init'"
)
FIND_TABLES: Final = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite!_%' ESCAPE '!'"
SILENT: Final = "the record was put back from a copy: what was due before sends no messages"
SILENCE_SLOTS: Final = "UPDATE slot SET send = 0, reason = ? WHERE state IN ('due', 'running') AND send = 1"
MUTE_NOTICES: Final = "UPDATE notice SET state = 'muted', error = ? WHERE state = 'pending'"
UNMARK_COPY: Final = "DELETE FROM meta WHERE key = ?"
READ_NOTES: Final = "SELECT key, value FROM meta WHERE key IN (?, ?)"


@dataclass(frozen=True, slots=True)
class Main:
    """What the main file of a ledger says without the log beside it; "" is unknown."""

    identity: str = ""
    copied: str = ""  # when it was made, if it is a copy that nobody has opened yet


def keep_identity(driver: Driver) -> str:
    """Give what a ledger is known by, within a transaction; one that has nothing yet is given it."""
    found = read_meta(driver, IDENTITY)
    if not found:
        write_meta(driver, IDENTITY, found := secrets.token_hex(16))
    return found


def keep_silent(now: datetime) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Give the statements after which a copy sends nothing about what was due up to now."""
    yield SILENCE_SLOTS, (SILENT,)
    yield MUTE_NOTICES, (SILENT,)
    yield UNMARK_COPY, (COPIED,)
    yield sql.WRITE_META, (RESTORED, as_text(now))


def refuse_other(place: str, identity: str, known: str | None) -> None:
    """Raise :class:`StateError` when a ledger is not the one that was known before."""
    if known and identity and identity != known:
        raise StateError(
            f"the ledger {place} is another one than this process has worked with, and does not know what was sent; "
            "put the right one back, or start anew if this one is to count"
        )


def is_begun(path: Path, *, anew: bool = False, known: str | None = None) -> bool:
    """Tell whether a ledger is at this path, False when one is to be made; :class:`StateError` says why neither.

    One that is lost is made only ``anew``. With ``known`` one was there before: ``known`` itself, unless it is "".
    """
    main = read_main(path)
    if main is None and not anew:
        trace = "it was in use before" if known is not None else tell_trace(path)
        main = read_main(path) if trace else None  # another process may have made it meanwhile, and left the trace
        if trace and main is None:
            raise StateError(lost(str(path), trace))
    if main is None:
        return False
    refuse_other(str(path), main.identity, known)
    left = path.with_name(f"{path.name}-wal")
    if main.copied and find_size(left):
        raise StateError(
            f"{path} is a copy, and {left.name} beside it belongs to the ledger that was there before; move both away, "
            "then let 'mmflow state restore FILE' put the copy in its place"
        )
    return True


def read_main(path: Path) -> Main | None:
    """Look into a ledger's main file, None when there is none or nothing is in it; :class:`StateError` for no ledger.

    The log beside it is left out: SQLite, let at an empty file or at that of something else, would clear the log away,
    or write it into that file.
    """
    if not find_size(path):
        return None
    # By SQLite, since a plain close of the file would take away all locks that this process has on it (POSIX).
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True)) as file:
            tables = {str(name) for (name,) in file.execute(FIND_TABLES)}
            if not tables >= NEEDED:
                refuse_foreign(path, tables)
                return None
            return Main(**{str(key): str(value) for key, value in file.execute(READ_NOTES, (IDENTITY, COPIED))})
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code == sqlite3.SQLITE_NOTADB and not find_size(path.with_name(path.name + JOURNAL)):
            raise StateError(damaged(path)) from error
        return Main()  # written to at this moment, or torn: whoever opens it sees


def refuse_foreign(path: Path, tables: set[str]) -> None:
    """Raise :class:`StateError` for a file of something else; one without tables, or that is being made, is none."""
    if others := sorted(tables - TABLES.keys()):
        raise StateError(
            f"{path} is not a ledger: the table {others[0]!r} in it is none of mmflow; move it away, then {ADVICE}"
        )


def tell_seen(database: str, home: Path | None) -> str:
    """Say what shows that this machine has worked with a ledger in a database, "" when nothing does."""
    if home is None:
        return ""
    try:
        seen = (home / SEEN).read_text(encoding="utf-8")
    except OSError:
        # Before there was such a file; where there is a ledger in a file, the traces are of work with that.
        trace = None if find_size(home / LEDGER_FILE) else next(list_used(home), None)
    else:
        trace = home / SEEN if seen.strip() == database else None
    return f"{trace} says that there was one" if trace else ""


def note_seen(database: str, home: Path | None) -> None:
    """Leave word that this machine works with a ledger in a database."""
    if home is None:
        return
    with suppress(OSError, MmflowError):  # on a full disk, or one that cannot be written, others say so
        if not tell_seen(database, home).startswith(str(home / SEEN)):
            make_private(home)
            with replace_file(home / SEEN) as file:
                file.write(f"{database}\n".encode())


def tell_trace(path: Path) -> str:
    """Say what shows that there was a ledger, "" when nothing does."""
    trace = next(chain(list_used(path.parent), list_beside(path)), None)
    return f"{trace} says that there was one" if trace else ""


def list_used(folder: Path) -> Iterator[Path]:
    """Give the folders in which work with a ledger left something."""
    folders = (folder / name for name in TRACES)
    return (one for one in folders if one.is_dir() and any(one.iterdir()))


def list_beside(path: Path) -> Iterator[Path]:
    """Give files that are called like a ledger and hold something; not what is left where one was about to be made."""
    none = {path.name, path.name + JOURNAL, f"{path.name}-shm"}
    return (one for one in path.parent.glob(f"{path.stem}.*") if one.name not in none and find_size(one))


def find_size(path: Path) -> int:
    """Give the bytes of a file, 0 when there is none."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def lost(place: str, trace: str, advice: str = ADVICE) -> str:
    """Give the sentence for a ledger that must have been there."""
    unknowing = "a new one would not know what was sent, and send it again"
    told = f"the ledger {place} is missing, and {trace}; {unknowing}"
    return f"{told}: {advice}"


def damaged(path: Path) -> str:
    """Give the sentence for a file that is no longer a ledger."""
    advice = "'mmflow state restore FILE' puts a backup in its place, or move it away and begin anew with"
    return f"the ledger {path} is damaged; {advice} 'mmflow state init'"
