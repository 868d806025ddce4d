"""What becomes of the times of a job that lie between two looks at the clock: worked on, skipped, or expired."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Final, Literal, NamedTuple
from zlib import crc32
from zoneinfo import ZoneInfo

from mmflow.durations import parse_duration
from mmflow.ledger import JobRow, NewSlot
from mmflow.ledger.driver import as_text
from mmflow.ledger.slots import Underway, tell_pause
from mmflow.plant.instants import first_instant
from mmflow.roster import JobPlan
from mmflow.schedule import Timetable

LATE: Final = timedelta(minutes=2)  # found later than this, a time was missed: nothing ran that could have found it
MOST: Final = 100  # times of one job that one look writes down one by one
MISSED: Final = "it was missed while nothing ran"  # how the reasons of times begin that nobody saw come
# What stands in the reasons of times that came while one was worked on, or was next in line for it.
STILL_RUNS: Final = "has been running since"
STILL_WAITS: Final = "has been waiting for a worker since"
EXPIRED: Final = "it expired before it could begin"
PAUSED: Final = "paused"  # how the reasons of times begin that passed while their job was paused
SILENT: Final = "it is made up for, and sends no messages"
RESTORED: Final = "it was due before the ledger was restored, so its messages may be out already and are not sent"
MOST_COUNTED: Final = 3000  # of the times before those; counting more of many jobs would take too long
_EARLIER: Final = re.compile(r", as were (at least )?(\d+) more times? since ([^;]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a job's file says about times that are missed, late or too close, as lengths. None: it does not say."""

    catch_up: Literal["latest", "all", "none"] = "latest"
    limit: timedelta = timedelta(days=30)
    queue: bool = False
    expires: timedelta | None = None
    jitter: timedelta | None = None
    deadline: str = ""
    restate: timedelta | None = None


def read_policy(plan: JobPlan) -> Policy:
    """Read the policy of a checked job that has a schedule."""
    schedule = plan.schedule
    assert schedule, "only jobs with a schedule are planned"
    return Policy(
        catch_up=schedule.catch_up,
        limit=parse_duration(schedule.catch_up_limit),
        queue=schedule.overlap == "queue",
        expires=read_length(schedule.expires),
        jitter=read_length(schedule.jitter),
        deadline=plan.deadline,
        restate=read_length(plan.restate),
    )


def read_length(text: str) -> timedelta | None:
    """Read a length, None for ""."""
    return parse_duration(text) if text else None


def find_deadline(text: str, due: datetime, zone: ZoneInfo) -> datetime | None:
    """Give the instant by which what is due then must be delivered: so long after, or the next such time of day."""
    if not text:
        return None
    if ":" not in text:
        return due + parse_duration(text)
    wall = due.astimezone(zone).replace(tzinfo=None)
    hour, minute = map(int, text.split(":"))
    today = wall.replace(hour=hour, minute=minute, second=0, microsecond=0)
    # In the hour that comes twice the wall can show a later time at an earlier instant, so instants are compared.
    days = (first_instant(zone, today + timedelta(days=more)) for more in range(3))
    return next(instant for instant in days if instant >= due)


def show(moment: datetime, zone: ZoneInfo) -> str:
    """Write an instant for people, by the clocks of a plant."""
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M %Z}"


class Earlier(NamedTuple):
    """How many times were missed before the one whose reason speaks for them, and when the first of them was."""

    number: int
    at_least: bool
    since: str


