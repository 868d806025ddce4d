"""Which earlier rows a delivery takes the place of, by each time group and by site."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from mmflow.errors import GiveUp
from mmflow.replacement import RANGES, Replacement, moment_text, quarter_text
from mmflow.table import Column, make_table
from mmflow.testing.deliveries import DAY, HOUR, MACHINE, PARTS, SITE, make_run, make_span


def find(tmp_path, columns, **run):
    table = make_table([], columns=columns, path=tmp_path / "t.parquet")
    return Replacement.of(table, make_run(tmp_path, **run))


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (None, ""),
        (date(2026, 11, 8), "2026-11-08"),
        ("2026-11", "2026-11"),
        (datetime(2026, 11, 8, 6, 30, tzinfo=UTC), "2026-11-08T06:30:00.000000"),
        (datetime(2026, 11, 8, 1, 30, 0, 5, tzinfo=timezone(timedelta(hours=-5))), "2026-11-08T06:30:00.000005"),
    ],
)
def test_moments_are_texts_that_sort_as_times_do(cell, text):
    assert moment_text(cell) == text


@pytest.mark.parametrize(
    ("group", "inside", "outside"),
    [
        ("day", ["2026-11-18", "2026-11-20"], ["2026-11-17", "2026-11-21", ""]),
        (
            "hour",
            ["2026-11-18T05:00:00.000000", "2026-11-21T04:00:00.000000"],
            ["2026-11-18T04:00:00.000000", "2026-11-21T05:00:00.000000", ""],
        ),
        ("week", ["2026-11-16"], ["2026-11-09", "2026-11-23", ""]),
        ("month", ["2026-11"], ["2026-10", "2026-12", ""]),
        ("quarter", ["2026-Q4"], ["2026-Q3", "2027-Q1", ""]),
    ],
)
def test_rows_of_the_span_are_replaced_and_their_neighbours_stay(group, inside, outside, tmp_path):
    columns = (Column(group, group, "text", "group"), PARTS)
    run = {"first": date(2026, 11, 18), "last": date(2026, 11, 20), "time_column": group}
    found = find(tmp_path, columns, **run)
    assert [found.covers("", moment) for moment in inside] == [True] * len(inside)
    assert [found.covers("", moment) for moment in outside] == [False] * len(outside)


@pytest.mark.parametrize("day", [date(2026, 11, 16), date(2026, 11, 22)])
def test_every_day_of_a_week_means_the_week_that_its_monday_names(day):
    first, last = RANGES["week"](make_span(day, day))
    assert [monday for monday in ("2026-11-09", "2026-11-16", "2026-11-23") if first <= monday <= last] == [
        "2026-11-16"
    ]


@pytest.mark.parametrize(("month", "quarter"), [(1, 1), (3, 1), (4, 2), (6, 2), (7, 3), (9, 3), (10, 4), (12, 4)])
def test_quarters_begin_in_january_april_july_and_october(month, quarter):
    assert quarter_text(date(2026, month, 1)) == f"2026-Q{quarter}"


def test_a_site_that_did_not_answer_keeps_its_rows(tmp_path):
    found = find(tmp_path, (SITE, DAY, PARTS), sites=("boston",))
    assert (found.site, found.time) == (0, 1)
    assert [found.covers(site, "2026-11-21") for site in ("boston", "austin", "")] == [True, False, False]


def test_sites_have_days_of_their_own(tmp_path):
    spans = (
        ("boston", make_span(date(2026, 11, 21), date(2026, 11, 21))),
        ("austin", make_span(*[date(2026, 11, 20)] * 2)),
    )
    found = find(tmp_path, (SITE, DAY, PARTS), spans=spans)
    pairs = [("boston", "2026-11-21"), ("austin", "2026-11-20"), ("boston", "2026-11-20"), ("austin", "2026-11-21")]
    assert [found.covers(*pair) for pair in pairs] == [True, True, False, False]
    assert found.start == "2026-11-20"


def test_without_a_column_of_sites_all_rows_are_those_of_the_report(tmp_path):
    found = find(tmp_path, (DAY, MACHINE, PARTS))
    assert found.site is None
    assert found.covers("whatever", "2026-11-21")


def test_a_delivery_of_no_site_replaces_nothing(tmp_path):
    found = find(tmp_path, (DAY, PARTS), spans=())
    assert (found.start, found.covers("", "2026-11-21")) == ("", False)


@pytest.mark.parametrize("time_column", ["", "day", "weekday"])
def test_rows_without_a_time_cannot_be_replaced(time_column, tmp_path):
    columns = (Column("weekday", "Weekday", "text", "group"), PARTS)
    with pytest.raises(GiveUp, match="replace_window needs a time group in the report"):
        find(tmp_path, columns, time_column=time_column)


@pytest.mark.parametrize(("later", "begins"), [({"minutes": 30}, "05:30"), ({"seconds": 1}, "05:00")])
def test_a_window_that_begins_within_an_hour_cannot_be_merged_by_hour(later, begins, tmp_path):
    whole = make_span(date(2026, 11, 21), date(2026, 11, 21))
    span = replace(whole, start=whole.start + timedelta(**later))
    columns, run = (HOUR, PARTS), {"time_column": "hour"}
    assert find(tmp_path, columns, spans=(("boston", whole),), **run).start == "2026-11-21T05:00:00.000000"
    with pytest.raises(GiveUp, match=f"full hour of UTC, the one of boston begins at {begins}; put day"):
        find(tmp_path, columns, spans=(("austin", whole), ("boston", span)), **run)
    find(tmp_path, (DAY, PARTS), spans=(("boston", span),))
