"""A filled workbook is sound: other programs open it and show the new numbers."""

import csv
import io
from datetime import date

import pytest

from mmflow.errors import GiveUp
from mmflow.table import Column
from mmflow.testing.deliveries import make_run
from mmflow_excel.filling import check_target, read_target

ALL_SHEETS = "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,true,false,false,false,-1"

COLUMNS = (
    Column("day", "Day", "date"),
    Column("machine", "Machine", "text"),
    Column("downtime", "Down (min)", "number"),
    Column("oee", "OEE", "number", unit="%"),
)
DAY = date(2026, 11, 20)
ROWS = [(DAY, "Haas 1", 12.5, 87.5), (DAY, "=1+1", 7.5, 40.0), (DAY, "Größe 機", 40.0, None)]


# LibreOffice computes workbooks of Excel anew only when told so; Excel does what the workbook says.
ALWAYS_COMPUTE = """<?xml version="1.0" encoding="UTF-8"?>
<oor:items xmlns:oor="http://openoffice.org/2001/registry">
<item oor:path="/org.openoffice.Office.Calc/Formula/Load">
<prop oor:name="OOXMLRecalcMode"><value>0</value></prop>
</item>
</oor:items>
"""


@pytest.fixture
def sheets(office, tmp_path):
    """Give the rows of all sheets, as texts, as LibreOffice shows them."""

    def read(path):
        profile = tmp_path / "profile" / "user"
        profile.mkdir(parents=True)
        (profile / "registrymodifications.xcu").write_text(ALWAYS_COMPUTE, encoding="utf-8")
        folder = office(path, ALL_SHEETS).parent
        texts = {one.stem.removeprefix("filled-"): one.read_text(encoding="utf-8") for one in folder.iterdir()}
        return {name: list(csv.reader(io.StringIO(text))) for name, text in texts.items()}

    return read


def test_libreoffice_computes_formulas_totals_and_other_sheets_anew(template, table, fill, sheets):
    found = sheets(fill(template(), table(ROWS)))
    assert [row[1:5] for row in found["Data"][2:7]] == [
        ["Machine", "Down (min)", "OEE", "Hours"],
        ["Haas 1", "12.5", "87.5%", "0.208333333333333"],
        ["=1+1", "7.5", "40%", "0.125"],
        ["Größe 機", "40", "", "0.666666666666667"],
        ["Total", "60", "", ""],
    ]
    assert found["Charts"][0][0] == "60"  # XlsxWriter had saved 4 for it


def test_a_workbook_that_libreoffice_saved_is_filled(template, table, fill, office, cells, open_book):
    saved = office(template(macro=False, full=False), "xlsx")
    filled = fill(saved, table(ROWS))
    assert [row[1:] for row in cells(filled, "Data", "A4:D6")] == [
        [machine, down, None if oee is None else oee / 100] for _, machine, down, oee in ROWS
    ]
    assert {row[0] for row in cells(filled, "Data", "E4:E6")} == {"=Downtimes[[#This Row],[Down (min)]]/60"}
    assert open_book(filled)["Data"].tables["Downtimes"].ref == "A3:E7"


def test_the_sink_fills_a_template_and_then_the_workbook_that_is_there(template, table, deliver, tmp_path, cells):
    template()
    words = {"path": "daily.xlsm", "template": "template.xlsm", "target": "Downtimes"}
    receipt = deliver(table(ROWS), make_run(tmp_path), **words)
    path = tmp_path / "out" / "daily.xlsm"
    once = path.read_bytes()
    assert (receipt.rows, receipt.path) == (3, "out/daily.xlsm")
    deliver(table(ROWS), make_run(tmp_path), path="daily.xlsm", target="Downtimes")
    assert path.read_bytes() == once
    later = [(date(2026, 11, 21), "Haas 1", 1.0, 2.0)]
    deliver(table(later), make_run(tmp_path), **words, mode="replace_window")
    assert [row[0] for row in cells(path, "Data", "B4:B8")] == ["Haas 1", "=1+1", "Größe 機", "Haas 1", "Total"]


def test_openpyxl_opens_it_with_its_table_pivot_and_macros(template, table, fill, open_book):
    book = open_book(fill(template(), table(ROWS)))
    assert book["Data"].tables["Downtimes"].ref == "A3:E7"
    assert book["Pivot"]._pivots[0].cache.refreshOnLoad
    assert book.calculation.fullCalcOnLoad
    assert book.vba_archive


def test_rows_that_were_filled_are_read_back_as_they_were(template, table, fill):
    filled = fill(template(), table(ROWS))
    assert list(read_target(filled, "Downtimes", COLUMNS)) == ROWS
    assert list(read_target(fill(template(), table([])), "Downtimes", COLUMNS)) == []


def test_what_stands_in_a_target_and_is_no_row_of_the_report_is_named(template, table, fill, rewrite, parts):
    before = parts(fill(template(), table(ROWS)))
    before["xl/worksheets/sheet1.xml"] = before["xl/worksheets/sheet1.xml"].replace(
        b'<c r="C5" s="3"><v>7.5</v>', b'<c r="C5" s="3" t="inlineStr"><is><t>much</t></is>'
    )
    with pytest.raises(GiveUp, match=r"holds 'much' in Data!C5, expected number; mend that cell"):
        list(read_target(rewrite(template(), before), "Downtimes", COLUMNS))


def test_a_check_gives_the_headings(template):
    assert check_target(template(), "downtimes") == ("Day", "Machine", "Down (min)", "OEE", "Hours")
