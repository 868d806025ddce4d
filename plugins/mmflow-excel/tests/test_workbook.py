"""What a workbook holds: tables, sheets, pivots, colours, and what it says of itself."""

import re
import tracemalloc
import zipfile
from datetime import UTC, date, datetime, timedelta

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from python_calamine import CalamineWorkbook

from mmflow.errors import GiveUp
from mmflow.lights import Light, find_lights
from mmflow.options import convert_values
from mmflow.sinks import Facts
from mmflow.table import Column, FooterRow
from mmflow.testing.deliveries import DAY, DOWN, HOUR, MACHINE, PARTS, day_rows, make_run
from mmflow_excel.colours import paint_column
from mmflow_excel.names import check_sheet, name_table, number_sheet, write_headings
from mmflow_excel.options import ExcelOptions
from mmflow_excel.pages import list_pages
from mmflow_excel.rows import Rows
from mmflow_excel.workbook import write_workbook

OEE = Column("oee", "OEE", "number", unit="ratio", decimals=3, direction="up")
OEE_PERCENT = Column("oee", "OEE (%)", "number", unit="%", decimals=1, direction="up")
WARNING = Column("oeeWarningThreshold", "Warning", "number", unit="ratio", decimals=3)
FAILURE = Column("oeeFailureThreshold", "Failure", "number", unit="ratio", decimals=3)
FIRST = date(2026, 11, 21)
CROSS = {"name": "By day", "pivot": {"rows": "machine", "columns": "day", "value": "downtime"}}
SETTLED = (
    "Down time may still be given other reasons, and parts may be corrected; a later run then shows other numbers."
)
CLOCKS = (
    "Times in the sheets are those on the clocks of America/New_York; an hour that the clocks show twice bears the "
    "name of summer or winter time."
)


def open_book(tmp_path):
    return openpyxl.load_workbook(tmp_path / "out/morning-oee.xlsx")


def test_table_is_one_of_excel_with_filter_and_frozen_heading(tmp_path, table, deliver):
    receipt = deliver(table(day_rows(FIRST, 3)), make_run(tmp_path))
    sheet = open_book(tmp_path)["Data"]
    made = sheet.tables["Data"]
    assert (made.ref, made.autoFilter.ref, made.tableStyleInfo.name) == ("A1:D7", "A1:D7", "TableStyleMedium2")
    assert [column.name for column in made.tableColumns] == ["Day", "Machine", "Good parts", "Down (min)"]
    assert [cell.value for cell in sheet[1]] == ["Day", "Machine", "Good parts", "Down (min)"]
    assert (sheet.freeze_panes, sheet.dimensions) == ("B2", "A1:D7")
    assert (receipt.rows, receipt.path, receipt.details["sheets"]) == (6, "out/morning-oee.xlsx", 1)


def test_no_rows_leave_a_table_with_its_heading(tmp_path, table, deliver, cells):
    deliver(table([]), make_run(tmp_path), charts=[{"x": "machine"}], sheets=[CROSS])
    assert open_book(tmp_path)["Data"].tables["Data"].ref == "A1:D2"
    assert cells()[0] == ["Day", "Machine", "Good parts", "Down (min)"]
    assert [cell for row in cells()[1:] for cell in row if cell is not None] == []


def test_headings_are_unlike_and_in_one_line(tmp_path, table, deliver):
    columns = (
        MACHINE,
        Column("a", "Parts", "number"),
        Column("b", "parts", "number"),
        Column("c", "two\nlines", "number"),
    )
    deliver(table([("m", 1.0, 2.0, 3.0)], columns), make_run(tmp_path))
    assert [cell.value for cell in open_book(tmp_path)["Data"][1]] == ["Machine", "Parts", "parts (2)", "two lines"]


def test_widths_follow_the_data_within_bounds(tmp_path, table, deliver):
    long = Column("long", "A heading of very many words, one after the other", "number")
    rows = [(FIRST, "x" * 400, 1.0), (FIRST, "y" * 20, 1.0)]
    deliver(table(rows, (DAY, MACHINE, long)), make_run(tmp_path))
    sheet = open_book(tmp_path)["Data"]
    widths = [sheet.column_dimensions[letter].width for letter in "ABC"]
    assert [round(width) for width in widths] == [13, 51, 23]
    assert sheet["C1"].alignment.wrap_text


