"""What happened, in the durable record: every change is one transaction, a commit with a stale fence is refused."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from mmflow import __version__
from mmflow.clock import Clock
from mmflow.errors import Busy, StateError
from mmflow.ledger import statements as sql
from mmflow.ledger.backup import back_up_daily
from mmflow.ledger.breakers import BreakerBook
from mmflow.ledger.driver import Driver, Value, as_text
from mmflow.ledger.known import Known
from mmflow.ledger.notices import NoticeBook
from mmflow.ledger.place import Database, Place
from mmflow.ledger.postgres import look_postgres, open_postgres
from mmflow.ledger.records import (
    Delivery,
    DeliveryState,
    Moved,
    RunState,
    SiteSpans,
    Slot,
    SlotKind,
)
from mmflow.ledger.slots import SlotBook
from mmflow.ledger.sqlite import open_memory, open_sqlite, refuse_lost
from mmflow.ledger.upkeep import PORTION, Facts, export_rows, forget, read_facts
from mmflow.sinks import Receipt

log = logging.getLogger(__name__)


class Ledger(Known):
    """Slots, runs and deliveries. Made by :meth:`open`; use it as a context manager; not for two threads.

    ``slots`` is the part about what is due and who works on it, ``notices`` that about who is to be told what,
    ``breakers`` that about who is left alone for a while. Every method raises :class:`StateError` when the database
    cannot be used.
    """

    def __init__(self, driver: Driver, clock: Clock) -> None:
        super().__init__(driver)
        self._clock = clock
        self._transaction = driver.transaction
        self.slots = SlotBook(driver, clock)
        self.notices = NoticeBook(driver, clock)
        self.breakers = BreakerBook(driver, clock)

    @classmethod
    def open(cls, place: Place, clock: Clock, *, anew: bool = False, known: str | None = None) -> Ledger:
        """Open it, making or migrating it when needed: a file after a backup beside it.

        One that is missing where there was one is made only ``anew``. With ``known`` none is made: it is the ledger of
        that ``identity``, any if that is "", or refused. Of a file every page is looked at once a day, and when the
        last process that had it open did not end in order, as far as no daemon is at work that has done so.
        """
        if isinstance(place, Database):
            return cls(open_postgres(place, clock, anew=anew, known=known), clock)
        return cls(open_sqlite(place, clock, anew=anew, known=known), clock)

    @classmethod
    def look(cls, place: Place, clock: Clock) -> Ledger:
        """Open it when there is one, else an empty ledger in memory: who only looks leaves nothing behind."""
        if isinstance(place, Database):
            return cls(look_postgres(place, clock) or open_memory(str(place), clock), clock)
        refuse_lost(place)
        known = place if place.parent.is_dir() else place.parent
        return cls.open(place, clock) if known.exists() else cls(open_memory(str(place), clock), clock)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let the file go."""
        self._driver.close()

    def check_place(self) -> None:
        """Raise :class:`StateError` when it was deleted or replaced while it was open."""
        self._driver.check_place()

    # -- the whole

    @property
    def identity(self) -> str:
        """What tells it from every other ledger but its copies."""
        return self._driver.identity

    def facts(self) -> Facts:
        """Give what it holds, in figures."""
        return read_facts(self._driver)

    def find_lease(self) -> str:
        """Name a job that is leased right now and who has it, "" when none is."""
        row = self._do(sql.ANY_LEASE, as_text(self._driver.now())).fetchone()
        return f"{row[0]}: {row[1]}" if row else ""

    def export(self) -> Iterator[dict[str, Value]]:
        """Give every row of every table, with the name of its table; see :func:`export_rows`."""
        return export_rows(self._driver)

    def forget(self, job: str = "") -> int:
        """Forget a job, or everything, as if it had never run; give how many runs there were."""
        return forget(self._driver, job)

    def back_up(self, path: Path) -> None:
        """Copy a ledger in a file, as it is at one moment; :class:`UserError` for one in a database."""
        self._driver.back_up(path)

    def back_up_daily(self, folder: Path) -> Path | None:
        """Copy a ledger in a file once a day; None when there is nothing to do. See :func:`back_up_daily`."""
        return back_up_daily(self._driver, folder, self._clock.now())

    # -- what happened

    def begin_run(self, run: str, job: str, due: datetime, kind: SlotKind, fence: int | None = None) -> None:
        """Record that a slot is being executed; what an ended process left open for this job is closed first.

        The caller holds the job's lock, so nothing of this job can be running elsewhere on this machine; on another one
        that shares the ledger it raises :class:`Busy`. What waits to be tried again is left alone. ``fence`` is that of
        the lease of the slot, when it has one; :class:`StateError` when another worker has taken it over.
        """
        if fence is None:
            self._keep(job)
        else:
            self._refuse_held(job, kind)
        now = self._now()
        with self._transaction():
            self._close_left(job, due, kind)
            if fence is None:
                self._do(sql.PUT_SLOT, job, as_text(due), kind, now, run)
            elif not self._do(sql.BEGIN_SLOT, run, now, job, as_text(due), kind, fence).rowcount:
                raise StateError(f"the slot {as_text(due)} of job {job} was taken over by another worker")
            self._do(sql.ADD_RUN, run, job, as_text(due), kind, now, __version__)

    def note_plan(self, run: str, spans: SiteSpans, deliveries: Iterable[tuple[str, str, str]]) -> None:
        """Record what will be asked, and each delivery to come as ``(sink, type, key)``."""
        with self._transaction():
            self._do(sql.NOTE_SPANS, msgspec.json.encode(spans).decode(), run)
            self._add_deliveries(run, deliveries)

    def begin_resend(self, run: str, job: str, deliveries: Iterable[tuple[str, str, str]]) -> None:
        """Record deliveries to come for a run that has ended or waits, under the same conditions as :meth:`begin_run`.

        What waits to be tried again goes on waiting, also of this run.
        """
        known = self.read_run(run)
        self._keep(job, known.slot if known.kind == "backfill" else None)
        with self._transaction():
            self._close_left(job, known.slot, known.kind, replaced=False)
            self._add_deliveries(run, deliveries)

    def _keep(self, job: str, window: datetime | None = None) -> None:
        # A lease would be known to all who share the ledger; this is for what has none. Held first: who has a lease
        # looks whether the job is held after that, so that one of the two sees the other.
        if not self._driver.hold(job) or (self._driver.shared and self._is_leased(job, window)):
            raise Busy(run_elsewhere(job))

    def _refuse_held(self, job: str, kind: SlotKind) -> None:
        if kind != "backfill" and self._driver.is_held(job):
            raise Busy(run_elsewhere(job))

    def _is_leased(self, job: str, window: datetime | None) -> bool:
        due = as_text(window) if window else ""
        return self._do(sql.LEASED_JOB, job, due, as_text(self._driver.now())).fetchone() is not None

    def _close_left(self, job: str, due: datetime, kind: SlotKind, *, replaced: bool = True) -> None:
        left, now = "the process ended before the run did", self._now()
        waiting = "retrying" if replaced else ""  # one of the slot that waits has no process that could have ended
        for (run,) in self._do(sql.LEFT_RUNS, job, as_text(due), kind, waiting, kind).fetchall():
            self._do(sql.ABANDON_DELIVERIES, left, now, run)
            self._do(sql.ABANDON_RUN, now, left, run)
            self._do(sql.ABANDON_SLOT, left, now, run)
            log.warning("job %s, run %s: %s", job, run, left)  # a sink can end it without a word, and with exit code 0

    def _add_deliveries(self, run: str, deliveries: Iterable[tuple[str, str, str]]) -> None:
        for sink, kind, key in deliveries:
            self._do(sql.ADD_DELIVERY, run, sink, kind, key, self._now())

    def take_delivery(self, run: str, sink: str, lease: Slot | None = None) -> Delivery:
        """Start one attempt: a new fence, and the highest generation of its key.

        With a ``lease`` that somebody else has now, :class:`Busy`: who took the slot over delivers a newer table.
        """
        with self._transaction():
            self._expect(lease)
            self._do(sql.TAKE_DELIVERY, self._now(), run, sink)
        return self.delivery(run, sink)

    def commit_delivery(
        self,
        taken: Delivery,
        state: DeliveryState,
        *,
        receipt: Receipt | None = None,
        error: str = "",
        next_at: datetime | None = None,
        passing: bool = False,
    ) -> None:
        """Record how an attempt ended; a delivery that others have taken over meanwhile raises StateError.

        Without a receipt that of an earlier try stays: what it proves is done. ``next_at`` is when the next try is due;
        ``passing`` tells whether what it met may be gone in a while, also when there is no time left for another.
        """
        proof = msgspec.json.encode(receipt).decode() if receipt else ""
        now = self._now()
        with self._transaction():
            changed = self._do(
                sql.COMMIT_DELIVERY,
                *(state, proof, proof, error, now, as_text(next_at) if next_at else "", int(passing)),
                *(taken.run, taken.sink, taken.fence),
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

    def note_traffic(self, run: str, requests: int, tries: int, received: int) -> None:
        """Record how much was asked for a run, in how many tries, and the bytes that came back."""
        with self._transaction():
            self._do(sql.NOTE_TRAFFIC, requests, tries, received, run)

    def note_moved(self, run: str, moved: Moved) -> None:
        """Record what moved since the table that this run's takes the place of."""
        with self._transaction():
            self._do(sql.NOTE_MOVED, msgspec.json.encode(moved).decode(), run)

    def begin_resume(self, run: str, lease: Slot) -> None:
        """Record that the deliveries which are left of a run go on under a lease; Busy as :meth:`begin_run`."""
        self._refuse_held(lease.job, lease.kind)
        now = self._now()
        with self._transaction():
            if not self._do(sql.RESUME_SLOT, now, *name_lease(lease), run).rowcount:
                raise lost_lease(lease)
            self._do(sql.SET_RUN, "running", "", run)

    def park_delivery(self, run: str, sink: str, next_at: datetime, reason: str) -> None:
        """Leave a delivery for later without a try."""
        with self._transaction():
            self._do(sql.PARK_DELIVERY, as_text(next_at), reason, self._now(), run, sink)

    def finish_run(
        self,
        run: str,
        state: RunState,
        *,
        error: str = "",
        skipped: str = "",
        lease: Slot | None = None,
        passing: bool = False,
        whole: bool = False,
    ) -> None:
        """Record the end of a run, of its slot and of deliveries that have none; one that was under way is unknown.

        ``skipped`` is the reason when nothing was to be delivered, or is any more. With a ``lease`` that somebody else
        has now, :class:`Busy`: then nothing is changed. ``passing`` tells whether what ended it may be gone in a while.

        A time that had ended badly and is good now is an end from which something follows once more, when it was the
        job's latest: its run was sent again by hand, or one by hand for the same time made the ``whole`` of it.
        """
        slot = "skipped" if skipped else "failed" if state == "failed" else "done"
        with self._transaction():
            self._expect(lease)
            if state == "ok":
                self._do(sql.MEND_SLOT, run)
            if state == "ok" and whole:
                self._do(sql.MEND_BY_HAND, run, self._now(), run, run)
            now = self._close_run(run, state, error, skipped, passing=passing)
            self._do(sql.END_SLOT, slot, skipped or error, now, run)

    def postpone_run(self, run: str, lease: Slot, next_at: datetime, reason: str) -> None:
        """Record that deliveries of a run are tried again: its slot is due at ``next_at``, for them alone."""
        with self._transaction():
            self._do(sql.SET_RUN, "retrying", reason, run)
            self._put_back(lease, next_at, reason, resume=run)

    def repeat_run(self, run: str, lease: Slot, state: RunState, error: str, next_at: datetime) -> None:
        """Record the end of a run that came to nothing, and that its slot is due again from the start."""
        reason = f"trying again at {next_at:%Y-%m-%d %H:%M} UTC: {error}"
        with self._transaction():
            self._close_run(run, state, error)
            self._put_back(lease, next_at, reason)

    def leave_run(self, slot: Slot, next_at: datetime, reason: str) -> None:
        """Put back a leased slot whose work ended without a word; ``slot`` is as the ledger has it now.

        A run that had begun to deliver goes on with what is left of it. One that had not begins anew: what its table
        was judged to be is not on record.
        """
        with self._transaction():
            delivering = slot.run and self._do(sql.DELIVERING_RUN, slot.run).fetchone()
            if resume := slot.resume or (slot.run if delivering else ""):
                self._do(sql.SET_RUN, "retrying", reason, resume)  # else the next run of the job would close it
            self._put_back(slot, next_at, reason, resume)

    def quarantine(self, slot: Slot, reason: str) -> None:
        """Give up on the delivery at which the process of a leased slot died again and again.

        The other deliveries of its run go on, when there are any; else the slot has failed.
        """
        run = slot.run
        with self._transaction():
            self._expect(slot)
            stopped = self._do(sql.QUARANTINE_DELIVERIES, reason, self._now(), run).rowcount
            if stopped and self._do(sql.COUNT_OPEN_DELIVERIES, run).fetchone()[0]:
                self._do(sql.SET_RUN, "retrying", reason, run)
                self._put_back(slot, self._clock.now(), reason, resume=run)
                self._do(sql.FORGET_DEATHS, *name_lease(slot)[:3])
            else:
                self._close_run(run, "failed", reason)
                self._do(sql.CLOSE_SLOT, "failed", reason, self._now(), *name_lease(slot))

    def _close_run(self, run: str, state: RunState, error: str, skipped: str = "", *, passing: bool = False) -> str:
        now = self._now()
        reason = skipped or ("the run was held" if state == "held" else "the run failed")
        self._do(sql.CLOSE_DELIVERIES, now, reason, "failed" if state == "failed" else "skipped", run)
        self._do(sql.FINISH_RUN, state, now, error, int(passing), run)
        return now

    def _put_back(self, lease: Slot, next_at: datetime, reason: str, resume: str = "") -> None:
        values = (as_text(next_at), reason, resume, self._now())
        if not self._do(sql.PUT_BACK_SLOT, *values, *name_lease(lease)).rowcount:
            raise lost_lease(lease)

    def _expect(self, lease: Slot | None) -> None:
        if lease and not self._do(sql.HELD_SLOT, *name_lease(lease)).fetchone():
            raise lost_lease(lease)

    def forget_before(self, snapshots: datetime, runs: datetime) -> None:
        """Drop what retention allows: runs that began before one instant, and snapshots of those before the other.

        The oldest :data:`PORTION` of each at most, so that nobody waits long for it; the next time takes more.
        """
        with self._transaction():
            self._do(sql.FORGET_SNAPSHOTS, as_text(snapshots), PORTION)
            for statement in (sql.DROP_OLD_RUNS, sql.DROP_BARE_SLOTS, sql.DROP_OLD_NOTICES):
                self._do(statement, as_text(runs), PORTION)

    def note(self, key: str, value: str) -> None:
        """Remember a fact about the whole ledger, such as when the daemon last looked at the clock."""
        with self._transaction():
            self._do(sql.WRITE_META, key, value)

    def _now(self) -> str:
        return as_text(self._clock.now())


def name_lease(slot: Slot) -> tuple[str, str, str, int]:
    """Give what a statement knows a lease by."""
    return slot.job, as_text(slot.due), slot.kind, slot.fence


def lost_lease(slot: Slot) -> Busy:
    """Give the error of a worker whose slot somebody else has now."""
    return Busy(f"the slot {as_text(slot.due)} of job {slot.job} was taken over by another worker")


def run_elsewhere(job: str) -> str:
    """Give the sentence for whoever finds a job running on another machine."""
    return f"job {job!r} is being run by a machine that shares the ledger; wait until it ends"
