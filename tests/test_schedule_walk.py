"""Schedules against a walk over every minute around the changes of the clocks, and what APScheduler makes of them.

The expressions are drawn anew in each run; ``MMFLOW_SEED=N`` draws those of a run that failed again.
"""

from __future__ import annotations

import os
import random
from calendar import monthrange
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

import pytest
from apscheduler.triggers.cron import CronTrigger

from mmflow.job import Schedule
from mmflow.schedule import Timetable, make_timetable
from tests.test_clock_changes import distinct_zones, list_changes

SEED = int(os.environ.get("MMFLOW_SEED") or random.randrange(10**9))
EXPRESSIONS = 10_000
PARTS = 8
SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
AROUND = 9 * HOUR  # on either side of a change
ZONES = [
    "America/New_York",
    "America/Chicago",
    "America/Denver",
    "America/Los_Angeles",
    "America/Anchorage",
    "America/Halifax",
    "America/St_Johns",
    "America/Havana",
    "America/Santiago",
    "America/Nuuk",
    "America/Miquelon",
    "America/Port-au-Prince",
    "America/Tijuana",
    "America/Adak",
    "Atlantic/Azores",
    "Atlantic/Bermuda",
    "Europe/London",
    "Europe/Dublin",
    "Europe/Lisbon",
    "Europe/Berlin",
    "Europe/Paris",
    "Europe/Warsaw",
    "Europe/Athens",
    "Europe/Kyiv",
    "Europe/Chisinau",
    "Africa/Cairo",
    "Africa/Casablanca",
    "Asia/Beirut",
    "Asia/Jerusalem",
    "Asia/Gaza",
    "Antarctica/Troll",
    "Australia/Sydney",
    "Australia/Adelaide",
    "Australia/Lord_Howe",
    "Pacific/Auckland",
    "Pacific/Chatham",
    "Pacific/Norfolk",
    "Pacific/Easter",
    "Asia/Kolkata",
    "America/Phoenix",
]
NAMES = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]


class Seen(NamedTuple):
    """One minute: its instant, and a date and a minute of that day which the clocks show then, or go past."""

    at: datetime
    day: date
    minute: int


class Walk(NamedTuple):
    """All minutes of some hours around a change of the clocks.

    ``shown`` is what the wall shows at each; ``reached`` is at which minute each time on the wall is reached for the
    first time, those that are skipped at the minute after them. Both are by the minute of the day.
    """

    first: datetime
    last: datetime
    days: frozenset[date]
    shown: Mapping[int, Sequence[Seen]]
    reached: Mapping[int, Sequence[Seen]]


@cache
def walk_changes(key: str) -> tuple[Walk, ...]:
    """Walk around the two changes of a zone in the year 2026; a zone without any is walked all the same."""
    changes = [at for at in list_changes(key) if at.year == 2026] or [datetime(2026, 3, 8, 7, tzinfo=UTC)]
    return tuple(walk_minutes(ZoneInfo(key), change - AROUND, change + AROUND) for change in changes)


def walk_minutes(zone: ZoneInfo, first: datetime, last: datetime) -> Walk:
    shown: list[Seen] = []
    reached: list[Seen] = []
    farthest = show(zone, first - MINUTE)
    for number in range(int((last - first) / MINUTE) + 1):
        at = first + number * MINUTE
        wall = show(zone, at)
        shown.append(see(at, wall))
        while farthest < wall:
            farthest += MINUTE
            reached.append(see(at, farthest))
    days = frozenset(one.day for one in [*shown, *reached])
    return Walk(first, last, days, sort_minutes(shown), sort_minutes(reached))


def sort_minutes(seen: Iterable[Seen]) -> Mapping[int, Sequence[Seen]]:
    found: dict[int, list[Seen]] = defaultdict(list)
    for one in seen:
        found[one.minute].append(one)
    return found


def show(zone: ZoneInfo, at: datetime) -> datetime:
    return at.astimezone(zone).replace(tzinfo=None, fold=0)