def test_hidden_columns_are_there_and_not_shown(tmp_path, table, deliver):
    deliver(table(day_rows(FIRST, 1)), make_run(tmp_path), hidden=["downtime"])
    sheet = open_book(tmp_path)["Data"]
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


def test_further_sheet_has_its_own_columns_and_order(tmp_path, table, deliver, cells):
    rows = [(FIRST, "a", 1.0, 5.0), (FIRST, "b", 2.0, None), (FIRST, "c", 3.0, 9.0)]
    made = table(rows, footer=[FooterRow("total", ("Total", None, 6.0, 14.0))])
    top = {"name": "Top", "columns": ["machine", "downtime"], "sort": ["-downtime"], "limit": 2}
    every = {"name": "All", "columns": ["day", "goodParts"], "sort": ["goodParts"]}
    deliver(made, make_run(tmp_path), sheets=[top, every])
    assert cells("Top") == [["Machine", "Down (min)"], ["c", 9], ["a", 5]]
    assert cells("All")[3:] == [[datetime(2026, 11, 21), 3], ["Total", 6]]
    assert open_book(tmp_path).sheetnames == ["Data", "Top", "All", "About"]


def test_pivot_lays_values_out_crosswise(tmp_path, table, deliver, cells):
    tomorrow = FIRST + timedelta(days=1)
    rows = [(tomorrow, "b", 1.0, 5.0), (FIRST, "a", 2.0, 2.0), (FIRST, "b", 3.0, None)]
    deliver(table(rows), make_run(tmp_path), sheets=[CROSS])
    assert cells("By day") == [["Machine", "2026-11-21", "2026-11-22"], ["b", None, 5], ["a", 2, None]]
    assert open_book(tmp_path)["By day"].tables["By_day"].ref == "A1:C3"


def test_pivot_takes_the_order_and_the_first_rows_that_are_asked_for(tmp_path, table, deliver, cells):
    rows = [(FIRST, name, 1.0, down) for name, down in zip("abc", (5.0, 9.0, 7.0), strict=True)]
    deliver(table(rows), make_run(tmp_path), sheets=[CROSS | {"sort": ["-downtime"], "limit": 2}])
    assert cells("By day") == [["Machine", "2026-11-21"], ["b", 9], ["c", 7]]


def test_pivot_of_hours_tells_equal_times_apart(tmp_path, table, deliver, cells):
    rows = [(datetime(2026, 11, 1, hour, tzinfo=UTC), "a", float(hour)) for hour in (5, 6)]
    cross = {"name": "By hour", "pivot": {"rows": "machine", "columns": "hour", "value": "goodParts"}}
    deliver(table(rows, (HOUR, MACHINE, PARTS)), make_run(tmp_path), sheets=[cross])
    assert cells("By hour") == [["Machine", "2026-11-01 01:00 EDT", "2026-11-01 01:00 EST"], ["a", 5, 6]]


def test_two_values_for_one_cell_of_a_pivot_are_refused(tmp_path, table, deliver):
    with pytest.raises(GiveUp, match=r"sheet 'By day' has more than one downtime for a, 2026-11-21; group the report"):
        deliver(table([(FIRST, "a", 1.0, 5.0), (FIRST, "a", 2.0, 5.0)]), make_run(tmp_path), sheets=[CROSS])


def rules_of(sheet):
    return {
        str(area.sqref): [(rule.formula[0], rule.dxf.fill.bgColor.rgb[2:], rule.stopIfTrue) for rule in found]
        for area, found in sheet.conditional_formatting._cf_rules.items()
    }


