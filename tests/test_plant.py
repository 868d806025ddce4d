"""A plant calendar: what mmflow.yaml says of a site, and what is refused."""

from __future__ import annotations

import pickle
from dataclasses import FrozenInstanceError
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from mmflow.errors import UserError
from mmflow.options import convert_values
from mmflow.plant import PlantCalendar, parse_weekdays
from mmflow.settings import Site

NEW_YORK = {"timezone": "America/New_York", "start_of_day": "06:00"}


def make_calendar(**keys: Any) -> PlantCalendar:
    """Build a calendar from the YAML keys of a site."""
    return PlantCalendar.from_site("boston", convert_values(NEW_YORK | keys, Site), Path())


def refuse(**keys: Any) -> str:
    with pytest.raises(UserError) as caught:
        make_calendar(**keys)
    return str(caught.value)


def test_calendar_says_what_the_site_says() -> None:
    calendar = make_calendar(week_starts="sunday", holidays=["2026-11-26"])
    assert calendar.name == "boston"
    assert calendar.zone == ZoneInfo("America/New_York")
    assert calendar.start_of_day == time(6)
    assert calendar.week_starts == 6
    assert calendar.is_holiday(date(2026, 11, 26))
    assert not calendar.is_holiday(date(2026, 11, 27))


def test_site_that_says_little_starts_its_day_at_midnight_and_its_week_on_monday() -> None:
    calendar = PlantCalendar.from_site("x", Site(timezone="Europe/Berlin"), Path())
    assert (calendar.start_of_day, calendar.week_starts) == (time(0), 0)
    assert calendar.shifts_on(date(2026, 11, 16)) == ()


def test_calendar_is_frozen_and_can_be_sent_to_another_process() -> None:
    calendar = make_calendar(shifts=[{"name": "First", "from": "06:00", "to": "14:00"}])
    assert pickle.loads(pickle.dumps(calendar)) == calendar
    with pytest.raises(FrozenInstanceError):
        calendar.name = "other"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("written", "numbers"),
    [
        ("mon-fri", {0, 1, 2, 3, 4}),
        ("mon-sun", {0, 1, 2, 3, 4, 5, 6}),
        ("sat-mon", {5, 6, 0}),
        ("sat", {5}),
        ("sun-sun", {6}),
        ("mon, wed,fri", {0, 2, 4}),
        ("Monday-Wednesday", {0, 1, 2}),
        (["mon-tue", "saturday"], {0, 1, 5}),
    ],
)
def test_weekdays_are_words_and_ranges(written: str | list[str], numbers: set[int]) -> None:
    assert parse_weekdays(written) == numbers


@pytest.mark.parametrize("written", ["", "mo", "mon-", "mon-fri-sun", "1-5", "mon-fry"])
def test_other_weekdays_are_refused(written: str) -> None:
    with pytest.raises(UserError, match="is not a weekday"):
        parse_weekdays(written)


def test_shifts_of_a_day_are_those_that_start_on_it() -> None:
    calendar = make_calendar(
        shifts=[
            {"name": "Third", "days": "mon-fri", "from": "22:00", "to": "06:00"},
            {"name": "First", "days": "mon-fri", "from": "06:00", "to": "14:00"},
        ]
    )
    first, third = calendar.shifts_on(date(2026, 11, 13))
    assert (first.name, first.start) == ("First", datetime(2026, 11, 13, 11, tzinfo=UTC))
    assert (third.name, third.day) == ("Third", date(2026, 11, 13))
    assert (third.start, third.end) == (datetime(2026, 11, 14, 3, tzinfo=UTC), datetime(2026, 11, 14, 11, tzinfo=UTC))
    assert calendar.shifts_on(date(2026, 11, 14)) == ()


def test_weekdays_of_a_shift_are_those_of_the_wall_also_before_the_start_of_day() -> None:
    """A shift that starts on Tuesday at 00:00 is Monday's when the production day starts at 06:00."""
    calendar = make_calendar(shifts=[{"name": "Night", "days": "tue", "from": "00:00", "to": "06:00"}])
    (night,) = calendar.shifts_on(date(2026, 11, 16))
    assert night.start == datetime(2026, 11, 17, 5, tzinfo=UTC)
    assert night.day == date(2026, 11, 16)
    assert calendar.shifts_on(date(2026, 11, 17)) == ()


