"""What the service refuses and in which words; only two bodies are documented, and those are exact to the byte."""

from __future__ import annotations

from typing import Any

import pytest

from mmflow.simulator import Access, Plant, Simulator

from .client import KEY, call, question

PATH = "/reports/production"
SPAN = {"startDay": "2026-07-15", "endDay": "2026-07-15"}
GOOD = question(["oee"], ["machine"], **SPAN)


def test_a_bad_metric_gives_the_documented_146_bytes(sim: Simulator) -> None:
    reply = call(sim, "POST", PATH, GOOD | {"data": [{"metric": "abc"}]})
    expected = (
        b'{"code":"ValidationError","message":"Validation Error","errors":'
        b'[{"field":"data","code":"InvalidDataItem","message":"Metric \'abc\' is not valid"}]}'
    )
    assert (reply.status, reply.body, reply.headers["content-length"]) == (400, expected, "146")


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[object Object]", b"[]", b'"x"', b'{"a":NaN}', b'{"a":"\xff"}', b"[" * 9000]
)
def test_a_body_that_is_no_json_object_gives_the_documented_34_bytes(sim: Simulator, body: bytes) -> None:
    reply = call(sim, "POST", PATH, body)
    expected = b'{"message":"Problem parsing JSON"}'
    assert (reply.status, reply.body, reply.headers["content-length"]) == (400, expected, "34")


def test_a_wrong_content_type_is_answered_like_bad_json(sim: Simulator) -> None:
    reply = call(sim, "POST", PATH, GOOD, headers={"Content-Type": "text/plain"})
    assert (reply.status, len(reply.body)) == (400, 34)


def test_every_bad_metric_has_its_own_error(sim: Simulator) -> None:
    body = GOOD | {"data": [{"metric": "abc"}, {"metric": "oee"}, {"metric": "quality"}, {"name": "oee"}]}
    errors = call(sim, "POST", PATH, body).json["errors"]
    assert [error["message"].split("'")[1] for error in errors] == ["abc", "quality", "None"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"data": []}, "data"),
        ({"data": "oee"}, "data"),
        ({"groupBy": [{"group": "week"}]}, "groupBy"),
        ({"groupBy": [{"group": "month"}]}, "groupBy"),
        ({"groupBy": [{"group": "reason"}]}, "groupBy"),
        ({"groupBy": {"group": "day"}}, "groupBy"),
        ({"filter": {"machines": ["x"]}}, "filter.machines"),
        ({"filter": {"machine": "x"}}, "filter.machine"),
        ({"filter": {"machine": [1001]}}, "filter.machine"),
        ({"exclude": ["x"]}, "exclude"),
        ({"flatten": "yes"}, "flatten"),
        ({"csv": 1}, "csv"),
        ({"startDay": "2026-07-16"}, "startDay"),
        ({"startDay": "2026-02-30"}, "startDay"),
        ({"endDay": "9999-12-31"}, "endDay"),
        ({"endDay": "2026-07-15T00:00:00Z"}, "endDay"),
        ({"endDay": None}, "endDay"),
        ({"start": "2026-07-15T00:00:00Z", "end": "2026-07-16T00:00:00Z"}, "start"),
    ],
)
def test_whatever_else_is_wrong_is_named_by_its_field(sim: Simulator, change: dict[str, Any], field: str) -> None:
    reply = call(sim, "POST", PATH, GOOD | change)
    assert reply.status == 400
    assert (reply.json["code"], reply.json["message"]) == ("ValidationError", "Validation Error")
    assert [error["field"] for error in reply.json["errors"]] == [field]


@pytest.mark.parametrize(
    ("start", "end", "fields"),
    [
        ("2026-07-15T00:00:00Z", "2026-07-15T00:00:00Z", ["start"]),
        ("2026-07-15", "2026-07-16T00:00:00Z", ["start"]),
        ("yesterday", 5, ["start", "end"]),
        (None, "0001-01-01T00:00:00+14:00", ["start"]),
    ],
)
def test_instants_must_be_date_times_in_order(sim: Simulator, start: object, end: object, fields: list[str]) -> None:
    reply = call(sim, "POST", PATH, question(["oee"], start=start, end=end))
    assert reply.status == 400
    assert [error["field"] for error in reply.json["errors"]] == fields


def test_a_window_must_be_given(sim: Simulator) -> None:
    reply = call(sim, "POST", PATH, question(["oee"]))
    assert [error["field"] for error in reply.json["errors"]] == ["start", "end"]


def test_a_window_of_two_thousand_years_is_answered(sim: Simulator) -> None:
    """There is no data before 2015 and none after now, so such a window costs what they cost."""
    body = question(
        ["allTime"], filter={"machine": ["nothing"]}, start="0001-01-02T00:00:00Z", end="9998-01-01T00:00:00Z"
    )
    assert call(sim, "POST", PATH, body).status == 200


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR"])
def test_the_scheme_word_may_have_any_case(sim: Simulator, scheme: str) -> None:
    reply = call(sim, "POST", PATH, GOOD, key=None, headers={"Authorization": f"{scheme} {KEY}"})
    assert reply.status == 200


@pytest.mark.parametrize("value", ["", "Bearer", f"Basic {KEY}", f"Bearer {KEY}x", f"Bearer {KEY.upper()}", KEY])
def test_an_unknown_key_is_refused_with_401(sim: Simulator, value: str) -> None:
    reply = call(sim, "POST", PATH, GOOD, key=None, headers={"Authorization": value})
    assert (reply.status, reply.json["code"], reply.json["errors"]) == (401, "Unauthorized", [])


def test_a_key_without_the_scope_is_refused_with_403(plant: Plant) -> None:
    keys = {"erp-only": Access(plant, {"erp"}), "reporting": Access(plant, {"reporting"})}
    with Simulator(keys) as sim:
        assert call(sim, "POST", PATH, GOOD, key="erp-only").status == 403
        assert call(sim, "POST", "/graphql", {"query": "{machines{name}}"}, key="erp-only").status == 403
        assert call(sim, "GET", "/erp/jobdispatch/8", key="reporting").status == 403
        assert call(sim, "GET", "/", key="erp-only").status == 200


@pytest.mark.parametrize(
    ("method", "path"), [("GET", PATH), ("POST", "/reports/quality"), ("DELETE", "/"), ("GET", "/<x>")]
)
def test_a_call_without_route_gets_the_page_of_express(sim: Simulator, method: str, path: str) -> None:
    reply = call(sim, method, path)
    shown = path.replace("<", "&lt;").replace(">", "&gt;")
    assert reply.status == 404
    assert reply.headers["content-type"].startswith("text/html")
    assert f"<pre>Cannot {method} {shown}</pre>" in reply.body.decode()


@pytest.mark.parametrize(
    "headers", [{"Content-Length": "9999999"}, {"Content-Length": "many"}, {"Content-Length": "-1"}]
)
def test_a_body_of_unusable_length_is_refused_unread(sim: Simulator, headers: dict[str, str]) -> None:
    reply = call(sim, "POST", PATH, headers=headers)
    assert reply.status == 413
    assert reply.headers["connection"] == "close"
