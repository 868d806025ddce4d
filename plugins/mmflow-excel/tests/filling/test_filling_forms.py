"""Targets and sheets come in many forms: what other programs write, formulas of all kinds, filters, formats."""

import re
from datetime import date, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmflow.table import Column
from mmflow_excel.cellxml import unescape_text
from mmflow_excel.filling import read_target
from mmflow_excel.filling.formulas import shift_formula
from mmflow_excel.places import Area, read_area, split_reference

COLUMNS = (
    Column("day", "Day", "date"),
    Column("machine", "Machine", "text"),
    Column("downtime", "Down (min)", "number"),
    Column("oee", "OEE", "number", unit="%"),
)
DAY = date(2026, 11, 20)
ROWS = [(DAY, "Haas 1", 12.5, 87.5), (DAY, "Mazak", 7.5, 7.0), (DAY, "Okuma", 40.0, None)]
SHEET, BOOK, TABLE = "xl/worksheets/sheet1.xml", "xl/workbook.xml", "xl/tables/table1.xml"


def change(part, *changes):
    """Change a part of a workbook by regular expressions."""

    def call(parts):
        text = parts[part]
        for old, new in changes:
            changed = re.sub(old, new, text, flags=re.DOTALL)
            assert changed != text, old
            text = changed
        return parts | {part: text}

    return call


FILLED = [[datetime(2026, 11, 20), *row[1:3], row[3] and row[3] / 100] for row in ROWS]


def test_elements_with_a_prefix_are_filled_with_that_prefix(template, table, fill, parts, cells):
    sheet = change(SHEET, (rb"<(/?)(?=[a-z])", rb"<\1x:"), (rb' xmlns="', rb' xmlns:x="'))
    filled = fill(template(change=sheet), table(ROWS))
    assert b"<c " not in parts(filled)[SHEET]
    assert cells(filled, "Data", "A4:D6") == FILLED
    assert cells(filled, "Data", "E6:E6") == [["=Downtimes[[#This Row],[Down (min)]]/60"]]


def test_rows_and_cells_that_have_only_their_place_stay_where_they_are(template, table, fill, cells):
    # As some programs write them: rows 1 to 7 in order, cells in order from A.
    rows = (
        b"<row><c><v>1</v></c></row><row/>"
        rb'<row><c t="inlineStr"><is><t>Day</t></is></c><c t="inlineStr"><is><t>Machine</t></is></c><c/><c/><c/>'
        rb'<c><v>33</v></c></row><row><c s="2"/><c/><c/><c/><c/><c/><c><v>44</v></c></row><row/><row/>'
        b"<row><c/><c/><c/><c/><c/><c/><c><v>77</v></c></row>"
    )
    sheet = change(SHEET, (rb"<sheetData>.*</sheetData>", b"<sheetData>" + rows + b"</sheetData>"))
    filled = fill(template(totals=False, change=sheet), table(ROWS * 2))
    assert cells(filled, "Data", "A4:C6") == [row[:3] for row in FILLED]
    assert cells(filled, "Data", "G4:G9") == [[44], [None], [None], [77], [None], [None]]
    assert cells(filled, "Data", "A1:F3")[2][5] == 33


def test_a_sheet_without_rows_is_filled(template, table, fill, cells):
    columns = [Column("text", "Machine", "text")]
    empty = change(SHEET, (rb"<sheetData>.*</sheetData>", b"<sheetData/>"))
    one = change(TABLE, (b'ref="A3:E5"', b'ref="B3:B4"'), (rb'<tableColumns.*</tableColumns>',
                 b'<tableColumns count="1"><tableColumn id="1" name="Machine"/></tableColumns>'))  # fmt: skip
    source = template(totals=False, change=lambda parts: one(empty(parts)))
    assert cells(fill(source, table([("a",), ("b",)], columns)), "Data", "B3:B5") == [[None], ["a"], ["b"]]


