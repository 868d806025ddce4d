"""Rows of a table as worksheet XML: every kind of value is read back as it was, or refused with row and column."""

import math
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import xlsxwriter
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl import load_workbook
from python_calamine import CalamineWorkbook

from mmflow.errors import GiveUp
from mmflow.table import Column
from mmflow_excel.cellxml import escape_text, unescape_text
from mmflow_excel.filling.package import copy_parts, open_package
from mmflow_excel.places import Area
from mmflow_excel.sheetxml import SheetColumn, cell_rows, widen_dimension
from mmflow_excel.values import day_number, read_number, time_number

TEXT = Column("note", "Note", "text")
NUMBER = Column("parts", "Parts", "number")
WHOLE = Column("count", "Count", "integer")
DAY = Column("day", "Day", "date")
HOUR = Column("hour", "Hour", "datetime", zone="America/New_York")
FLAG = Column("flag", "Flag", "boolean")
SHEET = "xl/worksheets/sheet1.xml"
NASTY = [
    "=1+1", "+cmd|' /C calc'!A0", "-2", "@SUM(A1)", "http://x.example", "  spaces  ", "two\nlines", "tab\there",
    "\r", '"quoted"', "<b>&amp;</b>", "]]>", "_x0041_", "_x000D_", "\x01\x1f", "Größe 機械 🏭", "٣", "1e5",
    "TRUE", "'", "\ufffe", "_", "__x0041_", "a" * 32_767, "ü" * 32_767,
]  # fmt: skip


@pytest.fixture(scope="session")
def plan(tmp_path_factory):
    """A workbook with an empty sheet, and a format of times as its second."""
    path = tmp_path_factory.mktemp("plan") / "plan.xlsx"
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet("Data")
        sheet.set_column(20, 20, None, book.add_format({"num_format": "yyyy-mm-dd hh:mm"}))
    return path


@pytest.fixture
def workbook(plan, tmp_path):
    """Write rows into the sheet, in batches of a thousand, and give the workbook's path."""

    def write(rows, columns, **words):
        listed = [
            SheetColumn(column=column, place=place, style=1 if column.type in ("date", "datetime") else None, **words)
            for place, column in enumerate(columns)
        ]

        def fill(source, out):
            batches = [rows[at : at + 1000] for at in range(0, len(rows), 1000)]
            cells = enumerate(cell_rows(batches, listed, first_row=1), 1)
            data = "".join(f'<row r="{number}">{row}</row>' for number, row in cells)
            xml = source.read()
            assert b"<sheetData/>" in xml
            out.write(xml.replace(b"<sheetData/>", f"<sheetData>{data}</sheetData>".encode()))

        made = tmp_path / "made.xlsx"
        with made.open("wb") as out, open_package(plan) as package:
            copy_parts(package, out, {SHEET: fill})
        return made

    return write


def read_back(path):
    sheet = load_workbook(path)["Data"]
    return [[unescape_text(cell) if isinstance(cell, str) else cell for cell in row] for row in sheet.values]


@pytest.mark.row("R52")
def test_texts_come_back_to_the_letter_and_are_never_formulas(workbook):
    made = workbook([(text,) for text in NASTY], [TEXT])
    sheet = load_workbook(made)["Data"]
    cells = [sheet.cell(row, 1) for row in range(1, len(NASTY) + 1)]
    assert [unescape_text(cell.value) for cell in cells] == NASTY
    assert {cell.data_type for cell in cells} == {"s"}


def test_another_reader_agrees(workbook):
    texts = [text for text in NASTY if text != "\ufffe"]  # whose escape it shows
    made = workbook([(text,) for text in texts], [TEXT])
    rows = CalamineWorkbook.from_path(made).get_sheet_by_name("Data").to_python()
    assert [row[0] for row in rows] == texts


NUMBERS = [0.1, 1 / 3, 1e-300, 1.7976931348623157e308, 5e-324, -87.5, 2.0**53 + 2, 123456.789]


def test_numbers_keep_all_their_digits(workbook):
    rows = read_back(workbook([(number,) for number in NUMBERS], [NUMBER]))
    assert [row[0] for row in rows] == NUMBERS


def test_there_is_no_minus_zero(workbook):
    made = workbook([(-0.0,)], [NUMBER])
    assert math.copysign(1, read_back(made)[0][0]) == 1


def test_whole_numbers_that_no_number_of_excel_holds_are_texts(workbook):
    rows = read_back(workbook([(2**53,), (2**53 + 1,), (-(2**63),)], [WHOLE]))
    assert [row[0] for row in rows] == [2**53, str(2**53 + 1), str(-(2**63))]