def see(at: datetime, wall: datetime) -> Seen:
    return Seen(at, wall.date(), wall.hour * 60 + wall.minute)


class Drawn(NamedTuple):
    """A cron line, and what it means: the minutes of a day, and the days."""

    text: str
    minutes: frozenset[int]
    comes_on: Callable[[date], bool]
    fixed: bool


def draw_line(draw: random.Random) -> Drawn:
    minute, minutes = draw_numbers(draw, 0, 59, crowd=0.1)
    hour, hours = draw_numbers(draw, 0, 23, crowd=0.3)
    month, months = draw_months(draw)
    dom, in_month = draw_days(draw)
    dow, in_week = draw_weekdays(draw)
    both = dom.startswith("*") or dow.startswith("*")

    def comes_on(day: date) -> bool:
        found = (in_month(day), in_week(day))
        return day.month in months and (all(found) if both else any(found))

    times = frozenset(60 * h + m for h in hours for m in minutes)
    return Drawn(f"{minute} {hour} {dom} {month} {dow}", times, comes_on, "*" not in minute + hour)


def draw_numbers(draw: random.Random, low: int, high: int, crowd: float) -> tuple[str, set[int]]:
    """Draw a field; with the chance of ``crowd`` one of many numbers."""
    if draw.random() < crowd:
        step = draw.choice([1, 1, 2, 3, 5, 7, 10, 15])
        if draw.random() < 0.6:
            return ("*" if step == 1 else f"*/{step}"), set(range(low, high + 1, step))
        first, last = sorted(draw.sample(range(low, high + 1), 2))
        return f"{first}-{last}/{step}", set(range(first, last + 1, step))
    numbers = [draw.randint(low, high) for _ in range(draw.choice([1, 1, 2, 3]))]
    if high == 23:  # clocks change at night
        numbers = [draw.choice([0, 1, 2, 2, 3, number]) for number in numbers]
    if draw.random() < 0.15:
        step = draw.randint(7, 30)
        return f"{numbers[0]}/{step}", set(range(numbers[0], high + 1, step))
    return ",".join(map(str, numbers)), set(numbers)


def draw_months(draw: random.Random) -> tuple[str, set[int]]:
    if draw.random() < 0.7:
        return "*", set(range(1, 13))
    first, last = sorted(draw.sample(range(1, 13), 2))
    return draw.choice(
        [
            (f"{first}-{last}", set(range(first, last + 1))),
            (f"{MONTHS[first - 1]},{MONTHS[last - 1].upper()}", {first, last}),
            ("*/3", {1, 4, 7, 10}),
        ]
    )


def draw_days(draw: random.Random) -> tuple[str, Callable[[date], bool]]:
    first, last = sorted(draw.sample(range(1, 29), 2))
    choices: list[tuple[str, Callable[[date], bool]]] = [
        (f"{first}-{last}", lambda day: first <= day.day <= last),
        (f"{first},{last}", lambda day: day.day in (first, last)),
        ("*/2", lambda day: day.day % 2 == 1),
        ("L", lambda day: day.day == monthrange(day.year, day.month)[1]),
    ]
    return ("*", lambda _day: True) if draw.random() < 0.6 else draw.choice(choices)


