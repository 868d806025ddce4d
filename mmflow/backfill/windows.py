"""Which windows of a job lie within some days, each with the due instant at which the job asks for it.

The instants follow from the job's own words and never from the days given, so that every backfill comes to the same
ones: the borders of production days, the borders of shifts, and every so many hours from the start of a day.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from itertools import chain, pairwise
from typing import Final

from mmflow.errors import UserError
from mmflow.job import Job
from mmflow.ledger import SiteSpans
from mmflow.plant import ONE_DAY, PlantCalendar
from mmflow.windows import NoShift, parts_a_day, read_window, resolve_window
from mmflow.windows.shifts import ShiftWords
from mmflow.windows.words import HOUR, HourWords, RangeWords

MOST_DAYS: Final = 3_660
MOST_PARTS: Final = 10_000
FARTHEST: Final = 460  # days that a window may lie behind its slot: a year and a quarter covers last_year

SlotsOfDay = Callable[[date], Sequence[datetime]]


@dataclass(frozen=True, slots=True)
class Window:
    """What one run is about: the due instant that asks for it (UTC), and its span at each site.

    Its days are those of the first site, as in the names of files.
    """

    slot: datetime
    spans: SiteSpans

    @property
    def first_day(self) -> date:
        """Give its first production day."""
        return self.spans[0][1].first_day

    @property
    def last_day(self) -> date:
        """Give its last production day, included."""
        return self.spans[0][1].last_day

    @property
    def days(self) -> str:
        """Say which production days it is about."""
        return f"{self.first_day}" if self.first_day == self.last_day else f"{self.first_day} to {self.last_day}"

    @property
    def borders(self) -> tuple[tuple[datetime, datetime], ...]:
        """Give what tells it from other windows of its job: start and end at each site."""
        return tuple((span.start, span.end) for _, span in self.spans)

    def has_ended(self, now: datetime) -> bool:
        """Tell whether it lies in the past at every site."""
        return all(end <= now for _, end in self.borders)


@dataclass(frozen=True, slots=True)
class Found:
    """The windows of some days in the order of time, and in words what touches those days and is left out."""

    windows: tuple[Window, ...]
    left_out: tuple[str, ...] = ()


def find_windows(job: Job, calendars: Mapping[str, PlantCalendar], first: date, last: date, now: datetime) -> Found:
    """Give the windows of a job within production days, both included, that have ended by ``now``.

    Windows that follow each other, such as days, weeks and months, must lie within these days as a whole. Of windows
    that overlap, such as ``month_to_date`` and ``{last: 7 days}``, there is one for each day that is their last. A
    shift, or some hours, belong to the day on which they start.

    Raises :class:`UserError` for days and for a job of which nobody can say that, and for more than can be meant.
    """
    refuse_dates(job, first, last)
    sites = [calendars[site] for site in job.sites]
    found = (find_parts if has_parts(job) else find_others)(job, sites, first, last)
    ended = tuple(window for window in found.windows if window.has_ended(now))
    if running := found.windows[len(ended) :]:
        more = f" and {len(running) - 1} more" if running[1:] else ""
        return Found(ended, (*found.left_out, f"{running[0].days}{more}: not over yet"))
    return Found(ended, found.left_out)


def refuse_dates(job: Job, first: date, last: date) -> None:
    """Raise :class:`UserError` for days the wrong way round or too many, and for a job whose dates are written."""
    if first > last:
        raise UserError(f"--from {first} lies after --to {last}; exchange them")
    if (last - first).days >= MOST_DAYS:
        raise UserError(f"--from {first} --to {last} are more than {MOST_DAYS:,} days; give fewer at a time")
    if isinstance(read_window(job.window), RangeWords):
        raise UserError(
            f"the dates of {job.job} are written in it, so it has one window, which 'mmflow run {job.job}' asks for; "
            "a word such as yesterday has one for each day"
        )


def has_parts(job: Job) -> bool:
    """Tell whether the windows of a job are shifts, or parts of a day, which belong to the day they start on."""
    return parts_a_day(job.window) or isinstance(read_window(job.window), ShiftWords)


def find_parts(job: Job, calendars: Sequence[PlantCalendar], first: date, last: date) -> Found:
    """Give the windows that start on these days."""
    list_slots = find_slots(job, calendars)
    if (count := sum(len(list_slots(day)) for day in calendars[0].days(first, last))) > MOST_PARTS:
        many = f"these days hold {count:,} windows"
        raise UserError(f"{many}, expected at most {MOST_PARTS:,}; give fewer days at a time")
    near = list_windows(job, calendars, first, lambda window: window.first_day > last, last)
    return Found(tuple(window for window in near if first <= window.first_day <= last))


def find_others(job: Job, calendars: Sequence[PlantCalendar], first: date, last: date) -> Found:
    """Give the windows whose last day is one of these days when they overlap, else those that lie wholly within."""
    near = list_windows(job, calendars, first, lambda window: window.last_day > last, last)
    if any(after.borders[0][0] < before.borders[0][1] for before, after in pairwise(near)):
        return Found(tuple(window for window in near if first <= window.last_day <= last))
    touching = [window for window in near if window.first_day <= last and first <= window.last_day]
    within = tuple(window for window in touching if first <= window.first_day and window.last_day <= last)
    cut = (window for window in touching if window not in within)
    return Found(within, tuple(f"{window.days}: only a part of it lies within" for window in cut))


def list_windows(
    job: Job, calendars: Sequence[PlantCalendar], first: date, is_beyond: Callable[[Window], bool], last: date
) -> list[Window]:
    """Give each window once, at its earliest slot, from two days before ``first`` to the first that is beyond.

    Two, so that a window that grows is seen to do so, even on the last day of a month.
    """
    list_slots = find_slots(job, calendars)
    found: dict[tuple[tuple[datetime, datetime], ...], Window] = {}
    days = calendars[0].days(first - 2 * ONE_DAY, last + FARTHEST * ONE_DAY)
    for slot in chain.from_iterable(map(list_slots, days)):
        if window := find_window(job, calendars, slot):
            found.setdefault(window.borders, window)
            if is_beyond(window):
                break
    return list(found.values())


def find_window(job: Job, calendars: Sequence[PlantCalendar], slot: datetime) -> Window | None:
    """Give what the job asks about at an instant, None when one of its sites has no such shift then."""
    groups = job.report.filter.get("machineGroup", ())
    try:
        spans = [(site.name, resolve_window(job.window, site, slot, machine_groups=groups)) for site in calendars]
    except NoShift:
        return None
    return Window(slot, tuple(spans))


def find_slots(job: Job, calendars: Sequence[PlantCalendar]) -> SlotsOfDay:
    """Give the function that gives the due instants of a production day, ascending."""
    words, groups = read_window(job.window), job.report.filter.get("machineGroup", ())
    if isinstance(words, ShiftWords) and words.shift in ("current", "last"):
        schedules = [(site, words.find_schedule(site, groups).name) for site in calendars]
        return partial(list_shift_slots, schedules, words.shift)
    if isinstance(words, HourWords) and words.count * HOUR < ONE_DAY:
        return partial(list_hour_slots, calendars[0], words.count * HOUR)
    return partial(list_day_slots, calendars[:1] if isinstance(words, HourWords) else calendars)


def list_day_slots(calendars: Sequence[PlantCalendar], day: date) -> list[datetime]:
    """Give the end of the day, when windows up to the slot are about the whole of it.

    Where the days of the sites end at different instants, it is a minute before the first of them: then the same day is
    running everywhere, and yesterday is the same day.
    """
    ends = {calendar.day_start(day + ONE_DAY) for calendar in calendars}
    return [min(ends) if len(ends) == 1 else min(ends) - timedelta(minutes=1)]


def list_shift_slots(schedules: Sequence[tuple[PlantCalendar, str]], which: str, day: date) -> list[datetime]:
    """Give the instants at which each shift of a day has ended, or runs, at the last of the sites that have it."""
    found: dict[str, list[datetime]] = defaultdict(list)
    for calendar, schedule in schedules:
        for shift in calendar.shifts_on(day, schedule):
            found[shift.name].append(shift.end if which == "last" else shift.start)
    return sorted(map(max, found.values()))


def list_hour_slots(calendar: PlantCalendar, length: timedelta, day: date) -> list[datetime]:
    """Give the ends of the windows that follow each other from the start of a day; the last ends with the day."""
    start, end = calendar.day_start(day), calendar.day_start(day + ONE_DAY)
    count = -((start - end) // length)
    return [min(start + number * length, end) for number in range(1, count + 1)]
