"""What people are to be told, until they have been told; and what else follows from the end of a slot, exactly once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, Literal, NamedTuple

import msgspec

from mmflow.clock import Clock
from mmflow.ledger import statements as sql
from mmflow.ledger.driver import Driver, as_text
from mmflow.ledger.records import Delivery, JobRow, Run, Slot, as_delivery, as_run
from mmflow.ledger.slots import as_job, as_slot, skip_waiting, tell_pause

# Those that are `muted` repeat what was told not long ago; `done` is also what nobody but the log is told.
NoticeState = Literal["pending", "done", "failed", "muted"]
FIRST_WAIT: Final = timedelta(seconds=30)
LONGEST_WAIT: Final = timedelta(minutes=15)
MUTED_KEPT: Final = timedelta(days=2)  # what was told not long ago; the watch over deadlines looks a day back


class NewNotice(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to tell by one way. ``about`` and ``way`` make it the same notice when it is written again.

    ``way`` is JSON text: by what, and whom; "" for the log alone. ``content`` is JSON text, what is told.
    """

    job: str  # "" for what is about the daemon itself
    about: str
    kind: str
    way: str
    content: str
    next_at: datetime
    state: NoticeState = "pending"

    @property
    def id(self) -> str:
        """What names it."""
        return make_id(self.job, self.about, self.kind, self.way)


class NoticeRow(msgspec.Struct, frozen=True, kw_only=True):
    """A notice as it is on record; times are UTC. Those of one ``batch`` go out as one message."""

    id: str
    job: str
    about: str
    kind: str
    way: str
    content: str
    created: datetime
    state: NoticeState
    next_at: datetime
    attempts: int
    batch: str
    error: str


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """Notices that go out as one message: all by one way, the oldest first. ``id`` is the same at each try."""

    id: str
    way: str
    rows: tuple[NoticeRow, ...]


class End(msgspec.Struct, frozen=True, kw_only=True):
    """A slot that has ended, with what is known around it, before anything has followed from that.

    ``run`` is its latest run, None when it had none. ``told`` has the instant at which each kind of notice of this job
    was last made, muted ones left out, and ``waiting`` when those go out that were not sent yet. ``refused`` are the
    slots of its job that one look at the clock refused together with it, with itself, in the order of time; empty for
    one that was to be worked on.
    """

    slot: Slot
    run: Run | None
    deliveries: tuple[Delivery, ...]
    job: JobRow | None
    told: Mapping[str, datetime]
    waiting: Mapping[str, datetime] = {}
    refused: tuple[Slot, ...] = ()


class Trouble(NamedTuple):
    """What people are told that is about no job: its kind, its content, and when that was noticed."""

    kind: str
    content: str
    created: datetime


class Sequel(msgspec.Struct, frozen=True, kw_only=True):
    """What follows from an end. ``failed`` counts it, None neither way; ``pause`` is the reason to pause the job.

    What waits of the job to go out after ``withdraw`` is told to nobody any more.
    """

    notices: Sequence[NewNotice] = ()
    failed: bool | None = None
    pause: str = ""
    withdraw: datetime | None = None


Labelled = list[tuple[tuple[str, ...], float]]


class Failing(NamedTuple):
    """Notices that wait since a way failed with an error: how many there are, and since when the oldest waits."""

    way: str
    error: str
    number: int
    since: datetime


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """How many there are of what is open, by labels. What has ended is not counted here: it may be millions."""

    slots: Labelled
    deliveries: Labelled
    notices: Labelled
    breakers: Labelled
    paused: Labelled
    failing: Labelled


