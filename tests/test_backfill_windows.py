"""Which windows of a job lie within some days, and the due instants at which they are asked for."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from mmflow.backfill.windows import MOST_DAYS, find_windows, refuse_dates
from mmflow.errors import UserError
from mmflow.job import Job
from mmflow.options import convert_values
from mmflow.plant import PlantCalendar
from mmflow.settings import Site
from mmflow.windows import resolve_window

SITE = {
    "environment": "simulator",
    "timezone": "America/New_York",
    "start_of_day": "06:00",
    "shifts": [
        {"name": "First", "days": "mon-fri", "from": "06:00", "to": "14:00"},
        {"name": "Second", "days": "mon-fri", "from": "14:00", "to": "22:00"},
        {"name": "Third", "days": "mon-fri", "from": "22:00", "to": "06:00"},
    ],
}
CALENDARS = {
    name: PlantCalendar.from_site(name, convert_values(SITE | {"timezone": zone}, Site), Path())
    for name, zone in (("boston", "America/New_York"), ("austin", "America/Chicago"))
}
NOW = datetime(2026, 11, 22, 11, 40, tzinfo=UTC)
# A Monday, the first Sunday of November, on which the clocks go back, and the next Sunday.
MONDAY, FOLD, SUNDAY = date(2026, 10, 26), date(2026, 11, 1), date(2026, 11, 8)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


def make_job(window, *sites):
    report = {"metrics": ["oee"]}
    values = {"job": "daily", "sites": sites or ("boston",), "report": report, "window": window, "sinks": [{}]}
    return convert_values(values, Job)


def find(window, first, last, *sites, now=NOW):
    return find_windows(make_job(window, *sites), CALENDARS, first, last, now)


def days(found):
    return [(window.first_day, window.last_day) for window in found.windows]


def each_day(first, last):
    return [first + number * DAY for number in range((last - first).days + 1)]


@pytest.mark.parametrize("word", ["today", "yesterday", {"last": "1 day"}])
def test_a_day_word_has_one_window_a_production_day(word):
    assert days(find(word, MONDAY, SUNDAY)) == [(day, day) for day in each_day(MONDAY, SUNDAY)]


@pytest.mark.parametrize("word", ["last_week", {"last": "1 week"}])
def test_a_week_counts_when_it_lies_within_as_a_whole_and_those_cut_off_are_named(word):
    found = find(word, MONDAY - DAY, SUNDAY + DAY)
    assert days(found) == [(MONDAY, FOLD), (FOLD + DAY, SUNDAY)]
    assert found.left_out == (
        "2026-10-19 to 2026-10-25: only a part of it lies within",
        "2026-11-09 to 2026-11-15: only a part of it lies within",
    )


def test_months_and_quarters_count_as_a_whole_likewise():
    assert days(find("last_month", date(2026, 8, 31), date(2026, 10, 31))) == [
        (date(2026, 9, 1), date(2026, 9, 30)),
        (date(2026, 10, 1), date(2026, 10, 31)),
    ]
    assert find("last_quarter", date(2026, 4, 2), date(2026, 6, 30)).windows == ()


@pytest.mark.parametrize("word", ["month_to_date", "month_to_yesterday", "this_month"])
@pytest.mark.parametrize("day", [date(2026, 10, 31), FOLD, date(2026, 11, 2)])
def test_windows_that_grow_have_one_for_each_day_that_is_their_last_also_where_a_month_begins(word, day):
    assert days(find(word, day, day)) == [(day.replace(day=1), day)]


@pytest.mark.parametrize("window", [{"last": "7 days"}, {"last": "7 days", "to_now": True}])
def test_rolling_windows_have_one_for_each_day_that_is_their_last(window):
    assert days(find(window, FOLD, SUNDAY)) == [(day - 6 * DAY, day) for day in each_day(FOLD, SUNDAY)]


@pytest.mark.parametrize("word", ["last_shift", "current_shift"])
def test_each_shift_belongs_to_the_day_on_which_it_starts(word):
    found = find(word, date(2026, 10, 30), date(2026, 11, 2))  # Friday to Monday
    assert [window.first_day.day for window in found.windows] == [30, 30, 30, 2, 2, 2]
    assert {(window.spans[0][1].end - window.spans[0][1].start) / HOUR for window in found.windows} == {8}


def test_a_shift_by_its_name_has_one_window_for_each_day_that_has_it():
    found = find({"shift": "Third"}, date(2026, 10, 30), date(2026, 11, 3))
    assert [window.first_day.day for window in found.windows] == [30, 2, 3]


@pytest.mark.parametrize(("hours", "lengths"), [(8, [0, 8, 16, 17]), (5, [0, 5, 10, 15, 20]), (1, [*range(25)])])
def test_hours_follow_each_other_from_the_start_of_a_day_and_the_last_end_with_it(hours, lengths):
    found = find({"last": f"{hours} hours"}, date(2026, 10, 31), date(2026, 10, 31))  # 25 hours long
    start = CALENDARS["boston"].day_start(date(2026, 10, 31))
    assert [(window.borders[0][0] - start) / HOUR for window in found.windows] == lengths
    assert {end - begin for window in found.windows for begin, end in window.borders} == {hours * HOUR}


@pytest.mark.parametrize(
    "window",
    ["today", "yesterday", "last_week", "month_to_date", "last_shift", "current_shift", {"last": "8 hours"},
     {"last": "7 days"}, {"shift": "Third"}],
)  # fmt: skip
@pytest.mark.parametrize("sites", [("boston",), ("boston", "austin")])
def test_the_slot_asks_the_jobs_own_words_for_that_window_and_is_the_same_whatever_days_are_given(window, sites):
    words, many = make_job(window).window, find(window, MONDAY, SUNDAY, *sites).windows
    for one in many[:: max(1, len(many) // 3)]:
        assert one.spans == tuple((name, resolve_window(words, CALENDARS[name], one.slot)) for name in sites)
        assert one in find(window, one.first_day, one.last_day, *sites).windows
    assert many == tuple(sorted(set(many), key=lambda one: one.slot))


@pytest.mark.parametrize("word", ["today", "yesterday", "month_to_date", "last_shift", "current_shift"])
def test_sites_in_two_zones_are_asked_about_the_same_days_and_shifts(word):
    for window in find(word, MONDAY, SUNDAY, "boston", "austin").windows:
        (_, boston), (_, austin) = window.spans
        assert (boston.first_day, boston.last_day) == (austin.first_day, austin.last_day)
        assert austin.start - boston.start == HOUR


def test_what_has_not_ended_is_left_out():
    found = find("yesterday", date(2026, 11, 21), date(2026, 11, 24))
    assert days(found) == [(date(2026, 11, 21), date(2026, 11, 21))]
    assert found.left_out == ("2026-11-22 and 2 more: not over yet",)
    assert find("yesterday", date(2026, 11, 22), date(2026, 11, 22)).left_out == ("2026-11-22: not over yet",)


def test_a_window_that_ends_at_this_moment_has_ended():
    end = CALENDARS["boston"].day_start(SUNDAY + DAY)
    assert days(find("yesterday", SUNDAY, SUNDAY, now=end)) == [(SUNDAY, SUNDAY)]
    assert find("yesterday", SUNDAY, SUNDAY, now=end - timedelta(microseconds=1)).windows == ()


def test_a_day_of_hours_goes_by_the_first_site():
    found = find({"last": "24 hours"}, SUNDAY - DAY, SUNDAY, "boston", "austin")
    assert days(found) == [(SUNDAY - DAY, SUNDAY - DAY), (SUNDAY, SUNDAY)]


def test_a_weekend_without_shifts_has_no_windows():
    assert find("last_shift", date(2026, 10, 31), FOLD).windows == ()


@pytest.mark.parametrize(
    ("window", "first", "last", "words"),
    [
        ("yesterday", SUNDAY, MONDAY, "--from 2026-11-08 lies after --to 2026-10-26; exchange them"),
        ({"last": "1 hour"}, date(2025, 1, 1), SUNDAY, "windows, expected at most 10,000; give fewer days at a time"),
        ({"from": "2026-11-01", "to": "2026-11-03"}, MONDAY, SUNDAY, "are written in it, so it has one window"),
    ],
)
def test_days_and_windows_that_mean_nothing_are_refused(window, first, last, words):
    with pytest.raises(UserError, match=words):
        find(window, first, last)


def test_ten_years_of_days_are_the_most():
    refuse_dates(make_job("yesterday"), SUNDAY - (MOST_DAYS - 1) * DAY, SUNDAY)
    with pytest.raises(UserError, match="more than 3,660 days"):
        refuse_dates(make_job("yesterday"), SUNDAY - MOST_DAYS * DAY, SUNDAY)
