"""``window: {cells: Input!B3:D4}``: two moments are read from a workbook, and whatever else stands there is named."""

import os
from datetime import date, datetime, time, timedelta

import pytest
import xlsxwriter

from mmflow.errors import GiveUp
from mmflow.options import convert_values
from mmflow.plugins import load
from mmflow.sinks import find_function
from mmflow.testing.deliveries import make_run

FORMATS = {date: "dd.mm.yyyy", datetime: "dd.mm.yyyy hh:mm", time: "hh:mm", timedelta: "[h]:mm"}


def write_cell(sheet, book, row, column, value):
    if isinstance(value, str) and value.startswith("="):
        sheet.write_formula(row, column, value, None, "#REF!" if "REF" in value else 46327)
    elif form := FORMATS.get(type(value)):
        sheet.write_datetime(row, column, value, book.add_format({"num_format": form}))
    else:
        sheet.write(row, column, value)


@pytest.fixture
def workbook(tmp_path):
    """Write a workbook with these rows of cells from B3 on, on a sheet Input."""

    def make(*rows, path="out/input.xlsx", base_1904=False):
        where = tmp_path / path
        where.parent.mkdir(exist_ok=True)
        options = {"date_1904": base_1904, "strings_to_formulas": False}
        with xlsxwriter.Workbook(where, options) as book:
            sheet = book.add_worksheet("Input")
            book.add_worksheet("It's more")
            book.define_name("window_dates", "=Input!$B$3:$D$4")
            book.define_name("broken", "=Input!#REF!")
            for row, cells in enumerate(rows, 2):
                for column, value in enumerate(cells, 1):
                    write_cell(sheet, book, row, column, value)

    return make


@pytest.fixture
def read(tmp_path):
    """Read the window as the engine does."""
    sink = load().sinks["excel"]

    def call(cells="Input!B3:D4", **written):
        options = convert_values({"path": "input.xlsx"} | written, sink.options)
        return find_function(sink.read_window)(options, cells, make_run(tmp_path))

    return call


FIRST, LAST = date(2026, 11, 1), date(2026, 11, 8)
BEGIN, END = datetime(2026, 11, 1, 6), datetime(2026, 11, 2, 14, 30)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([("From", FIRST), ("To", LAST)], (FIRST, LAST)),
        ([(FIRST, LAST)], (FIRST, LAST)),
        ([(FIRST, FIRST)], (FIRST, FIRST)),
        ([("2026-11-01", None, " 2026-11-08 ")], (FIRST, LAST)),
        ([("From", BEGIN), ("To", END)], (BEGIN, END)),
        ([("From", FIRST, time(6)), ("To", date(2026, 11, 2), time(14, 30))], (BEGIN, END)),
        ([("2026-11-01T06:00", "2026-11-02 14:30:00")], (BEGIN, END)),
        ([("2026-11-01", "6:00"), ("2026-11-02", "14:30")], (BEGIN, END)),
        ([(FIRST,), (date(2026, 11, 2), time(14, 30))], (datetime(2026, 11, 1), END)),
        ([(datetime(2026, 11, 1), datetime(2026, 11, 8))], (datetime(2026, 11, 1), datetime(2026, 11, 8))),
        ([(FIRST, time(0)), (LAST, time(0))], (datetime(2026, 11, 1), datetime(2026, 11, 8))),
        ([(FIRST, time(6)), (FIRST, timedelta(hours=24))], (BEGIN, datetime(2026, 11, 2))),
        ([("2026-11-01 00:00", "2026-11-02 00:00")], (datetime(2026, 11, 1), datetime(2026, 11, 2))),
        ([(7, "from 1 November", True), (FIRST, LAST)], (FIRST, LAST)),
    ],
)
def test_two_moments_are_found_in_any_arrangement(workbook, read, rows, expected):
    workbook(*rows)
    found = read()
    assert found == expected
    assert [type(one) for one in found] == [type(one) for one in expected]


@pytest.mark.parametrize("cells", ["window_dates", "WINDOW_DATES", "input!$B$3:$D$4", "'Input'!B3:D4"])
def test_a_range_is_named_in_any_usual_way(workbook, read, cells):
    workbook((FIRST, LAST))
    assert read(cells) == (FIRST, LAST)


def test_days_of_workbooks_that_count_from_1904_are_understood(workbook, read):
    workbook((FIRST, LAST), base_1904=True)
    assert read() == (FIRST, LAST)


