"""Speaks up when a report is not there in time, and is silent when the daemon is not well: both watch from outside.

What must have been delivered by now follows from the jobs' schedules alone; the ledger only says whether it was. So a
planner that stands still, or was never started, is found like a run that takes too long. What cannot be told by the
ledger, because it cannot be used, is told past it.
"""

from __future__ import annotations

import heapq
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Final, Protocol

from mmflow.check import CheckedSettings
from mmflow.clock import Clock
from mmflow.deadlines.heart import BEAT_EVERY, beat
from mmflow.deadlines.lateness import Expected, Promise, describe, explain_lateness, find_timetable
from mmflow.deadlines.outage import AGAIN, Late, Outage, doubt
from mmflow.errors import StateError
from mmflow.ledger import Ledger
from mmflow.ledger.notices import NewNotice, NoticeState
from mmflow.logs import bind
from mmflow.notices import WAIT, address_trouble, describe_trouble, log_item
from mmflow.notices.verdict import keep_quiet, list_ways, make_notices
from mmflow.plant import PlantCalendar
from mmflow.roster import JobPlan
from mmflow.sinks import NoticeItem
from mmflow.text import read_error

__all__ = ["BEAT_EVERY", "LOOK_EVERY", "DeadlineWatch", "beat"]

log = logging.getLogger(__name__)

BACK: Final = timedelta(days=1)  # what was due earlier is of no interest any more
LOOK_EVERY: Final = 15.0  # seconds
MOST_OPEN: Final = 100  # times of a job between one that is due now and one whose deadline has just passed


class Jobs(Protocol):
    """What is in force, as the roster has it; each mapping is replaced as a whole."""

    @property
    def plans(self) -> Mapping[str, JobPlan]:
        """The jobs by name."""
        ...

    @property
    def refused(self) -> Mapping[str, tuple[JobPlan, str]]:
        """The jobs that are not in force because of other files, each with the reason."""
        ...

    @property
    def calendars(self) -> Mapping[str, PlantCalendar]:
        """The calendar of each site."""
        ...

    @property
    def settings(self) -> CheckedSettings:
        """``mmflow.yaml``."""
        ...


