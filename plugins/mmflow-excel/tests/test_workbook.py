"""What a workbook holds: tables and their sheets, within what Excel takes."""

import tracemalloc
import zipfile
from datetime import date, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from python_calamine import CalamineWorkbook

from mmflow.errors import GiveUp
from mmflow.options import convert_values
from mmflow.table import Column, FooterRow
from mmflow.testing.deliveries import DAY, DOWN, MACHINE, day_rows, make_run
from mmflow_excel.names import check_sheet, name_table, number_sheet, write_headings
from mmflow_excel.options import ExcelOptions
from mmflow_excel.pages import list_pages
from mmflow_excel.rows import Rows
from mmflow_excel.workbook import write_workbook

FIRST = date(2026, 11, 21)
CROSS = {"name": "By day", "pivot": {"rows": "machine", "columns": "day", "value": "downtime"}}


def test_table_is_one_of_excel_with_filter_and_frozen_heading(tmp_path, table, deliver, open_book):
    receipt = deliver(table(day_rows(FIRST, 3)), make_run(tmp_path))
    sheet = open_book()["Data"]
    made = sheet.tables["Data"]
    assert (made.ref, made.autoFilter.ref, made.tableStyleInfo.name) == ("A1:D7", "A1:D7", "TableStyleMedium2")
    assert [column.name for column in made.tableColumns] == ["Day", "Machine", "Good parts", "Down (min)"]
    assert [cell.value for cell in sheet[1]] == ["Day", "Machine", "Good parts", "Down (min)"]
    assert (sheet.freeze_panes, sheet.dimensions) == ("B2", "A1:D7")
    assert (receipt.rows, receipt.path, receipt.details["sheets"]) == (6, "out/morning-oee.xlsx", 1)


def test_no_rows_leave_a_table_with_its_heading(tmp_path, table, deliver, cells, open_book):
    deliver(table([]), make_run(tmp_path), charts=[{"x": "machine"}], sheets=[CROSS])
    assert open_book()["Data"].tables["Data"].ref == "A1:D2"
    assert cells()[0] == ["Day", "Machine", "Good parts", "Down (min)"]
    assert [cell for row in cells()[1:] for cell in row if cell is not None] == []


def test_headings_are_unlike_and_in_one_line(tmp_path, table, deliver, open_book):
    columns = (
        MACHINE,
        Column("a", "Parts", "number"),
        Column("b", "parts", "number"),
        Column("c", "two\nlines", "number"),
    )
    deliver(table([("m", 1.0, 2.0, 3.0)], columns), make_run(tmp_path))
    assert [cell.value for cell in open_book()["Data"][1]] == ["Machine", "Parts", "parts (2)", "two lines"]


def test_widths_follow_the_data_within_bounds(tmp_path, table, deliver, open_book):
    long = Column("long", "A heading of very many words, one after the other", "number")
    rows = [(FIRST, "x" * 400, 1.0), (FIRST, "y" * 20, 1.0)]
    deliver(table(rows, (DAY, MACHINE, long)), make_run(tmp_path))
    sheet = open_book()["Data"]
    widths = [sheet.column_dimensions[letter].width for letter in "ABC"]
    assert [round(width) for width in widths] == [13, 51, 23]
    assert sheet["C1"].alignment.wrap_text


def test_hidden_columns_are_there_and_not_shown(tmp_path, table, deliver, open_book):
    deliver(table(day_rows(FIRST, 1)), make_run(tmp_path), hidden=["downtime"])
    sheet = open_book()["Data"]
    assert (sheet.column_dimensions["D"].hidden, sheet["D2"].value) == (True, 1.5)


def test_same_table_twice_gives_the_same_bytes(tmp_path, table, deliver):
    made = table(day_rows(FIRST, 2), footer=[FooterRow("total", ("Total", None, 400.0, 6.0))])
    options = {"charts": [{"x": "machine"}], "sheets": [CROSS], "lights": {"downtime": {"amber": 1, "red": 2}}}
    first = deliver(made, make_run(tmp_path), **options)
    assert deliver(made, make_run(tmp_path), **options).sha256 == first.sha256


