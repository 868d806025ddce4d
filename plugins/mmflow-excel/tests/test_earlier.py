"""A workbook that is kept over many runs: rows of the window are replaced, all others stay."""

import os
import zipfile
from datetime import UTC, date, datetime, timedelta

import openpyxl
import pytest

from mmflow.errors import GiveUp
from mmflow.table import Column, FooterRow
from mmflow.testing.deliveries import DAY, DOWN, HOUR, MACHINE, PARTS, SITE, day_rows, make_run
from mmflow_excel.earlier import restore_percent

FIRST = date(2026, 11, 1)
KEEP = {"mode": "replace_window"}


def days(first, count):
    return {"first": first, "last": first + timedelta(days=count - 1)}


def found_days(cells):
    return [row[0].date() for row in cells()[1:]]


def test_thirty_runs_of_seven_days_leave_each_day_once(tmp_path, table, deliver, cells):
    for number in range(30):
        start = FIRST + timedelta(days=number)
        deliver(table(day_rows(start, 7, parts=float(number))), make_run(tmp_path, **days(start, 7)), **KEEP)
    found = [(row[0].date(), row[2]) for row in cells()[1:]]
    expected = [(FIRST + timedelta(days=day), min(day, 29)) for day in range(36) for _ in range(2)]
    assert found == expected


def test_same_window_twice_leaves_the_same_bytes(tmp_path, table, deliver):
    deliver(table(day_rows(FIRST, 3)), make_run(tmp_path, **days(FIRST, 3)), **KEEP)
    middle = FIRST + timedelta(days=1)
    once = deliver(table(day_rows(middle, 1, 5.0)), make_run(tmp_path, first=middle), **KEEP)
    assert deliver(table(day_rows(middle, 1, 5.0)), make_run(tmp_path, first=middle), **KEEP).sha256 == once.sha256


def test_rows_stand_in_the_order_of_time_whatever_came_first(tmp_path, table, deliver, cells):
    for day in (3, 1, 2):
        start = FIRST + timedelta(days=day)
        deliver(table(day_rows(start, 1)), make_run(tmp_path, first=start), **KEEP)
    assert found_days(cells) == [FIRST + timedelta(days=day) for day in (1, 1, 2, 2, 3, 3)]


def test_window_without_rows_takes_the_old_ones_away(tmp_path, table, deliver, cells):
    deliver(table(day_rows(FIRST, 2)), make_run(tmp_path, **days(FIRST, 2)), **KEEP)
    deliver(table([]), make_run(tmp_path, first=FIRST), **KEEP)
    assert found_days(cells) == [FIRST + timedelta(days=1)] * 2
    deliver(table([]), make_run(tmp_path, **days(FIRST, 2)), **KEEP)
    deliver(table(day_rows(FIRST, 1)), make_run(tmp_path, first=FIRST), **KEEP)
    assert found_days(cells) == [FIRST] * 2


def test_each_site_replaces_its_own_rows(tmp_path, table, deliver, cells):
    columns = (SITE, DAY, PARTS)
    both = table([("austin", FIRST, 1.0), ("boston", FIRST, 2.0)], columns)
    deliver(both, make_run(tmp_path, first=FIRST, sites=("austin", "boston")), **KEEP)
    deliver(table([("boston", FIRST, 5.0)], columns), make_run(tmp_path, first=FIRST), **KEEP)
    assert sorted((row[0], row[2]) for row in cells()[1:]) == [("austin", 1), ("boston", 5)]


def test_totals_are_left_out_and_pivots_show_all_days(tmp_path, table, deliver, cells):
    footer = [FooterRow("total", ("Total", None, 1.0, 1.0))]
    cross = {"name": "Cross", "pivot": {"rows": "machine", "columns": "day", "value": "goodParts"}}
    for day in range(2):
        start = FIRST + timedelta(days=day)
        made = table(day_rows(start, 1, float(day)), footer=footer)
        deliver(made, make_run(tmp_path, first=start), sheets=[cross], **KEEP)
    assert len(cells()) == 5
    assert cells("Cross") == [["Machine", "2026-11-01", "2026-11-02"], ["Haas 1", 0, 1], ["Mazak, 2", 0, 1]]


@pytest.mark.row("S31")
def test_kept_values_keep_their_types(tmp_path, table, deliver, call):
    columns = (
        DAY,
        MACHINE,
        Column("oee", "OEE (%)", "number", unit="%"),
        Column("count", "Count", "integer"),
        Column("open", "Open", "boolean"),
        Column("seen", "Seen", "datetime"),
        Column("week", "Week", "date"),
    )
    seen = datetime(2026, 3, 1, 12, 30, 15, 250_000, tzinfo=UTC)
    rows = [
        (FIRST, "=1+1", 87.1, 2**60, True, seen, date(2026, 10, 26)),
        (FIRST, " tab\t_x0041_\x07", 0.07, -3, False, None, None),
        (FIRST, "0042", None, None, None, None, None),
    ]
    deliver(table(rows, columns), make_run(tmp_path, first=FIRST), **KEEP)
    later = FIRST + timedelta(days=1)
    deliver(table([], columns), make_run(tmp_path, first=later), **KEEP)
    kept = call("read", table([], columns), make_run(tmp_path, first=FIRST), **KEEP)
    assert list(kept) == rows


