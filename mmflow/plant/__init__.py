"""A site's own time: production days, weeks, shifts and holidays, all computed in UTC.

Wall-clock times become instants by one rule, for the start of day and for shift borders alike: the first instant at
which the clock on the wall shows that time or a later one. In an autumn fold that is the first occurrence; in a spring
gap it is the end of the gap. So production days tile the line of time, and shifts that meet on the wall meet in UTC.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Final, TypeVar
from zoneinfo import ZoneInfo

from mmflow import settings
from mmflow.errors import UserError, hint_names
from mmflow.plant.holidays import read_holidays
from mmflow.plant.instants import find_zone, first_instant

T = TypeVar("T", bound=Hashable)

WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
ONE_DAY: Final = timedelta(days=1)
OWN: Final = "default"
"""What users call the schedule of machines that no other schedule names; in code it is called ""."""


@dataclass(frozen=True, slots=True)
class ShiftPattern:
    """One row of a weekly schedule. ``weekdays`` (0 is Monday) are those of the wall clock when it starts."""

    name: str
    weekdays: frozenset[int]
    start: time
    end: time  # on the next day unless it is after start

    def walls(self, day: date) -> tuple[datetime, datetime]:
        """Give the naive local start and end of the shift that starts on the calendar's ``day``."""
        end_day = day if self.end > self.start else day + ONE_DAY
        return datetime.combine(day, self.start), datetime.combine(end_day, self.end)


@dataclass(frozen=True, slots=True)
class ShiftSchedule:
    """A week of shifts that some machine groups follow; the one named ``""`` is everybody else's."""

    name: str
    machine_groups: tuple[str, ...]
    patterns: tuple[ShiftPattern, ...]


@dataclass(frozen=True, slots=True)
class ShiftSpan:
    """One shift that really took or takes place: half-open, in UTC."""

    schedule: str
    name: str
    day: date  # the production day on which it starts
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class PlantCalendar:
    """The calendar of one site: immutable, pure, made once by :meth:`from_site`.

    Holidays are known (:meth:`is_holiday`) but take nothing away: a day is a day and a shift a shift, since people may
    have worked and the service has the data.
    """

    name: str
    zone: ZoneInfo
    start_of_day: time = time(0)
    week_starts: int = 0  # 0 is Monday
    schedules: tuple[ShiftSchedule, ...] = (ShiftSchedule("", (), ()),)
    holidays: frozenset[date] = frozenset()

    @classmethod
    def from_site(cls, name: str, site: settings.Site, root: Path, *, kept: bool = False) -> PlantCalendar:
        """Build it from ``mmflow.yaml``; raises :class:`UserError` for a zone, shift or holiday that makes no sense.

        The path of an ICS file starts at ``root``; ``kept`` is for a daemon, which goes by the last good one.
        """
        start_of_day = time.fromisoformat(site.start_of_day)
        try:
            zone = find_zone(site.timezone)
            schedules = read_schedules(site, start_of_day)
            holidays = read_holidays(site.holidays, zone, root, kept=kept)
        except UserError as error:
            raise UserError(f"site {name}: {error}") from error
        return cls(name, zone, start_of_day, WEEKDAYS.index(site.week_starts), schedules, holidays)

    def instant(self, wall: datetime) -> datetime:
        """Give the UTC instant at which the plant's wall clock first shows the naive ``wall``, or later in a gap."""
        return first_instant(self.zone, wall)

    def wall(self, instant: datetime) -> datetime:
        """Give the naive local time of an instant."""
        return instant.astimezone(self.zone).replace(tzinfo=None)

    def day_start(self, day: date) -> datetime:
        """Give the UTC instant at which production day ``day`` begins, which is where the day before ends."""
        return self.instant(datetime.combine(day, self.start_of_day))

    def day_of(self, instant: datetime) -> date:
        """Give the production day that is running at an aware instant."""
        day = self.wall(instant).date()
        while self.day_start(day) > instant:
            day -= ONE_DAY
        while self.day_start(day + ONE_DAY) <= instant:
            day += ONE_DAY
        return day

    def days(self, first: date, last: date) -> Iterator[date]:
        """Give every production day from ``first`` to ``last``, both included."""
        for number in range((last - first).days + 1):
            yield first + timedelta(days=number)

    def is_holiday(self, day: date) -> bool:
        """Tell whether the plant's list or ICS file names this day."""
        return day in self.holidays

    def shifts_on(self, day: date, schedule: str = "") -> tuple[ShiftSpan, ...]:
        """Give the shifts that start on production day ``day``, in order; raises UserError for an unknown schedule.

        The weekday of a pattern is that of the wall clock: with a day from 06:00 a shift that starts on Tuesday at
        00:00 belongs to Monday's production day.
        """
        placed = (
            self._place_shift(pattern, schedule, near)
            for near in self.days(day - ONE_DAY, day + ONE_DAY)
            for pattern in self.find_schedule(schedule).patterns
            if near.weekday() in pattern.weekdays
        )
        found = (shift for shift in placed if shift.day == day and shift.start < shift.end)
        return tuple(sorted(found, key=lambda shift: (shift.start, shift.end)))

    def _place_shift(self, pattern: ShiftPattern, schedule: str, day: date) -> ShiftSpan:
        start, end = map(self.instant, pattern.walls(day))
        return ShiftSpan(schedule, pattern.name, self.day_of(start), start, end)

    def find_schedule(self, name: str) -> ShiftSchedule:
        """Give the schedule of that name; raises UserError naming those there are."""
        for schedule in self.schedules:
            if schedule.name == name:
                return schedule
        known = [schedule.name or OWN for schedule in self.schedules]
        raise UserError(f"site {self.name} has no schedule {name!r}; {hint_names(name, known)}")

    def schedule_of(self, machine_groups: Sequence[str]) -> str:
        """Give the name of the one schedule these machine groups follow; ``*`` in a group stands for any text.

        Raises UserError when they follow several, because then nobody can say which shift is meant.
        """
        followed = {name for group in machine_groups for name in self._followed_by(group)} or {""}
        if len(followed) > 1:
            names = ", ".join(sorted(name or OWN for name in followed))
            raise UserError(f"the machine groups of the filter follow several schedules; name one of them: {names}")
        return followed.pop()

    def _followed_by(self, group: str) -> set[str]:
        pattern = re.compile(".*".join(map(re.escape, group.split("*"))))
        return {s.name for s in self.schedules if any(map(pattern.fullmatch, s.machine_groups))} or {""}


