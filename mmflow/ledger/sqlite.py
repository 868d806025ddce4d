"""The ledger in a file, by SQLite."""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from mmflow.atomic import make_private, replace_path
from mmflow.clock import Clock
from mmflow.errors import MmflowError, StateError
from mmflow.ledger import statements as sql
from mmflow.ledger.driver import Value, as_text
from mmflow.ledger.identity import (
    COPIED,
    FIND_TABLES,
    IDENTITY,
    JOURNAL,
    NEEDED,
    SIDE_FILES,
    damaged,
    is_begun,
    keep_identity,
    keep_silent,
    lost,
    refuse_other,
)
from mmflow.ledger.lock import is_daemon_elsewhere
from mmflow.ledger.migrations import MIGRATIONS, Steps, migrate, read_meta, refuse_newer, write_meta

log = logging.getLogger(__name__)

BUSY_SECONDS: Final = 30.0
CHECK_PAGES: Final = "PRAGMA quick_check(1)"
CHECK_EVERY: Final = timedelta(days=1)
IN_MEMORY: Final = ":memory:"


def open_sqlite(
    path: Path,
    clock: Clock,
    *,
    anew: bool = False,
    known: str | None = None,
    steps: Steps = MIGRATIONS,
    patience: float = BUSY_SECONDS,
) -> SqliteDriver:
    """Open the file, making or migrating it (after a backup beside it) when needed.

    One that is missing where there was one before is made only ``anew``, by somebody's word: a new one knows nothing of
    what was sent. With ``known`` none is made: one was there before, known by that unless it is "". ``patience`` are
    the seconds for which the locks of other processes are waited for.
    """
    begun = is_begun(path, anew=anew, known=known)
    try:
        make_private(path.parent)
        if not begun:
            # Made here, since SQLite gives its other files the rights of this one, and would let others read it.
            # Never one that is there already: to close a file takes away every lock that this process has on it
            # (POSIX), also those of SQLite, and others would then clear away the log that we still write to.
            with suppress(FileExistsError):
                os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        # The log of a process that did not end in order, unless it is that of a daemon at work, which has looked.
        left = known is None and path.with_name(f"{path.name}-wal").exists()
        clean = not left or is_daemon_elsewhere(path.parent)
        connection = sqlite3.connect(path, timeout=patience, isolation_level=None)
    except (OSError, sqlite3.Error) as error:
        raise StateError(f"the ledger {path} cannot be opened: {error}") from error
    driver = SqliteDriver(connection, path, clock)
    driver.prepare(steps, clean=clean, make=not begun, known=known)
    return driver


def open_memory(place: str, clock: Clock) -> SqliteDriver:
    """Make an empty ledger in memory; ``place`` is where it would be."""
    driver = SqliteDriver(sqlite3.connect(IN_MEMORY, isolation_level=None), Path(IN_MEMORY), clock)
    driver.place = place
    driver.prepare(MIGRATIONS, clean=True, make=True)
    return driver


def refuse_lost(path: Path) -> None:
    """Raise :class:`StateError` when a ledger is missing that must have been there, or something else is there."""
    is_begun(path)


