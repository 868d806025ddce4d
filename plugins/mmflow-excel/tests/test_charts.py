"""Charts of a workbook: what they hold, where they stand, and which would mislead."""

import re
import zipfile
from datetime import date

import pytest

from mmflow.errors import GiveUp
from mmflow.table import Column
from mmflow.testing.deliveries import DOWN, MACHINE, day_rows, make_run

OEE = Column("oee", "OEE", "number", unit="ratio", decimals=3, direction="up")
FIRST = date(2026, 11, 21)
CROSS = {"name": "By day", "pivot": {"rows": "machine", "columns": "day", "value": "downtime"}}


def test_charts_hold_their_cells_and_values(tmp_path, table, deliver, open_book):
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
    assert open_book().sheetnames == ["Data", "By day", "Charts", "About"]


@pytest.mark.parametrize("hidden", ["downtime", "machine"])
def test_chart_of_a_hidden_column_is_drawn(tmp_path, table, deliver, hidden):
    chart = {"x": "machine", "y": ["downtime"]}
    deliver(table(day_rows(FIRST, 1)), make_run(tmp_path), hidden=[hidden], charts=[chart])
    with zipfile.ZipFile(tmp_path / "out/morning-oee.xlsx") as book:
        assert '<c:plotVisOnly val="1"/>' not in book.read("xl/charts/chart1.xml").decode()


def test_charts_may_stand_on_the_sheet_of_another_table_whatever_the_case(tmp_path, table, deliver, open_book):
    charts = [{"sheet": "BY DAY"}, {"sheet": "charts"}, {"sheet": "Charts"}]
    deliver(table(day_rows(FIRST, 1)), make_run(tmp_path), charts=charts, sheets=[CROSS])
    book = open_book()
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


def test_pareto_of_a_ratio_is_refused(tmp_path, table, deliver):
    with pytest.raises(GiveUp, match="values in ratio cannot be added"):
        deliver(table([("a", 0.5)], (MACHINE, OEE)), make_run(tmp_path), charts=[{"type": "pareto"}])


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
