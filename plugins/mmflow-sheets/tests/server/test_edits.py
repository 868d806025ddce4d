"""Requests that write cells touch what their masks name and nothing else."""

import pytest

BOLD = {"textFormat": {"bold": True}, "numberFormat": {"type": "NUMBER", "pattern": "0.0"}}


def cells(*values):
    return [{"values": [{"userEnteredValue": {"numberValue": one}} for one in values]}]


def test_a_mask_leaves_all_other_parts_of_a_cell(caller):
    tab = caller.book.tab("Data")
    tab.put("A1", 1, form=BOLD)
    caller.batch({"updateCells": {"start": {}, "rows": cells(2), "fields": "userEnteredValue"}})
    assert tab.cell("A1") == {"userEnteredValue": {"numberValue": 2}, "userEnteredFormat": BOLD}
    style = [{"values": [{"userEnteredFormat": {"numberFormat": {"type": "PERCENT"}}}]}]
    caller.batch({"updateCells": {"start": {}, "rows": style, "fields": "userEnteredFormat.numberFormat"}})
    assert tab.cell("A1")["userEnteredFormat"] == {"textFormat": {"bold": True}, "numberFormat": {"type": "PERCENT"}}


def test_a_masked_part_that_is_not_given_is_cleared(caller):
    tab = caller.book.tab("Data")
    tab.put("A1", 1, form=BOLD)
    caller.batch({"updateCells": {"start": {}, "rows": [{"values": [{}]}], "fields": "userEnteredFormat.textFormat"}})
    assert tab.cell("A1") == {
        "userEnteredValue": {"numberValue": 1},
        "userEnteredFormat": {"numberFormat": BOLD["numberFormat"]},
    }
    caller.batch({"updateCells": {"start": {}, "rows": [{"values": [{}]}], "fields": "*"}})
    assert tab.cell("A1") == {}


def test_a_range_is_cleared_where_no_rows_are_given(caller):
    caller.write([[1, 2, 3], [4, 5, 6], [7, 8, 9]])
    area = {"endRowIndex": 2, "endColumnIndex": 2}
    caller.batch({"updateCells": {"range": area, "rows": cells(10), "fields": "userEnteredValue"}})
    assert caller.book.tab("Data").values() == [[10, None, 3], [None, None, 6], [7, 8, 9]]


def test_a_text_that_looks_like_a_formula_stays_a_text(caller):
    caller.write([["=1+1", "'quoted", "007", True]])
    assert caller.book.tab("Data").cell("A1") == {"userEnteredValue": {"stringValue": "=1+1"}}
    assert caller.book.tab("Data").values() == [["=1+1", "'quoted", "007", True]]


def test_whole_numbers_are_doubles(caller):
    caller.write([[2**53, 2**53 + 1, 10**21]])
    assert caller.book.tab("Data").values() == [[2**53, float(2**53), 1e21]]
    assert "(TYPE_DOUBLE)" in caller.refuse(
        {"updateCells": {"start": {}, "rows": cells(10**400), "fields": "userEnteredValue"}}
    )


def test_a_long_text_is_kept_as_it_is(caller):
    caller.write([["x" * 50_000, "\U0001f600" * 25_000, "line\r\nline\t'\"="]])
    assert caller.book.tab("Data").values() == [["x" * 50_000, "\U0001f600" * 25_000, "line\r\nline\t'\"="]]
    long = [{"values": [{"userEnteredValue": {"stringValue": "\U0001f600" * 25_001}}]}]
    assert "50000 characters" in caller.refuse(
        {"updateCells": {"start": {}, "rows": long, "fields": "userEnteredValue"}}
    )


def test_a_formula_without_a_result_is_loading(caller):
    tab = caller.book.tab("Data")
    tab.put("A1", formula="=TODAY()")
    assert (tab.values(), tab.formatted()) == ([["#LOADING"]], [["Loading..."]])
    tab.put("A1", formula="=TODAY()", result=46_000)
    assert (tab.values(), tab.formulas()) == ([[46_000]], [["=TODAY()"]])