def read_earlier(reason: str) -> tuple[Earlier | None, str]:
    """Give for how many earlier times a reason speaks, None for its own alone, and the reason without that."""
    found = _EARLIER.search(reason)
    if not found:
        return None, reason
    return Earlier(int(found[2]), bool(found[1]), found[3]), reason.replace(found[0], "", 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One look at the clock for one job.

    ``row`` is what the ledger knows of it, ``running`` its slot that is under way. A job that follows another has
    no ``timetable``. ``zone`` is for showing. ``waiting`` are its slots that have waited since before nothing ran:
    what is made up for is chosen among them too, if no planner was there (``absent``) or times were missed. What was
    due until ``restored`` may have been sent already.
    """

    job: str
    policy: Policy
    timetable: Timetable | None
    zone: ZoneInfo
    row: JobRow
    now: datetime
    running: Underway | None = None
    waiting: Sequence[datetime] = ()
    absent: bool = False
    restored: datetime | None = None

    def choose(self) -> tuple[tuple[NewSlot, ...], tuple[NewSlot, ...]]:
        """Give a slot for each time since the cursor, in order, and what becomes of those that have waited.

        When there are more than :data:`MOST`, the oldest one's reason speaks for those before it, which have none.
        """
        assert self.timetable, "a job that follows another has no times of its own"
        found = self.timetable.latest(self.row.cursor, self.now, MOST + 1)
        outage = self.absent or any(map(self._is_late, found))
        waiting = self.waiting if outage else ()
        latest = sorted({*found[:MOST], *waiting}, reverse=True)
        newest = next((due for due in latest if not self._find_refusal(due)), None)
        slots = [self._choose(due, newest, outage=outage) for due in found[:MOST]]
        chosen = (*map(self._speak_for_earlier, found[MOST:]), *reversed(slots))
        return chosen, tuple(self._turn(waiting, newest))

    def _turn(self, waiting: Sequence[datetime], newest: datetime | None) -> Iterator[NewSlot]:
        for due in waiting:
            if self._is_late(due) and (slot := self._choose(due, newest, outage=True)) != self._open(due):
                yield slot

    def follow(self, due: datetime, *, send: bool) -> NewSlot:
        """Give the slot that follows another job's, which was due then and is done now."""
        if refusal := self._find_refusal(due):
            return NewSlot(due=due, state=refusal[0], reason=refusal[1], send=send)
        return self._open(due, send=send)

    def _choose(self, due: datetime, newest: datetime | None, *, outage: bool) -> NewSlot:
        if refusal := self._find_refusal(due):
            return NewSlot(due=due, state=refusal[0], reason=refusal[1])
        late, alone = self._is_late(due), outage and self.policy.catch_up == "latest"
        if late and self.policy.catch_up == "none":
            return NewSlot(due=due, state="skipped", reason=MISSED)
        if due == newest or not (late or alone):
            return self._open(due)
        assert newest, "this one was not refused either"
        if alone:
            return NewSlot(
                due=due, state="skipped", reason=f"{MISSED}; the one of {self._show(newest)} makes up for it"
            )
        return self._open(due, send=False, reason=SILENT)

    def _open(self, due: datetime, *, send: bool = True, reason: str = "") -> NewSlot:
        if self.restored and due <= self.restored:
            send, reason = False, RESTORED
        return NewSlot(
            due=due,
            reason=reason,
            send=send,
            next_at=due + self._find_delay(),
            rank=as_text(self._rank(due)),
            expires=due + self.policy.expires if self.policy.expires else None,
        )

    def _find_refusal(self, due: datetime) -> tuple[Literal["skipped", "expired"], str] | None:
        return next(self._list_refusals(due), None)

    def _list_refusals(self, due: datetime) -> Iterator[tuple[Literal["skipped", "expired"], str]]:
        if self.timetable and (reason := self.timetable.skip_reason(due)):
            yield "skipped", reason
        if (paused := self.row.paused_until) and (due if self.timetable else self.now) < paused:
            yield "skipped", tell_pause(paused.astimezone(self.zone), self.row.paused_why)
        if self.policy.expires and due + self.policy.expires <= self.now:
            yield "expired", EXPIRED
        if self.now - due > self.policy.limit:
            yield "skipped", f"{MISSED}, longer ago than is made up for"
        if self.running and self._is_too_close(due, self.running):
            what = STILL_RUNS if self.running.begun else STILL_WAITS
            yield "skipped", f"the one of {self._show(self.running.due)} {what} {self._show(self.running.since)}"

    def _speak_for_earlier(self, due: datetime) -> NewSlot:
        refusal = self._find_refusal(due)
        why = refusal[1] if refusal and refusal[1].startswith(PAUSED) else MISSED
        reason = f"{why}{self._count_earlier(due)}; at most {MOST} are made up for"
        return NewSlot(due=due, state="skipped", reason=reason)

    def _count_earlier(self, due: datetime) -> str:
        """Say how many times were missed before one and which was the first, without those that the calendar skips."""
        assert self.timetable, "a job that follows another has no times of its own"
        times = (one for one in self.timetable.between(self.row.cursor, due) if one < due)
        found = [one for one in islice(times, MOST_COUNTED) if not self.timetable.skip_reason(one)]
        if not found:
            return ""
        many = f"{'at least ' * (len(found) >= MOST_COUNTED)}{len(found)} more time{'s' * (len(found) > 1)}"
        return f", as were {many} since {self._show(found[0])}"

    def _is_too_close(self, due: datetime, running: Underway) -> bool:
        """Tell whether it is skipped for the one before; a job that follows another waits, so that none is lost."""
        return bool(self.timetable) and not self.policy.queue and running.due < due and not self._is_late(due)

    def _is_late(self, due: datetime) -> bool:
        return bool(self.timetable) and self.now - due > LATE

    def _find_delay(self) -> timedelta:
        """Spread jobs that are due together, each always by the same."""
        return (self.policy.jitter or timedelta()) * (crc32(self.job.encode()) / 2**32)

    def _rank(self, due: datetime) -> datetime:
        """Put first what must be delivered first; what is too late already does not get before what can be in time."""
        deadline = find_deadline(self.policy.deadline, due, self.zone) or due
        return self.now if self._is_late(due) and deadline < self.now else deadline

    def _show(self, moment: datetime) -> str:
        return show(moment, self.zone)