def test_lights_are_conditional_formats(tmp_path, table, deliver):
    rows = [("a", 87.5), ("b", None)]
    deliver(table(rows, (MACHINE, OEE_PERCENT)), make_run(tmp_path), lights={"oee": {"amber": 65, "red": 50}})
    assert rules_of(open_book(tmp_path)["Data"]) == {
        "B2:B3": [
            ("IF(AND(ISNUMBER($B2),TRUE),$B2<0.5,FALSE)", "FFC7CE", True),
            ("IF(AND(ISNUMBER($B2),TRUE),$B2<0.65,FALSE)", "FFEB9C", True),
            ("AND(ISNUMBER($B2),OR(TRUE,TRUE))", "C6EFCE", True),
        ]
    }


def test_lights_of_a_pivot_take_the_limits_of_each_machine(tmp_path, table, deliver):
    columns = (DAY, MACHINE, OEE_PERCENT, WARNING, FAILURE)
    second = FIRST + timedelta(days=1)
    rows = [(day, name, 55.0, warning, 0.5) for day in (FIRST, second) for name, warning in (("a", 0.6), ("b", 70.0))]
    cross = {"name": "By day", "pivot": {"rows": "machine", "columns": "day", "value": "oee"}}
    deliver(table(rows, columns), make_run(tmp_path), lights="plant", sheets=[cross])
    found = rules_of(open_book(tmp_path)["By day"])
    assert {area: rules[1][0] for area, rules in found.items()} == {
        "B2:C2": "IF(AND(ISNUMBER(B2),TRUE),B2<0.6,FALSE)",
        "B3:C3": "IF(AND(ISNUMBER(B3),TRUE),B3<0.7,FALSE)",
    }


@pytest.mark.parametrize(
    ("columns", "lights", "formula"),
    [
        ((OEE, WARNING, FAILURE), "plant", "IF(AND(ISNUMBER($A2),ISNUMBER($C2)),$A2<IF($C2>1.5,$C2/100,$C2),FALSE)"),
        (
            (DOWN, PARTS),
            {"downtime": Light(red="goodParts", better="down")},
            "IF(AND(ISNUMBER($A2),ISNUMBER($B2)),$A2>$B2,FALSE)",
        ),
        (
            (OEE_PERCENT, PARTS),
            {"oee": Light(red="goodParts")},
            "IF(AND(ISNUMBER($A2),ISNUMBER($B2)),$A2<$B2/100,FALSE)",
        ),
        ((DOWN,), {"downtime": Light(amber=1.0, red=2.0)}, "IF(AND(ISNUMBER($A2),TRUE),$A2>2.0,FALSE)"),
    ],
)
def test_limits_in_columns_are_compared_with_them(columns, lights, formula):
    (rule,) = find_lights(lights, columns)
    assert paint_column(rule, columns, 2, 9)[0].formula == "=" + formula


def test_charts_hold_their_cells_and_values(tmp_path, table, deliver):
    charts = [
        {"type": "column", "title": "Parts & more", "x": "machine", "y": ["goodParts"], "line": ["downtime"]},
        {"type": "bar", "y_min": 0, "y_max": 5, "y_title": "minutes", "y": ["downtime"], "sheet": "Charts"},
        {"type": "stacked", "y": ["goodParts", "downtime"], "rows": 1, "sheet": "Charts"},
    ]
    cross = CROSS | {"charts": [{"type": "line"}]}
    deliver(
        table([(FIRST, "a", 7.0, 1.5), (FIRST, "inf", None, 2.5)]), make_run(tmp_path), charts=charts, sheets=[cross]
    )
    with zipfile.ZipFile(tmp_path / "out/morning-oee.xlsx") as book:
        found = [book.read(f"xl/charts/chart{number}.xml").decode() for number in range(1, 5)]
        assert "xl/charts/chart5.xml" not in book.namelist()
    columns, lines, bars, stacked = found  # in the order of the sheets
    assert "Parts &amp; more" in columns
    assert "<c:f>Data!$C$2:$C$3</c:f>" in columns
    assert "<c:lineChart>" in columns
    assert '<c:pt idx="0"><c:v>7.0</c:v></c:pt></c:numCache>' in columns
    assert '<c:strCache><c:ptCount val="2"/><c:pt idx="0"><c:v>a</c:v></c:pt>' in columns
    assert '<c:barDir val="bar"/>' in bars
    assert '<c:max val="5' in bars
    assert ">minutes<" in bars
    assert '<c:grouping val="stacked"/>' in stacked
    assert "<c:f>Data!$D$2</c:f>" in stacked
    assert "<c:lineChart>" in lines
    assert "<c:f>'By day'!$B$2:$B$3</c:f>" in lines
    assert open_book(tmp_path).sheetnames == ["Data", "By day", "Charts", "About"]


