"""A workbook that cannot be filled is refused before anything is written, in words that say what to do."""

import io
import os
import re
import zipfile
from datetime import date

import pytest

from mmflow.errors import GiveUp
from mmflow.table import Column
from mmflow_excel.filling import package as packages
from mmflow_excel.filling.package import copy_parts, open_package

ROWS = [(date(2026, 11, 20), "Haas 1", 12.5, 87.5)]
SHEET, BOOK, TABLE = "xl/worksheets/sheet1.xml", "xl/workbook.xml", "xl/tables/table1.xml"
TYPES, RELATIONS = "[Content_Types].xml", "xl/worksheets/_rels/sheet1.xml.rels"


def replace(part, old, new):
    """Change a part of a workbook."""

    def change(parts):
        changed = re.sub(old, new, parts[part], flags=re.DOTALL)
        assert changed != parts[part]
        return parts | {part: changed}

    return change


def refused(template, table, fill, expected, *, rows=ROWS, columns=None, target="Downtimes", **words):
    made = table(rows, columns) if columns else table(rows)
    with pytest.raises(GiveUp) as caught:
        fill(template(**words), made, target=target)
    assert re.search(expected, str(caught.value)), str(caught.value)
    assert "template.xlsm" in str(caught.value) or "the part" in str(caught.value)


def test_an_unknown_target_is_refused_with_those_there_are(template, table, fill):
    refused(
        template, table, fill, r"no name 'Losses'; it has the tables Downtimes and the names Elsewhere", target="Losses"
    )


def test_columns_without_a_place_are_refused_with_the_headings_there_are(template, table, fill):
    columns = [Column("day", "Day", "date"), Column("scrap", "Scrap", "number"), Column("site", "Site", "text")]
    refused(
        template,
        table,
        fill,
        r"no column in 'Downtimes' for 'Scrap' \(scrap\), 'Site' \(site\); its headings in row 3 of sheet 'Data' are "
        r"'Day', 'Machine', 'Down \(min\)', 'OEE', 'Hours'; add a column with that heading, or leave it out",
        rows=[(None, 1.0, "x")],
        columns=columns,
    )


def test_cells_below_are_not_overwritten(template, table, fill):
    refused(
        template,
        table,
        fill,
        r"holds something in Data!C9, where rows of 'Downtimes' have to go, which now "
        r"reaches to row 9",
        rows=ROWS * 5,
        below="C9",
    )


@pytest.mark.row("R52")
def test_more_rows_than_a_sheet_has_are_refused(template, table, fill, monkeypatch):
    from mmflow_excel.filling import fill as filling

    monkeypatch.setattr(filling, "LAST_ROW", 8)
    refused(template, table, fill, r"would have 9 rows in sheet 'Data', and Excel has", rows=ROWS * 5)


def test_merged_cells_in_the_way_are_refused(template, table, fill):
    merged = rb'</sheetData><mergeCells count="1"><mergeCell ref="B6:C6"/></mergeCells>'
    refused(
        template,
        table,
        fill,
        r"merged cells Data!B6:C6 where rows of 'Downtimes' go",
        rows=ROWS * 3,
        change=replace(SHEET, b"</sheetData>", merged),
    )


def test_a_day_in_a_column_that_shows_numbers_is_refused(template, table, fill):
    plain = replace(SHEET, rb'<c r="A4" s="2">', b'<c r="A4">')
    days = replace("xl/styles.xml", b'formatCode="dd.mm.yyyy"', b'formatCode="0.00"')
    refused(
        template,
        table,
        fill,
        r"column 'Day' in 'Downtimes' that is not formatted as a date; give its first row "
        r"of data, row 4 of sheet 'Data', a date format",
        change=lambda parts: days(plain(parts)),
    )


def test_values_beside_rows_that_are_replaced_are_refused_unless_they_are_an_example(template, table, fill, cells):
    def change(parts):
        parts = replace(TABLE, b"<calculatedColumnFormula>.*?</calculatedColumnFormula>", b"")(parts)
        parts = replace(SHEET, rb'<c r="E4">.*?</c>', b"")(parts)
        return replace(SHEET, rb'<c r="E5">.*?</c>', rb'<c r="E5"><v>7</v></c>')(parts)

    source = template(change=change)
    with pytest.raises(GiveUp, match=r"holds something in Data!E5, in a column of 'Downtimes' that the report has not"):
        fill(source, table(ROWS), template="")
    assert cells(fill(source, table(ROWS * 2)), "Data", "E4:E5") == [[None], [None]]


