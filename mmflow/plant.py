"""A site's own time: production days, weeks, shifts and holidays, all computed in UTC.

Wall-clock times become instants by one rule, for the start of day and for shift borders alike: the first instant at
which the clock on the wall shows that time or a later one. In an autumn fold that is the first occurrence; in a spring
gap it is the end of the gap. So production days tile the line of time, and shifts that meet on the wall meet in UTC.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from mmflow import settings
from mmflow.errors import UserError, suggest_name
from mmflow.holidays import read_holidays

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
ONE_DAY = timedelta(days=1)


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
    def from_site(cls, name: str, site: settings.Site, root: Path) -> PlantCalendar:
        """Build it from ``mmflow.yaml``; raises :class:`UserError` for a zone, shift or holiday that makes no sense.

        The path of an ICS file starts at ``root``.
        """
        zone = find_zone(site.timezone)
        return cls(
            name=name,
            zone=zone,
            start_of_day=time.fromisoformat(site.start_of_day),
            week_starts=WEEKDAYS.index(site.week_starts),
            schedules=tuple(read_schedules(site)),
            holidays=read_holidays(site.holidays, zone, root),
        )

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
        patterns = self.find_schedule(schedule).patterns
        near = self.days(day - ONE_DAY, day + ONE_DAY)
        spans = (
            self._place(pattern, schedule, at)
            for at in near
            for pattern in patterns
            if at.weekday() in pattern.weekdays
        )
        return tuple(sorted((s for s in spans if s.day == day and s.start < s.end), key=lambda s: (s.start, s.end)))

    def _place(self, pattern: ShiftPattern, schedule: str, at: date) -> ShiftSpan:
        start, end = map(self.instant, pattern.walls(at))
        return ShiftSpan(schedule, pattern.name, self.day_of(start), start, end)

    def find_schedule(self, name: str) -> ShiftSchedule:
        """Give the schedule of that name; raises UserError naming those there are."""
        for schedule in self.schedules:
            if schedule.name == name:
                return schedule
        raise UserError(unknown_word("schedule", name, [s.name for s in self.schedules if s.name]))

    def schedule_of(self, machine_groups: Sequence[str]) -> str:
        """Give the name of the one schedule these machine groups follow; ``*`` in a group stands for any text.

        Raises UserError when they follow several, because then nobody can say which shift is meant.
        """
        followed = {self._followed(group) for group in machine_groups} or {""}
        if len(followed) > 1:
            shown = ", ".join(sorted(name or "the site's own" for name in followed))
            raise UserError(
                f"the machine groups of the filter follow several schedules ({shown}); name one: schedule: …"
            )
        return followed.pop()

    def _followed(self, group: str) -> str:
        pattern = re.compile(".*".join(map(re.escape, group.split("*"))))
        matching = (s.name for s in self.schedules if any(map(pattern.fullmatch, s.machine_groups)))
        return next(matching, "")


def first_instant(zone: ZoneInfo, wall: datetime) -> datetime:
    """Give the first UTC instant at which the clocks of ``zone`` show the naive ``wall`` or a later time."""
    found = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if found.astimezone(zone).replace(tzinfo=None) == wall:
        return found
    before = wall.replace(tzinfo=zone, fold=1).astimezone(
        UTC
    )  # in a gap, fold 1 lies before the change and fold 0 after

    def show_wall(second: int) -> datetime:
        return (before + timedelta(seconds=second)).astimezone(zone).replace(tzinfo=None)

    gap = range(int((found - before).total_seconds()) + 1)
    return before + timedelta(seconds=bisect_left(gap, wall, key=show_wall))


def find_zone(name: str) -> ZoneInfo:
    """Give the IANA zone of that name; raises :class:`UserError` with the nearest name for any other text."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UserError(unknown_word("time zone", name, available_timezones())) from error


def read_schedules(site: settings.Site) -> Iterator[ShiftSchedule]:
    """Give the site's own schedule, named ``""``, and then those of its machine groups."""
    yield ShiftSchedule("", (), read_patterns(site.shifts))
    for schedule in site.schedules:
        yield ShiftSchedule(schedule.name, schedule.machine_groups, read_patterns(schedule.shifts))


def read_patterns(shifts: Iterable[settings.Shift]) -> tuple[ShiftPattern, ...]:
    """Turn the YAML form of shifts into patterns."""
    return tuple(
        ShiftPattern(s.name, parse_weekdays(s.days), time.fromisoformat(s.from_), time.fromisoformat(s.to))
        for s in shifts
    )


def parse_weekdays(days: str | Sequence[str]) -> frozenset[int]:
    """Read ``mon-fri``, ``sat``, ``fri-mon`` or a list of these; 0 is Monday."""
    words = days.split(",") if isinstance(days, str) else days
    return frozenset(number for word in words for number in parse_weekday_range(word))


def parse_weekday_range(text: str) -> Iterator[int]:
    """Give the weekdays of ``tue`` or ``sat-mon``, in order, around the end of the week if need be."""
    first, _, last = text.partition("-")
    start = parse_weekday(first)
    stop = parse_weekday(last) if last else start
    for step in range((stop - start) % 7 + 1):
        yield (start + step) % 7


def parse_weekday(text: str) -> int:
    """Give the number of a weekday written in full or as its first three letters; 0 is Monday."""
    word = text.strip().lower()
    for number, name in enumerate(WEEKDAYS):
        if word in (name, name[:3]):
            return number
    raise UserError(unknown_word("weekday", text.strip(), WEEKDAYS))


def unknown_word(kind: str, word: str, known: Iterable[str]) -> str:
    """Say that a word is not known, and which one was probably meant or which there are."""
    names = sorted(known)
    near = suggest_name(word, names)
    hint = f"did you mean {near!r}?" if near else f"known: {', '.join(names) or 'none'}" if len(names) < 30 else ""
    return f"{word!r} is not a known {kind}" + (f"; {hint}" if hint else "")
