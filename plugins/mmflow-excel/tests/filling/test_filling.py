"""A table or range of an existing workbook is filled, and everything else in the workbook stays as it was."""

import re
from datetime import date, datetime

import pytest

DAY = date(2026, 11, 20)
ROWS = [(DAY, "Haas 1", 12.5, 87.5), (DAY, "=1+1 & <Mazak>", None, 7.0), (DAY, "Okuma", 0.1, None)]
# What filling may change, beside the sheet itself.
CHANGED = {
    "xl/worksheets/sheet1.xml",
    "xl/tables/table1.xml",
    "xl/workbook.xml",
    "xl/pivotCache/pivotCacheDefinition1.xml",
    "[Content_Types].xml",
    "xl/_rels/workbook.xml.rels",
}


@pytest.mark.row("S32")
def test_all_other_parts_stay_byte_for_byte_and_in_order(template, table, fill, parts):
    source = template()
    before, after = parts(source), parts(fill(source, table(ROWS)))
    assert list(after) == [name for name in before if name != "xl/calcChain.xml"]
    assert {name for name in after if after[name] != before[name]} == CHANGED
    for name in (
        "xl/vbaProject.bin",
        "xl/charts/chart1.xml",
        "xl/slicers/slicer1.xml",
        "xl/pivotTables/pivotTable1.xml",
    ):
        assert after[name] == before[name]


def test_of_the_changed_parts_only_what_belongs_to_the_rows_changes(template, table, fill, parts):
    source = template()
    before, after = parts(source), parts(fill(source, table(ROWS)))

    def undo(name, *changes):
        text = after[name]
        for new, old in changes:
            assert text.count(new) == 1, (name, new)
            text = text.replace(new, old)
        assert text == before[name]

    undo(
        "xl/tables/table1.xml",
        (b'displayName="Downtimes" ref="A3:E7"', b'displayName="Downtimes" ref="A3:E6"'),
        (b'<autoFilter ref="A3:E6"/>', b'<autoFilter ref="A3:E5"/>'),
    )
    undo("xl/pivotCache/pivotCacheDefinition1.xml", (b' refreshOnLoad="1"', b""))
    undo("xl/workbook.xml", (b' fullCalcOnLoad="1"', b""))
    for name in ("[Content_Types].xml", "xl/_rels/workbook.xml.rels"):
        assert after[name] == re.sub(rb'<[^<]*"(/xl/)?calcChain.xml"[^>]*>', b"", before[name])


def split_sheet(xml):
    """Give what stands around the rows, and the rows by number."""
    head, rest = xml.split(b"<sheetData>")
    data, tail = rest.split(b"</sheetData>")
    rows = {int(found[1]): found[0] for found in re.finditer(rb'<row r="(\d+)".*?(?:</row>|/>(?=<row|$))', data)}
    assert b"".join(rows.values()) == data
    return head, rows, tail


def test_in_the_sheet_only_cells_of_the_target_change(template, table, fill, parts):
    source = template()
    old_head, old, old_tail = split_sheet(parts(source)["xl/worksheets/sheet1.xml"])
    head, new, tail = split_sheet(parts(fill(source, table(ROWS)))["xl/worksheets/sheet1.xml"])
    assert (head, tail) == (old_head, old_tail)  # widths, conditional formats, drawings
    assert [number for number in new if new.get(number) != old.get(number)] == [4, 5, 6, 7]
    for number in (4, 5):
        assert re.match(rb"<row[^>]*>", new[number])[0] == re.match(rb"<row[^>]*>", old[number])[0]  # height
        assert new[number][new[number].index(b'<c r="G') :] == old[number][old[number].index(b'<c r="G') :]