@pytest.mark.row("R52")
def test_fifty_thousand_rows(tmp_path, table):
    made = table([])
    rows = [(FIRST - timedelta(days=number % 900), f"Machine {number}", float(number), 0.5) for number in range(50_000)]
    many = Rows.of_list(made.columns, rows)
    options = convert_values({}, ExcelOptions)
    with (tmp_path / "long.xlsx").open("w+b") as out:
        write_workbook(out, list_pages(made, many, options), made, options, make_run(tmp_path))
    found = CalamineWorkbook.from_path(tmp_path / "long.xlsx", load_tables=True).get_table_by_name("Data")
    assert found.to_python() == [list(row) for row in rows]


def test_long_tables_take_no_memory(tmp_path, table):
    """The rows of this one would take more than 16 MB as objects; 20,000 take as much memory as 40,000."""
    made = table([])
    count = 40_000

    def read():
        return (
            [(FIRST, f"Machine {start + number}", 0.5 + number, 1.5) for number in range(5_000)]
            for start in range(0, count, 5_000)
        )

    options = convert_values({}, ExcelOptions)
    with (tmp_path / "long.xlsx").open("w+b") as out:
        tracemalloc.start()
        write_workbook(
            out, list_pages(made, Rows(made.columns, count, read), options), made, options, make_run(tmp_path)
        )
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 14_000_000


def test_sorted_sheets_and_pivots_hold_little_more_than_their_rows(table):
    """100,000 rows of twelve columns take about 60 MB, and the first of them nearly nothing afterwards."""
    columns = (DAY, MACHINE, *(Column(f"m{number}", "", "number") for number in range(10)))
    count = 10_000

    def read():
        return (
            [(FIRST + timedelta(days=row // 100), f"Machine {row % 100}", *(row * 1.37 + at for at in range(10)))]
            for row in range(count)
        )

    def measure(sheet):
        options = convert_values({"sheets": [{"name": "More"} | sheet]}, ExcelOptions)
        tracemalloc.start()
        pages = list_pages(made, Rows(columns, count, read), options)
        held, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert pages[1].name == "More"
        return held, peak

    made = table([], columns)
    assert measure({"sort": ["-m1"]})[1] < 60_000_000 * count / 100_000
    assert measure({"sort": ["-m1"], "limit": 10})[0] < 1_000_000
    assert measure({"pivot": {"rows": "day", "columns": "machine", "value": "m1"}})[1] < 60_000_000 * count / 100_000


@pytest.mark.row("R52")
def test_more_rows_than_a_sheet_holds_go_on_in_the_next(tmp_path, table):
    column = Column("value", "Value", "number")
    made = table([(1.0,)], (column,), [FooterRow("total", (7.0,))], notices=["A note."])
    many = Rows((column,), 1_048_580, lambda: ([(float(number),)] for number in range(1_048_580)))
    pages = list_pages(made, many, convert_values({}, ExcelOptions))
    assert [(page.name, page.rows.length, len(page.footer)) for page in pages] == [
        ("Data", 1_048_575, 0),
        ("Data (2)", 5, 1),
    ]
    assert next(iter(pages[1].rows)) == (1_048_575.0,)
    with pytest.raises(GiveUp, match=r"sheet 'Data' would have 1,048,580 rows, Excel has room for 1,048,572"):
        list_pages(made, many, convert_values({"on_overflow": "fail"}, ExcelOptions))


@pytest.mark.row("R52")
def test_more_columns_than_a_sheet_holds_are_refused(table):
    columns = (MACHINE, Column("number", "Number", "integer"), DOWN)
    many = Rows.of_list(columns, [("m", number, 1.0) for number in range(16_384)])
    cross = {"name": "Wide", "pivot": {"rows": "machine", "columns": "number", "value": "downtime"}}
    with pytest.raises(GiveUp, match=r"sheet 'Wide' would have 16,385 columns, Excel has 16,384"):
        list_pages(table([], columns), many, convert_values({"sheets": [cross]}, ExcelOptions))


@pytest.mark.row("R52")
def test_sheet_larger_than_a_part_may_be_is_refused(tmp_path, table, deliver, monkeypatch):
    deliver(table(day_rows(FIRST, 1)), make_run(tmp_path))
    before = (tmp_path / "out/morning-oee.xlsx").read_bytes()
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 20_000)  # in place of 2 GB
    with pytest.raises(
        GiveUp, match="sheet 'Data' would be larger than 2 GB, which Excel does not open; ask for fewer"
    ):
        deliver(table(day_rows(FIRST, 200)), make_run(tmp_path))
    assert (tmp_path / "out/morning-oee.xlsx").read_bytes() == before


def test_sheet_that_rows_go_on_in_takes_no_name_of_another(table):
    column = Column("value", "Value", "number")
    many = Rows((column,), 1_048_580, lambda: iter(()))
    options = convert_values({"sheets": [{"name": "data (2)", "limit": 1}]}, ExcelOptions)
    with pytest.raises(GiveUp, match=r"rows go on in a sheet '.ata \(2\)', which is the name of another; give that"):
        list_pages(table([], (column,)), many, options)


def test_columns_that_a_run_left_out_are_passed_by_but_not_all_of_them(tmp_path, table, deliver, cells):
    rows = [(FIRST, "a", 1.0, 5.0), (FIRST, "b", 2.0, None)]
    sheets = [{"name": "Some", "columns": ["delta", "machine"], "sort": ["-delta"]}, CROSS | {"sort": ["delta"]}]
    deliver(table(rows), make_run(tmp_path), sheets=sheets)
    assert cells("Some") == [["Machine"], ["a"], ["b"]]
    assert cells("By day") == [["Machine", "2026-11-21"], ["a", 5], ["b", None]]
    with pytest.raises(GiveUp, match="sheet 'None' shows delta, and the report has day, machine, goodParts, downtime"):
        deliver(table(rows), make_run(tmp_path), sheets=[{"name": "None", "columns": ["delta"]}])


def test_notices_longer_than_a_cell_are_cut_between_characters(tmp_path, table, deliver, cells):
    deliver(table(day_rows(FIRST, 1), notices=["x" + "🏭" * 20_000]), make_run(tmp_path))
    (said,) = (row[1] for row in cells("About") if row[0] == "Notes")
    assert said == cells()[-1][0] == "x" + "🏭" * 16_383


@pytest.mark.row("S30")
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "is empty"),
        ("x" * 32, "has 32 characters; Excel allows 31"),
        ("🏭" * 16, "has 32 characters"),
        ("a/b", "holds '/'"),
        ("a[1]", "holds '['"),
        ("'a", "apostrophe"),
        ("hIstory", "keeps for itself"),
    ],
)
def test_names_that_excel_does_not_take(name, words):
    assert words in check_sheet(name)


