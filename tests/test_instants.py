"""Days, date-times and zones as people write them."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo, available_timezones

import pytest

from mmflow.errors import UserError
from mmflow.plant.instants import find_zone, first_instant, has_time, read_day, read_instant
from mmflow.plant.periods import DAY, MONTH, QUARTER, WEEK, YEAR, Period

NEW_YORK = ZoneInfo("America/New_York")
SIX = datetime(2026, 11, 2, 11, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-02T06:00-05:00",
        "2026-11-02T06:00-0500",
        "2026-11-02 06:00:00 -05:00",
        "2026-11-02T11:00Z",
        "2026-11-02T06:00 America/New_York",
        "2026-11-02 05:00 America/Chicago",
    ],
)
def test_one_instant_may_be_written_in_many_ways(text: str) -> None:
    found = read_instant(text)
    assert found == SIX
    assert found.tzinfo is UTC


def test_time_without_zone_is_on_the_wall_that_is_given() -> None:
    assert read_instant("2026-11-02T06:00", NEW_YORK) == SIX
    assert read_instant("2026-11-02T06:00-05:00", ZoneInfo("Asia/Tokyo")) == SIX


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("2026-11-02T06:00", "has no zone; write 2026-11-01T06:00-05:00 or 2026-11-01T06:00 America/New_York"),
        ("2026-11-02T25:00Z", "is not a time of the day"),
        ("2026-11-31T06:00Z", "'2026-11-31' is not a day of the calendar"),
        ("2206-11-02T06:00Z", "lies outside the years 1970 to 2199"),
        ("11/2/2026 6:00 AM", "is not a date-time"),
        ("20261102T0600Z", "is not a date-time"),
        ("2026-W45-1T06:00Z", "is not a date-time"),
        ("2026-11-02T06:00 New York", "'New York' is not a time zone; did you mean 'America/New_York'"),
        ("2026-11-02T06:00 EST", "'EST' is a fixed offset"),
        ("2026-11-02T06:00+25:00", "is not a time of the day"),
        ("٢٠٢٦-11-02T06:00Z", "is not a date-time"),
        ("", "is not a date-time"),
    ],
)
def test_other_date_times_are_refused(text: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        read_instant(text)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "text", ["", "20261102", "2026-W45-1", "2026-11-02T06:00", "2026-11-02 ", "2026-13-01", "today"]
)
def test_other_days_are_refused(text: str) -> None:
    with pytest.raises(UserError, match="write"):
        read_day(text)


def test_day_is_a_date() -> None:
    assert read_day("2028-02-29") == date(2028, 2, 29)
    assert [has_time("2026-11-02"), has_time("2026-11-02T06:00Z")] == [False, True]


@pytest.mark.parametrize("name", ["EST", "MST", "PST", "AKDT", "UTC-5", "GMT+2", "-05:00", "Etc/GMT+5", "UTC+05:30"])
def test_fixed_offsets_are_refused_because_they_know_no_daylight_saving(name: str) -> None:
    with pytest.raises(UserError, match="is a fixed offset, which knows no daylight saving; name a place"):
        find_zone(name)


@pytest.mark.parametrize(
    "name", ["", "Mars/Olympus", "../../etc/passwd", "/etc/localtime", "America", "\0", "a" * 5000]
)
def test_names_that_are_no_zone_are_refused(name: str) -> None:
    with pytest.raises(UserError, match="is not a time zone"):
        find_zone(name)


@pytest.mark.parametrize("name", ["UTC", "Etc/UTC", "US/Eastern", "America/Argentina/Buenos_Aires"])
def test_zones_are_found_by_name(name: str) -> None:
    assert find_zone(name).key == name


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("right/Asia/Tokyo", "Asia/Tokyo"),
        ("posix/Europe/Berlin", "Europe/Berlin"),
        ("posix/EST5EDT", "a place, such as America/New_York"),
        ("localtime", "a place, such as America/New_York"),
        ("posixrules", "a place, such as America/New_York"),
        ("Factory", "a place, such as America/New_York"),
        ("GMT", "UTC"),
        ("GMT0", "UTC"),
        ("Etc/Zulu", "UTC"),
        ("EST5EDT", "America/New_York"),
        ("CET", "Europe/Berlin"),
    ],
)
def test_names_without_a_place_are_refused_with_the_zone_to_use(name: str, instead: str) -> None:
    with pytest.raises(UserError) as caught:
        find_zone(name)
    assert str(caught.value) == f"{name!r} names no place, and not every machine knows it; write {instead}"


def test_every_zone_of_the_database_is_taken_or_refused_with_one_to_use() -> None:
    def is_taken(name: str) -> bool:
        try:
            return find_zone(name).key == name
        except UserError as error:
            return "is not a time zone" in str(error)

    assert sorted(name for name in available_timezones() if "/" not in name and is_taken(name)) == ["UTC"]


@pytest.mark.parametrize("name", ["Asia/Tokio", "localtme", "EST5ED", "Etc/GNT", "GMTO", "new york", "eastern"])
def test_a_zone_that_is_proposed_is_taken(name: str) -> None:
    with pytest.raises(UserError, match="is not a time zone") as caught:
        find_zone(name)
    for near in re.findall("did you mean '(.*)'", str(caught.value)):
        assert find_zone(near)


@pytest.mark.parametrize("city", ["Boston", "Dallas", "San Francisco", "Munich"])
def test_a_city_that_no_zone_is_named_after_is_not_taken_for_another(city: str) -> None:
    with pytest.raises(UserError, match=f"'{city}' is not a time zone; name a place, such as America/New_York"):
        find_zone(city)


@pytest.mark.row("R70")
def test_skipped_time_is_the_end_of_the_gap_and_a_doubled_one_the_first() -> None:
    assert first_instant(NEW_YORK, datetime(2026, 3, 8, 2, 30)) == datetime(2026, 3, 8, 7, tzinfo=UTC)
    assert first_instant(NEW_YORK, datetime(2026, 11, 1, 1, 30)) == datetime(2026, 11, 1, 5, 30, tzinfo=UTC)
    # A fold that the caller sets changes nothing: the first of the two is meant.
    assert first_instant(NEW_YORK, datetime(2026, 11, 1, 1, 30, fold=1)) == datetime(2026, 11, 1, 5, 30, tzinfo=UTC)


@pytest.mark.row("R74")
@pytest.mark.parametrize(
    ("period", "day", "first", "back"),
    [
        (DAY, "2028-03-01", "2028-03-01", "2028-02-29"),
        (WEEK, "2027-01-03", "2026-12-28", "2026-12-27"),
        (WEEK, "2027-01-04", "2027-01-04", "2026-12-28"),
        (MONTH, "2028-03-31", "2028-03-01", "2028-02-29"),
        (MONTH, "2027-03-31", "2027-03-01", "2027-02-28"),
        (MONTH, "2027-01-31", "2027-01-01", "2026-12-31"),
        (QUARTER, "2026-12-31", "2026-10-01", "2026-09-30"),
        (QUARTER, "2027-02-28", "2027-01-01", "2026-11-28"),
        (YEAR, "2028-02-29", "2028-01-01", "2027-02-28"),
        (YEAR, "2026-12-31", "2026-01-01", "2025-12-31"),
    ],
)
def test_periods_at_the_ends_of_months_and_years(period: Period, day: str, first: str, back: str) -> None:
    """The first day of the period that holds a day, and the day one period before."""
    held = date.fromisoformat(day)
    assert str(period.first_day(held)) == first
    assert str(period.move_day(held, -1)) == back


def test_week_starts_where_the_plant_says() -> None:
    wednesday = date(2026, 11, 18)
    assert [str(WEEK.first_day(wednesday, starts)) for starts in (0, 2, 6)] == [
        "2026-11-16",
        "2026-11-18",
        "2026-11-15",
    ]
