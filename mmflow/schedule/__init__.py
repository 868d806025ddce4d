"""When a job is due: its ``schedule`` as instants in UTC, and in words. Pure: nothing here reads a clock.

``forms`` says what can be known of the words alone; :func:`make_timetable` adds the calendars of the sites and gives
the instants. ``docs/schedules.md`` has the rules and every case.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import islice, takewhile
from pathlib import Path
from typing import Final, Protocol
from zoneinfo import ZoneInfo

import msgspec

from mmflow.job import Schedule
from mmflow.plant import PlantCalendar
from mmflow.plant.instants import find_zone
from mmflow.schedule.forms import describe_schedule, find_form, read_lines, read_moment, read_settle
from mmflow.schedule.shifts import AfterShift, find_plants
from mmflow.schedule.skips import Skip, read_skips
from mmflow.schedule.walls import Once, WallTimes

__all__ = ["Timetable", "choose_zone", "describe_schedule", "make_timetable", "read_moment"]


class Times(Protocol):
    """Due instants without the days that are skipped; both ways each comes once, in order and in UTC."""

    @property
    def facts(self) -> tuple[object, ...]:
        """All that decides when it is due, as plain data."""
        ...

    def forward(self, after: datetime) -> Iterator[datetime]:
        """Give those after an instant, ascending."""
        ...

    def backward(self, until: datetime) -> Iterator[datetime]:
        """Give those up to an instant, included, descending."""
        ...

    def day_of(self, due: datetime) -> date:
        """Give the day that a due instant belongs to."""
        ...

    def note(self, due: datetime) -> str:
        """Say what is unusual about a due instant, "" when nothing is."""
        ...


@dataclass(frozen=True, slots=True)
class Timetable:
    """The due instants of one schedule, all in UTC. They include those on days that :meth:`skip_reason` names.

    ``zone`` is that of the schedule.
    """

    zone: ZoneInfo
    _schedule: Schedule
    _times: Times
    _skips: tuple[Skip, ...] = ()

    @property
    def words(self) -> str:
        """Say in plain words when it is due."""
        return describe_schedule(self._schedule, self.zone)

    @property
    def fingerprint(self) -> str:
        """Give sixteen letters that stay the same as long as the due instants do, whatever days are skipped."""
        facts = msgspec.json.encode([type(self._times).__name__, *self._times.facts])
        return hashlib.sha256(facts).hexdigest()[:16]

    def after(self, instant: datetime) -> datetime | None:
        """Give the first due instant after one; None when there is none any more, or none in fifty years."""
        return next(self._times.forward(instant), None)

    def between(self, after: datetime, until: datetime) -> Iterator[datetime]:
        """Give the due instants after one up to another, included, ascending."""
        return takewhile(lambda due: due <= until, self._times.forward(after))

    def latest(self, after: datetime, until: datetime, most: int) -> list[datetime]:
        """Give the latest due instants after one up to another, included, newest first and at most so many.

        It costs what it gives, however long the range is.
        """
        return list(islice(takewhile(lambda due: due > after, self._times.backward(until)), most))

    def skip_reason(self, due: datetime) -> str:
        """Say in one sentence why the calendar of the schedule skips a due instant, "" when it does not.

        What counts is the date of the instant in ``zone``; after a shift it is the production day of the shift.
        """
        if not self._skips:
            return ""
        day = self._times.day_of(due)
        return next((reason for skip in self._skips if (reason := skip.reason(day))), "")

    def note(self, due: datetime) -> str:
        """Say what the clocks do at a due instant: a time that does not exist, or that comes twice; "" else."""
        return self._times.note(due)


def make_timetable(
    schedule: Schedule,
    calendars: Sequence[PlantCalendar],
    machine_groups: Sequence[str] = (),
    root: Path = Path(),
    *,
    kept: bool = False,
) -> Timetable | None:
    """Give the timetable of a schedule at the sites of a job; None when it follows another job.

    ``calendars`` are those of the job's sites, ``machine_groups`` its filter: they choose the schedule of shifts. Files
    of skipped days are read now, by paths from ``root``; ``kept`` is for a daemon, which goes by the last good ones.
    Raises :class:`UserError` for what means nothing.
    """
    maker = MAKERS[find_form(schedule)]
    if maker is None:
        return None
    zone = choose_zone(schedule, calendars)
    times = maker(schedule, zone, calendars, machine_groups)
    skips = read_skips(schedule.calendar, calendars, zone, root, kept=kept)
    return Timetable(zone, schedule, times, skips)


def choose_zone(schedule: Schedule, calendars: Sequence[PlantCalendar]) -> ZoneInfo:
    """Give the zone that a schedule names, else that of its first site."""
    return find_zone(schedule.timezone) if schedule.timezone else calendars[0].zone


def _make_walls(schedule: Schedule, zone: ZoneInfo, _calendars: object, _groups: object) -> Times:
    lines = read_lines(schedule)
    return WallTimes(lines.crons, zone, lines.fixed)


def _make_moment(schedule: Schedule, zone: ZoneInfo, _calendars: object, _groups: object) -> Times:
    return Once(read_moment(schedule.at, zone), zone)


def _make_shift(
    schedule: Schedule, _zone: object, calendars: Sequence[PlantCalendar], machine_groups: Sequence[str]
) -> Times:
    return AfterShift(
        schedule.after_shift, read_settle(schedule), find_plants(schedule.after_shift, calendars, machine_groups)
    )


Maker = Callable[[Schedule, ZoneInfo, Sequence[PlantCalendar], Sequence[str]], Times]
MAKERS: Final[Mapping[frozenset[str], Maker | None]] = {
    frozenset({"cron"}): _make_walls,
    frozenset({"every"}): _make_walls,
    frozenset({"at"}): _make_moment,
    frozenset({"after_shift"}): _make_shift,
    frozenset({"after"}): None,
}