def test_names_of_parts_and_tables_fit():
    assert check_sheet("Zoë & Söhne (1)") is None
    assert number_sheet("x" * 31, 12) == "x" * 26 + " (12)"
    assert [name_table(name, ["Data"]) for name in ("data", "By day", "A1", "7 days", "机")] == [
        "data_2",
        "By_day",
        "_A1",
        "_7_days",
        "机",
    ]
    assert write_headings(["", "a", "A", "x" * 300])[:3] == ["Column1", "a", "A (2)"]


def test_further_sheet_has_its_own_columns_and_order(tmp_path, table, deliver, cells, open_book):
    rows = [(FIRST, "a", 1.0, 5.0), (FIRST, "b", 2.0, None), (FIRST, "c", 3.0, 9.0)]
    made = table(rows, footer=[FooterRow("total", ("Total", None, 6.0, 14.0))])
    top = {"name": "Top", "columns": ["machine", "downtime"], "sort": ["-downtime"], "limit": 2}
    every = {"name": "All", "columns": ["day", "goodParts"], "sort": ["goodParts"]}
    deliver(made, make_run(tmp_path), sheets=[top, every])
    assert cells("Top") == [["Machine", "Down (min)"], ["c", 9], ["a", 5]]
    assert cells("All")[3:] == [[datetime(2026, 11, 21), 3], ["Total", 6]]
    assert open_book().sheetnames == ["Data", "Top", "All", "About"]


@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
    labels=st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=300), min_size=1, max_size=4),
)
def test_any_heading_and_any_sheet_name_makes_a_sound_workbook(
    tmp_path, table, deliver, cells, name, labels, open_book
):
    columns = [Column(f"c{number}", label, "number") for number, label in enumerate(labels)]
    sheet = "Data" if check_sheet(name) else name
    deliver(table([tuple(1.0 for _ in labels)], columns), make_run(tmp_path), sheet=sheet, about=False)
    book = open_book()
    (made,) = book.worksheets[0].tables.values()
    headings = [cell.value for cell in book.worksheets[0][1]]
    assert [column.name for column in made.tableColumns] == headings
    assert len({heading.lower() for heading in headings}) == len(labels)