class NoticeBook:
    """The notices of a ledger. Every method raises :class:`StateError` like the ledger's."""

    def __init__(self, driver: Driver, clock: Clock) -> None:
        self._driver = driver
        self._clock = clock

    def follow(self, judge: Callable[[End], Sequel], forever: datetime, limit: int = 200) -> list[tuple[End, Sequel]]:
        """Let happen what follows from slots that have ended, the first to end first; give them with what it was.

        All of it is one transaction, in which ``judge`` only decides. A job that is paused is so until ``forever``.
        """
        followed: list[tuple[End, Sequel]] = []
        with self._driver.transaction():
            for row in self._driver.do(sql.UNTOLD_SLOTS, limit).fetchall():
                end = self._surround(as_slot(row), followed[-1][0] if followed else None)
                followed.append((end, judge(end)))
                self._carry_out(*followed[-1], as_text(forever))
            if followed:
                self._driver.do(sql.DROP_MUTED, as_text(self._clock.now() - MUTED_KEPT))
        return followed

    def add(self, notices: Iterable[NewNotice]) -> int:
        """Write notices; those that are known already stay as they are. Give how many are new."""
        now = self._now()
        with self._driver.transaction():
            return sum(self._write(notice, now) for notice in notices)

    def list_troubles(self, since: datetime) -> list[Trouble]:
        """Give what was noticed since then that is about no job, the oldest first, each once for all ways."""
        rows = self._driver.do(sql.RECENT_TROUBLES, as_text(since)).fetchall()
        return [Trouble(str(kind), str(content), datetime.fromisoformat(at)) for kind, content, at in rows]

    def told_kinds(self, job: str) -> dict[str, datetime]:
        """Give when each kind of notice of a job was last made, muted ones left out."""
        return self._read_instants(sql.TOLD_KINDS, job)

    def list_due(self) -> list[str]:
        """Give the ways by which something is to go out now, each once."""
        return [str(row[0]) for row in self._driver.do(sql.ALL_DUE_WAYS, as_text(self._clock.now())).fetchall()]

    def take(self, lasts: timedelta = timedelta(0), only: Container[str] | None = None) -> list[Batch]:
        """Give the messages that are to go out now, and put off their next try, so that a kill delays and loses none.

        ``only`` names the ways by which they may go out, None is for all.

        What is due by one way takes along what waits for it and was gathered with it, but not what is put off for long.
        Nobody else takes them while a try ``lasts``.
        """
        now = self._clock.now()
        with self._driver.transaction():
            again = [str(row[0]) for row in self._driver.do(sql.DUE_BATCHES, as_text(now)).fetchall()]
            ways = [str(row[0]) for row in self._driver.do(sql.DUE_WAYS, as_text(now)).fetchall()]
            batches = [self._read_batch(sql.BATCH_NOTICES, batch) for batch in again]
            batches += [self._read_batch(sql.WAITING_NOTICES, way, now) for way in ways]
            batches = [batch for batch in batches if only is None or batch.way in only]
            for batch in batches:
                next_at = as_text(now + max(next_wait(batch.rows[0].attempts), lasts))
                for row in batch.rows:
                    self._driver.do(sql.TRY_NOTICE, batch.id, next_at, row.id)
        return batches

    def settle(self, batch: Batch, state: NoticeState, error: str = "", next_at: datetime | None = None) -> None:
        """Write down what came of a try: ``done``, ``failed`` for good, or ``pending`` until ``next_at``."""
        with self._driver.transaction():
            if next_at is None:
                self._driver.do(sql.END_NOTICES, state, error, batch.id)
            else:
                self._driver.do(sql.DELAY_NOTICES, as_text(next_at), error, batch.id)

    def next_due(self) -> datetime | None:
        """Give when the next message is to go out, None when none waits."""
        found = self._driver.do(sql.NEXT_NOTICE).fetchone()[0]
        return datetime.fromisoformat(found) if found else None

    def list_failing(self) -> list[Failing]:
        """Give what waits since a way failed, by way and error; what is tried last is the last."""
        rows = self._driver.do(sql.FAILING_WAYS).fetchall()
        return [
            Failing(str(way), str(error), int(number), datetime.fromisoformat(at)) for way, error, number, at in rows
        ]

    def read_figures(self, most_jobs: int) -> Figures:
        """Count what is open now; of the jobs that fail give the worst, at most so many."""
        now = as_text(self._clock.now())

        def read(statement: str, *values: str | int) -> Labelled:
            rows = self._driver.do(statement, *values).fetchall()
            return [(tuple(map(str, row[:-1])), float(row[-1])) for row in rows]

        return Figures(
            slots=read(sql.OPEN_SLOT_COUNTS),
            deliveries=read(sql.OPEN_DELIVERY_COUNTS),
            notices=read(sql.COUNT_NOTICES),
            breakers=read(sql.OPEN_BREAKER_COUNT, now),
            paused=read(sql.PAUSED_COUNT, now),
            failing=read(sql.FAILING_JOBS, most_jobs),
        )

    def list_recent(self, limit: int = 50) -> list[NoticeRow]:
        """Give the latest notices, newest first."""
        return [as_notice(row) for row in self._driver.do(sql.RECENT_NOTICES, limit).fetchall()]

    def read_times(self, job: str, due: datetime) -> list[tuple[Slot, Run | None]]:
        """Give every slot of a job that was due at an instant, of whatever kind, each with its latest run."""
        found = []
        for slot in map(as_slot, self._driver.do(sql.SLOTS_AT, job, as_text(due)).fetchall()):
            run = self._driver.do(sql.READ_RUN, slot.run).fetchone()
            found.append((slot, as_run(run) if run else None))
        return found

    def _surround(self, slot: Slot, before: End | None) -> End:
        do = self._driver.do
        run, job = do(sql.READ_RUN, slot.run).fetchone(), do(sql.READ_JOB, slot.job).fetchone()
        return End(
            slot=slot,
            run=as_run(run) if run else None,
            deliveries=tuple(map(as_delivery, do(sql.READ_DELIVERIES, slot.run).fetchall())) if run else (),
            job=as_job(job) if job else None,
            told=self.told_kinds(slot.job),
            waiting=self._read_instants(sql.WAITING_KINDS, slot.job),
            refused=self._read_refused(slot, before),
        )

    def _read_instants(self, statement: str, job: str) -> dict[str, datetime]:
        return {str(kind): datetime.fromisoformat(at) for kind, at in self._driver.do(statement, job).fetchall()}

    def _read_refused(self, slot: Slot, before: End | None) -> tuple[Slot, ...]:
        """Give what was refused together with a slot; ends come by job and time, so mostly the one before has it."""
        if slot.kind != "schedule" or slot.run or slot.planned != slot.updated:
            return ()
        if before and (before.slot.job, before.slot.updated) == (slot.job, slot.updated) and before.refused:
            return before.refused
        rows = self._driver.do(sql.REFUSED_SLOTS, slot.job, as_text(slot.updated)).fetchall()
        return tuple(map(as_slot, rows))

    def _carry_out(self, end: End, sequel: Sequel, forever: str) -> None:
        slot, now = end.slot, self._now()
        self._driver.do(sql.MARK_TOLD, slot.job, as_text(slot.due), slot.kind)
        if sequel.failed is not None:
            self._driver.do(sql.COUNT_FAILURES, int(sequel.failed), now, slot.job)
        if sequel.pause:
            self._driver.do(sql.PAUSE_FAILING_JOB, forever, sequel.pause, now, slot.job)
            skip_waiting(self._driver, slot.job, tell_pause(datetime.fromisoformat(forever), sequel.pause), now)
        if sequel.withdraw:
            self._driver.do(sql.WITHDRAW_NOTICES, slot.job, as_text(sequel.withdraw))
        for notice in sequel.notices:
            self._write(notice, now)

    def _write(self, notice: NewNotice, now: str) -> int:
        return self._driver.do(
            sql.ADD_NOTICE,
            *(notice.id, notice.job, notice.about, notice.kind, notice.way, notice.content),
            *(now, notice.state, as_text(notice.next_at)),
        ).rowcount

    def _read_batch(self, statement: str, value: str, now: datetime | None = None) -> Batch:
        rows = tuple(map(as_notice, self._driver.do(statement, value).fetchall()))
        if now:
            rows = choose_rows(rows, now)
        return Batch(id=rows[0].batch or make_id(*(row.id for row in rows)), way=rows[0].way, rows=rows)

    def _now(self) -> str:
        return as_text(self._clock.now())


def choose_rows(rows: Sequence[NoticeRow], now: datetime) -> tuple[NoticeRow, ...]:
    """Give those that go out together: what is due, and what became known no longer before its time than that."""
    gathered = min((row.next_at - row.created for row in rows if row.next_at <= now), default=timedelta())
    return tuple(row for row in rows if row.next_at <= now + max(gathered, timedelta()))


def next_wait(attempts: int) -> timedelta:
    """Give how long to wait for the next try, when so many were made before this one."""
    return min(LONGEST_WAIT, FIRST_WAIT * (1 << min(attempts, 10)))


def make_id(*parts: str) -> str:
    """Give a short name that is the same for the same parts."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def as_notice(row: tuple[object, ...]) -> NoticeRow:
    """Build a notice from its columns; its fields stand in the order of ``NOTICE_COLUMNS``."""
    return msgspec.convert(dict(zip(NoticeRow.__struct_fields__, row, strict=True)), NoticeRow)