@pytest.mark.parametrize("hidden", ["downtime", "machine"])
def test_chart_of_a_hidden_column_is_drawn(tmp_path, table, deliver, hidden):
    chart = {"x": "machine", "y": ["downtime"]}
    deliver(table(day_rows(FIRST, 1)), make_run(tmp_path), hidden=[hidden], charts=[chart])
    with zipfile.ZipFile(tmp_path / "out/morning-oee.xlsx") as book:
        assert '<c:plotVisOnly val="1"/>' not in book.read("xl/charts/chart1.xml").decode()


def test_charts_may_stand_on_the_sheet_of_another_table_whatever_the_case(tmp_path, table, deliver):
    charts = [{"sheet": "BY DAY"}, {"sheet": "charts"}, {"sheet": "Charts"}]
    deliver(table(day_rows(FIRST, 1)), make_run(tmp_path), charts=charts, sheets=[CROSS])
    book = open_book(tmp_path)
    assert {sheet.title: len(sheet._charts) for sheet in book} == {"Data": 0, "By day": 1, "charts": 2, "About": 0}


def test_pareto_ranks_and_gives_the_share_so_far(tmp_path, table, deliver, cells):
    rows = [(FIRST, name, 1.0, down) for name, down in zip("sml0", (10.0, None, 30.0, 0.0), strict=True)]
    deliver(table(rows), make_run(tmp_path), charts=[{"type": "pareto", "x": "machine", "y": ["downtime"]}])
    assert cells("Pareto") == [["Machine", "Down (min)", "Share so far"], ["l", 30, 0.75], ["s", 10, 1]]
    with zipfile.ZipFile(tmp_path / "out/morning-oee.xlsx") as book:
        chart = book.read("xl/charts/chart1.xml").decode()
    assert "<c:f>Pareto!$B$2:$B$3</c:f>" in chart
    assert '<c:max val="1' in chart
    assert "xl/charts/chart2.xml" not in book.namelist()


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (
            [(FIRST, "a", 1.0, 1.0), (FIRST, "a", 1.0, 1.0)],
            r"more than one row for 'a'; group the report by machine alone",
        ),
        ([(FIRST, "a", 1.0, -1.0)], r"has a negative number in 'downtime'"),
    ],
)
def test_pareto_of_what_cannot_be_added_is_refused(tmp_path, table, deliver, rows, words):
    with pytest.raises(GiveUp, match=words):
        deliver(table(rows), make_run(tmp_path), charts=[{"type": "pareto", "x": "machine", "y": ["downtime"]}])


def test_chart_without_numbers_is_refused(tmp_path, table, deliver):
    with pytest.raises(GiveUp, match="chart 'Empty' of sheet 'Data' has no column of numbers; name one under y"):
        deliver(table([("a",)], (MACHINE,)), make_run(tmp_path), charts=[{"title": "Empty"}])


def chart_of(tmp_path, number=1):
    with zipfile.ZipFile(tmp_path / "out/morning-oee.xlsx") as book:
        drawings = "".join(book.read(name).decode() for name in book.namelist() if "drawings/drawing" in name)
        return book.read(f"xl/charts/chart{number}.xml").decode(), drawings


