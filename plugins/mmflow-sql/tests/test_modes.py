"""What each mode leaves in a table, in every kind of database."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta

import pytest

from mmflow.errors import GiveUp
from mmflow.table import Column, open_database, write_table
from mmflow.testing.deliveries import DAY, DOWN, HOUR, MACHINE, PARTS, SITE, day_rows
from mmflow.windows import Span

FIRST = date(2026, 11, 1)
COLUMNS = (DAY, MACHINE, PARTS, DOWN)
RATE = Column("rate", "Rate", "number")


def days(start: int, count: int, parts: float):
    return day_rows(FIRST + timedelta(days=start), count, parts)


def sorted_rows(*parts):
    return sorted(row for rows in parts for row in rows)


def test_first_delivery_makes_the_table(plant):
    receipt = plant.deliver(days(0, 2, 100), start=0, count=2)
    assert receipt.rows == 4
    assert plant.read() == days(0, 2, 100)


def test_same_window_twice_equals_once(plant):
    for generation in (1, 2):
        receipt = plant.deliver(days(0, 3, 100), start=0, count=3, generation=generation)
    assert receipt.details["removed"] == 6
    assert plant.read() == days(0, 3, 100)


def test_rows_of_the_window_are_replaced_and_others_stay(plant):
    plant.deliver(days(0, 5, 100), start=0, count=5)
    plant.deliver(days(2, 2, 7), start=2, count=2)
    assert plant.read() == sorted_rows(days(0, 2, 100), days(2, 2, 7), days(4, 1, 100))


def test_rows_that_are_no_longer_there_go(plant):
    plant.deliver(days(0, 3, 100), start=0, count=3)
    plant.deliver([], start=1, count=1)
    assert plant.read() == sorted_rows(days(0, 1, 100), days(2, 1, 100))


def test_windows_in_any_order_leave_what_the_last_of_each_day_said(plant):
    order = random.Random(7)
    expected = {}
    for turn in range(12):
        start, count = order.randrange(10), order.randrange(1, 5)
        plant.deliver(days(start, count, turn), start=start, count=count)
        expected |= {row[:2]: row for row in days(start, count, turn)}
    assert plant.read() == sorted(expected.values())


@pytest.mark.parametrize("group", ["week", "month", "quarter"])
def test_coarser_times_are_replaced_too(plant, group):
    names = {"week": ("2026-10-26", "2026-11-02"), "month": ("2026-10", "2026-11"), "quarter": ("2026-Q3", "2026-Q4")}
    before, now = names[group]
    time = Column(group, group.title(), "text", "group")
    columns = (time, MACHINE, PARTS)
    first = {"week": date(2026, 10, 26), "month": date(2026, 10, 1), "quarter": date(2026, 7, 1)}[group]
    last = {"week": 6, "month": 30, "quarter": 91}[group]
    plant.deliver([(before, "Haas 1", 1)], columns, first=first, last=first + timedelta(days=last), time_column=group)
    second = first + timedelta(days=last + 1)
    for parts in (2, 3):
        plant.deliver(
            [(now, "Haas 1", parts)],
            columns,
            first=second,
            last=second + timedelta(days=1),
            time_column=group,
            generation=parts,
        )
    assert plant.read(columns) == [(before, "Haas 1", 1), (now, "Haas 1", 3)]


def test_hours_are_replaced_through_the_change_of_clocks(plant):
    columns = (HOUR, MACHINE, PARTS)
    start = datetime(2026, 11, 1, 4, tzinfo=UTC)  # the night with two hours from one to two in New York

    def hours(first, count, parts):
        return [(start + timedelta(hours=first + n), "Haas 1", parts) for n in range(count)]

    def span(first, count):
        begin, end = (start + timedelta(hours=h) for h in (first, first + count))
        return (("boston", Span(begin, end, "America/New_York", FIRST, FIRST, whole_days=False, why="")),)

    plant.deliver(hours(0, 4, 1), columns, spans=span(0, 4), time_column="hour")
    plant.deliver(hours(2, 1, 9), columns, spans=span(2, 1), time_column="hour")
    assert plant.read(columns) == sorted_rows(hours(0, 2, 1), hours(2, 1, 9), hours(3, 1, 1))


def test_rows_of_sites_that_did_not_answer_stay(plant):
    columns = (SITE, DAY, MACHINE, PARTS)
    both = [(site, FIRST, "Haas 1", 1.0) for site in ("austin", "boston")]
    plant.deliver(both, columns, start=0, count=1, sites=("austin", "boston"))
    plant.deliver([("boston", FIRST, "Haas 1", 2.0)], columns, start=0, count=1, sites=("boston",))
    assert plant.read(columns) == [("austin", FIRST, "Haas 1", 1.0), ("boston", FIRST, "Haas 1", 2.0)]


def test_two_plants_share_a_table(plant):
    for site in ("austin", "boston", "austin"):
        plant.deliver(days(0, 1, 5), start=0, count=1, sites=(site,))
    assert plant.query('SELECT "mmflow_site", count(*) FROM "oee" GROUP BY "mmflow_site" ORDER BY 1') == [
        ("austin", 2),
        ("boston", 2),
    ]


def test_rows_of_other_jobs_in_the_table_stay(plant):
    for mode in ("replace_window", "replace"):
        plant.deliver(days(0, 1, 1), start=0, count=1, job="early", key=f"early/{mode}")
        plant.deliver(days(0, 1, 2), start=0, count=1, job="late", key=f"late/{mode}", mode=mode)
        found = plant.query('SELECT "mmflow_job", sum("goodParts") FROM "oee" GROUP BY "mmflow_job" ORDER BY 1')
        assert [(job, float(parts)) for job, parts in found] == [("early", 2.0), ("late", 4.0)]


def test_rows_that_somebody_else_wrote_stay(plant):
    plant.deliver(days(0, 1, 1), start=0, count=1)
    plant.query("""INSERT INTO "oee" ("day", "machine", "goodParts") VALUES ('2026-11-01', 'Mine', 7)""")
    for mode in ("replace_window", "replace"):
        plant.deliver(days(0, 1, 2), start=0, count=1, mode=mode)
    assert plant.read((DAY, MACHINE, PARTS)) == [*[row[:3] for row in days(0, 1, 2)], (FIRST, "Mine", 7.0)]


def test_replace_leaves_this_report_alone(plant):
    plant.deliver(days(0, 5, 1), start=0, count=5, mode="replace")
    plant.deliver(days(7, 1, 2), start=7, count=1, mode="replace")
    assert plant.read() == days(7, 1, 2)


def test_append_adds_rows_and_the_same_delivery_once(plant):
    for window, parts in ((0, 1), (1, 2), (1, 3)):
        plant.deliver(days(window, 1, parts), start=window, count=1, mode="append", generation=parts)
    assert plant.read() == sorted_rows(days(0, 1, 1), days(1, 1, 3))
    plant.deliver(days(0, 2, 4), start=0, count=2, mode="append")  # another window, though of the same days
    assert plant.read() == sorted_rows(days(0, 1, 1), days(1, 1, 3), days(0, 2, 4))


def test_upsert_updates_rows_by_key_and_leaves_other_columns(plant):
    plant.deliver(days(0, 2, 1), start=0, count=2, mode="upsert")
    columns = (DAY, MACHINE, PARTS)
    plant.deliver([(FIRST, "Haas 1", 9.0), (FIRST, "New", 8.0)], columns, start=0, count=1, mode="upsert")
    expected = days(0, 2, 1)
    expected[0] = (FIRST, "Haas 1", 9.0, 1.5)
    assert plant.read() == sorted([*expected, (FIRST, "New", 8.0, None)], key=lambda row: row[:2])


def test_two_jobs_fill_columns_of_the_same_rows_by_upsert(plant):
    plant.deliver([(FIRST, "Haas 1", 9.0)], (DAY, MACHINE, PARTS), start=0, count=1, mode="upsert", job="parts")
    plant.deliver([(FIRST, "Haas 1", 0.5)], (DAY, MACHINE, RATE), start=0, count=1, mode="upsert", job="rates")
    assert plant.read((DAY, MACHINE, PARTS, RATE)) == [(FIRST, "Haas 1", 9.0, 0.5)]


def test_upsert_twice_equals_once(plant):
    for generation in (1, 2):
        plant.deliver(days(0, 2, 1), start=0, count=2, mode="upsert", generation=generation)
    assert plant.read() == days(0, 2, 1)


def test_upsert_goes_by_the_columns_of_key(plant):
    plant.deliver(days(0, 1, 1), start=0, count=1, mode="upsert", key_columns=["machine"])
    plant.deliver(days(1, 1, 2), start=1, count=1, mode="upsert", key_columns=["machine"])
    assert plant.read() == days(1, 1, 2)


def test_upsert_refuses_rows_with_the_same_key_and_keeps_the_table(plant):
    plant.deliver(days(0, 1, 1), start=0, count=1, mode="upsert")
    with pytest.raises(GiveUp, match=r"rows 1 and 3 have the same key \(day, machine, mmflow_site\)"):
        plant.deliver([*days(0, 1, 2), days(0, 1, 3)[0]], start=0, count=1, mode="upsert", generation=2)
    assert plant.read() == days(0, 1, 1)


def test_upsert_refuses_a_row_without_a_key(plant):
    with pytest.raises(GiveUp, match="row 2, column 'machine': there is no value"):
        plant.deliver([*days(0, 1, 2)[:1], (FIRST, None, 1, 1)], start=0, count=1, mode="upsert")


@pytest.mark.parametrize(
    ("replaces", "left"),
    [(None, [3.0, 4.0]), ("same_start", [3.0, 4.0]), ("same_window", [1.0, 3.0, 4.0]), ("all", [4.0])],
)
def test_reports_without_a_time_replace_by_their_window(plant, replaces, left):
    columns = (MACHINE, PARTS)
    given = {"replaces": replaces} if replaces else {}
    for generation, (start, count, parts) in enumerate([(0, 1, 1.0), (0, 2, 2.0), (0, 2, 3.0), (4, 1, 4.0)], start=1):
        plant.deliver(
            [("Haas 1", parts)], columns, start=start, count=count, time_column="", generation=generation, **given
        )
    assert sorted(row[1] for row in plant.read(columns)) == left


def test_a_row_without_a_time_is_written_anew_and_not_again(plant):
    for generation in (1, 2):
        plant.deliver([(None, "Haas 1", generation, 1.0)], start=generation, count=1, generation=generation)
    assert plant.read() == [(None, "Haas 1", 2, 1.0)]


def test_several_sites_without_a_column_for_them_are_refused(plant):
    with pytest.raises(GiveUp, match="add site to group_by"):
        plant.deliver(days(0, 1, 1), start=0, count=1, sites=("austin", "boston"))


def test_nothing_from_nowhere_is_delivered(plant):
    assert plant.deliver([], start=0, count=1, spans=()).rows == 0
    assert plant.read() == []


def test_fifty_thousand_rows_arrive(plant, tmp_path):
    query = """SELECT DATE '2026-11-01' + CAST(n // 1000 AS INTEGER) AS day, 'Machine ' || n % 1000 AS machine,
        n / 7 AS "goodParts", CAST(n AS DOUBLE) AS downtime FROM range(50000) made(n)"""
    with open_database() as database:
        table = write_table(database, query, columns=COLUMNS, path=tmp_path / "many.parquet")
    for generation in (1, 2):
        receipt = plant.deliver(table, start=0, count=50, generation=generation, mode="upsert", run=f"run {generation}")
    assert receipt.rows == 50_000
    receipt = plant.deliver(table, start=0, count=50, generation=3)
    assert (receipt.rows, receipt.details["removed"]) == (50_000, 50_000)
    assert plant.query('SELECT count(*), sum("downtime") FROM "oee"') == [(50_000, float(sum(range(50_000))))]