def test_the_template_is_read_as_long_as_there_is_no_workbook(workbook, read):
    workbook((FIRST, FIRST), path="jobs/start.xlsx")
    words = {"template": "start.xlsx", "target": "Data"}
    assert read(**words) == (FIRST, FIRST)
    workbook((FIRST, LAST))
    assert read(**words) == (FIRST, LAST)


@pytest.mark.row("R51")
def test_while_the_workbook_is_open_what_waits_beside_it_is_read_unless_it_was_saved_since(workbook, read, tmp_path):
    workbook((FIRST, FIRST))
    workbook((FIRST, LAST), path="out/input (pending 06.40).xlsx")
    assert read() == (FIRST, LAST)
    later = (tmp_path / "out/input (pending 06.40).xlsx").stat().st_mtime_ns + 10**9
    os.utime(tmp_path / "out/input.xlsx", ns=(later, later))
    assert read() == (FIRST, FIRST)


@pytest.mark.parametrize(
    ("rows", "cells", "expected"),
    [
        (
            [(LAST, FIRST)],
            None,
            "holds 2026-11-08 00:00 and then 2026-11-01 00:00 in Input!B3:D4; expected the earlier",
        ),
        ([(BEGIN, BEGIN)], None, "expected the earlier one first"),
        (
            [(BEGIN, LAST)],
            None,
            "holds 2026-11-01 06:00 and then 2026-11-08 in Input!B3:D4; write the time of day at which the window ends",
        ),
        (
            [("From", FIRST)],
            None,
            "holds 1 dates in Input!B3:D4, expected 2; found B3 'From', C3 2026-11-01 00:00; write",
        ),
        ([], None, "holds 0 dates in Input!B3:D4, expected 2; found nothing"),
        ([(FIRST, "11/08/2026")], None, "found B3 2026-11-01 00:00, C3 '11/08/2026'; write them as dates, or as text"),
        ([(date(1900, 1, 1), LAST, LAST)], None, "holds 3 dates in Input!B3:D4, expected 2; found B3 1900-01-01 00:00"),
        ([(FIRST, 46334)], None, "C3 46334 (not formatted as a date)"),
        ([(FIRST, "2026-02-30")], None, "C3 '2026-02-30'"),
        ([(FIRST, "25:00", LAST)], None, None),
        ([(time(6), FIRST, LAST)], None, "holds the time 6:00:00 in Input!B3 without a date before it"),
        ([(FIRST, time(6), time(7))], None, "holds the time 7:00:00 in Input!D3 without a date"),
        ([(FIRST, "=Old!REF")], None, "shows the error #REF! in Input!C3, expected a date; mend its formula"),
        ([(FIRST, LAST)], "Inputs!B3:D4", "has no sheet 'Inputs', which 'Inputs!B3:D4' names; it has Input, It's more"),
        ([(FIRST, LAST)], "B3:D4", "has no name 'B3:D4', expected a range with its sheet, such as Input!B3:D4"),
        ([(FIRST, LAST)], "broken", "has the name 'broken' for 'Input!#REF!', expected a range"),
        ([(FIRST, LAST)], "Input!A1:XFD1048576", "too many cells"),
        ([(FIRST, LAST)], "'It''s more'!B3:D4", "holds 0 dates in It's more!B3:D4"),
    ],
)
def test_what_is_no_window_is_said_with_sheet_and_cell(workbook, read, rows, cells, expected):
    workbook(*rows)
    words = {} if cells is None else {"cells": cells}
    if expected is None:
        assert read(**words) == (FIRST, LAST)
        return
    with pytest.raises(GiveUp) as caught:
        read(**words)
    assert expected in str(caught.value)
    assert "input.xlsx" in str(caught.value)


def test_a_missing_workbook_is_named(read):
    with pytest.raises(GiveUp, match=r"there is no workbook .*input\.xlsx to read Input!B3:D4 from"):
        read()


def test_a_formula_that_was_never_computed_is_named(workbook, read, tmp_path):
    from openpyxl import Workbook

    (tmp_path / "out").mkdir()
    book = Workbook()
    book.active.title = "Input"
    book.active["B3"], book.active["C3"] = date(2026, 11, 1), "=TODAY()"
    book.save(tmp_path / "out" / "input.xlsx")
    with pytest.raises(GiveUp, match=r"has a formula in Input!C3 without its value; open it in Excel and save it"):
        read()