def test_totals_that_name_cells_are_refused_only_when_they_would_move(template, table, fill, cells):
    change = replace(SHEET, rb"SUBTOTAL\(109,Downtimes\[.*?\]\)", b"SUM(C4:C5)")
    refused(
        template, table, fill, r"has a total =SUM\(C4:C5\) in Data!C6 that names cells", rows=ROWS * 3, change=change
    )
    assert cells(fill(template(change=change), table(ROWS * 2)), "Data", "C6:C6") == [["=SUM(C4:C5)"]]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda parts: parts | {"_xmlsignatures/sig1.xml": b""}, "is signed, and no signature stays true"),
        (
            replace(BOOK, b"schemas.openxmlformats.org/spreadsheetml/2006/", b"purl.oclc.org/ooxml/spreadsheetml/"),
            "is saved as Strict Open XML",
        ),
        (replace("_rels/.rels", b"xl/workbook.xml", b"xl/workbook.bin"), "save it as .xlsx or .xlsm"),
        (replace(TABLE, b" displayName=", b' tableType="queryTable" displayName='), "fills from a query"),
        (replace(TABLE, b'ref="A3:E6"', b'ref="A3:F6"'), "has a damaged table 'Downtimes'"),
        (replace(SHEET, b"</row>", b"<!-- x --></row>"), "comments or sections that no program for sheets writes"),
        (replace(SHEET, b"</row>", b"</rows>"), "is no sound XML"),
        (replace(SHEET, b'<row r="5"', b'<row r="3"'), "has rows of sheet 'Data' out of order"),
        (replace(SHEET, rb'<c r="E4"><f>', b'<c r="E4"><f t="array" ref="E4:E9">'), "in Data!E4 that reaches over"),
        (replace(SHEET, rb'<c r="E4"><f>.*?</f>', b'<c r="E4"><f t="shared" si="0"/>'), "shares the formula of column"),
        (lambda parts: {name: parts[name] for name in parts if name != TABLE}, "has no part xl/tables/table1.xml"),
        (replace(BOOK, b'name="Elsewhere">.*?</', b'name="Downtimes">OFFSET(A1,0,0)</'), "several tables or names"),
        (replace(SHEET, b'<row r="5"', b'<row r="99999999999"'), "has a row beyond those of Excel, 1 to 1,048,576"),
        (replace(SHEET, b'<row r="5"', b'<row r="1048577"'), "has a row beyond those of Excel"),
        (replace(SHEET, b'<row r="5"', b'<row r="%s"' % (b"9" * 5000)), "has a row beyond those of Excel"),
        (replace(TABLE, b'totalsRowCount="1"', b'totalsRowCount="%s"' % (b"9" * 5000)), "has a damaged table"),
    ],
)
def test_other_workbooks_that_cannot_be_filled(template, table, fill, change, expected):
    refused(template, table, fill, expected, change=change)


def test_a_workbook_without_its_kinds_of_parts_is_refused(template, table, fill):
    def leave_out(parts):
        return {name: content for name, content in parts.items() if name != TYPES}

    refused(template, table, fill, r"has no part \[Content_Types\]\.xml", change=leave_out, full=False)


def second_table(parts):
    """Add a table of the same name, in the way an add-in may leave it behind."""
    table = replace(TABLE, b'ref="A3:E6"', b'ref="I3:M6"')(parts)[TABLE].replace(b' id="1"', b' id="9"')
    relation = b'<Relationship Id="rId77" Type="x/table" Target="../tables/table9.xml"/></Relationships>'
    return replace(RELATIONS, b"</Relationships>", relation)(parts) | {"xl/tables/table9.xml": table}


def test_two_tables_of_one_name_are_refused(template, table, fill):
    refused(template, table, fill, "has several tables or names 'Downtimes'; give the one", change=second_table)


def name_twice(first, second):
    names = b'<definedName name="Elsewhere"%s>Charts!$A$1:$A$2</definedName>'
    old = rb'<definedName name="Elsewhere">.*?</definedName>'
    return replace(BOOK, old, names % first + names % second)