def draw_weekdays(draw: random.Random) -> tuple[str, Callable[[date], bool]]:
    first, last = sorted(draw.sample(range(7), 2))
    nth = draw.randint(1, 5)

    def number(day: date) -> int:
        return day.isoweekday() % 7

    choices: list[tuple[str, Callable[[date], bool]]] = [
        (f"{first}-{last}", lambda day: first <= number(day) <= last),
        (f"{NAMES[last].upper()},{NAMES[first]}", lambda day: number(day) in (first, last)),
        ("7", lambda day: number(day) == 0),
        ("0", lambda day: number(day) == 0),
        (f"{NAMES[first]}#{nth}", lambda day: number(day) == first and (day.day + 6) // 7 == nth),
        (f"{last}L", lambda day: number(day) == last and day.day + 7 > monthrange(day.year, day.month)[1]),
    ]
    return ("*", lambda _day: True) if draw.random() < 0.5 else draw.choice(choices)


def walk_line(line: Drawn, walk: Walk) -> list[datetime]:
    """Give the instants of a walk at which a line is due, by the rule of Debian's cron."""
    seen = walk.reached if line.fixed else walk.shown
    days = {day for day in walk.days if line.comes_on(day)}
    return sorted({one.at for minute in line.minutes if minute in seen for one in seen[minute] if one.day in days})


def time_cron(text: str, zone: str) -> Timetable:
    timetable = make_timetable(Schedule(cron=text, timezone=zone), [])
    assert timetable is not None
    return timetable


@pytest.mark.row("R67", "R68", "R69")
@pytest.mark.parametrize("part", range(PARTS))
def test_ten_thousand_schedules_are_due_at_the_minutes_of_a_walk(part: int) -> None:
    """Each line in one of the zones, over both changes of its clocks; both ways from a moment within one of them."""
    draw = random.Random(f"{SEED} {part}")
    for number in range(EXPRESSIONS // PARTS):
        line, zone = draw_line(draw), ZONES[part::PARTS][number % (len(ZONES) // PARTS)]
        timetable, walks = time_cron(line.text, zone), walk_changes(zone)
        said = f"{line.text} in {zone}, MMFLOW_SEED={SEED}"
        found = [walk_line(line, walk) for walk in walks]
        for walk, due in zip(walks, found, strict=True):
            assert list(timetable.between(walk.first - MINUTE, walk.last)) == due, said
        walk, due = draw.choice(list(zip(walks, found, strict=True)))
        now = walk.first + draw.randrange(2 * AROUND // MINUTE) * MINUTE + draw.choice([0, 30]) * SECOND
        assert next(timetable.between(now, walk.last), None) == next((at for at in due if at > now), None), said
        assert timetable.latest(walk.first - MINUTE, now, 3) == [at for at in due if at <= now][:-4:-1], said


def list_kinds() -> list[tuple[str, datetime]]:
    """Give of each kind of change that there is one, drawn from all zones and the years from 2000 to 2037.

    Two are of one kind when the wall goes from the same time of day to the same, by the same distances from UTC.
    """
    kinds: dict[tuple[object, ...], list[tuple[str, datetime]]] = defaultdict(list)
    for key in distinct_zones():
        for change in list_changes(key):
            before, after = show(ZoneInfo(key), change - MINUTE) + MINUTE, show(ZoneInfo(key), change)
            kinds[before.time(), after.time(), before - change.replace(tzinfo=None)].append((key, change))
    return [random.Random(SEED).choice(found) for found in kinds.values()]


@pytest.mark.row("R67", "R68", "R69")
def test_every_kind_of_change_costs_no_due_time_and_doubles_none() -> None:
    """A fixed time that it hits is due once, and every real minute is one."""
    for key, change in list_kinds():
        said = f"{key} at {change}, MMFLOW_SEED={SEED}"
        before, after = show(ZoneInfo(key), change - MINUTE) + MINUTE, show(ZoneInfo(key), change)
        middle = min(before, after) + abs(after - before) / 2
        fixed = time_cron(f"{middle.minute} {middle.hour} {middle.day} {middle.month} *", key)
        expected = change if after > before else change - (before - middle)
        assert list(fixed.between(change - 2 * DAY, change + 2 * DAY)) == [expected], said
        always = time_cron("* * * * *", key).between(change - 2 * MINUTE, change + 2 * MINUTE)
        assert list(always) == [change + number * MINUTE for number in (-1, 0, 1, 2)], said


@pytest.mark.row("R67", "R68", "R69")
@pytest.mark.parametrize("zone", ["America/New_York", "Australia/Lord_Howe"])
@pytest.mark.parametrize("text", ["*/10 * * * *", "5,40 * * * *", "5,40 0-3 * * *", "55 1 * * *", "5 2 * * *"])
def test_the_next_and_the_latest_times_are_the_same_from_within_a_change(text: str, zone: str) -> None:
    """Asked from every third minute around it, as a daemon asks that starts then."""
    timetable = time_cron(text, zone)
    for walk in walk_changes(zone):
        due = list(timetable.between(walk.first, walk.last))
        for number in range(-126, 127, 3):
            now = walk.first + AROUND + number * MINUTE
            assert timetable.after(now) == next((at for at in due if at > now), timetable.after(walk.last)), now
            assert timetable.latest(walk.first, now, 3) == [at for at in due if at <= now][:-4:-1], now


NEW_YORK = "America/New_York"


def ask_apscheduler(text: str, first: datetime, last: datetime) -> list[datetime]:
    """Give what APScheduler's own reading of a cron line makes due."""
    trigger = CronTrigger.from_crontab(text, timezone=ZoneInfo(NEW_YORK))
    found: list[datetime] = []
    while (due := trigger.get_next_fire_time(None, found[-1] + MINUTE if found else first)) and due <= last:
        found.append(due.astimezone(UTC))
    return found


def name_days(instants: Sequence[datetime]) -> list[str]:
    return [f"{at.astimezone(ZoneInfo(NEW_YORK)):%a %d}" for at in instants]


SUNDAY = datetime(2026, 11, 1, 4, tzinfo=UTC)  # midnight in New York; the clocks go back at 2


def test_monday_is_monday_and_not_tuesday_as_with_apscheduler() -> None:
    week = (SUNDAY, SUNDAY + 7 * DAY)
    ours = time_cron("0 6 * * 1-5", NEW_YORK).between(*week)
    assert name_days(list(ours)) == ["Mon 02", "Tue 03", "Wed 04", "Thu 05", "Fri 06"]
    assert name_days(ask_apscheduler("0 6 * * 1-5", *week)) == ["Tue 03", "Wed 04", "Thu 05", "Fri 06", "Sat 07"]


def test_days_of_month_and_week_are_added_and_not_both_demanded_as_with_apscheduler() -> None:
    fortnight = (SUNDAY, SUNDAY + 14 * DAY)
    ours = time_cron("0 6 3 * mon", NEW_YORK).between(*fortnight)
    assert name_days(list(ours)) == ["Mon 02", "Tue 03", "Mon 09"]
    assert ask_apscheduler("0 6 3 * mon", *fortnight) == []


@pytest.mark.row("R68")
def test_a_time_that_comes_twice_is_due_once_and_not_twice_as_with_apscheduler() -> None:
    night = (SUNDAY, SUNDAY + 8 * HOUR)
    first, second = SUNDAY + timedelta(hours=1, minutes=30), SUNDAY + timedelta(hours=2, minutes=30)
    assert list(time_cron("30 1 * * *", NEW_YORK).between(*night)) == [first]
    assert ask_apscheduler("30 1 * * *", *night) == [first, second]


def test_sunday_may_be_seven_which_apscheduler_refuses() -> None:
    month = (SUNDAY, SUNDAY + 14 * DAY)
    assert name_days(list(time_cron("0 6 * * 7", NEW_YORK).between(*month))) == ["Sun 01", "Sun 08"]
    with pytest.raises(ValueError, match="higher than the maximum"):
        CronTrigger.from_crontab("0 6 * * 7")


def test_the_first_monday_is_one_day_and_not_every_monday_as_with_apscheduler() -> None:
    fortnight = (SUNDAY, SUNDAY + 14 * DAY)
    assert name_days(list(time_cron("0 6 * * mon#1", NEW_YORK).between(*fortnight))) == ["Mon 02"]
    assert name_days(ask_apscheduler("0 6 * * mon#1", *fortnight)) == ["Mon 02", "Mon 09"]