def test_rows_take_the_formats_of_the_first_row_and_formulas_go_down(template, table, fill, open_book):
    sheet = open_book(fill(template(), table(ROWS)))["Data"]
    assert [[cell.value for cell in row[:4]] for row in sheet["A4:E6"]] == [
        [datetime(2026, 11, 20), "Haas 1", 12.5, 0.875],
        [datetime(2026, 11, 20), "=1+1 & <Mazak>", None, 0.07],
        [datetime(2026, 11, 20), "Okuma", 0.1, None],
    ]
    assert [sheet.cell(row, 2).data_type for row in (4, 5, 6)] == ["s"] * 3  # also the text that looks like a formula
    assert {sheet.cell(row, 5).value for row in (4, 5, 6)} == {"=Downtimes[[#This Row],[Down (min)]]/60"}
    for column in range(1, 6):
        formats = {sheet.cell(row, column).number_format for row in (4, 5, 6)}
        assert len(formats) == 1, formats
    assert sheet["D6"].number_format == "0.0%"
    assert sheet["B6"].font.bold


def test_totals_move_down_with_the_table(template, table, fill, cells, open_book):
    filled = fill(template(), table(ROWS * 10))
    assert cells(filled, "Data", "B34:C34") == [["Total", "=SUBTOTAL(109,Downtimes[Down (min)])"]]
    assert cells(filled, "Data", "G30:G30") == [["far below"]]
    assert open_book(filled)["Data"].tables["Downtimes"].ref == "A3:E34"


def test_fewer_rows_leave_nothing_of_the_old_ones(template, table, fill, cells):
    long = fill(template(), table(ROWS * 10))
    short = fill(long, table(ROWS[:1]), name="short.xlsm")
    assert cells(short, "Data", "B4:C5") == [["Haas 1", 12.5], ["Total", "=SUBTOTAL(109,Downtimes[Down (min)])"]]
    rest = [cell for row in cells(short, "Data", "A6:E40") for cell in row]
    assert set(rest) == {None}
    assert cells(short, "Data", "G4:G30")[::26] == [["beside 3"], ["far below"]]


def test_no_rows_leave_one_empty_row_that_the_next_delivery_fills(template, table, fill, cells, parts, open_book):
    source = template()
    empty = fill(source, table([]))
    assert cells(empty, "Data", "A4:D4") == [[None] * 4]
    assert open_book(empty)["Data"].tables["Downtimes"].ref == "A3:E5"
    again = fill(empty, table(ROWS), name="again.xlsm")
    assert parts(again) == parts(fill(source, table(ROWS), name="once.xlsm"))


def test_the_same_delivery_twice_gives_the_same_bytes(template, table, fill):
    source = template()
    first = fill(source, table(ROWS), name="first.xlsm")
    second = fill(first, table(ROWS), name="second.xlsm")
    assert first.read_bytes() == second.read_bytes()


def test_a_column_of_the_template_decides_the_order_by_name_or_label(template, table, fill, cells):
    from mmflow.table import Column

    columns = [
        Column("OEE", "Effectiveness", "number", unit="%"),
        Column("downtime", " down  (MIN)", "number"),
        Column("day", "Day", "date"),
        Column("machine", "machine", "text"),
    ]
    filled = fill(template(), table([(50.0, 2.0, DAY, "Haas 1")], columns))
    assert cells(filled, "Data", "A4:D4") == [[datetime(2026, 11, 20), "Haas 1", 2, 0.5]]


def test_a_named_range_is_filled_and_the_name_and_pivots_follow(template, table, fill, cells, parts, name_a_range):
    source = template(totals=False, change=name_a_range("Data!$A$3:$E$5"))
    filled = fill(source, table(ROWS), target="losses")
    assert cells(filled, "Data", "B3:C7") == [
        ["Machine", "Down (min)"], ["Haas 1", 12.5], ["=1+1 & <Mazak>", None], ["Okuma", 0.1], [None, None],
    ]  # fmt: skip
    after = parts(filled)
    assert b'<definedName name="Losses">Data!$A$3:$E$6</definedName>' in after["xl/workbook.xml"]
    cache = after["xl/pivotCache/pivotCacheDefinition1.xml"]
    assert b'<worksheetSource ref="A3:E6" sheet="Data"/>' in cache
    assert b'refreshOnLoad="1"' in cache