def test_names_of_two_sheets_are_refused_and_one_for_all_goes_before_them(template, table, fill):
    local, other = b' localSheetId="0"', b' localSheetId="1"'
    words = {"rows": [("Haas 1",)], "columns": [Column("machine", "4", "text")], "target": "Elsewhere"}
    refused(template, table, fill, "has several tables or names", change=name_twice(local, other), **words)
    fill(template(change=name_twice(local, b"")), table(words["rows"], words["columns"]), target="Elsewhere")


def test_numbers_of_thousands_of_digits_do_not_matter(template, table, fill):
    digits = b"9" * 5000
    for old, new in ((b'<c r="A4" s="[0-9]+"', b'<c r="A4" s="%s"'), (b'spans="[^"]*"', b'spans="%s:7"')):
        fill(template(change=replace(SHEET, old, new % digits)), table(ROWS))


def test_a_name_that_is_no_range_is_refused(template, table, fill):
    change = replace(BOOK, rb'<definedName name="Elsewhere">.*?</', b'<definedName name="Elsewhere">OFFSET(A1,0,0)</')
    refused(
        template,
        table,
        fill,
        r"has a name 'Elsewhere' for 'OFFSET\(A1,0,0\)', expected one range",
        change=change,
        target="Elsewhere",
    )


BOMB = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
OUTSIDE = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'


@pytest.mark.row("S32")
@pytest.mark.parametrize("head", [BOMB, OUTSIDE])
@pytest.mark.parametrize(
    "part",
    [
        SHEET,
        BOOK,
        TABLE,
        "xl/styles.xml",
        "xl/sharedStrings.xml",
        "[Content_Types].xml",
        "xl/pivotCache/pivotCacheDefinition1.xml",
        "xl/theme/theme1.xml",
        "customXml/item1.xml",
    ],
)
def test_document_types_and_entities_are_refused_in_every_part(template, table, fill, part, head):
    change = replace(part, rb"^(<\?xml[^>]*>)?", lambda _: head)
    refused(template, table, fill, f"the part {re.escape(part)} of the workbook has a document type", change=change)


LATE = b"<?xml version='1.0'?><!--%s--><!DOCTYPE x><x/>" % (b"-x" * 4_000)
WIDE = '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE x><x/>'.encode("utf-16")


@pytest.mark.row("S32")
@pytest.mark.parametrize("content", [LATE, WIDE, WIDE[2:], b" " * 9_000 + b"<!DOCTYPE x><x/>"])
def test_document_types_are_found_wherever_they_hide(tmp_path, content):
    path = zip_of(tmp_path / "book.xlsx", [("xl/odd.dat", content)])
    with pytest.raises(GiveUp, match=r"book.xlsx: the part xl/odd.dat of the workbook has a document type"):
        copy(path)


@pytest.mark.row("S32")
def test_a_part_in_an_encoding_that_nobody_knows_is_refused(tmp_path):
    path = zip_of(tmp_path / "book.xlsx", [("xl/a.xml", b"<?xml version='1.0' encoding='shift_jis'?><!DOCTYPE x><x/>")])
    with pytest.raises(GiveUp, match=r"the part xl/a.xml of the workbook is no sound XML"):
        copy(path)


def test_parts_as_programs_leave_them_are_copied(tmp_path, parts):
    contents = {
        "customXml/item1.xml": '<?xml version="1.0" encoding="utf-16"?><DataMashup/>'.encode("utf-16"),
        "xl/drawings/vmlDrawing1.vml": b"<xml><br></xml>",
        "xl/media/image1.svg": b"<!DOCTYPE svg><svg/>",
        "xl/printerSettings/printerSettings1.bin": b"\0" * 5_000,
        "docProps/empty.xml": b"",
        "xl/embeddings/": b"",
    }
    made = tmp_path / "copy.xlsx"
    made.write_bytes(copy(zip_of(tmp_path / "book.xlsx", contents.items())))
    assert parts(made) == contents


@pytest.mark.row("S32")
@pytest.mark.parametrize(
    "name", ["/etc/cron.d/x", "../../evil", "xl/../../evil", "..\\evil", "C:/evil", "xl//a", "./a"]
)
def test_names_that_lead_elsewhere_are_refused(tmp_path, name):
    path = zip_of(tmp_path / "book.xlsx", [("xl/a.xml", b"<a/>"), (name, b"x")])
    with pytest.raises(GiveUp, match=r"has a part named .*, as no workbook has"):
        copy(path)


