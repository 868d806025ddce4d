"""What is due and who works on it: planned once, leased to one worker at a time, never forgotten."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import msgspec

from mmflow.clock import Clock
from mmflow.errors import Busy
from mmflow.ledger import statements as sql
from mmflow.ledger.driver import Driver, Value, as_moment, as_text
from mmflow.ledger.records import JobRow, NewSlot, PlanStep, Slot, SlotKind, SlotState

FOREVER: Final = datetime(9999, 12, 31, tzinfo=UTC)
EVER: Final = datetime(1970, 1, 1, tzinfo=UTC)
MOMENTS: Final = ("planned", "next_at", "expires", "lease_until", "paused_until")


@dataclass(frozen=True, slots=True)
class Underway:
    """A slot under way: when it was due, and since when it runs, or waits for a worker if it has not begun."""

    due: datetime
    since: datetime
    begun: bool


class SlotBook:
    """The slots of a ledger and the jobs they belong to.

    Every method raises :class:`~mmflow.errors.StateError` like the ledger's; what is given a leased slot raises
    :class:`Busy` when another has taken it over.
    """

    def __init__(self, driver: Driver, clock: Clock) -> None:
        self._driver = driver
        self._clock = clock

    # -- planning

    def plan(self, steps: Iterable[PlanStep]) -> int:
        """Move the cursors of jobs and write the slots behind them, in one transaction; give how many are new.

        A slot that is known already stays as it is unless it was taken back, and no cursor goes back. What is to be
        worked on again is so only with a new slot: else another daemon has planned the same, and may be done with it.
        """
        now = self._now()
        with self._driver.transaction():
            return sum(self._take_step(step, now) for step in steps)

    def _take_step(self, step: PlanStep, now: str) -> int:
        self._driver.do(sql.PUT_JOB, step.job, as_text(step.cursor), step.timetable, now)
        new = sum(self._write(sql.ADD_SLOT, step.job, slot, now) for slot in step.slots)
        for slot in step.turned:
            values = (slot.state, slot.state, slot.reason, int(slot.send), now, now, step.job, as_text(slot.due))
            self._driver.do(sql.TURN_SLOT, *values)
        again = step.again if new else ()
        return new + sum(self._write(sql.REOPEN_SLOT, step.job, slot, now) for slot in again)

    def reopen(self, job: str, slots: Iterable[NewSlot]) -> int:
        """Write slots that are to be worked on, also those that were before; give how many there are to do.

        One that is being worked on right now stays as it is.
        """
        now = self._now()
        with self._driver.transaction():
            return sum(self._write(sql.REOPEN_SLOT, job, slot, now) for slot in slots)

    def read_job(self, job: str) -> JobRow | None:
        """Give what is known of a job, None when it was never planned."""
        row = self._driver.do(sql.READ_JOB, job).fetchone()
        return as_job(row) if row else None

    def read_jobs(self) -> dict[str, JobRow]:
        """Give what is known of every job that was ever planned, by name."""
        return {row.job: row for row in map(as_job, self._driver.do(sql.READ_JOBS).fetchall())}

    def drop_timetables(self, jobs: Iterable[str]) -> None:
        """Forget by which schedule jobs were planned, because they have none now: one that comes back is new."""
        now = self._now()
        with self._driver.transaction():
            for job in jobs:
                self._driver.do(sql.DROP_TIMETABLE, now, job)

    def take_back(self, now: datetime) -> list[tuple[str, datetime]]:
        """Have all that was due after ``now`` planned again at its time, because the clock was ahead.

        Give the times of jobs of which a run had begun. What they delivered is delivered again, but for messages.
        """
        at = as_text(now)
        with self._driver.transaction():
            early = self._driver.do(sql.EARLY_RUNS, at, sql.AHEAD).fetchall()
            for (run,) in self._driver.do(sql.EARLY_REST, at).fetchall():
                self._driver.do(sql.ABANDON_DELIVERIES, sql.AHEAD, at, run)
                self._driver.do(sql.ABANDON_RUN, at, sql.AHEAD, run)
            self._driver.do(sql.TAKE_BACK_SLOTS, sql.AHEAD, at, at, sql.AHEAD)
            self._driver.do(sql.LOWER_CURSORS, at, at, at)
            for statement in sql.END_WAITS:
                self._driver.do(statement, at, at, at)
        return [(job, datetime.fromisoformat(due)) for job, due in early]

    def pause(self, job: str, until: datetime | None, why: str) -> None:
        """Plan nothing for a job before ``until`` (None: for ever); what is due or waits is skipped, with the reason.

        The reason shows ``until`` by the zone that it is given in.
        """
        with self._driver.transaction():
            now = self._now()
            self._driver.do(sql.PAUSE_JOB, job, now, as_text(until or FOREVER), why, now)
            skip_waiting(self._driver, job, tell_pause(until or FOREVER, why), now)

    def skip_paused(self) -> int:
        """Skip what waits of jobs that are paused, such as what was put back since; give how many slots."""
        now = self._now()
        paused = self._driver.do(sql.PAUSED_JOBS, now).fetchall()
        if not paused:
            return 0
        with self._driver.transaction():
            return sum(
                skip_waiting(self._driver, job, tell_pause(datetime.fromisoformat(until), why), now)
                for job, until, why in paused
            )

    def resume(self, job: str) -> bool:
        """Let a job go on from now, and count its failures anew; False when it was never planned.

        What waited meanwhile is not made up for.
        """
        with self._driver.transaction():
            now = self._now()
            row = self.read_job(job)
            if row and row.paused_until and row.paused_until > self._clock.now():
                skip_waiting(self._driver, job, tell_pause(row.paused_until, row.paused_why), now)
            return self._driver.do(sql.RESUME_JOB, now, now, now, job).rowcount > 0

    def count_end(self, job: str, *, failed: bool) -> None:
        """Count one more slot that failed, or begin to count anew."""
        with self._driver.transaction():
            self._driver.do(sql.COUNT_FAILURES, int(failed), self._now(), job)

    # -- working

    def take(self, owner: str, until: datetime, limit: int) -> list[Slot]:
        """Lease what is due now to ``owner``, the urgent first, at most one slot of a job and ``limit`` of all.

        A scheduled slot waits until every earlier one of its job has ended, whatever those wait for. Of a job that is
        paused only what is left of a run goes on.
        Windows that are to be filled in are not among them: see :meth:`take_windows`.
        """
        now = self._now()
        taken: dict[str, tuple[str, str, str]] = {}
        with self._driver.transaction():
            found: Sequence[tuple[str, str, str]] = self._driver.do(sql.DUE_SLOTS, now, now, limit).fetchall()
            for slot in found:
                if slot[0] not in taken and self._driver.do(sql.TAKE_SLOT, owner, as_text(until), now, *slot).rowcount:
                    taken[slot[0]] = slot
            return [as_slot(self._driver.do(sql.READ_SLOT, *one).fetchone()) for one in taken.values()]

    def take_windows(self, job: str, owner: str, until: datetime, limit: int) -> list[Slot]:
        """Lease up to ``limit`` windows of a job that are to be filled in, the earliest first, side by side."""
        now = self._now()
        with self._driver.transaction():
            found = [due for (due,) in self._driver.do(sql.DUE_WINDOWS, job, now, limit).fetchall()]
            for due in found:
                self._driver.do(sql.TAKE_SLOT, owner, as_text(until), now, job, due, "backfill")
            return [as_slot(self._driver.do(sql.READ_SLOT, job, due, "backfill").fetchone()) for due in found]

    def now(self) -> datetime:
        """Give the present instant by the clock that leases go by."""
        return self._driver.now()

    def any_due(self) -> bool:
        """Tell whether :meth:`take` would find a slot now."""
        return self._driver.do(sql.DUE_SLOTS, self._now(), self._now(), 1).fetchone() is not None

    def next_due(self) -> datetime | None:
        """Give when the next slot may be worked on, None when none waits."""
        row = self._driver.do(sql.NEXT_DUE).fetchone()
        return as_moment(row[0] or "")

    def renew(self, owner: str, until: datetime) -> int:
        """Prolong every lease of ``owner``; give how many there are."""
        with self._driver.transaction():
            return self._driver.do(sql.RENEW_SLOTS, as_text(until), owner).rowcount

    def put_back(self, slot: Slot, next_at: datetime, reason: str, resume: str = "") -> None:
        """Let a leased slot be worked on again from ``next_at`` on; of ``resume`` only the deliveries are left."""
        with self._driver.transaction():
            self._fenced(sql.PUT_BACK_SLOT, slot, as_text(next_at), reason, resume, self._now())

    def close(self, slot: Slot, state: SlotState, reason: str) -> None:
        """End a slot that no run ends: skipped, expired, or failed before a run began."""
        with self._driver.transaction():
            self._fenced(sql.CLOSE_SLOT, slot, state, reason, self._now())

    def count_death(self, slot: Slot) -> Slot:
        """Count that the process of a leased slot died; give the slot as it is then.

        Once for what is given, however often it is: ``slot`` says how many deaths there were before.
        """
        with self._driver.transaction():
            self._fenced(sql.COUNT_DEATH, slot, slot.deaths + 1, self._now())
        return self.read(slot.job, slot.due, slot.kind)

    def list_lost(self, limit: int = 1000) -> list[Slot]:
        """Give the slots whose lease has run out: whoever worked on them is gone, or thinks too long."""
        now = as_text(self._driver.now())
        return [as_slot(row) for row in self._driver.do(sql.LOST_SLOTS, now, limit).fetchall()]

    def drop_leases(self, owner: str) -> int:
        """Let the leases of all but ``owner`` run out at once, when nobody else can be alive; give how many.

        What only waited in a line, and had not begun, is due as it was before.
        """
        with self._driver.transaction():
            waited = self._driver.do(sql.RETURN_SLOTS, self._now(), owner).rowcount
            return waited + self._driver.do(sql.DROP_LEASES, as_text(EVER), owner).rowcount

    def retire(self, reason: str) -> int:
        """Close what was not begun before it expired; give how many slots."""
        now = self._now()
        with self._driver.transaction():
            return self._driver.do(sql.RETIRE_SLOTS, now, reason, reason, now).rowcount

    def wish(self, run: str, word: str) -> bool:
        """Ask whoever works on a run for something ("cancel"); False when it has ended."""
        with self._driver.transaction():
            return self._driver.do(sql.WISH_RUN, word, run).rowcount > 0

    def list_wished(self, word: str) -> list[Slot]:
        """Give the open slots whose latest run somebody has such a wish for."""
        return [as_slot(row) for row in self._driver.do(sql.WISHED_SLOTS, word).fetchall()]

    def list_owned(self, owner: str) -> list[Slot]:
        """Give the slots that ``owner`` has leased."""
        return [as_slot(row) for row in self._driver.do(sql.OWNED_SLOTS, owner).fetchall()]

    # -- looking

    def read(self, job: str, due: datetime, kind: SlotKind) -> Slot:
        """Give one slot; the caller knows that it exists."""
        return as_slot(self._driver.do(sql.READ_SLOT, job, as_text(due), kind).fetchone())

    def find(self, job: str, due: datetime, kind: SlotKind) -> Slot | None:
        """Give one slot, None when there is none."""
        row = self._driver.do(sql.READ_SLOT, job, as_text(due), kind).fetchone()
        return as_slot(row) if row else None

    def find_newer(self, slot: Slot) -> datetime | None:
        """Give the latest scheduled due instant of its job after a slot, of those that are done or will be."""
        (found,) = self._driver.do(sql.NEWER_SLOT, slot.job, as_text(slot.due)).fetchone()
        return as_moment(found or "")

    def list_open(self, job: str = "") -> list[Slot]:
        """Give what is due or being worked on, by job and due instant."""
        found = self._driver.do(sql.OPEN_SLOTS_OF, job) if job else self._driver.do(sql.OPEN_SLOTS)
        return [as_slot(row) for row in found.fetchall()]

    def list_recent(self, job: str = "", limit: int = 20) -> list[Slot]:
        """Give the latest slots of a job, or of all, newest first; of one instant by job."""
        found = self._driver.do(sql.RECENT_SLOTS_OF, job, limit) if job else self._driver.do(sql.RECENT_SLOTS, limit)
        return [as_slot(row) for row in found.fetchall()]

    def list_waiting(self) -> dict[str, list[Slot]]:
        """Give the scheduled slots of each job that wait, the oldest first, but not those with deliveries left."""
        found: dict[str, list[Slot]] = {}
        for row in self._driver.do(sql.WAITING_SLOTS).fetchall():
            slot = as_slot(row)
            found.setdefault(slot.job, []).append(slot)
        return found

    def list_overlapping(self) -> dict[str, Underway]:
        """Give the scheduled slot of each job that is worked on for the first time, or waits for nothing but a worker.

        Those that are only made up for, without messages, do not count, nor those that are only tried again.
        """
        now = as_text(self._driver.now())
        found = self._driver.do(sql.RUNNING_SLOTS, now, now).fetchall()
        return {
            job: Underway(datetime.fromisoformat(due), datetime.fromisoformat(since), bool(begun))
            for job, due, since, begun in found
        }

    def list_done(self, job: str, start: datetime, end: datetime) -> list[datetime]:
        """Give the due instants of a job's scheduled slots that are done, from ``start`` on and before ``end``."""
        found = self._driver.do(sql.DONE_SLOTS, job, as_text(start), as_text(end)).fetchall()
        return [datetime.fromisoformat(due) for (due,) in found]

    def list_followed(
        self, other: str, job: str, since: datetime, oldest: datetime
    ) -> list[tuple[datetime, datetime, bool]]:
        """Give what ``other`` delivered after ``since``, due after ``oldest``, for which ``job`` has no slot yet.

        Each with its due instant, when it ended, and whether its messages went out; ascending by due instant.
        """
        found = self._driver.do(sql.FOLLOWED_SLOTS, other, as_text(oldest), as_text(since), job).fetchall()
        return [(datetime.fromisoformat(due), datetime.fromisoformat(ended), bool(send)) for due, ended, send in found]

    # -- ground

    def _write(self, statement: str, job: str, slot: NewSlot, now: str) -> int:
        due = as_text(slot.due)
        spans = msgspec.json.encode(slot.spans).decode() if slot.spans else ""
        next_at = as_text(slot.next_at) if slot.next_at else due
        return self._driver.do(
            statement,
            *(job, due, slot.kind, slot.state, slot.reason, now, int(slot.send), now, next_at, slot.rank or due),
            *(as_text(slot.expires) if slot.expires else "", spans),
        ).rowcount

    def _fenced(self, statement: str, slot: Slot, *values: Value) -> None:
        changed = self._driver.do(statement, *values, slot.job, as_text(slot.due), slot.kind, slot.fence).rowcount
        if not changed:
            raise Busy(f"the slot {as_text(slot.due)} of job {slot.job} was taken over by another worker")

    def _now(self) -> str:
        return as_text(self._clock.now())


