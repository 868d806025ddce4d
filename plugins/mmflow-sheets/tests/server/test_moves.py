"""What people insert and delete moves everything that hangs on cells."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmflow_sheets.testing.formulas import delete_span, insert_span, move_references, rename_sheet


def note(location):
    return {
        "createDeveloperMetadata": {
            "developerMetadata": {"metadataKey": "k", "visibility": "DOCUMENT", "location": location}
        }
    }


def test_a_named_range_follows_rows_and_columns(caller):
    caller.book.name_range("report", "Data!B2:D5")
    tab = caller.book.tab("Data")
    tab.insert_rows(0)
    assert caller.book.named == {"report": "Data!B3:D6"}
    tab.insert_rows(3, 2)
    assert caller.book.named == {"report": "Data!B3:D8"}
    tab.insert_rows(8)
    assert caller.book.named == {"report": "Data!B3:D8"}
    tab.delete_columns(0)
    tab.delete_rows(0, 4)
    assert caller.book.named == {"report": "Data!A1:C4"}


def test_a_named_range_without_cells_is_not_shown_and_its_name_stays_taken(caller):
    caller.book.name_range("report", "Data!B2:D5")
    caller.book.tab("Data").delete_rows(0, 10)
    assert caller.book.named == {"report": ""}
    assert "namedRanges" not in caller.get()
    again = {"addNamedRange": {"namedRange": {"name": "report", "range": {"endRowIndex": 2}}}}
    assert 'A named range with the name "report" already exists.' in caller.refuse(again)
    assert caller.send("GET", "/values/report").status_code == 400


def test_metadata_of_a_row_goes_with_it(caller):
    span = {"dimension": "ROWS", "startIndex": 4, "endIndex": 5}
    caller.batch(note({"dimensionRange": span}), note({"sheetId": 0}), note({"spreadsheet": True}))
    caller.book.tab("Data").insert_rows(0, 3)
    assert caller.book.metadata[0]["location"]["dimensionRange"]["startIndex"] == 7
    caller.book.tab("Data").delete_rows(7)
    assert [one["location"]["locationType"] for one in caller.book.metadata] == ["SHEET", "SPREADSHEET"]
    caller.book.tab("Data").delete()
    assert [one["location"]["locationType"] for one in caller.book.metadata] == ["SPREADSHEET"]


def test_formulas_of_all_tabs_follow(caller):
    data, notes = caller.book.tab("Data"), caller.book.tab("My notes")
    data.put("F1", formula='=SUM(B2:B5)&"B2"')
    notes.put("A1", formula="=Data!$B$3+B3")
    data.insert_rows(1)
    assert data.formulas() == [[None, None, None, None, None, '=SUM(B3:B6)&"B2"']]
    assert notes.formulas() == [["=Data!$B$4+B3"]]
    data.delete_rows(3)
    assert notes.formulas() == [["=#REF!+B3"]]


def test_a_formula_follows_the_title_of_a_tab(caller):
    data, notes = caller.book.tab("Data"), caller.book.tab("My notes")
    data.put("A1", formula="='My notes'!B2")
    notes.rename("Q3")
    assert data.formulas() == [["='Q3'!B2"]]  # Q3 alone would be a cell
    notes.delete()
    assert data.formulas() == [["=#REF!"]]


def test_formats_filters_protections_and_charts_follow(caller):
    area = {"startRowIndex": 1, "endRowIndex": 3}
    rule = {"ranges": [area], "booleanRule": {"condition": {"type": "NOT_BLANK"}, "format": {}}}
    anchor = {"overlayPosition": {"anchorCell": {"rowIndex": 2, "columnIndex": 5}}}
    spec = {"basicChart": {"series": [{"series": {"sourceRange": {"sources": [area]}}}]}}
    caller.batch(
        {"addConditionalFormatRule": {"rule": rule}},
        {"setBasicFilter": {"filter": {"range": area}}},
        {"addProtectedRange": {"protectedRange": {"range": area}}},
        {"addBanding": {"bandedRange": {"range": area, "rowProperties": {"headerColor": {"red": 1}}}}},
        {"addChart": {"chart": {"spec": spec, "position": anchor}}},
    )
    tab = caller.book.tab("Data")
    tab.insert_rows(0, 10)
    moved = {"sheetId": 0, "startRowIndex": 11, "endRowIndex": 13}
    assert tab.conditional_formats[0]["ranges"] == [moved]
    assert tab.basic_filter == {"range": moved}
    assert tab.protected_ranges[0]["range"] == tab.banded_ranges[0]["range"] == moved
    assert tab.charts[0]["position"]["overlayPosition"]["anchorCell"]["rowIndex"] == 12
    assert tab.charts[0]["spec"]["basicChart"]["series"][0]["series"]["sourceRange"]["sources"] == [moved]
    tab.delete_rows(11, 2)
    assert (tab.conditional_formats, tab.basic_filter, tab.protected_ranges, tab.banded_ranges) == ([], None, [], [])


def test_inserted_rows_look_like_those_before_or_after(caller):
    tab = caller.book.tab("Data")
    tab.put("A1", 1, form={"textFormat": {"bold": True}})
    tab.put("A2", 2, form={"textFormat": {"italic": True}})
    span = {"dimension": "ROWS", "startIndex": 1, "endIndex": 2}
    caller.batch({"insertDimension": {"range": span, "inheritFromBefore": True}})
    assert tab.cell("A2") == {"userEnteredFormat": {"textFormat": {"bold": True}}}
    caller.batch({"insertDimension": {"range": {"dimension": "ROWS", "startIndex": 2, "endIndex": 3}}})
    assert tab.cell("A3") == {"userEnteredFormat": {"textFormat": {"italic": True}}}


def test_rows_are_inserted_behind_the_last_only_after_it(caller):
    span = {"dimension": "ROWS", "startIndex": 1000, "endIndex": 1001}
    assert "must be less than the grid size (1000)" in caller.refuse({"insertDimension": {"range": span}})
    caller.batch({"insertDimension": {"range": span, "inheritFromBefore": True}})
    caller.book.tab("Data").insert_rows(1001)
    assert caller.book.tab("Data").size == (1002, 26)


def test_a_grid_that_shrinks_loses_what_lies_behind_its_end(caller):
    caller.write([[1]], row=0)
    caller.write([[2]], row=500)
    shrink = {"properties": {"gridProperties": {"rowCount": 100}}, "fields": "gridProperties.rowCount"}
    caller.batch({"updateSheetProperties": shrink})
    assert (caller.book.tab("Data").values(), caller.book.tab("Data").size) == ([[1]], (100, 26))


@pytest.mark.parametrize(
    ("formula", "moved"),
    [
        ("=A1", "=A1"),
        ("=A3", "=A5"),
        ("=$A$3", "=$A$5"),
        ("=A1:A9", "=A1:A11"),
        ("=SUM(A:A,3:4)", "=SUM(A:A,5:6)"),
        ("=Data!B3+Other!B3", "=Data!B5+Other!B3"),
        ('="A3"&A3', '="A3"&A5'),
        ("=LOG10(A3)", "=LOG10(A5)"),
        ("=A3_name", "=A3_name"),
        ("=Table.A3", "=Table.A3"),
    ],
)
def test_references_move_and_what_only_looks_like_one_stays(formula, moved):
    assert move_references(formula, "Data", "Data", "ROWS", insert_span(2, 2)) == moved


def test_renaming_needs_the_title():
    assert rename_sheet("='It''s'!A1+A1", "It's", "B") == "=B!A1+A1"


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.integers(1, 60), min_size=1, max_size=4), at=st.integers(0, 60), count=st.integers(1, 9))
def test_inserting_and_deleting_again_changes_no_formula(rows, at, count):
    formula = "=" + "+".join(f"A{row}:B{row + 3}" for row in rows)
    there = move_references(formula, "Data", "Data", "ROWS", insert_span(at, count))
    assert move_references(there, "Data", "Data", "ROWS", delete_span(at, at + count)) == formula


@settings(max_examples=60, deadline=None)
@given(start=st.integers(0, 20), length=st.integers(1, 9), first=st.integers(0, 25), count=st.integers(1, 9))
def test_a_deletion_leaves_a_span_as_many_rows_as_it_has_left(start, length, first, count):
    left = [row for row in range(start, start + length) if not first <= row < first + count]
    moved = delete_span(first, first + count)(start, start + length)
    assert (0 if moved is None else moved[1] - moved[0]) == len(left)