def test_rows_without_a_number_in_the_last_column_are_kept(tmp_path, table, deliver, call):
    rows = [(FIRST, "a", 1.0, None), (FIRST, None, None, None)]
    deliver(table(rows), make_run(tmp_path, first=FIRST), **KEEP)
    deliver(table([]), make_run(tmp_path, first=FIRST + timedelta(days=1)), **KEEP)
    assert list(call("read", table([]), make_run(tmp_path, first=FIRST), **KEEP)) == rows


def test_hours_that_come_twice_are_kept_apart(tmp_path, table, deliver, call):
    columns = (HOUR, MACHINE, PARTS)
    hours = [datetime(2026, 11, 1, hour, tzinfo=UTC) for hour in range(4, 9)]
    rows = [(hour, machine, 1.0) for hour in hours for machine in ("a", "b")]
    run = make_run(tmp_path, first=FIRST, time_column="hour")
    deliver(table(rows, columns), run, **KEEP)
    later = make_run(tmp_path, first=FIRST + timedelta(days=1), time_column="hour")
    deliver(table([], columns), later, **KEEP)
    assert list(call("read", table([], columns), run, **KEEP)) == rows


def test_workbook_that_excel_saved_anew_is_read(tmp_path, table, deliver, cells):
    deliver(table(day_rows(FIRST, 2)), make_run(tmp_path, **days(FIRST, 2)), **KEEP)
    path = tmp_path / "out/morning-oee.xlsx"
    book = openpyxl.load_workbook(path)
    book["Data"]["C2"] = 4711
    book.save(path)
    second = FIRST + timedelta(days=1)
    deliver(table(day_rows(second, 1, 5.0)), make_run(tmp_path, first=second), **KEEP)
    assert [row[2] for row in cells()[1:]] == [4711, 100, 5, 5]


def change(path, place, value):
    book = openpyxl.load_workbook(path)
    book["Data"][place] = value
    book.save(path)


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        ("C3", "many", r"sheet 'Data', cell C3: found 'many', expected number; mend that cell, or move the file away"),
        ("A2", "yesterday", r"cell A2: found 'yesterday', expected date"),
        ("B2", True, r"cell B2: found 'True', expected text"),
    ],
)
def test_cell_that_holds_something_else_is_named(tmp_path, table, deliver, place, value, words):
    deliver(table(day_rows(FIRST, 2)), make_run(tmp_path, **days(FIRST, 2)), **KEEP)
    path = tmp_path / "out/morning-oee.xlsx"
    change(path, place, value)
    before = path.read_bytes()
    with pytest.raises(GiveUp, match=words):
        deliver(table([]), make_run(tmp_path, first=FIRST + timedelta(days=9)), **KEEP)
    assert path.read_bytes() == before


def test_other_columns_are_refused(tmp_path, table, deliver):
    deliver(table(day_rows(FIRST, 1)), make_run(tmp_path, first=FIRST), **KEEP)
    with pytest.raises(
        GiveUp, match=r"holds the columns Day, Machine, Good parts, Down \(min\) on sheet 'Data', expected Day, Down"
    ):
        deliver(table([], (DAY, DOWN)), make_run(tmp_path, first=FIRST), **KEEP)


def test_workbook_without_the_sheet_is_refused(tmp_path, table, deliver):
    deliver(table(day_rows(FIRST, 1)), make_run(tmp_path, first=FIRST))
    with pytest.raises(GiveUp, match="has no table on a sheet 'Other'"):
        deliver(table([]), make_run(tmp_path, first=FIRST), sheet="Other", **KEEP)


def damage(path):
    """Leave a zip file whose sheet is no XML."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook><")


def blow_up(path):
    """Leave a file of 100 kB that unpacks to 100 MB."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b" " * 100_000_000)


@pytest.mark.row("S32")
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path.write_bytes(b"not a zip file"), r"is no workbook; expected a file that Excel saved"),
        (damage, r"cannot be read as a workbook: .*; mend it or move it away"),
        (blow_up, r"unpacks to .* times its size, as in an attack"),
    ],
    ids=["text", "damaged", "bomb"],
)
def test_what_is_no_workbook_is_refused(tmp_path, table, deliver, make, words):
    (tmp_path / "out").mkdir()
    path = tmp_path / "out/morning-oee.xlsx"
    make(path)
    before = path.read_bytes()
    with pytest.raises(GiveUp, match=words):
        deliver(table([]), make_run(tmp_path, first=FIRST), **KEEP)
    assert path.read_bytes() == before


def test_report_without_a_time_group_is_refused(tmp_path, table, deliver):
    with pytest.raises(GiveUp, match="replace_window needs a time group"):
        deliver(table([]), make_run(tmp_path, time_column=""), **KEEP)


def test_what_stands_there_is_read_for_a_comparison(tmp_path, table, deliver, call):
    made = table(day_rows(FIRST, 3))
    assert list(call("read", made, make_run(tmp_path))) == []
    deliver(made, make_run(tmp_path, **days(FIRST, 3)))
    second = FIRST + timedelta(days=1)
    assert list(call("read", made, make_run(tmp_path))) == day_rows(FIRST, 3)
    assert list(call("read", made, make_run(tmp_path, first=second), **KEEP)) == day_rows(second, 1)


def test_percent_is_restored_as_it_was():
    for number in range(100_001):
        assert restore_percent((number / 1000) / 100) == number / 1000


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_permissions_are_those_of_the_settings(tmp_path, table, deliver):
    deliver(table([]), make_run(tmp_path, output_mode=0o640))
    assert (tmp_path / "out/morning-oee.xlsx").stat().st_mode & 0o777 == 0o640