def skip_waiting(driver: Driver, job: str, reason: str, now: str) -> int:
    """End what waits of a job and has no run of which deliveries are left, within a transaction; give how many."""
    return driver.do(sql.SKIP_PAUSED, reason, now, job).rowcount


def tell_pause(until: datetime, why: str) -> str:
    """Give the reason of times that pass while a job is paused; ``until`` is shown by its own zone."""
    return f"paused{'' if until >= FOREVER else f' until {until:%Y-%m-%d %H:%M %Z}'}{f': {why}' if why else ''}"


def as_slot(row: tuple[object, ...]) -> Slot:
    """Build a slot from its columns; its fields stand in the order of ``SLOT_COLUMNS``."""
    values = dict(zip(Slot.__struct_fields__, row, strict=True))
    values |= {name: values[name] or None for name in MOMENTS if name in values}
    values["spans"] = msgspec.json.decode(str(values["spans"])) if values["spans"] else ()
    values |= {name: bool(values[name]) for name in ("send", "begun", "told")}
    return msgspec.convert(values, Slot)


def as_job(row: tuple[object, ...]) -> JobRow:
    """Build what is known of a job from its columns, which stand in the order of ``JOB_COLUMNS``."""
    values = dict(zip(JobRow.__struct_fields__, row, strict=True))
    values["paused_until"] = values["paused_until"] or None
    return msgspec.convert(values, JobRow)