@pytest.mark.parametrize(
    ("chart", "downs", "bottom"),
    [
        ({"type": "column"}, (90.0, 95.0), '<c:min val="0"/>'),
        ({"type": "bar"}, (90.0, 95.0), '<c:min val="0"/>'),
        ({"type": "column", "y_min": 50}, (90.0, 95.0), '<c:min val="50'),
        ({"type": "column"}, (90.0, -95.0), None),
        ({"type": "line"}, (90.0, 95.0), None),
    ],
)
def test_bars_begin_at_zero_unless_numbers_lie_below(tmp_path, table, deliver, chart, downs, bottom):
    rows = [(FIRST, name, 1.0, down) for name, down in zip("ab", downs, strict=True)]
    deliver(table(rows), make_run(tmp_path), charts=[chart | {"x": "machine", "y": ["downtime"]}])
    drawn = chart_of(tmp_path)[0]
    assert bottom in drawn if bottom else "<c:min" not in drawn


def test_charts_grow_with_their_names_and_stand_below_each_other(tmp_path, table, deliver):
    rows = [(FIRST, f"m{number:02}", 1.0, 2.0) for number in range(60)]
    charts = [{"type": kind, "x": "machine", "y": ["downtime"]} for kind in ("bar", "column")]
    deliver(table(rows), make_run(tmp_path), charts=charts)
    found = chart_of(tmp_path)[1]
    rows_of = [int(row) for row in re.findall(r"<xdr:row>(\d+)</xdr:row>", found)]
    columns = [int(column) for column in re.findall(r"<xdr:col>(\d+)</xdr:col>", found)]
    assert (rows_of, columns[0], columns[2]) == ([1, 55, 56, 72], 5, 5)
    assert columns[1] - columns[0] == 10
    assert columns[3] - columns[2] > 20


def test_pivot_without_rows_has_no_chart(tmp_path, table, deliver, cells):
    deliver(table([]), make_run(tmp_path), sheets=[CROSS | {"charts": [{"type": "line"}]}])
    assert cells("By day")[0] == ["Machine"]


@pytest.mark.parametrize(
    ("rows", "columns", "chart", "words"),
    [
        (
            [("a", 0.5), ("b", 0.5)],
            (MACHINE, OEE),
            {"type": "stacked"},
            "the stacked chart .* in ratio cannot be added",
        ),
        ([("a", 1.0), ("a", 2.0)], (MACHINE, DOWN), {"type": "line"}, "more than one row for 'a'; .* or draw a pivot"),
    ],
)
def test_charts_that_would_mislead_are_refused(tmp_path, table, deliver, rows, columns, chart, words):
    with pytest.raises(GiveUp, match=words):
        deliver(table(rows, columns), make_run(tmp_path), charts=[chart])


def test_chart_of_more_columns_than_excel_draws_is_refused(tmp_path, table, deliver):
    rows = [(FIRST, f"m{number}", 1.0, 2.0) for number in range(256)]
    cross = {"pivot": {"rows": "day", "columns": "machine", "value": "downtime"}, "charts": [{"type": "line"}]}
    with pytest.raises(GiveUp, match=r"of sheet 'Wide' would draw 256 columns, Excel draws 255; name some under y"):
        deliver(table(rows), make_run(tmp_path), sheets=[cross | {"name": "Wide"}])


def test_about_of_a_workbook_that_is_kept_speaks_of_other_days(tmp_path, table, deliver, cells):
    deliver(table(day_rows(FIRST, 1)), make_run(tmp_path), mode="replace_window")
    (said,) = (row[1] for row in cells("About") if row[0] == "Other days")
    assert said == "Rows of days that are not in this window are from earlier runs, as the numbers were then."


def test_pareto_of_a_ratio_is_refused(tmp_path, table, deliver):
    with pytest.raises(GiveUp, match="values in ratio cannot be added"):
        deliver(table([("a", 0.5)], (MACHINE, OEE)), make_run(tmp_path), charts=[{"type": "pareto"}])


