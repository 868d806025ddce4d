"""Every call is held against Google's own description."""

import copy

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmflow_sheets.testing import SheetsServer
from mmflow_sheets.testing import document as described
from mmflow_sheets.testing.batch import HANDLERS, NEEDED
from mmflow_sheets.testing.service import METHODS, READING

BATCH = {
    "requests": [
        {"addSheet": {"properties": {"title": "New", "gridProperties": {"rowCount": 5}}}},
        {
            "updateCells": {
                "start": {"rowIndex": 0},
                "fields": "*",
                "rows": [
                    {
                        "values": [
                            {
                                "userEnteredValue": {"numberValue": 1},
                                "userEnteredFormat": {
                                    "numberFormat": {"type": "PERCENT"},
                                    "textFormat": {"bold": True, "foregroundColorStyle": {"rgbColor": {"red": 1}}},
                                },
                            }
                        ]
                    }
                ],
            }
        },
        {
            "addConditionalFormatRule": {
                "rule": {
                    "ranges": [{"endRowIndex": 3}],
                    "booleanRule": {
                        "condition": {"type": "NUMBER_LESS", "values": [{"userEnteredValue": "3"}]},
                        "format": {"backgroundColor": {"red": 1}},
                    },
                }
            }
        },
    ]
}


def list_messages(node):
    """Give every JSON object of a request."""
    own = [node] if isinstance(node, dict) else []
    return own + [
        found
        for one in (node.values() if own else node if isinstance(node, list) else ())
        for found in list_messages(one)
    ]


def test_what_the_server_knows_stands_in_the_description():
    document = described.load_document()
    assert HANDLERS.keys() <= document.schemas["Request"]["properties"].keys()
    assert all(document.field(f"{kind[0].upper()}{kind[1:]}Request", part) is not None for kind, part in NEEDED.items())
    assert {*METHODS, *READING} <= {method.name for method in document.methods}
    for schema, groups in described.ONE_OF.items():
        assert {name for group in groups for name in group} <= document.schemas[schema]["properties"].keys(), schema


def test_the_batch_of_these_tests_is_taken(caller):
    assert len(caller.batch(*BATCH["requests"])) == 3


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    place=st.integers(0, len(list_messages(BATCH)) - 1),
    name=st.sampled_from(["x", "sheet_id", "Values", "a" * 99, "ü"]),
)
def test_a_field_that_nobody_knows_is_refused_at_any_depth(caller, place, name):
    body = copy.deepcopy(BATCH)
    list_messages(body)[place][name] = 1
    before = caller.book.state()
    answer = caller.send("POST", ":batchUpdate", body)
    assert answer.status_code == 400
    assert f'Unknown name "{name}"' in answer.json()["error"]["message"]
    assert caller.book.state() == before


@pytest.mark.parametrize(
    ("request_body", "message"),
    [
        ({"updateCells": {"rows": 1}}, "Invalid value at 'requests[0].update_cells.rows' (repeated), 1"),
        ({"updateCells": {"fields": 5}}, "Invalid value at 'requests[0].update_cells.fields' (TYPE_STRING), 5"),
        ({"updateCells": []}, "Invalid value at 'requests[0].update_cells'"),
        ({"deleteSheet": {"sheetId": 1.5}}, "Invalid value at 'requests[0].delete_sheet.sheet_id' (TYPE_INT32), 1.5"),
        ({"deleteSheet": {"sheetId": 1 << 31}}, "(TYPE_INT32), 2147483648"),
        ({"deleteSheet": {"sheetId": True}}, "(TYPE_INT32), true"),
        ({"appendDimension": {"dimension": "rows"}}, '(TYPE_ENUM), "rows"'),
        ({"insertDimension": {"inheritFromBefore": "yes"}}, '(TYPE_BOOL), "yes"'),
        ({"repeatCell": {"cell": {"userEnteredValue": {"numberValue": "NaN"}}}}, '(TYPE_DOUBLE), "NaN"'),
        ({"addSheet": {}, "deleteSheet": {}}, "oneof field 'addSheet' is already set. Cannot set 'deleteSheet'"),
        ({}, "Invalid value at 'requests[0]' (oneof)"),
        (
            {"repeatCell": {"cell": {"userEnteredValue": {"numberValue": 1, "stringValue": "1"}}}},
            "Invalid value at 'requests[0].repeat_cell.cell.user_entered_value' (oneof)",
        ),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(caller, request_body, message):
    assert message in caller.refuse(request_body)


def test_null_is_as_good_as_nothing(caller):
    caller.batch({"addSheet": {"properties": {"title": "New", "tabColor": None, "gridProperties": {"rowCount": None}}}})
    assert caller.book.tab("New").size == (1000, 26)


def test_whole_numbers_may_come_as_texts(caller):
    caller.batch({"appendDimension": {"sheetId": "0", "dimension": "ROWS", "length": "5"}})
    assert caller.book.tab("Data").size == (1005, 26)


@pytest.mark.parametrize(
    ("method", "path", "query", "status"),
    [
        ("GET", "", {"surprise": 1}, 400),
        ("GET", "", {"includeGridData": "maybe"}, 400),
        ("GET", "/values/Data", {"valueRenderOption": "PRETTY"}, 400),
        ("GET", "", {"fields": "sheets.surprise"}, 400),
        ("GET", "", {"fields": "sheets(properties"}, 400),
        ("GET", "", {"alt": "media"}, 501),
        ("GET", "", {"access_token": "x"}, 501),
        ("GET", "/surprise", {}, 404),
        ("DELETE", "", {}, 404),
        ("POST", "/values:batchGetByDataFilter", {}, 501),
        ("GET", "/developerMetadata/abc", {}, 400),
        ("GET", "/developerMetadata/17", {}, 404),
    ],
)
def test_paths_and_queries_are_checked_too(caller, method, path, query, status):
    answer = caller.send(method, path, **query)
    assert answer.status_code == status
    assert set(answer.json()["error"]) >= {"code", "message", "status"}


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"requests": [NaN]}', b'"text"'])
def test_what_is_no_json_object_is_refused(caller, body):
    url = f"/v4/spreadsheets/{caller.book.id}:batchUpdate"
    assert caller.client.post(url, content=body).json()["error"]["status"] == "INVALID_ARGUMENT"


def test_what_is_not_implemented_is_said_so_and_nothing_is_done(caller):
    before = caller.book.state()
    answer = caller.send("POST", ":batchUpdate", {"requests": [{"addSheet": {}}, {"mergeCells": {}}]})
    assert (answer.status_code, answer.json()["error"]["status"]) == (501, "UNIMPLEMENTED")
    assert caller.book.state() == before


def test_without_the_description_the_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(described, "find_spec", lambda _: None)
    described.load_document.cache_clear()
    with pytest.raises(RuntimeError, match="google-api-python-client"):
        SheetsServer()
    described.load_document.cache_clear()