def test_shift_that_ends_when_it_starts_lasts_a_day() -> None:
    calendar = make_calendar(shifts=[{"name": "All", "days": "sat", "from": "06:00", "to": "06:00"}])
    (shift,) = calendar.shifts_on(date(2026, 10, 31))
    assert (shift.end - shift.start).total_seconds() == 25 * 3600  # the clocks go back in it


@pytest.mark.row("R70")
def test_shift_inside_a_gap_is_none() -> None:
    """Cleaning from 02:00 to 03:00 does not take place in the night in which that hour is skipped."""
    calendar = make_calendar(shifts=[{"name": "Cleaning", "days": "sun", "from": "02:00", "to": "03:00"}])
    assert calendar.shifts_on(date(2026, 3, 7)) == ()
    assert len(calendar.shifts_on(date(2026, 3, 14))) == 1


SCHEDULES = [
    {"name": "Weekend", "machine_groups": ["Lathes", "Saws"], "shifts": []},
    {"name": "Nights", "machine_groups": ["Mills [5-axis]"], "shifts": []},
]


@pytest.mark.parametrize(
    ("groups", "schedule"),
    [
        ([], ""),
        (["Presses"], ""),
        (["Lathes"], "Weekend"),
        (["Lathes", "Saws"], "Weekend"),
        (["Mills [5-axis]"], "Nights"),
        (["Mills*"], "Nights"),
        (["*-axis]"], "Nights"),
        (["Mills ?5-axis?"], ""),
        (["lathes"], ""),
    ],
)
def test_machine_groups_choose_the_schedule(groups: list[str], schedule: str) -> None:
    assert make_calendar(schedules=SCHEDULES).schedule_of(groups) == schedule


@pytest.mark.parametrize("groups", [["Lathes", "Mills*"], ["*"], ["Presses", "Saws"]])
def test_groups_of_several_schedules_choose_none(groups: list[str]) -> None:
    with pytest.raises(UserError, match="follow several schedules; name one of them: "):
        make_calendar(schedules=SCHEDULES).schedule_of(groups)


def test_unknown_schedule_names_those_there_are() -> None:
    with pytest.raises(UserError, match="site boston has no schedule 'Days'; there are: Nights, Weekend, default"):
        make_calendar(schedules=SCHEDULES).shifts_on(date(2026, 11, 16), "Days")


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"timezone": "America/NewYork"}, "'America/NewYork' is not a time zone; did you mean 'America/New_York'?"),
        ({"holidays": ["2026-02-30"]}, "'2026-02-30' is not a day of the calendar; write one like 2026-11-01"),
        ({"holidays": "none.ics"}, "the file of holidays none.ics does not exist; check the path"),
        (
            {"shifts": [{"name": "A", "days": "mon-fry", "from": "06:00", "to": "14:00"}]},
            "'fry' is not a weekday; did you mean 'friday'?",
        ),
        (
            {"schedules": [{"name": "default", "shifts": []}]},
            "two schedules are called 'default'; give each its own name",
        ),
        (
            {"schedules": [*SCHEDULES, {"name": "Weekend", "shifts": []}]},
            "two schedules are called 'Weekend'; give each its own name",
        ),
        (
            {
                "shifts": [
                    {"name": "Night", "days": "mon", "from": "22:00", "to": "00:00"},
                    {"name": "Night", "days": "tue", "from": "00:00", "to": "06:00"},
                ]
            },
            "shift 'Night' starts twice on the production day monday; give its parts different names",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_site(keys: dict[str, Any], message: str) -> None:
    assert refuse(**keys) == f"site boston: {message}"


def test_one_name_on_different_days_is_one_shift() -> None:
    calendar = make_calendar(
        shifts=[
            {"name": "First", "days": "mon-thu", "from": "06:00", "to": "14:00"},
            {"name": "First", "days": "fri", "from": "06:00", "to": "12:00"},
        ]
    )
    lengths = [calendar.shifts_on(date(2026, 11, day))[0] for day in (19, 20)]
    assert [(shift.end - shift.start).total_seconds() / 3600 for shift in lengths] == [8, 6]
