"""Rectangles of cells, days and instants as numbers, and the options of the sink: everything that needs no service."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmflow.options import convert_values
from mmflow.plugins import load
from mmflow.refs import Secret
from mmflow.sinks import find_function
from mmflow.testing.deliveries import make_outline
from mmflow_sheets.grid import Rect, column_name, read_cell
from mmflow_sheets.options import SheetsConnection, SheetsOptions, find_id
from mmflow_sheets.serials import day_serial, instant_serial, serial_day, serial_instant

SHEET = "1AbCdEfGhIjKlMnOpQrStUvWxYz0123456789"
small = st.integers(0, 12)
rects = st.builds(Rect.of_size, st.tuples(small, small), st.integers(1, 8), st.integers(1, 8))


@given(st.integers(0, 18_277))
def test_letters_of_a_column_read_back(place):
    assert read_cell(f"{column_name(place)}7") == (6, place)


def test_letters_are_those_that_people_see():
    assert [column_name(place) for place in (0, 25, 26, 701, 702, 18_277)] == ["A", "Z", "AA", "ZZ", "AAA", "ZZZ"]
    assert str(Rect(3, 1, 20, 5)) == "B4:E20"


def test_ends_of_a_rectangle_are_not_in_it():
    rect = Rect(1, 1, 3, 3)
    assert {(row, column) for row in range(5) for column in range(5) if rect.holds(row, column)} == cells(rect)


def cells(rect):
    return {(row, column) for row in range(rect.top, rect.bottom) for column in range(rect.left, rect.right)}


@settings(max_examples=60, deadline=None)
@given(rects, rects)
def test_what_is_left_of_a_rectangle_is_exactly_what_the_other_lacks(one, other):
    pieces = [cells(piece) for piece in one.minus(other)]
    assert set().union(*pieces) == cells(one) - cells(other)
    assert sum(map(len, pieces)) == len(cells(one) - cells(other))


def test_days_are_counted_as_google_counts_them():
    assert day_serial(date(1900, 1, 1)) == 2
    assert day_serial(date(2026, 11, 21)) == 46_347
    assert serial_day(46_347) == date(2026, 11, 21)


@settings(max_examples=60, deadline=None)
@given(
    st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1)),
    st.sampled_from(["America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kolkata", "UTC"]),
)
def test_instants_come_back_to_the_millisecond_whatever_the_zone(moment, zone):
    instant = moment.replace(microsecond=moment.microsecond // 1000 * 1000, tzinfo=UTC)
    assert serial_instant(instant_serial(instant, zone), zone) == instant


def test_hour_that_comes_twice_stays_two_hours_and_reads_the_same():
    first, second = (datetime(2026, 11, 1, hour, tzinfo=UTC) for hour in (5, 6))
    numbers = [instant_serial(instant, "America/New_York") for instant in (first, second)]
    assert [serial_instant(number, "America/New_York") for number in numbers] == [first, second]
    assert numbers[0] != numbers[1]
    assert abs(numbers[0] - numbers[1]) < timedelta(milliseconds=1) / timedelta(days=1)
    assert first.astimezone(ZoneInfo("America/New_York")).hour == 1


@pytest.mark.parametrize(
    ("written", "found"),
    [
        (f"https://docs.google.com/spreadsheets/d/{SHEET}/edit?gid=0#gid=0", SHEET),
        (f"https://docs.google.com/spreadsheets/u/1/d/{SHEET}", SHEET),
        (SHEET, SHEET),
        ("https://example.com/spreadsheets/d/x", ""),
        ("My sheet", ""),
        (f"{SHEET}/../other", ""),
    ],
)
def test_address_in_the_browser_or_the_id_in_it_names_a_spreadsheet(written, found):
    assert find_id(written) == found


def validate(outline=None, **written):
    options = convert_values({"spreadsheet": SHEET, **written}, SheetsOptions)
    found = find_function(load().sinks["sheets"].validate)(options, outline or make_outline())
    return {key if isinstance(key, str) else ".".join(key): message for key, message in found}


def test_defaults_have_nothing_wrong():
    assert validate() == validate(tab="x" * 100) == {}


@pytest.mark.parametrize(
    ("written", "key", "words"),
    [
        ({"spreadsheet": "My sheet"}, "spreadsheet", "copy its address from the browser"),
        ({"tab": " "}, "tab", "is no name of a tab"),
        ({"tab": "x" * 101}, "tab", "write 1 to 100 characters"),
        ({"anchor": "ZZZ9999999"}, "anchor", "and at most 10,000,000 are possible; begin nearer"),
        ({"chart": {"x": "machine", "y": ["goodParts"], "at": "ZZZ9999999"}}, "chart.at", "begin nearer"),
        ({"date_format": "qqq"}, "date_format", "'q' is no part of a pattern"),
        ({"date_format": "d.m.yyyy Uhr"}, "date_format", "put words into quotes"),
        ({"datetime_format": "[bad] h:mm"}, "datetime_format", "'['"),
        ({"datetime_format": 'h:mm "Uhr'}, "datetime_format", "'\"'"),
        ({"range": "A1"}, "range", "is a cell"),
        ({"range": "xy12"}, "range", "is a cell"),
        ({"range": "My range"}, "range", "cannot name a range"),
        ({"range": "OeeTable", "tab": "X"}, "range", "leave tab and anchor out"),
        ({"mode": "append", "grid": "fit"}, "grid", "leave it out"),
        ({"lights": {"oe": {"red": 1}}}, "lights.oe", "no column 'oe'"),
        ({"chart": {"x": "machne", "y": ["goodParts"]}}, "chart.x", "did you mean 'machine'?"),
        ({"chart": {"x": "machine", "y": ["oee"]}}, "chart.y", "no column 'oee'"),
        (
            {"chart": {"kind": "line", "x": "machine", "y": ["goodParts"], "stacked": "yes"}},
            "chart.stacked",
            "cannot be stacked",
        ),
    ],
)
def test_what_contradicts_itself_is_found_before_any_run(written, key, words):
    assert words in validate(**written)[key]


@pytest.mark.parametrize(
    "pattern", ["d.m.yyyy", 'h:mm "Uhr"', "[hh]:mm:ss.000", "DD/MM/YY h:mm AM/PM", "yyyy年", "d\\T"]
)
def test_patterns_of_google_are_accepted(pattern):
    assert validate(date_format=pattern, datetime_format=pattern) == {}


def test_tab_may_reach_as_far_as_google_lets_it():
    assert validate(anchor="A9999999") == {}


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://sheets.example.com", r"does not begin with https://"),
        ("sheets.googleapis.com", r"does not begin with https://"),
        ("https://", r"is no address, expected https:// and a host"),
        ("https://sheets.googleapis.com", None),
        ("http://127.0.0.1:8080", None),
    ],
)
def test_address_of_the_service_is_looked_at_offline(url, words):
    connection = SheetsConnection(credentials=Secret("{}"), base_url=url)
    found = dict(find_function(load().sinks["sheets"].validate_connection)(connection))
    assert list(found) == (["base_url"] if words else [])
    assert not words or words in found["base_url"]


def test_replace_window_needs_a_time_group():
    assert "needs a time group" in validate(make_outline(time_column=""), mode="replace_window")["mode"]
