"""What one look at the clock writes into the ledger for one job."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from mmflow.ledger import JobRow, Ledger, NewSlot, PlanStep
from mmflow.ledger.driver import as_text
from mmflow.planner.choices import Look, Policy
from mmflow.roster import JobPlan
from mmflow.schedule import Timetable

FOLLOWED: Final = timedelta(days=31)  # how old what a job follows may be
OVERLOOKED: Final = timedelta(hours=1)  # how much later an end can come to be seen, by the clocks of several machines
RESTATED: Final = timedelta(hours=1)  # how much later earlier windows are looked at again than what is due now


@dataclass(frozen=True, slots=True)
class Entry:
    """A job that the planner looks after; it has a timetable or follows another job.

    ``seen`` is when its schedule was first seen, by the monotonic clock: the wall may be set before it is planned.
    """

    plan: JobPlan
    policy: Policy
    timetable: Timetable | None
    zone: ZoneInfo
    follows: str
    seen: float

    @property
    def fingerprint(self) -> str:
        """What tells its schedule from another."""
        return self.timetable.fingerprint if self.timetable else f"after {self.follows}"


def begin_row(job: str, row: JobRow | None, seen: datetime) -> JobRow:
    """Give what is known of a job by a schedule that was first seen then: nothing before counts, nor what was planned.

    What it was before is kept, such as that it is paused.
    """
    if row:
        return replace(row, cursor=max(row.cursor, seen))
    return JobRow(job=job, cursor=seen, timetable="", paused_until=None, paused_why="", failures=0, updated=seen)


def plan_times(ledger: Ledger, entry: Entry, look: Look) -> PlanStep | None:
    """Give a slot for each time that has come since the last look, and what becomes of what has waited too long."""
    slots, turned = look.choose()
    if not slots and not turned:
        return None
    again = find_restated(ledger, entry, slots, look.now)
    return PlanStep(job=look.job, cursor=look.now, timetable=entry.fingerprint, slots=slots, again=again, turned=turned)


def follow_other(ledger: Ledger, entry: Entry, look: Look) -> PlanStep | None:
    """Give a slot for each that the other job has delivered, with the same due instant.

    The cursor stays an hour behind the latest end that was seen, so that one which comes to be seen late is not missed.
    """
    oldest = look.now - FOLLOWED
    found = ledger.slots.list_followed(entry.follows, look.job, look.row.cursor, oldest)
    if not found:
        return None
    slots = tuple(look.follow(due, send=send) for due, _, send in found)
    seen = max(ended for _, ended, _ in found) - OVERLOOKED
    return PlanStep(job=look.job, cursor=max(look.row.cursor, seen), timetable=entry.fingerprint, slots=slots)


def find_restated(ledger: Ledger, entry: Entry, slots: Iterable[NewSlot], now: datetime) -> tuple[NewSlot, ...]:
    """Give the earlier slots that a run looks at again: those that are done, as far back as the job says."""
    newest = max((slot.due for slot in slots if slot.state == "due" and slot.send), default=None)
    if newest is None or entry.policy.restate is None:
        return ()
    done = ledger.slots.list_done(entry.plan.job, newest - entry.policy.restate, newest)
    rank = as_text(now + RESTATED)
    return tuple(NewSlot(due=due, kind="restate", send=False, next_at=now, rank=rank) for due in done)
