"""A workbook of the user's own is filled, through the sink; tests/filling has the rules of it."""

import os
import zipfile
from datetime import UTC, date, datetime, timedelta

import openpyxl
import pytest
from openpyxl.worksheet.table import Table as ExcelTable

from mmflow.clock import FixedClock
from mmflow.errors import GiveUp
from mmflow.sinks import Partial
from mmflow.testing.deliveries import day_rows, make_run

FIRST = date(2026, 11, 21)
FILL = {"template": "stops.xlsx", "target": "Stops", "path": "stops.xlsx"}


@pytest.fixture
def template(tmp_path):
    """A workbook with a table of two columns more than the report has, and words around it."""
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Input"
    sheet["A1"] = "Stops of the week"
    for place, value in zip("BCDEF", ["Machine", "Day", "Good parts", "Down (min)", "Remark"], strict=True):
        sheet[f"{place}3"], sheet[f"{place}4"] = value, None
    sheet["C4"].number_format = "yyyy-mm-dd"
    sheet.add_table(ExcelTable(displayName="Stops", ref="B3:F4"))
    (tmp_path / "jobs").mkdir()
    book.save(tmp_path / "jobs" / "stops.xlsx")
    return tmp_path / "jobs" / "stops.xlsx"


def filled(tmp_path, name="stops.xlsx"):
    sheet = openpyxl.load_workbook(tmp_path / "out" / name)["Input"]
    top = sheet["A1"].value
    return top, [[cell.value for cell in row] for row in sheet[sheet.tables["Stops"].ref][1:]]


def numbers(tmp_path):
    return [row[2] for row in filled(tmp_path)[1]]


def test_template_is_filled_and_stays_as_it_is(tmp_path, table, deliver, template):
    before = template.read_bytes()
    receipt = deliver(table(day_rows(FIRST, 1)), make_run(tmp_path), **FILL)
    day = datetime(2026, 11, 21)
    expected = [["Haas 1", day, 100, 1.5, None], ["Mazak, 2", day, 100, 1.5, None]]
    assert filled(tmp_path) == ("Stops of the week", expected)
    assert template.read_bytes() == before
    assert (receipt.rows, receipt.path) == (2, "out/stops.xlsx")


def test_same_rows_twice_give_the_same_bytes(tmp_path, table, deliver, template):
    made = table(day_rows(FIRST, 1))
    once = deliver(made, make_run(tmp_path), **FILL)
    assert deliver(made, make_run(tmp_path), **FILL).sha256 == once.sha256


def test_other_days_stay_in_a_filled_workbook(tmp_path, table, deliver, template):
    for number in (0, 1, 1):
        start = FIRST + timedelta(days=number)
        deliver(
            table(day_rows(start, 1, float(number))), make_run(tmp_path, first=start), mode="replace_window", **FILL
        )
    assert numbers(tmp_path) == [0, 0, 1, 1]


def test_workbook_that_is_there_is_filled_without_a_template(tmp_path, table, deliver, template):
    (tmp_path / "out").mkdir()
    template.rename(tmp_path / "out/stops.xlsx")
    deliver(table(day_rows(FIRST, 1, 7.0)), make_run(tmp_path), target="Stops", path="stops.xlsx")
    assert numbers(tmp_path) == [7, 7]


def test_without_any_workbook_it_is_refused(tmp_path, table, deliver):
    with pytest.raises(GiveUp, match=r"there is no workbook .* to be filled; put one there, or name a template"):
        deliver(table([]), make_run(tmp_path), target="Stops")
    with pytest.raises(GiveUp, match=r"there is no template .*gone\.xlsx"):
        deliver(table([]), make_run(tmp_path), target="Stops", template="gone.xlsx")


@pytest.mark.row("R52")
def test_sheet_larger_than_a_part_may_be_is_refused(tmp_path, table, deliver, template, monkeypatch):
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 20_000)  # in place of 2 GB
    with pytest.raises(GiveUp, match=r"would have a part xl/worksheets/sheet1\.xml larger than 2 GB, which Excel does"):
        deliver(table(day_rows(FIRST, 200)), make_run(tmp_path), **FILL)
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.row("R52")
def test_target_that_reaches_the_end_of_its_sheet_is_refused(tmp_path, table, deliver, template):
    book = openpyxl.Workbook()
    for place, value in zip("ABCD", ["Machine", "Day", "Good parts", "Down (min)"], strict=True):
        book.active[f"{place}1048575"] = value
    book.active["B1048576"].number_format = "yyyy-mm-dd"
    book.active.add_table(ExcelTable(displayName="Stops", ref="A1048575:D1048576"))
    book.save(template)
    with pytest.raises(GiveUp, match=r"would have 1,048,577 rows in sheet 'Sheet', and Excel has 1,048,576"):
        deliver(table(day_rows(FIRST, 1)), make_run(tmp_path), **FILL)


def test_what_somebody_added_while_it_was_open_stays(tmp_path, table, deliver, template):
    run = make_run(tmp_path, clock=FixedClock(datetime.now(UTC)))
    path, held = tmp_path / "out/stops.xlsx", tmp_path / "out/~$stops.xlsx"
    deliver(table(day_rows(FIRST, 1, 1.0)), run, **FILL)
    held.write_bytes(b"")
    words = {"target": "Stops", "path": "stops.xlsx"}
    with pytest.raises(Partial) as found:
        deliver(table(day_rows(FIRST, 1, 2.0)), run, **words)
    book = openpyxl.load_workbook(path)
    book["Input"]["A1"] = "Stops that matter"
    book.save(path)
    later = (tmp_path / found.value.receipt.path).stat().st_mtime_ns + 10**9
    os.utime(path, ns=(later, later))
    held.unlink()
    deliver(table(day_rows(FIRST, 1, 2.0)), run, **words)
    assert (filled(tmp_path)[0], numbers(tmp_path)) == ("Stops that matter", [2, 2])


@pytest.mark.row("R51")
def test_open_workbook_that_is_filled_gets_a_file_beside_it(tmp_path, table, deliver, template):
    run = make_run(tmp_path, clock=FixedClock(datetime.now(UTC)))
    deliver(table(day_rows(FIRST, 1, 1.0)), run, **FILL)
    (tmp_path / "out/~$stops.xlsx").write_bytes(b"")
    with pytest.raises(Partial) as found:
        deliver(table(day_rows(FIRST, 1, 2.0)), run, **FILL)
    assert numbers(tmp_path) == [1, 1]
    name = found.value.receipt.path.removeprefix("out/")
    assert [row[2] for row in filled(tmp_path, name)[1]] == [2, 2]


def test_preview_check_and_comparison(tmp_path, table, call, excel, template):
    made = table(day_rows(FIRST, 1))
    shown = call("render", made, make_run(tmp_path), **FILL)
    assert shown.text.startswith("stops.xlsx: 2 rows in Stops\n\nMachine ")
    assert shown.suffix == ".xlsx"
    assert not (tmp_path / "out").exists()
    assert list(call("read", made, make_run(tmp_path), **FILL)) == []
    call("deliver", made, make_run(tmp_path), **FILL)
    assert (tmp_path / "out/stops.xlsx").read_bytes() == shown.content
    assert list(call("read", made, make_run(tmp_path), **FILL)) == day_rows(FIRST, 1)
