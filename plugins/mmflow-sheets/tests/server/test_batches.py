"""All requests of a batch are applied, or none; and what Google's limits forbid is refused."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

small = st.integers(0, 30)
ranges = st.tuples(small, small, small, small).map(
    lambda edges: {
        "sheetId": 0,
        "startRowIndex": min(edges[:2]),
        "endRowIndex": max(edges[:2]) + 1,
        "startColumnIndex": min(*edges[2:], 20),
        "endColumnIndex": min(max(edges[2:]), 20) + 1,
    }
)
spans = st.tuples(st.sampled_from(["ROWS", "COLUMNS"]), small, small).map(
    lambda found: {
        "sheetId": 0,
        "dimension": found[0],
        "startIndex": min(found[1:]) % 20,
        "endIndex": max(found[1:]) % 5 + 20,
    }
)
good_requests = st.one_of(
    ranges.map(
        lambda found: {"repeatCell": {"range": found, "cell": {"userEnteredValue": {"numberValue": 7}}, "fields": "*"}}
    ),
    ranges.map(lambda found: {"updateCells": {"range": found, "fields": "userEnteredValue"}}),
    ranges.map(lambda found: {"updateBorders": {"range": found, "top": {"style": "SOLID"}}}),
    ranges.map(lambda found: {"insertRange": {"range": found, "shiftDimension": "ROWS"}}),
    ranges.map(lambda found: {"addProtectedRange": {"protectedRange": {"range": found, "warningOnly": True}}}),
    spans.map(lambda found: {"insertDimension": {"range": found}}),
    spans.map(
        lambda found: {"updateDimensionProperties": {"range": found, "properties": {"pixelSize": 9}, "fields": "*"}}
    ),
    small.map(lambda rows: {"appendDimension": {"dimension": "ROWS", "length": rows + 1}}),
    st.just({"addSheet": {}}),
    st.just({"appendCells": {"rows": [{"values": [{"userEnteredValue": {"stringValue": "x"}}]}], "fields": "*"}}),
    st.just({"updateSpreadsheetProperties": {"properties": {"title": "Other"}, "fields": "title"}}),
    st.just({"setBasicFilter": {"filter": {"range": {"endRowIndex": 5}}}}),
)
WRONG = [
    {"deleteSheet": {"sheetId": 4711}},
    {"addSheet": {"properties": {"title": "data"}}},
    {"deleteNamedRange": {"namedRangeId": "none"}},
    {"updateCells": {"range": {"startRowIndex": 5, "endRowIndex": 5}, "fields": "*"}},
    {"deleteConditionalFormatRule": {"index": 0}},
    {"createDeveloperMetadata": {"developerMetadata": {"metadataKey": "k", "visibility": "DOCUMENT"}}},
]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    good=st.lists(good_requests, max_size=6), wrong=st.sampled_from(WRONG), later=st.lists(good_requests, max_size=2)
)
def test_a_batch_with_one_wrong_request_leaves_everything_as_it_was(caller, good, wrong, later):
    caller.book.tab("Data").put("B2", formula="=A1", result=3)
    message = caller.refuse(*good, wrong, *later)
    assert message.startswith(f"Invalid requests[{len(good)}].{next(iter(wrong))}: ")


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(requests=st.lists(good_requests, min_size=1, max_size=6))
def test_good_requests_are_taken_whatever_their_order(caller, requests):
    assert len(caller.batch(*requests)) == len(requests)


def test_an_empty_batch_is_refused(caller):
    assert caller.refuse() == "Must specify at least one request."


@pytest.mark.row("R64")
@pytest.mark.parametrize(
    ("request_body", "message"),
    [
        (
            {"addSheet": {"properties": {"gridProperties": {"rowCount": 10_000_000}}}},
            "above the limit of 10000000 cells",
        ),
        ({"appendDimension": {"dimension": "ROWS", "length": 9_000_000}}, "above the limit of 10000000 cells"),
        (
            {
                "updateSheetProperties": {
                    "properties": {"gridProperties": {"columnCount": 18_279, "rowCount": 1}},
                    "fields": "gridProperties(rowCount,columnCount)",
                }
            },
            "limit of 18278 columns",
        ),
        (
            {
                "updateCells": {
                    "start": {},
                    "rows": [{"values": [{"userEnteredValue": {"stringValue": "x" * 50_001}}]}],
                    "fields": "userEnteredValue",
                }
            },
            "maximum of 50000 characters in a single cell",
        ),
        ({"repeatCell": {"range": {"endRowIndex": 1001}, "fields": "*"}}, "Range (Data!A1:Z1001) exceeds grid limits"),
        ({"repeatCell": {"range": {"sheetId": 5}, "fields": "*"}}, "No grid with id: 5"),
        (
            {"updateCells": {"start": {"rowIndex": 1000}, "fields": "*"}},
            "outside the grid. Max rows: 1000, max columns: 26",
        ),
        (
            {"updateCells": {"start": {"columnIndex": 25}, "rows": [{"values": [{}, {}]}], "fields": "*"}},
            "Attempting to write column: 26, beyond the last requested column of: 25",
        ),
        (
            {"updateCells": {"range": {"endRowIndex": 1}, "rows": [{}, {}], "fields": "*"}},
            "Attempting to write row: 1, beyond the last requested row of: 0",
        ),
        ({"updateCells": {"start": {}, "rows": []}}, "At least one field must be listed in 'fields'"),
        ({"deleteDimension": {"range": {"dimension": "ROWS"}}}, "You can't delete all the rows on the sheet."),
        ({"deleteDimension": {"range": {"dimension": "ROWS", "endIndex": 1001}}}, "there are only 1000 rows"),
        ({"deleteDimension": {}}, "range must be specified"),
    ],
)
def test_limits_are_those_of_google(caller, request_body, message):
    assert message in caller.refuse(request_body)


def test_a_sheet_keeps_one_row_that_is_not_frozen(caller):
    frozen = {"properties": {"gridProperties": {"frozenRowCount": 2}}, "fields": "gridProperties.frozenRowCount"}
    caller.batch({"updateSheetProperties": frozen})
    span = {"dimension": "ROWS", "startIndex": 2, "endIndex": 1000}
    assert "not possible to delete all non-frozen rows" in caller.refuse({"deleteDimension": {"range": span}})


def test_the_last_tab_cannot_be_deleted(caller):
    caller.batch({"deleteSheet": {"sheetId": caller.book.tab("My notes").id}})
    assert "can't remove all the sheets" in caller.refuse({"deleteSheet": {"sheetId": 0}})


def test_a_request_that_is_too_large_is_refused_where_a_limit_is_set(server, caller):
    server.max_body = 1000
    assert "Request payload size exceeds the limit: 1000 bytes." in caller.refuse(
        {"addSheet": {"properties": {"title": "x" * 2000}}}
    )


@pytest.mark.row("R64")
def test_protected_cells_are_refused_as_google_words_it(caller):
    caller.book.protect("Data!B2:C3")
    cell = {"range": {"startRowIndex": 1, "endRowIndex": 2}, "cell": {"note": "x"}, "fields": "note"}
    assert "You are trying to edit a protected cell or object." in caller.refuse({"repeatCell": cell})
    caller.write([["beside it"]], row=5)
    shown = caller.get(fields="sheets.protectedRanges(requestingUserCanEdit,range)")
    assert shown["sheets"][0]["protectedRanges"][0]["requestingUserCanEdit"] is False


def test_the_spreadsheet_comes_with_the_answer_on_request(caller):
    body = {"requests": [{"addSheet": {}}], "includeSpreadsheetInResponse": True}
    answer = caller.send("POST", ":batchUpdate", body).json()
    assert [sheet["properties"]["title"] for sheet in answer["updatedSpreadsheet"]["sheets"]] == [
        "Data",
        "My notes",
        "Sheet3",
    ]