def read_schedules(site: settings.Site, start_of_day: time) -> tuple[ShiftSchedule, ...]:
    """Give the site's own schedule, named ``""``, and then those of its machine groups."""
    others = (ShiftSchedule(s.name, s.machine_groups, read_patterns(s.shifts)) for s in site.schedules)
    schedules = (ShiftSchedule("", (), read_patterns(site.shifts)), *others)
    twice = find_twice(schedule.name or OWN for schedule in schedules)
    if twice:
        raise UserError(f"two schedules are called {twice!r}; give each its own name")
    for schedule in schedules:
        check_starts(schedule, start_of_day)
    return schedules


def check_starts(schedule: ShiftSchedule, start_of_day: time) -> None:
    """Refuse a shift that starts twice on one production day, because then its name would not say which is meant."""
    twice = find_twice(
        (pattern.name, (weekday - (pattern.start < start_of_day)) % 7)
        for pattern in schedule.patterns
        for weekday in pattern.weekdays
    )
    if twice:
        name, weekday = twice
        raise UserError(
            f"shift {name!r} starts twice on the production day {WEEKDAYS[weekday]}; give its parts different names"
        )


def find_twice(items: Iterable[T]) -> T | None:
    """Give the first item that comes a second time."""
    return next((item for item, count in Counter(items).items() if count > 1), None)


def read_patterns(shifts: Iterable[settings.Shift]) -> tuple[ShiftPattern, ...]:
    """Turn the YAML form of shifts into patterns."""
    return tuple(
        ShiftPattern(s.name, parse_weekdays(s.days), time.fromisoformat(s.from_), time.fromisoformat(s.to))
        for s in shifts
    )


def parse_weekdays(days: str | Sequence[str]) -> frozenset[int]:
    """Read ``mon-fri``, ``sat``, ``sat-mon``, ``mon, wed`` or a list of these; 0 is Monday."""
    words = days.split(",") if isinstance(days, str) else days
    return frozenset(number for word in words for number in parse_weekday_range(word))


def parse_weekday_range(text: str) -> Iterator[int]:
    """Give the weekdays of ``tue`` or ``sat-mon``, in order, around the end of the week if need be."""
    first, dash, last = text.partition("-")
    start = parse_weekday(first)
    stop = parse_weekday(last) if dash else start
    for step in range((stop - start) % 7 + 1):
        yield (start + step) % 7


def parse_weekday(text: str) -> int:
    """Give the number of a weekday written in full or as its first three letters; 0 is Monday."""
    word = text.strip().lower()
    for number, name in enumerate(WEEKDAYS):
        if word in (name, name[:3]):
            return number
    raise UserError(f"{text.strip()!r} is not a weekday; {hint_names(word, WEEKDAYS)}")