@pytest.mark.row("S32")
def test_many_parts_that_unpack_to_far_more_than_the_workbook_are_refused(tmp_path):
    path = zip_of(tmp_path / "bomb.xlsx", [(f"xl/{number}.bin", b"0" * (20 << 20)) for number in range(3)])
    with pytest.raises(GiveUp, match=r"bomb.xlsx unpacks to [\d,]+ times its size, as in an attack"):
        copy(path)


@pytest.mark.row("S32")
def test_other_encodings_are_refused(template, table, fill):
    change = replace(BOOK, b'encoding="UTF-8"', b'encoding="iso-8859-1"')
    refused(template, table, fill, "is written in iso-8859-1, expected UTF-8", change=change)


def copy(path):
    out = io.BytesIO()
    with open_package(path) as package:
        copy_parts(package, out, {})
    return out.getvalue()


def zip_of(path, parts):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts:
            archive.writestr(name, content)
    return path


@pytest.mark.row("S32")
def test_a_part_that_unpacks_to_far_more_than_its_size_is_refused(tmp_path):
    path = zip_of(tmp_path / "bomb.xlsx", [("xl/a.xml", b"0" * (40 << 20)), ("xl/b.bin", os.urandom(1 << 20))])
    with pytest.raises(GiveUp, match=r"bomb.xlsx has a part xl/a.xml that unpacks to [\d,]+ times its size"):
        copy(path)


@pytest.mark.row("S32")
def test_too_much_in_all_and_too_many_parts_are_refused(tmp_path, monkeypatch):
    path = zip_of(tmp_path / "large.xlsx", [(f"xl/{number}.xml", b"0123456789") for number in range(10)])
    monkeypatch.setattr(packages, "MOST_BYTES", 99)
    with pytest.raises(GiveUp, match=r"large.xlsx holds 0 MB when unpacked, and at most 0 MB are read"):
        copy(path)
    monkeypatch.setattr(packages, "MOST_PARTS", 9)
    with pytest.raises(GiveUp, match=r"has 10 parts, and at most 9 are read"):
        copy(path)


@pytest.mark.row("S32")
@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("second", ["xl/a.xml", "XL/A.xml"])
def test_two_parts_of_one_name_are_refused(tmp_path, second):
    path = zip_of(tmp_path / "two.xlsx", [("xl/a.xml", b"1"), (second, b"2")])
    with pytest.raises(GiveUp, match=r"has two parts 'xl/a.xml', so nobody can tell which is meant"):
        copy(path)


@pytest.mark.row("S32")
@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (bytes.fromhex("D0CF11E0A1B11AE1") + b"\0" * 512, "is protected with a password, or an old .xls file"),
        (b"a,b\n1,2\n", "is no workbook; expected a file that Excel saved"),
        (b"", "is no workbook"),
        (b"PK\x03\x04 and nothing", "is damaged or no workbook"),
    ],
)
def test_what_is_no_workbook_is_refused(tmp_path, content, expected):
    path = tmp_path / "book.xlsx"
    path.write_bytes(content)
    with pytest.raises(GiveUp, match=expected):
        copy(path)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(GiveUp, match=r"there is no workbook .*none.xlsx"):
        copy(tmp_path / "none.xlsx")
    with pytest.raises(GiveUp, match=r"is a folder, expected a workbook"):
        copy(tmp_path)


def test_damage_in_a_part_that_is_only_copied_is_noticed(tmp_path):
    path = zip_of(tmp_path / "book.xlsx", [("xl/a.xml", bytes(range(256)) * 99)])
    content = bytearray(path.read_bytes())
    content[60] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(GiveUp, match="is damaged or no workbook"):
        copy(path)


def test_a_copy_without_changes_has_the_same_parts_order_and_dates(template, parts):
    source = template()
    made = source.with_name("copy.xlsm")
    made.write_bytes(copy(source))
    assert parts(made) == parts(source)
    with zipfile.ZipFile(made) as new, zipfile.ZipFile(source) as old:
        assert [part.date_time for part in new.infolist()] == [part.date_time for part in old.infolist()]