def test_appended_cells_go_below_the_last_value_and_the_grid_grows(caller):
    caller.write([[1]], row=998)
    caller.batch({"appendCells": {"rows": cells(2) * 3, "fields": "userEnteredValue"}})
    assert caller.book.tab("Data").values("A999:A1002") == [[1], [2], [2], [2]]
    assert caller.book.tab("Data").size == (1002, 26)


def test_a_repeated_cell_fills_its_range(caller):
    area = {"startRowIndex": 1, "endRowIndex": 3, "startColumnIndex": 1, "endColumnIndex": 3}
    caller.batch({"repeatCell": {"range": area, "cell": {"userEnteredFormat": BOLD}, "fields": "userEnteredFormat"}})
    assert caller.book.tab("Data").formats("B2:C3") == [[BOLD, BOLD], [BOLD, BOLD]]
    assert caller.book.tab("Data").formats("A1:A9") == []


def test_borders_are_drawn_around_and_inside(caller):
    line = {"style": "SOLID"}
    caller.batch(
        {"updateBorders": {"range": {"endRowIndex": 2, "endColumnIndex": 1}, "top": line, "innerHorizontal": line}}
    )
    borders = [row[0]["borders"] for row in caller.book.tab("Data").formats()]
    assert borders == [{"top": line, "bottom": line}, {"top": line}]


def test_ranges_are_pushed_and_pulled(caller):
    caller.write([[1, 10], [2, 20], [3, 30]])
    area = {"startRowIndex": 1, "endRowIndex": 2, "startColumnIndex": 0, "endColumnIndex": 1}
    caller.batch({"insertRange": {"range": area, "shiftDimension": "ROWS"}})
    assert caller.book.tab("Data").values() == [[1, 10], [None, 20], [2, 30], [3]]
    caller.batch({"deleteRange": {"range": area, "shiftDimension": "ROWS"}})
    assert caller.book.tab("Data").values() == [[1, 10], [2, 20], [3, 30]]
    caller.batch({"deleteRange": {"range": area, "shiftDimension": "COLUMNS"}})
    assert caller.book.tab("Data").values() == [[1, 10], [20], [3, 30]]


def test_a_rule_for_entries_is_set_and_cleared(caller):
    rule = {"condition": {"type": "BOOLEAN"}}
    area = {"endRowIndex": 1, "endColumnIndex": 1}
    caller.batch({"setDataValidation": {"range": area, "rule": rule}})
    assert caller.book.tab("Data").cell("A1") == {"dataValidation": rule}
    caller.batch({"setDataValidation": {"range": area}})
    assert caller.book.tab("Data").cell("A1") == {}


@pytest.mark.parametrize("part", ["pivotTable", "chipRuns"])
def test_parts_of_cells_that_are_not_modelled_are_refused(caller, part):
    value = {part: [{}] if part == "chipRuns" else {"source": {}}}
    body = {"requests": [{"updateCells": {"start": {}, "rows": [{"values": [value]}], "fields": "*"}}]}
    assert caller.send("POST", ":batchUpdate", body).status_code == 501


def test_what_is_for_reading_only_is_not_stored(caller):
    value = {"userEnteredValue": {"numberValue": 1}, "effectiveValue": {"numberValue": 2}, "formattedValue": "3"}
    caller.batch({"updateCells": {"start": {}, "rows": [{"values": [value]}], "fields": "*"}})
    assert caller.book.tab("Data").cell("A1") == {"userEnteredValue": {"numberValue": 1}}


@pytest.mark.parametrize(
    ("kind", "pattern", "status"),
    [
        ("DATE", "qqq", 400),
        ("DATE_TIME", "[bad", 400),
        ("TIME", 'h "', 400),
        ("DATE", 'd "of" mmmm', 200),
        ("NUMBER", "0 [x", 200),
    ],
)
def test_pattern_of_days_that_no_calendar_knows_is_refused(caller, kind, pattern, status):
    cell = {"userEnteredFormat": {"numberFormat": {"type": kind, "pattern": pattern}}}
    repeat = {
        "range": {"endRowIndex": 1, "endColumnIndex": 1},
        "cell": cell,
        "fields": "userEnteredFormat.numberFormat",
    }
    assert caller.send("POST", ":batchUpdate", {"requests": [{"repeatCell": repeat}]}).status_code == status