@dataclass(slots=True)
class DeadlineWatch:
    """Finds what is late; :meth:`look` is called again and again, by one thread, and costs only what is due then.

    ``tell`` sends notices past the ledger while that cannot be used, and gives whether they went out; ``inside`` tells
    whether this is the daemon's own.
    """

    root: Path
    clock: Clock
    jobs: Jobs
    wait: Callable[[], timedelta] = lambda: WAIT
    tell: Callable[[Sequence[NewNotice]], bool] = lambda _notices: False
    inside: bool = False
    _plans: Mapping[str, JobPlan] = field(default_factory=dict)
    _refused: Mapping[str, tuple[JobPlan, str]] = field(default_factory=dict)
    _calendars: Mapping[str, PlantCalendar] = field(default_factory=dict)
    _coming: list[tuple[datetime, int, Expected]] = field(default_factory=list)
    _numbers: Iterable[int] = field(default_factory=count)
    _outage: Outage = field(default_factory=Outage)

    def look(self, ledger: Ledger) -> None:
        """Tell of everything that has become late since the last look, each report once and a job once an hour.

        Raises :class:`StateError`; what was found then is told by :meth:`look_blind`.
        """
        if self._outage.since is not None or (self._outage.judged and self._outage.judged > self.clock.now()):
            self._forget()  # what was told past the ledger is not on record yet, and what was judged may come again
        try:
            now = self.clock.now()
            late = [one for one in self.find_late(ledger) if "late" in one[0].plan.notify.on]
            self._outage.judged, self._outage.found = now, late
            self._write(ledger, late)
        except BaseException:
            self._forget()  # begin anew: what was told is known by the ledger
            raise
        self._outage = Outage(judged=now)

    def look_blind(self, error: StateError) -> None:
        """Tell past a ledger that cannot be used what is late, what nobody knows to be there, and, if it lasts, that.

        Each is told once. What nobody could be told is told by a later look.
        """
        outage, now = self._outage, self.clock.now()
        judged = outage.begin(self.clock)
        self._adopt()
        passed = [one for one in self._take_passed() if one.deadline > judged and "late" in one.plan.notify.on]
        doubted = [(one, doubt(one, error)) for one in passed if not one.timetable.skip_reason(one.due)]
        late, lasts = outage.choose([*outage.found, *doubted], now), outage.lasts(self.clock)
        items, notices = [item for _, item in late], [notice for one in late for notice in self._address(*one)]
        if lasts:
            items.append(describe_trouble(self.jobs.settings, "outage", f"the ledger cannot be used: {error}"))
            notices += address_trouble(items[-1], self.jobs.settings, now)
        if not notices:
            return
        if self.clock.monotonic() < outage.rest_until:
            self._forget()
        elif self.tell(notices):
            outage.note(late, now, said=lasts)
            for item in items:
                log_item(item)
        else:
            outage.rest_until = self.clock.monotonic() + AGAIN
            self._forget()

    def find_late(self, ledger: Ledger) -> list[Late]:
        """Give what has become late since the last look; at the first one, of the last day."""
        self._adopt()
        return [
            (expected, describe(expected, cause))
            for expected in self._take_passed()
            if (cause := explain_lateness(expected, ledger, self.root, self._plans))
        ]

    def _write(self, ledger: Ledger, late: Iterable[Late]) -> None:
        now = self.clock.now()
        for expected, item in late:
            plan = expected.plan
            told = ledger.notices.told_kinds(plan.job)
            due, at = self._outage.told.get(plan.job, (None, told.get("late")))
            wait, state = keep_quiet(at, told.get("recovered"), now, self.wait())
            if due == expected.due:
                state = "done"  # people know it
            if ledger.notices.add(self._address(expected, item, state, wait)):
                log_item(item)

    def _address(
        self, expected: Expected, item: NoticeItem, state: NoticeState = "pending", wait: timedelta | None = None
    ) -> list[NewNotice]:
        plan, about = expected.plan, f"{expected.due:%Y%m%dT%H%M%SZ}"
        ways = list_ways(plan.notify, plan.owner)
        return make_notices(item, about, ways, self.clock.now(), self.wait() if wait is None else wait, state)

    def _take_passed(self) -> Iterator[Expected]:
        """Give what had to be there by now, and wait for the next time of each job instead."""
        now = self.clock.now()
        while self._coming and self._coming[0][0] <= now:
            expected = self._coming[0][2]
            yield expected
            heapq.heappop(self._coming)
            self._expect(expected.promise, expected.due, now)

    def _forget(self) -> None:
        self._plans, self._refused, self._calendars, self._coming = {}, {}, {}, []

    def _adopt(self) -> None:
        plans, refused, calendars = self.jobs.plans, self.jobs.refused, self.jobs.calendars
        if plans is self._plans and refused is self._refused and calendars is self._calendars:
            self._read_again()
            return
        now = self.clock.now()
        kept = {
            expected.plan.job: expected
            for _, _, expected in self._coming
            if plans.get(expected.plan.job) == expected.plan
            and calendars == self._calendars
            and not expected.promise.trouble
        }
        self._plans, self._refused, self._calendars, self._coming = plans, refused, calendars, []
        for plan in (*plans.values(), *(plan for plan, _ in refused.values())):
            if plan.job in kept:
                self._push(kept[plan.job])
            elif plan.deadline and (promise := self._read_promise(plan)):
                self._expect(promise, now - BACK, now)

    def _read_promise(self, plan: JobPlan) -> Promise | None:
        """Give what a schedule promises; without its list of days when that cannot be read, since then nothing runs.

        So does a job that is not in force.
        """
        trouble = self._refused[plan.job][1] if plan.job in self._refused else ""
        for days in (True, False):
            try:
                timetable = find_timetable(plan, self._plans, self._calendars, self.root, days=days)
                return Promise(plan, timetable, trouble, self.inside) if timetable else None
            except Exception as error:  # noqa: BLE001  # one job must not keep the others from being watched
                trouble = trouble or read_error(error)
        with bind(job=plan.job):
            log.warning("the deadline of %s cannot be watched: %s", plan.job, trouble)
        return None

    def _read_again(self) -> None:
        """Look whether lists of days that could not be read can be now."""
        for entry in [entry for entry in self._coming if entry[2].promise.trouble]:
            old = entry[2]
            if (promise := self._read_promise(old.plan)) and not promise.trouble:
                self._coming.remove(entry)
                heapq.heapify(self._coming)
                self._push(promise.at(old.due))

    def _expect(self, promise: Promise, after: datetime, now: datetime) -> None:
        """Wait for the next time after one; of several whose deadlines have passed already only for the latest."""
        due = promise.timetable.after(after)
        if due is None:
            return
        following = promise.at(due)
        if following.deadline <= now:
            recent = map(promise.at, promise.timetable.latest(after, now, MOST_OPEN))
            following = next((one for one in recent if one.deadline <= now), following)
        self._push(following)

    def _push(self, expected: Expected) -> None:
        heapq.heappush(self._coming, (expected.deadline, next(iter(self._numbers)), expected))