def test_a_share_is_divided_exactly(workbook):
    rows = read_back(workbook([(87.5,), (7.0,), (0.1,)], [NUMBER], divisor=100))
    assert [row[0] for row in rows] == [0.875, 0.07, 0.001]


def test_times_are_those_of_the_plant_on_both_sides_of_the_change(workbook):
    start = datetime(2026, 11, 1, 4, tzinfo=UTC)  # clocks go back at 6:00 UTC
    hours = [start + timedelta(hours=hour) for hour in range(4)]
    rows = read_back(workbook([(hour,) for hour in hours], [HOUR]))
    shown = [hour.astimezone(ZoneInfo("America/New_York")).replace(tzinfo=None) for hour in hours]
    assert [row[0] for row in rows] == shown
    assert shown[1] == shown[2]


def test_days_booleans_and_nothing(workbook):
    rows = read_back(workbook([(date(2026, 11, 22), True, None), (None, False, "x")], [DAY, FLAG, TEXT]))
    assert rows == [[datetime(2026, 11, 22), True, None], [None, False, "x"]]


def test_days_before_the_first_of_excel_are_texts(workbook):
    rows = read_back(workbook([(date(1899, 12, 31),), (date(1900, 1, 1),), (date(1900, 3, 1),)], [DAY]))
    assert rows[0][0] == "1899-12-31"
    assert [day_number(date(1900, 1, 1)), day_number(date(1900, 2, 28)), day_number(date(1900, 3, 1))] == [1, 59, 61]


@pytest.mark.row("R52")
@pytest.mark.parametrize("text", ["a" * 32_768, "🏭" * 16_384, "x" * 40_000])
def test_a_text_that_no_cell_holds_is_refused_with_row_and_column(workbook, text):
    with pytest.raises(GiveUp, match=r"the text in row 3, column 'note' has more than 32,767 characters"):
        workbook([("fits",), ("🏭" * 16_383,), (text,)], [TEXT])


def test_the_area_that_a_sheet_says_it_has_grows_and_never_shrinks():
    head = b'<worksheet><sheetPr/><dimension ref="B2:D9"/><sheetData>'
    assert b'ref="A1:D9"' in widen_dimension(head, Area(1, 1, 3, 2))
    assert widen_dimension(b"<worksheet><sheetData>", Area(1, 1, 3, 2)) == b"<worksheet><sheetData>"


def test_a_prefix_is_given_to_elements_and_to_nothing_else():
    rows = cell_rows([[("<c>&",)]], [SheetColumn(column=TEXT)], first_row=1, prefix="x:")
    assert list(rows) == ['<x:c r="A1" t="inlineStr"><x:is><x:t>&lt;c&gt;&amp;</x:t></x:is></x:c>']


def test_fifty_thousand_rows_come_back(workbook):
    rows = [(date(2026, 1, 1) + timedelta(days=at % 300), f"M {at % 7}", at / 7) for at in range(50_000)]
    made = CalamineWorkbook.from_path(workbook(rows, [DAY, TEXT, NUMBER])).get_sheet_by_name("Data")
    found = made.to_python(skip_empty_area=False)
    assert [tuple(row) for row in found] == rows


@settings(deadline=None, max_examples=60)
@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_escapes_are_undone(text):
    from xml.sax.saxutils import unescape

    assert unescape_text(unescape(escape_text(text))) == text


@settings(deadline=None, max_examples=60)
@given(st.datetimes(datetime(1900, 3, 1), datetime(9999, 12, 31)), st.booleans())
def test_serial_numbers_are_undone_to_the_millisecond(moment, base_1904):
    if base_1904 and moment < datetime(1904, 1, 1):
        return
    number = time_number(moment, base_1904=base_1904)
    assert abs(read_number(number, base_1904=base_1904) - moment) <= timedelta(milliseconds=1)


CELLS = st.tuples(
    st.none() | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20),
    st.none() | st.floats(allow_nan=False, allow_infinity=False),
    st.none() | st.dates(date(1900, 3, 1)),
    st.none() | st.integers(-(2**53), 2**53),
    st.none() | st.booleans(),
)


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(CELLS, max_size=8))
def test_any_table_comes_back(workbook, rows):
    found = read_back(workbook([*rows, ("end", 1.0, None, 1, True)], [TEXT, NUMBER, DAY, WHOLE, FLAG]))[:-1]
    days = [[*row[:2], row[2] and datetime.combine(row[2], datetime.min.time()), *row[3:]] for row in rows]
    assert found == days