def test_days_are_written_as_the_workbook_counts_them(template, table, fill, cells):
    base = change(BOOK, (rb"<workbookPr", rb'<workbookPr date1904="1"'))
    assert cells(fill(template(change=base), table(ROWS)), "Data", "A4:D6") == FILLED


def test_formats_come_from_the_row_or_the_column_when_there_are_no_cells(template, table, fill, open_book):
    bare = change(SHEET, (rb'<c r="[AD]4".*?</c>', b""), (rb"<row r=\"4\"", rb'<row s="2" customFormat="1" r="4"'))
    sheet = open_book(fill(template(change=bare), table(ROWS)))["Data"]
    assert [sheet[f"{column}6"].number_format for column in "ABD"] == ["dd.mm.yyyy", "General", "dd.mm.yyyy"]
    styled = rb"</cols>", rb'<col min="4" max="4" width="9" style="4"/></cols>'
    column = change(SHEET, (rb'<c r="D4".*?</c>', b""), styled)
    sheet = open_book(fill(template(change=column), table(ROWS)))["Data"]
    assert (sheet["D6"].number_format, sheet["D5"].value) == ("0.0%", 0.07)


def test_percent_is_divided_only_under_a_format_of_percent(template, table, fill, cells):
    plain = change("xl/styles.xml", (rb'formatCode="0.0%"', rb'formatCode="0.0"'))
    assert cells(fill(template(change=plain), table(ROWS)), "Data", "D4:D5") == [[87.5], [7]]


def test_lengths_of_time_are_days_under_a_format_of_hours(template, table, fill, parts):
    hours = change("xl/styles.xml", (rb'formatCode="0.0"', rb'formatCode="[h]:mm"'))
    columns = [Column("downtime", "Down (min)", "number", unit="min")]
    filled = parts(fill(template(change=hours), table([(90.0,)], columns)))
    assert b'<c r="C4" s="3"><v>0.0625</v></c>' in filled[SHEET]


def test_a_day_takes_another_format_of_the_same_look_before_it_is_refused(template, table, fill, open_book):
    plain = change(SHEET, (rb'<c r="A4" s="2">', b'<c r="A4" s="3">'))
    sheet = open_book(fill(template(change=plain), table(ROWS)))["Data"]
    assert [sheet[f"A{row}"].number_format for row in (4, 5, 6)] == ["dd.mm.yyyy"] * 3


def test_filters_are_taken_off_so_that_no_row_of_another_day_is_hidden(template, table, fill, parts, open_book):
    hidden = change(SHEET, (rb'<row r="5"', rb'<row hidden="1" r="5"'))
    filter_on = (
        rb'<autoFilter ref="A3:E5"><filterColumn colId="1"><filters><filter val="Sample"/></filters></filterColumn>'
        rb'</autoFilter><sortState ref="A4:E5"><sortCondition ref="C4:C5"/></sortState>'
    )
    filtered = change(TABLE, (rb'<autoFilter ref="A3:E5"/>', filter_on))
    filled = fill(template(change=lambda parts: filtered(hidden(parts))), table(ROWS))
    described = parts(filled)[TABLE]
    assert b'<autoFilter ref="A3:E6"></autoFilter><sortState ref="A4:E6"><sortCondition ref="C4:C6"/>' in described
    assert not open_book(filled)["Data"].row_dimensions[5].hidden
    kept = fill(template(change=hidden), table(ROWS))  # hidden by hand
    assert open_book(kept)["Data"].row_dimensions[5].hidden


def test_a_filter_over_a_named_range_follows_it_and_is_taken_off(template, table, fill, parts, name_a_range):
    def filtered(parts):
        parts = name_a_range("Data!$A$3:$E$5")(parts)
        over = rb'</sheetData><autoFilter ref="A3:E5"><filterColumn colId="1"/></autoFilter>'
        name = rb'<definedName name="_xlnm._FilterDatabase" localSheetId="0" hidden="1">Data!$A$3:$E$5</definedName><'
        parts = change(SHEET, (b"</sheetData>", over), (rb'<row r="5"', rb'<row hidden="1" r="5"'))(parts)
        return change(BOOK, (rb"<(?=/definedNames)", name))(parts)

    after = parts(fill(template(totals=False, change=filtered), table(ROWS), target="Losses"))
    assert b'<autoFilter ref="A3:E6"></autoFilter>' in after[SHEET]
    assert b"hidden" not in after[SHEET]
    assert after[BOOK].count(b"Data!$A$3:$E$6</definedName>") == 2