def test_about_says_what_the_numbers_are(tmp_path, table, deliver, cells):
    facts = Facts(
        description="Yesterday by machine.",
        owner="ops@example.com",
        filter={"machineGroup": ("Mills", "Lathes")},
        exclude={"machine": ("Test *",)},
        missing=(("austin", "no answer"),),
    )
    made = table([(datetime(2026, 11, 21, 17, tzinfo=UTC), "a")], (HOUR, MACHINE), notices=["Two rows were dropped."])
    deliver(made, make_run(tmp_path, facts=facts))
    assert [tuple(row) for row in cells("About")] == [
        ("Report", "morning-oee"),
        ("Description", "Yesterday by machine."),
        ("Owner", "ops@example.com"),
        ("Site", "boston"),
        ("Production days", "2026-11-21 (made by hand)"),
        ("Window, plant time", "2026-11-21 00:00 EST to 2026-11-22 00:00 EST (America/New_York)"),
        ("Window, UTC", "2026-11-21 05:00 to 2026-11-22 05:00, 24 hours"),
        ("Read at", "2026-11-22 06:00 EST (2026-11-22 11:00 UTC)"),
        ("Due at", "2026-11-22 06:00 EST (2026-11-22 11:00 UTC)"),
        ("Missing", "austin: no answer"),
        ("Only", "machineGroup: Mills, Lathes"),
        ("Without", "machine: Test *"),
        ("Notes", "Two rows were dropped."),
        ("May change", SETTLED),
        ("Times", CLOCKS),
        ("Empty cells", "The value is not known; that is not 0."),
        ("Run", "20261122T114002-7f3a"),
    ]


def test_about_warns_of_a_window_that_is_not_over(tmp_path, table, deliver, cells):
    noon = datetime(2026, 11, 21, 17, tzinfo=UTC)
    deliver(table(day_rows(FIRST, 1)), make_run(tmp_path, extracted_at=noon))
    (said,) = (row[1] for row in cells("About") if row[0] == "May change")
    assert said.startswith("The window was not over when the numbers were read")


def test_about_may_be_left_out_and_notices_stay(tmp_path, table, deliver, cells):
    deliver(table(day_rows(FIRST, 1), notices=["Look out."]), make_run(tmp_path), about=False)
    assert open_book(tmp_path).sheetnames == ["Data"]
    assert [row[0] for row in cells()[3:]] == [None, "Look out."]


def test_preview_counts_charts_where_they_stand(tmp_path, table, call):
    charts = [{"x": "machine", "sheet": "Charts"}, {"x": "machine", "sheet": "BY DAY"}, {"x": "machine"}]
    shown = call("render", table(day_rows(FIRST, 1)), make_run(tmp_path), sheets=[CROSS], charts=charts)
    assert shown.text.startswith(
        "morning-oee.xlsx:\n"
        "  Data: 2 rows, columns: 4, charts: 1\n"
        "  By day: 2 rows, columns: 2, charts: 1\n"
        "  Charts: charts: 1\n"
        "  About\n"
    )


def test_preview_lists_sheets_and_gives_the_workbook(tmp_path, table, call):
    made = table(day_rows(FIRST, 11), notices=["Look out."])
    shown = call("render", made, make_run(tmp_path), sheets=[CROSS], charts=[{"x": "machine"}])
    assert shown.text.startswith(
        "morning-oee.xlsx:\n"
        "  Data: 22 rows, columns: 4, charts: 1\n"
        "  By day: 2 rows, columns: 12\n"
        "  About\n"
        "\n"
        "Day         Machine   Good parts  Down (min)\n"
    )
    assert shown.text.endswith("and 2 more\nLook out.\n")
    call("deliver", made, make_run(tmp_path), sheets=[CROSS], charts=[{"x": "machine"}])
    assert (tmp_path / "out/morning-oee.xlsx").read_bytes() == shown.content


@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
    labels=st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=300), min_size=1, max_size=4),
)
def test_any_heading_and_any_sheet_name_makes_a_sound_workbook(tmp_path, table, deliver, cells, name, labels):
    columns = [Column(f"c{number}", label, "number") for number, label in enumerate(labels)]
    sheet = "Data" if check_sheet(name) else name
    deliver(table([tuple(1.0 for _ in labels)], columns), make_run(tmp_path), sheet=sheet, about=False)
    book = open_book(tmp_path)
    (made,) = book.worksheets[0].tables.values()
    headings = [cell.value for cell in book.worksheets[0][1]]
    assert [column.name for column in made.tableColumns] == headings
    assert len({heading.lower() for heading in headings}) == len(labels)