class SqliteDriver:
    """A ledger's file; see :class:`~mmflow.ledger.driver.Driver`."""

    shared = False

    def __init__(self, connection: sqlite3.Connection, path: Path, clock: Clock) -> None:
        self._connection = connection
        self._path = path
        self.place = str(path)  # for people
        self._clock = clock
        self._file = find_file(path)
        self.identity = ""

    def prepare(self, steps: Steps, *, clean: bool, make: bool = False, known: str | None = None) -> None:
        """Bring it up to date, and look for damage."""
        try:
            self.do("PRAGMA synchronous = FULL")
            self.do("PRAGMA foreign_keys = ON")
            if not make:
                self._expect_tables()
            # Whoever only looks waits for no writer.
            with self.transaction() if make or self._is_strange() else nullcontext():
                if make:
                    self.do(sql.CREATE_META)
                refuse_newer(self, steps)
                self._identify(known)
            if make:
                migrate(self, steps, self._keep_old)  # before there is a log, so that the main file tells what it is
            self.do("PRAGMA journal_mode = WAL")
            if not clean or self._check_due():
                self._check_pages()
            migrate(self, steps, self._keep_old)
        except BaseException:
            self.close()
            raise

    def _expect_tables(self) -> None:
        if not {name for (name,) in self.do(FIND_TABLES)} >= NEEDED:
            raise StateError(lost(self.place, "what is there is empty"))

    def _is_strange(self) -> bool:
        return not read_meta(self, IDENTITY) or bool(read_meta(self, COPIED))

    def _identify(self, known: str | None) -> None:
        if read_meta(self, COPIED):  # somebody has put it there by hand
            log.warning(
                "the ledger %s is a copy that was put there: nobody is mailed about times until now", self.place
            )
            for statement, values in keep_silent(self.now()):
                self.do(statement, *values)
        self.identity = keep_identity(self)
        refuse_other(self.place, self.identity, known)

    def _keep_old(self, version: int) -> None:
        self.back_up(self._path.with_suffix(f".v{version}.backup"))

    def _check_due(self) -> bool:
        checked = read_meta(self, "checked")
        return not checked or abs(self._clock.now() - datetime.fromisoformat(checked)) >= CHECK_EVERY

    def _check_pages(self) -> None:
        expect_sound(self._path, self.do(CHECK_PAGES))
        with suppress(StateError), self.transaction():  # without room to note it the next process looks again
            write_meta(self, "checked", as_text(self._clock.now()))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Give one transaction; other writers wait."""
        self.do("BEGIN IMMEDIATE")
        try:
            yield
            self.do("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):  # what cannot be undone now is when the file is opened anew
                self._connection.rollback()
            raise

    def do(self, statement: str, *values: Value) -> sqlite3.Cursor:
        """Execute one statement."""
        try:
            return self._connection.execute(statement, values)
        except sqlite3.DatabaseError as error:
            raise StateError(describe_failure(self._path, error)) from error

    def now(self) -> datetime:
        """Give the present instant: all who share a file share the clock of its machine."""
        return self._clock.now()

    def hold(self, name: str) -> bool:  # noqa: ARG002  # as every driver has it
        """Give True: no other machine shares the file."""
        return True

    def is_held(self, name: str) -> bool:  # noqa: ARG002  # likewise
        """Give False."""
        return False

    def back_up(self, path: Path) -> None:
        """Copy all of it, as it is at one moment, into a file that takes the place of the one that is there."""
        try:
            make_private(path.parent)
            with replace_path(path) as fresh:
                copy_pages(self._path, fresh, (sql.WRITE_META, (COPIED, as_text(self._clock.now()))))
        except StateError:  # it is damaged
            raise
        except (OSError, sqlite3.Error, MmflowError) as error:
            raise StateError(f"the ledger {self._path} cannot be copied to {path}: {error}; make room there") from error

    def size(self) -> int:
        """Give the bytes of its file."""
        pages, page = (self.do(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
        return int(pages * page)

    def check_place(self) -> None:
        """Raise :class:`StateError` when its file was deleted or replaced, which writing to it does not notice."""
        if find_file(self._path) != self._file:
            is_begun(self._path, known=self.identity)
            raise StateError(f"the ledger {self._path} was deleted or replaced while it was in use; it is opened anew")

    def close(self) -> None:
        """Let the file go."""
        self._connection.close()


def find_file(path: Path) -> tuple[int, int] | None:
    """Give what tells a file from another one of its name, None when there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def copy_pages(path: Path, target: Path, *changes: tuple[str, tuple[Value, ...]]) -> None:
    """Copy a ledger's file as it is at one moment, also while others write to it; ``changes`` are done to the copy.

    Raises :class:`StateError` when it is damaged, and so the copy.
    """
    # A plain copy of a file in WAL mode loses committed rows; SQLite's own backup does not.
    try:
        with (
            closing(sqlite3.connect(path, timeout=BUSY_SECONDS)) as source,
            closing(sqlite3.connect(target, isolation_level=None)) as copy,
        ):
            source.backup(copy)
            expect_sound(path, copy.execute(CHECK_PAGES))
            for statement, values in changes:
                copy.execute(statement, values)
            copy.execute("PRAGMA journal_mode = DELETE")  # so that the one file is all of it
    except BaseException:
        for ending in (JOURNAL, *SIDE_FILES):  # which SQLite leaves on a full disk
            target.with_name(target.name + ending).unlink(missing_ok=True)
        raise


def expect_sound(path: Path, found: sqlite3.Cursor) -> None:
    """Raise :class:`StateError` when a look at the pages has found damage."""
    if found.fetchone()[0] != "ok":
        raise StateError(damaged(path))


def describe_failure(path: Path, error: sqlite3.DatabaseError) -> str:
    """Give the sentence for what SQLite refused."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # what kind; the other bits say how it came about
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return damaged(path)
    if code == sqlite3.SQLITE_BUSY:
        return f"the ledger {path} is locked by another process for too long; end it, or try again when it is done"
    if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
        return f"the ledger {path} cannot be written: {error}; make room if the disk is full, else check it"
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN):
        advice = "let this user write into its folder, or make the disk writable if it is read-only"
        return f"the ledger {path} cannot be written: {error}; {advice}"
    if code == sqlite3.SQLITE_ERROR:  # tables or columns are not as they have to be
        advice = "'mmflow state restore FILE' puts a backup in its place, or move it away and begin anew with"
        return f"the ledger {path} is not as mmflow makes one ({error}); {advice} 'mmflow state init'"
    return f"the ledger {path} cannot be used: {error}"
