"""Turns time into slots: by the cursor of each job in the ledger, its timetable and the clock; the ledger decides.

What is kept here is only for speed, a heap of the next due instants, so that a look at the clock touches the jobs that
are due and no other. Whoever loses it, by a kill, begins from the ledger and comes to the same slots.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from itertools import islice
from pathlib import Path
from typing import Concatenate, Final, ParamSpec, TypeVar

from mmflow.clock import Clock
from mmflow.errors import StateError
from mmflow.ledger import JobRow, Ledger, PlanStep, Slot
from mmflow.ledger.slots import Underway
from mmflow.logs import bind
from mmflow.planner.choices import MISSED, Look, find_deadline, read_policy, show
from mmflow.planner.outage import Outage, read_restore
from mmflow.planner.steps import Entry, begin_row, follow_other, plan_times
from mmflow.planner.timetables import Timetables
from mmflow.plant import PlantCalendar
from mmflow.roster import JobPlan
from mmflow.text import describe

__all__ = ["Planner", "find_deadline"]

log = logging.getLogger(__name__)

EVER: Final = datetime(1970, 1, 1, tzinfo=UTC)  # before everything: look at it now
AT_ONCE: Final = 1000  # jobs that are planned in one transaction
MOST_SLOTS: Final = 10_000  # that one look writes, so that it takes seconds after the longest outage
TOLD: Final = 10  # jobs that the log names one by one
TRIED: Final = timedelta(hours=24)  # how long something that fails for a while is tried again at most

P = ParamSpec("P")
T = TypeVar("T")
Running = Mapping[str, Underway]


class Planner:
    """Plans the jobs that it was last told of by :meth:`adopt`. Not for two threads."""

    def __init__(self, root: Path, clock: Clock, most: int = MOST_SLOTS) -> None:
        self._root, self._most = root, most
        self._clock = clock
        self._entries: dict[str, Entry] = {}
        self._plans: dict[str, JobPlan] = {}
        self._timetables = Timetables(root, {})
        self._heap: list[tuple[datetime, str]] = []
        self._next: dict[str, datetime] = {}  # what counts in the heap: other instants of a job there are stale
        self._followers: dict[str, set[str]] = {}
        self._ended: set[str] = set()  # jobs of which a slot has ended since the last look
        self._left: set[str] = set()  # jobs that the last look did not come to
        self._gone: set[str] = set()  # jobs that have no schedule any more, which the ledger may not know yet
        self._named: Collection[str] = ()
        self._aside: dict[str, str] = {}  # jobs that cannot be planned now, such as by their calendar files
        self._outage = Outage()
        self._known = False  # whether the ledger's jobs were held against the files once

    @property
    def next_due(self) -> datetime | None:
        """When the next look is due, None when no job has a time to come."""
        while self._heap and self._next.get(self._heap[0][1]) != self._heap[0][0]:
            heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    @property
    def behind(self) -> bool:
        """Tell whether the last look had more to write than one look may, so that the next one goes on."""
        return bool(self._left)

    @property
    def aside(self) -> Mapping[str, str]:
        """Say of the jobs that cannot be planned now why; they are tried again at each tick."""
        return self._aside

    def adopt(
        self,
        plans: Mapping[str, JobPlan],
        calendars: Mapping[str, PlantCalendar],
        named: Collection[str] = (),
        *,
        seen: float | None = None,
    ) -> None:
        """Take in the jobs as they are now; the next look finds out what that means.

        ``named`` are those that a file has the name of, also when none of them can be used now: such a job is not
        planned, and when it can be used again its schedule decides what becomes of the times that passed meanwhile.
        ``seen`` is when their files were looked at, by the monotonic clock (now): new schedules count from then on.
        """
        seen = self._clock.monotonic() if seen is None else seen
        self._named = frozenset(named) - plans.keys()
        if calendars is not self._timetables.calendars:
            self._timetables = Timetables(self._root, calendars)
            self._plans = {}
        for job in (self._entries.keys() | self._aside.keys()) - plans.keys():
            self._drop(job)
        for job, plan in plans.items():
            if self._plans.get(job) is not plan:
                self._take_in(job, plan, seen)
        self._plans = dict(plans)
        self._followers = find_followers(self._entries)

    def note_end(self, job: str) -> None:
        """Remember that a slot of this job has ended, for those that follow it."""
        self._ended.add(job)

    def plan(self, ledger: Ledger, *, tick: bool = False) -> int:
        """Write the slots of all jobs that are due into the ledger; give how many are new.

        At a ``tick`` jobs that follow others are looked at too, whatever was noted. Raises :class:`StateError`, and
        then nothing is forgotten: the next look finds the same.
        """
        now = self._clock.now()
        if tick:
            self._read_again()
            ledger.slots.skip_paused()
        self._drop_gone(ledger)
        if self._outage.look(ledger, now):
            for job in self._entries:
                self._push(job, EVER)  # they wait for times after those that come again
        due, ended = list(self._pop_due(now)), self._ended
        left = (self._left | self._outage.waiting.keys()) & self._entries.keys()
        self._ended, self._left = set(), set()
        follow = {job for other, jobs in self._followers.items() if tick or other in ended for job in jobs}
        try:
            new = self._plan_jobs(ledger, sorted(follow.union(due, left)), now)
        except BaseException:
            self._ended |= ended
            self._left = left
            for job in due:
                self._push(job, EVER)
            raise
        for job in due:
            self._alone(job, self._push_next, now)
        if tick and not self._left:
            self._outage.end(ledger, now)
        return new

    def until(self, slot: Slot) -> datetime:
        """Give when trying again ends for a slot: when its job is due again, a day later, or when it expires."""
        if slot.expires:
            return slot.expires
        begin = max(slot.due, slot.planned or slot.due)
        entry = self._entries.get(slot.job)
        following = self._timetables.after(entry.timetable, begin) if entry and entry.timetable else None
        return min(following or begin + TRIED, begin + TRIED)

    def find_replacement(self, ledger: Ledger, slot: Slot) -> str:
        """Say why a scheduled slot whose owner is gone is not begun anew: a later one of its job makes up for it.

        "" when there is none, when its time is not up, and for a job that makes up for each. Raises
        :class:`StateError`.
        """
        entry = self._entries.get(slot.job)
        if not entry or slot.kind != "schedule" or entry.policy.catch_up == "all":
            return ""
        if self.until(slot) > self._clock.now():
            return ""
        what = "its process died" if slot.begun else MISSED
        if entry.timetable and entry.policy.catch_up == "none":
            return f"{what}, and nothing is made up for"
        newer = ledger.slots.find_newer(slot)
        return f"{what}; the one of {show(newer, entry.zone)} makes up for it" if newer else ""

    # -- which jobs

    def _take_in(self, job: str, plan: JobPlan, seen: float) -> None:
        if not plan.schedule:
            self._drop(job)
            return
        try:
            timetable = self._timetables.find(plan)
            zone = timetable.zone if timetable else self._timetables.calendars[plan.sites[0]].zone
            entry = Entry(plan, read_policy(plan), timetable, zone, plan.schedule.after, seen)
        except Exception as error:  # a file of days, or a bug, which must not keep other jobs from being planned
            log.debug("taking in %s", job, exc_info=True)
            self._set_aside(job, describe(error))
            return
        self._aside.pop(job, None)
        if (before := self._entries.get(job)) and before.fingerprint == entry.fingerprint:
            entry = replace(entry, seen=before.seen)  # it may not have been planned yet
        self._entries[job] = entry
        self._gone.discard(job)
        self._push(job, EVER)

    def _read_again(self) -> None:
        """Look whether those that could not be planned can be now."""
        for job in list(self._aside):
            self._take_in(job, self._plans[job], self._clock.monotonic())
        self._followers = find_followers(self._entries)

    def _set_aside(self, job: str, why: str) -> None:
        """Leave a job alone until the next tick; its cursor stays, so nothing is lost by it."""
        if self._aside.get(job) != why:
            with bind(job=job):
                log.error("%s is not planned: %s", job, why)
        self._aside[job] = why
        self._entries.pop(job, None)
        self._next.pop(job, None)

    def _drop(self, job: str) -> None:
        if self._entries.pop(job, None) or self._aside.pop(job, None):
            self._gone.add(job)
        self._next.pop(job, None)

    def _drop_gone(self, ledger: Ledger) -> None:
        """Say of jobs that have no schedule any more that they have none, so that one that comes back is new."""
        if not self._known:
            self._gone |= (
                {row.job for row in ledger.slots.read_jobs().values() if row.timetable}
                - self._entries.keys()
                - self._aside.keys()
            )
        if gone := self._gone.difference(self._named):
            ledger.slots.drop_timetables(sorted(gone))
        self._gone -= gone
        self._known = True

    # -- when

    def _push(self, job: str, at: datetime) -> None:
        self._next[job] = at
        heappush(self._heap, (at, job))

    def _pop_due(self, now: datetime) -> Iterator[str]:
        while (at := self.next_due) and at <= now:
            _, job = heappop(self._heap)
            del self._next[job]
            yield job

    def _push_next(self, job: str, now: datetime) -> None:
        timetable = self._entries[job].timetable if job in self._entries else None
        if timetable and (at := self._timetables.after(timetable, now)):
            self._push(job, at)

    # -- what

    def _plan_jobs(self, ledger: Ledger, jobs: Sequence[str], now: datetime) -> int:
        if not jobs:
            return 0
        rows = read_rows(ledger, jobs)
        running, restored = ledger.slots.list_overlapping(), read_restore(ledger)
        found: list[PlanStep] = []
        slots = 0
        for at, job in enumerate(jobs):
            if slots >= self._most:
                self._left = set(jobs[at:])
                break
            if step := self._alone(job, self._find_step, ledger, rows.get(job), running, now, restored):
                found.append(step)
                slots += len(step.slots)
        new = sum(ledger.slots.plan(part) for part in split(found, AT_ONCE))
        self._outage.forget(self._left)
        begun = [step.job for step in found if not is_known(step.job, step.timetable, rows)]
        tell_begun(begun)
        for job in begun:
            self._tell_passed(ledger, job, now)
        self._tell_slots(found)
        return new

    def _alone(self, job: str, do: Callable[Concatenate[str, P], T], *values: P.args, **keys: P.kwargs) -> T | None:
        """Do something for one job; a bug in its schedule must not keep the others from being planned."""
        try:
            return do(job, *values, **keys)
        except StateError:
            raise
        except Exception as error:
            log.debug("planning %s", job, exc_info=True)
            self._set_aside(job, describe(error))
            return None

    def _tell_slots(self, steps: Sequence[PlanStep]) -> None:
        """Log what will not run and why."""
        told = ((step.job, slot) for step in steps for slot in (*step.turned, *step.slots))
        refused = [(job, slot) for job, slot in told if slot.state != "due"]
        for job, slot in refused[:TOLD]:
            due = show(slot.due, self._entries[job].zone)
            with bind(job=job, slot=slot.due):
                log.info("the one of %s is %s: %s", due, slot.state, slot.reason)
        if len(refused) > TOLD:
            log.info("%d more are not worked on; 'mmflow runs --all' has the reasons", len(refused) - TOLD)

    def _tell_passed(self, ledger: Ledger, job: str, now: datetime) -> None:
        """Warn of a new job whose only time has passed, since it will never be due."""
        entry = self._entries[job]
        over = entry.timetable if entry.timetable and self._timetables.after(entry.timetable, now) is None else None
        for due in over.latest(EVER, now, 1) if over else ():
            if not ledger.slots.find(job, due, "schedule"):
                text = "%s: was due %s, before it was first seen; run it by hand: mmflow run %s --at %s"
                with bind(job=job, slot=due):
                    log.warning(text, job, show(due, entry.zone), job, f"{due:%Y-%m-%dT%H:%M:%SZ}")

    def _find_step(
        self,
        job: str,
        ledger: Ledger,
        row: JobRow | None,
        running: Running,
        now: datetime,
        restored: datetime | None,
    ) -> PlanStep | None:
        entry = self._entries[job]
        begins = row is None or row.timetable != entry.fingerprint
        if row is None or begins:
            row = begin_row(job, row, now - timedelta(seconds=self._clock.monotonic() - entry.seen))
        waiting, underway = self._outage.of(job), running.get(job)
        if underway and underway.due in [slot.due for slot in waiting]:
            underway = None  # nothing ran that could have begun it
        look = Look(
            job=job,
            policy=entry.policy,
            timetable=entry.timetable,
            zone=entry.zone,
            row=row,
            now=now,
            running=underway,
            waiting=[slot.due for slot in waiting if not slot.tries or self.until(slot) <= now],
            absent=self._outage.absent,
            restored=restored,
        )
        step = plan_times(ledger, entry, look) if entry.timetable else follow_other(ledger, entry, look)
        return PlanStep(job=job, cursor=row.cursor, timetable=entry.fingerprint) if begins and not step else step


def is_known(job: str, timetable: str, rows: Mapping[str, JobRow]) -> bool:
    """Tell whether a job was planned before by the same schedule."""
    return job in rows and rows[job].timetable == timetable


def tell_begun(jobs: Sequence[str]) -> None:
    """Log which jobs are planned for the first time."""
    if jobs:
        more = f" and {len(jobs) - TOLD:,} more" if len(jobs) > TOLD else ""
        log.info("planned from now on, by new or changed schedules: %s%s", ", ".join(jobs[:TOLD]), more)


def find_followers(entries: Mapping[str, Entry]) -> dict[str, set[str]]:
    """Give the jobs that follow each job."""
    followers: dict[str, set[str]] = defaultdict(set)
    for job, entry in entries.items():
        if entry.follows:
            followers[entry.follows].add(job)
    return dict(followers)


def read_rows(ledger: Ledger, jobs: Sequence[str]) -> Mapping[str, JobRow]:
    """Give what is known of these jobs: all at once when there are many."""
    if len(jobs) > AT_ONCE // 10:
        return ledger.slots.read_jobs()
    found = ((job, ledger.slots.read_job(job)) for job in jobs)
    return {job: row for job, row in found if row}


def split(steps: Iterable[PlanStep], size: int) -> Iterator[list[PlanStep]]:
    """Give them in parts of a size."""
    left = iter(steps)
    while part := list(islice(left, size)):
        yield part