@pytest.mark.parametrize(
    ("formula", "rows", "expected"),
    [
        ("C4/60", 2, "C6/60"),
        ("$C$4+C$4+$C4", 3, "$C$4+C$4+$C7"),
        ("SUM(C$4:C4)", 1, "SUM(C$4:C5)"),
        ("SUM(4:5)", 1, "SUM(5:6)"),
        ("SUM(A:A)+Q1!A1+'B2 C3'!D4", 1, "SUM(A:A)+Q1!A2+'B2 C3'!D5"),
        ('IF(B4="C4","D4 ""E4""",LOG10(F4))', 1, 'IF(B5="C4","D4 ""E4""",LOG10(F5))'),
        ("Data[[#This Row],[C4]]*Data[@[It''s C5]]+C6", 1, "Data[[#This Row],[C4]]*Data[@[It''s C5]]+C7"),
        ("A1+C3", -2, "#REF!+C1"),
        ("ABC1234567+YTD2026+AB12CD+x.A1+A1.x", 1, "ABC1234567+YTD2026+AB12CD+x.A1+A1.x"),
        ("1.5E4+E4", 1, "1.5E4+E5"),
        ("C4", 0, "C4"),
    ],
)
def test_formulas_move_as_when_they_are_filled_down(formula, rows, expected):
    assert shift_formula(formula, rows) == expected


def test_formulas_that_name_cells_go_down_row_by_row(template, table, fill, cells):
    formula = change(SHEET, (rb'(<c r="E4"[^>]*>)<f>.*?</f>', rb"\1<f>IF(C4&lt;C$4,C3,$A4)&amp;E3</f>"))
    filled = fill(template(change=formula), table(ROWS))
    assert [row[0] for row in cells(filled, "Data", "E4:E6")] == [
        "=IF(C4<C$4,C3,$A4)&E3", "=IF(C5<C$4,C4,$A5)&E4", "=IF(C6<C$4,C5,$A6)&E5",
    ]  # fmt: skip


def test_a_formula_that_only_the_table_knows_is_written(template, table, fill, cells):
    unsaid = change(SHEET, (rb'<c r="E[45]".*?</c>', b""))
    filled = fill(template(change=unsaid), table(ROWS))
    assert {row[0] for row in cells(filled, "Data", "E4:E6")} == {"=Downtimes[[#This Row],[Down (min)]]/60"}


@pytest.mark.parametrize(("first", "third"), [("SUM(C4:C4)", "SUM(C6:C6)"), ("SUM(Downtimes[OEE])",) * 2])
def test_an_array_formula_stays_one_in_each_row(template, table, fill, parts, first, third):
    array = change(SHEET, (rb'(<c r="E4"[^>]*>)<f>.*?</f>', rf'\1<f t="array" ref="E4">{first}</f>'.encode()))
    sheet = parts(fill(template(change=array), table(ROWS)))[SHEET]
    assert f'<f t="array" ref="E6">{third}</f>'.encode() in sheet


def test_a_chain_of_calculation_that_stays_true_stays(template, table, fill, parts):
    def no_formulas(parts):
        parts = change(SHEET, (rb'<c r="E[45]".*?</c>', b""))(parts)
        return change(TABLE, (rb"<calculatedColumnFormula>.*?</calculatedColumnFormula>", b""))(parts)

    source = template(totals=False, change=no_formulas)
    assert parts(fill(source, table(ROWS)))["xl/calcChain.xml"] == parts(source)["xl/calcChain.xml"]


