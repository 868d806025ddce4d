"""The ledger on SQLite: every change is one transaction, and a commit with a stale fence is refused."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from mmflow import __version__
from mmflow.atomic import make_private
from mmflow.clock import Clock
from mmflow.errors import StateError, UserError
from mmflow.ledger import statements as sql
from mmflow.ledger.migrations import MIGRATIONS
from mmflow.ledger.records import Delivery, DeliveryState, Run, RunState, SiteSpans, SlotKind
from mmflow.sinks import Receipt

BUSY_SECONDS = 30
CHECK_EVERY = timedelta(days=1)
IN_MEMORY = ":memory:"


class Ledger:
    """Slots, runs and deliveries in one file. Made by :meth:`open`; use it as a context manager; not for two threads.

    Every method raises :class:`StateError` when the file cannot be used.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path, clock: Clock) -> None:
        self._connection = connection
        self._path = path
        self._clock = clock

    @classmethod
    def open(cls, path: Path, clock: Clock) -> Ledger:
        """Open the file, making or migrating it (after a backup beside it) when needed.

        Every page is looked at once a day, and when the last process that had it open did not end in order.
        """
        left = path.with_name(f"{path.name}-wal")
        try:
            make_private(path.parent)
            # Made here, since SQLite gives its other files the rights of this one, and would let others read it.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            clean = not left.exists()
            connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
        except (OSError, sqlite3.Error) as error:
            raise StateError(f"the ledger {path} cannot be opened: {error}") from error
        ledger = cls(connection, path, clock)
        ledger._prepare(clean=clean)
        return ledger

    @classmethod
    def look(cls, path: Path, clock: Clock) -> Ledger:
        """Open the file when there is one, else an empty ledger in memory: who only looks leaves nothing behind."""
        known = path if path.parent.is_dir() else path.parent
        if known.exists():
            return cls.open(path, clock)
        ledger = cls(sqlite3.connect(IN_MEMORY, isolation_level=None), path, clock)
        ledger._prepare(clean=True)
        return ledger

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let the file go."""
        self._connection.close()

    # -- what happened

    def begin_run(self, run: str, job: str, due: datetime, kind: SlotKind) -> None:
        """Record that a slot is being executed; what an ended process left open for this job is closed first.

        The caller holds the job's lock, so nothing of this job can be running elsewhere.
        """
        now = self._now()
        with self._transaction():
            self._close_left(job)
            self._do(sql.PUT_SLOT, job, as_text(due), kind, "running", "", now)
            self._do(sql.ADD_RUN, run, job, as_text(due), kind, now, __version__)

    def note_plan(self, run: str, spans: SiteSpans, deliveries: Iterable[tuple[str, str, str]]) -> None:
        """Record what will be asked, and each delivery to come as ``(sink, type, key)``."""
        with self._transaction():
            self._do(sql.NOTE_SPANS, msgspec.json.encode(spans).decode(), run)
            self._add_deliveries(run, deliveries)

    def begin_resend(self, run: str, job: str, deliveries: Iterable[tuple[str, str, str]]) -> None:
        """Record deliveries to come for a run that has ended, under the same conditions as :meth:`begin_run`."""
        with self._transaction():
            self._close_left(job)
            self._add_deliveries(run, deliveries)

    def _close_left(self, job: str) -> None:
        left, now = "the process ended before the run did", self._now()
        self._do(sql.ABANDON_DELIVERIES, left, now, job)
        self._do(sql.ABANDON_RUNS, now, left, job)
        self._do(sql.ABANDON_SLOTS, left, now, job)

    def _add_deliveries(self, run: str, deliveries: Iterable[tuple[str, str, str]]) -> None:
        for sink, kind, key in deliveries:
            self._do(sql.ADD_DELIVERY, run, sink, kind, key, self._now())

    def take_delivery(self, run: str, sink: str) -> Delivery:
        """Start one attempt: a new fence, and the highest generation of its key."""
        with self._transaction():
            self._do(sql.TAKE_DELIVERY, self._now(), run, sink)
        return self.delivery(run, sink)

    def commit_delivery(
        self, taken: Delivery, state: DeliveryState, *, receipt: Receipt | None = None, error: str = ""
    ) -> None:
        """Record how an attempt ended; a delivery that others have taken over meanwhile raises StateError.

        Without a receipt that of an earlier try stays: what it proves is done.
        """
        proof = msgspec.json.encode(receipt).decode() if receipt else ""
        now = self._now()
        with self._transaction():
            changed = self._do(
                sql.COMMIT_DELIVERY, state, proof, proof, error, now, taken.run, taken.sink, taken.fence
            ).rowcount
            if not changed:
                raise StateError(f"delivery {taken.sink!r} of run {taken.run} was taken over by another worker")
            if state == "done":
                self._do(sql.SUPERSEDE, now, taken.key, taken.run, taken.sink)

    def note_table(
        self,
        run: str,
        rows: int,
        notices: Iterable[str],
        extracted: datetime,
        snapshot: str,
        missing: Iterable[tuple[str, str]] = (),
    ) -> None:
        """Record that the table is made and stored, before any sink is touched; ``missing``: (site, reason)."""
        texts, sites = (msgspec.json.encode(list(values)).decode() for values in (notices, missing))
        with self._transaction():
            self._do(sql.NOTE_TABLE, rows, texts, as_text(extracted), snapshot, sites, run)

    def finish_run(self, run: str, state: RunState, *, error: str = "", skipped: str = "") -> None:
        """Record the end of a run, of its slot and of deliveries that have none; one that was under way is unknown.

        ``skipped`` is the reason when nothing was to be delivered.
        """
        now = self._now()
        slot = "failed" if state == "failed" else "skipped" if skipped else "done"
        reason = skipped or ("the run was held" if state == "held" else "the run failed")
        with self._transaction():
            self._do(sql.CLOSE_DELIVERIES, now, reason, "failed" if state == "failed" else "skipped", run)
            self._do(sql.FINISH_RUN, state, now, error, run)
            self._do(sql.END_SLOT, slot, skipped or error, now, run)

    def forget_before(self, snapshots: datetime, runs: datetime) -> None:
        """Drop what retention allows: runs that began before one instant, and snapshots of those before the other."""
        with self._transaction():
            self._do(sql.FORGET_SNAPSHOTS, as_text(snapshots))
            self._do(sql.DROP_OLD_RUNS, as_text(runs))
            self._do(sql.DROP_BARE_SLOTS, as_text(runs))

    # -- what is known

    def read_run(self, run: str) -> Run:
        """Give one run; an unknown id raises :class:`UserError`."""
        row = self._do(sql.READ_RUN, run).fetchone()
        if not row:
            raise UserError(f"there is no run {run!r}; 'mmflow runs' lists them")
        return as_run(row)

    def runs(self, job: str = "", limit: int = 20) -> list[Run]:
        """Give the latest runs, newest first."""
        rows = self._do(sql.RECENT_RUNS_OF, job, limit) if job else self._do(sql.RECENT_RUNS, limit)
        return [as_run(row) for row in rows.fetchall()]

    def deliveries(self, run: str) -> list[Delivery]:
        """Give the deliveries of a run, by sink name."""
        return [as_delivery(row) for row in self._do(sql.READ_DELIVERIES, run).fetchall()]

    def delivery(self, run: str, sink: str) -> Delivery:
        """Give one delivery; the caller knows that it exists."""
        return as_delivery(self._do(sql.READ_DELIVERY, run, sink).fetchone())

    def last_receipt(self, key: str) -> Receipt | None:
        """Give the receipt of the latest generation delivered under this key."""
        row = self._do(sql.LAST_RECEIPT, key).fetchone()
        return msgspec.json.decode(row[0], type=Receipt) if row else None

    def standing_run(self, key: str) -> str:
        """Give the run whose delivery stands at the destination of this key, "" when none does."""
        row = self._do(sql.STANDING_RUN, key).fetchone()
        return str(row[0]) if row else ""

    def doubtful_run(self, key: str) -> str:
        """Give the run of which nobody can tell whether its delivery of this key arrived, "" when there is none."""
        row = self._do(sql.DOUBTFUL_RUN, key).fetchone()
        return str(row[0]) if row else ""

    # -- ground

    def _prepare(self, *, clean: bool) -> None:
        try:
            self._do("PRAGMA journal_mode = WAL")
            self._do("PRAGMA synchronous = FULL")
            self._do("PRAGMA foreign_keys = ON")
            with self._transaction():
                self._do(sql.CREATE_META)
            self._refuse_newer()
            if not clean or self._check_due():
                self._check_pages()
            self._migrate()
        except BaseException:
            self.close()
            raise

    def _refuse_newer(self) -> None:
        if self._version() > len(MIGRATIONS):
            raise StateError(
                f"the ledger {self._path} was written by a newer mmflow ({self._meta('written_by')}); "
                f"this is {__version__}: install that version or a later one"
            )

    def _check_due(self) -> bool:
        checked = self._meta("checked")
        return not checked or abs(self._clock.now() - datetime.fromisoformat(checked)) >= CHECK_EVERY

    def _check_pages(self) -> None:
        if self._do("PRAGMA quick_check(1)").fetchone()[0] != "ok":
            raise StateError(damaged(self._path))
        with suppress(StateError), self._transaction():  # without room to note it the next process looks again
            self._do(sql.WRITE_META, "checked", self._now())

    def _migrate(self) -> None:
        version = self._version()
        if 0 < version < len(MIGRATIONS):
            self._back_up(version)
        if version < len(MIGRATIONS):
            with self._transaction():
                for step in MIGRATIONS[self._version() :]:
                    for statement in step:
                        self._do(statement)
                self._do(sql.WRITE_META, "schema_version", str(len(MIGRATIONS)))
                self._do(sql.WRITE_META, "written_by", __version__)

    def _version(self) -> int:
        return int(self._meta("schema_version") or 0)

    def _meta(self, key: str) -> str:
        row = self._do(sql.READ_META, key).fetchone()
        return str(row[0]) if row else ""

    def _back_up(self, version: int) -> None:
        # A plain copy of a file in WAL mode loses committed rows; SQLite's own backup does not.
        target = sqlite3.connect(self._path.with_suffix(f".v{version}.backup"))
        try:
            self._connection.backup(target)
        finally:
            target.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._do("BEGIN IMMEDIATE")
        try:
            yield
            self._do("COMMIT")
        except BaseException:
            self._connection.rollback()
            raise

    def _do(self, statement: str, *values: str | int | None) -> sqlite3.Cursor:
        try:
            return self._connection.execute(statement, values)
        except sqlite3.DatabaseError as error:
            raise StateError(describe_failure(self._path, error)) from error

    def _now(self) -> str:
        return as_text(self._clock.now())


def describe_failure(path: Path, error: sqlite3.DatabaseError) -> str:
    """Give the sentence for what SQLite refused."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # what kind; the other bits say how it came about
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return damaged(path)
    if code == sqlite3.SQLITE_BUSY:
        return f"the ledger {path} is locked by another process for more than {BUSY_SECONDS} s; end it and try again"
    if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
        return f"the ledger {path} cannot be written: {error}; make room if the disk is full, else check it"
    return f"the ledger {path} cannot be used: {error}"


def damaged(path: Path) -> str:
    """Give the sentence for a file that is no longer a ledger."""
    return f"the ledger {path} is damaged; put a backup in its place, or move it away to begin anew"


def as_text(moment: datetime) -> str:
    """Write an aware instant so that texts sort like instants."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def as_run(row: tuple[object, ...]) -> Run:
    """Build a run from its columns; its fields stand in the order of ``RUN_COLUMNS``."""
    values = dict(zip(Run.__struct_fields__, row, strict=True))
    values |= {name: msgspec.json.decode(str(values[name])) for name in ("notices", "spans", "missing")}
    return msgspec.convert(values, Run)


def as_delivery(row: tuple[object, ...]) -> Delivery:
    """Build a delivery from its columns; its fields stand in the order of ``DELIVERY_COLUMNS``."""
    values = dict(zip(Delivery.__struct_fields__, row, strict=True))
    values["receipt"] = msgspec.json.decode(str(values["receipt"])) if values["receipt"] else None
    return msgspec.convert(values, Delivery)