def test_pivots_of_other_data_stay_as_they_are(template, table, fill, parts):
    cache = "xl/pivotCache/pivotCacheDefinition1.xml"
    for words, changed in (
        (b'name="Else"', False),
        (b'ref="A1:B9" sheet="Charts"', False),
        (b'ref="A1:B9" sheet="Data"', True),
        (b'ref="A:C" sheet="data"', True),
        (b'name="Elsewhere"', False),
    ):
        source = template(
            change=change(cache, (rb'<worksheetSource name="Downtimes"/>', b"<worksheetSource %s/>" % words))
        )
        after = parts(fill(source, table(ROWS)))[cache]
        assert (b'refreshOnLoad="1"' in after) == changed, words
        assert words in after


def test_a_workbook_that_says_nothing_of_calculation_is_told_to_compute(template, table, fill, parts):
    silent = change(BOOK, (rb"<calcPr[^>]*/>", b""))
    assert b'</definedNames><calcPr fullCalcOnLoad="1"/>' in parts(fill(template(change=silent), table(ROWS)))[BOOK]


def test_a_table_without_headings_is_filled_from_its_first_row(template, table, fill, cells, parts):
    bare = change(TABLE, (rb' ref="A3:E6"', rb' ref="A4:E6" headerRowCount="0"'), (rb"<autoFilter[^>]*/>", rb""))
    filled = fill(template(change=bare), table(ROWS))
    assert cells(filled, "Data", "A4:D6") == FILLED
    assert b' ref="A4:E7"' in parts(filled)[TABLE]


def test_a_name_for_the_headings_alone_has_its_first_row_below_them(template, table, fill, cells, name_a_range):
    def headings(parts):
        return change(SHEET, (rb'<row r="[45]".*?</row>', b""))(name_a_range("Data!$B$3:$C$3")(parts))

    columns, rows = [COLUMNS[2], COLUMNS[1]], [(1.5, "Haas 1"), (2.5, "Mazak")]
    filled = fill(template(totals=False, change=headings), table(rows, columns), target="Losses")
    assert cells(filled, "Data", "A3:D6")[1:] == [
        [None, "Haas 1", 1.5, None], [None, "Mazak", 2.5, None], [None] * 4,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A1", Area(1, 1, 1, 1)),
        ("$D$9:B2", Area(2, 2, 9, 4)),
        ("XFD1048576", Area(1_048_576, 16_384, 1_048_576, 16_384)),
        ("XFE1", None),
        ("A0", None),
        ("A1048577", None),
        ("A:A", None),
        ("A1:B2:C3", None),
        ("", None),
    ],
)
def test_ranges_are_read_as_excel_writes_them(text, expected):
    assert read_area(text) == expected
    assert expected is None or read_area(str(expected)) == read_area(expected.absolute()) == expected


def test_names_of_sheets_may_hold_anything():
    assert split_reference("'It''s ! A1'!$B$3") == ("It's ! A1", Area(3, 2, 3, 2))
    assert split_reference("#REF!") is None
    assert split_reference("A1") is None


CELLS = st.tuples(
    st.none() | st.dates(date(1900, 3, 1)),
    st.none() | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20),
    st.none() | st.floats(allow_nan=False, allow_infinity=False),
    st.none() | st.floats(-1e6, 1e6).map(lambda number: round(number, 3)),
)


@settings(deadline=None, max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(CELLS, min_size=1, max_size=12))
def test_any_table_comes_back_from_the_template(template, table, fill, cells, rows):
    filled = fill(template(), table(rows))
    found = cells(filled, "Data", f"A4:D{len(rows) + 3}")
    texts = [[unescape_text(cell) if isinstance(cell, str) else cell for cell in row] for row in found]
    assert texts == [
        [day and datetime.combine(day, datetime.min.time()), machine, down, None if oee is None else oee / 100]
        for day, machine, down, oee in rows
    ]
    assert list(read_target(filled, "Downtimes", COLUMNS)) == [row for row in rows if set(row) != {None}]
