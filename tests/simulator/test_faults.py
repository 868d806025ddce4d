"""Every fault on demand: what arrives instead of the right answer, for which requests and how often."""

from __future__ import annotations

import gzip
import http.client
import json
import math
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mmflow.simulator import Plant, Simulator
from mmflow.simulator.faults import KINDS

from .client import KEY, Reply, ask, call, question

PATH = "/reports/production"
BODY = question(["goodParts", "oee"], ["machine", "day"], startDay="2026-07-15", endDay="2026-07-16")


@pytest.fixture(scope="module")
def server(plant: Plant) -> Iterator[Simulator]:
    with Simulator({KEY: plant, "other": Plant(seed=2)}) as simulator:
        yield simulator


@pytest.fixture
def sim(server: Simulator) -> Iterator[Simulator]:
    yield server
    server.clear_faults()


@pytest.fixture(scope="module")
def right(server: Simulator) -> Any:
    return ask(server, BODY)


def struck(sim: Simulator, kind: str, **options: Any) -> Reply:
    sim.faults({"kind": kind, **options})
    return call(sim, "POST", PATH, BODY)


def test_no_fault_is_untested() -> None:
    text = Path(__file__).read_text(encoding="utf-8")
    assert [kind for kind in KINDS if f'"{kind}"' not in text] == []


@pytest.mark.parametrize("status", [408, 413, 425, 429, 500, 502, 503, 504])
def test_any_status_with_a_json_body(sim: Simulator, status: int) -> None:
    reply = struck(sim, "status", status=status)
    assert (reply.status, reply.json["errors"]) == (status, [])
    assert "retry-after" not in reply.headers


def test_a_status_with_a_page_of_html(sim: Simulator) -> None:
    reply = struck(sim, "status", status=502, body="html")
    assert (reply.status, reply.headers["content-type"]) == (502, "text/html; charset=utf-8")
    assert reply.body.startswith(b"<!DOCTYPE html>")


@pytest.mark.parametrize("value", [0, 7, "3", "soon", "-1", "315360000"])
def test_retry_after_is_sent_as_it_stands(sim: Simulator, value: object) -> None:
    assert struck(sim, "status", status=429, retry_after=value).headers["retry-after"] == str(value)


def test_retry_after_as_a_date_counts_from_the_date_of_the_answer(sim: Simulator) -> None:
    headers = struck(sim, "status", status=429, retry_date=90).headers
    wait = parsedate_to_datetime(headers["retry-after"]) - parsedate_to_datetime(headers["date"])
    assert 89 <= wait.total_seconds() <= 90


def test_latency_delays_the_right_answer(sim: Simulator, right: Any) -> None:
    began = time.monotonic()
    assert struck(sim, "latency", delay=0.2).json == right
    assert time.monotonic() - began >= 0.2


def test_a_slow_drip_sends_the_right_answer_slowly(sim: Simulator, right: Any) -> None:
    began = time.monotonic()
    size = len(json.dumps(right, separators=(",", ":")))
    assert struck(sim, "drip", bytes_per_second=size * 4).json == right
    assert time.monotonic() - began > 0.2


def test_stopping_ends_a_drip_that_would_take_hours(plant: Plant) -> None:
    with Simulator({KEY: plant}) as sim:
        sim.faults({"kind": "drip", "bytes_per_second": 1})
        connection = http.client.HTTPConnection(sim.url.removeprefix("http://"), timeout=20)
        headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
        connection.request("POST", PATH, json.dumps(BODY), headers)
        response = connection.getresponse()
        response.read(1)
        sim.stop()
        with pytest.raises(http.client.IncompleteRead):
            response.read()
        response.close()
        connection.close()


@pytest.mark.parametrize("cut", ["length", "chunked"])
def test_a_body_that_breaks_off(sim: Simulator, cut: str, right: Any) -> None:
    with pytest.raises(http.client.IncompleteRead) as caught:
        struck(sim, "cut", cut=cut, share=0.25)
    if cut == "length":
        assert len(caught.value.partial) == pytest.approx(0.25 * len(json.dumps(right, separators=(",", ":"))), abs=200)
        assert caught.value.expected


def test_hanging_up_without_a_word(sim: Simulator) -> None:
    with pytest.raises(http.client.RemoteDisconnected):
        struck(sim, "hang_up")


def test_truncated_json_in_an_answer_that_is_whole(sim: Simulator) -> None:
    reply = struck(sim, "truncated_json")
    assert int(reply.headers["content-length"]) == len(reply.body)
    with pytest.raises(json.JSONDecodeError):
        reply.json  # noqa: B018


def test_a_page_with_status_200(sim: Simulator) -> None:
    reply = struck(sim, "html")
    assert (reply.status, reply.body[:9]) == (200, b"<!DOCTYPE")


def test_an_error_with_status_200(sim: Simulator) -> None:
    reply = struck(sim, "error_in_200")
    assert (reply.status, reply.json) == (200, {"error": "Internal error"})


def test_a_redirect_to_another_host(sim: Simulator) -> None:
    reply = struck(sim, "redirect", location="http://127.0.0.1:9/")
    assert (reply.status, reply.headers["location"]) == (302, "http://127.0.0.1:9/")


def test_a_revoked_key_looks_like_an_unknown_one(sim: Simulator) -> None:
    sim.faults({"kind": "revoked_key", "key": KEY})
    replies = [call(sim, "POST", PATH, BODY, key=key) for key in (KEY, "never", "other")]
    assert [reply.status for reply in replies] == [401, 401, 200]
    assert replies[0].body == replies[1].body


def test_a_missing_scope(sim: Simulator) -> None:
    assert struck(sim, "missing_scope").status == 403


def test_a_huge_answer_is_valid_and_as_large_as_ordered(sim: Simulator) -> None:
    reply = struck(sim, "huge", megabytes=3)
    assert 2.9 < len(reply.body) / 2**20 < 3.1
    assert len(reply.json["items"]) > 40_000


def test_a_gzip_bomb_is_small_until_it_is_unpacked(sim: Simulator) -> None:
    reply = struck(sim, "gzip_bomb", megabytes=5)
    assert reply.headers["content-encoding"] == "gzip"
    assert len(reply.body) < 60_000
    assert len(gzip.decompress(reply.body)) > 4.9 * 2**20


def test_items_missing_or_empty(sim: Simulator, right: Any) -> None:
    assert struck(sim, "items_missing", times=1).json == {"aggregate": right["aggregate"]}
    assert struck(sim, "items_empty", times=1).json == {"aggregate": right["aggregate"], "items": []}


@pytest.mark.parametrize(
    ("fault", "columns"),
    [
        ({"kind": "drop_column"}, ["machine", "machineId", "day", "goodParts"]),
        ({"kind": "drop_column", "column": "day"}, ["machine", "machineId", "goodParts", "oee"]),
        ({"kind": "add_column", "name": "shiny"}, ["machine", "machineId", "day", "goodParts", "oee", "shiny"]),
        (
            {"kind": "rename_column", "column": "goodParts", "name": "good"},
            ["machine", "machineId", "day", "good", "oee"],
        ),
    ],
)
def test_columns_that_come_and_go(sim: Simulator, fault: dict[str, Any], columns: list[str]) -> None:
    rows = struck(sim, **fault).json["items"]
    assert {tuple(row) for row in rows} == {tuple(columns)}


def test_a_number_that_becomes_text(sim: Simulator, right: Any) -> None:
    rows = struck(sim, "change_type", column="goodParts").json["items"]
    assert [row["goodParts"] for row in rows] == [str(row["goodParts"]) for row in right["items"]]


def test_a_number_that_is_none(sim: Simulator) -> None:
    reply = struck(sim, "nan")
    assert b'"oee":NaN' in reply.body
    assert all(math.isnan(row["oee"]) for row in reply.json["items"])


@pytest.mark.parametrize(("conflicting", "oee"), [(False, None), (True, -1)])
def test_a_row_that_comes_twice(sim: Simulator, right: Any, conflicting: bool, oee: object) -> None:
    rows = struck(sim, "duplicate_rows", conflicting=conflicting).json["items"]
    assert rows[:-1] == right["items"]
    assert rows[-1] == right["items"][0] | ({} if oee is None else {"oee": oee})


def test_a_row_from_outside_the_window(sim: Simulator, right: Any) -> None:
    rows = struck(sim, "foreign_rows").json["items"]
    assert rows[:-1] == right["items"]
    assert rows[-1] == right["items"][0] | {"day": "2024-05-06T00:00:00.000Z"}


def test_filters_that_are_not_kept_to(sim: Simulator, right: Any) -> None:
    asked = BODY | {"filter": {"machine": [right["items"][0]["machineId"]]}}
    assert len(call(sim, "POST", PATH, asked).json["items"]) < len(right["items"])
    sim.faults({"kind": "ignore_filters"})
    assert call(sim, "POST", PATH, asked).json == right
    assert call(sim, "POST", PATH, b"[]").status == 400


def test_faults_of_rows_leave_other_answers_alone(sim: Simulator) -> None:
    sim.faults({"kind": "drop_column"})
    assert call(sim, "POST", PATH, {"data": [{"metric": "abc"}]}).status == 400
    assert call(sim, "POST", PATH, BODY | {"csv": True}).body.startswith(b"machine,machineId,day,goodParts,oee\n")


def test_a_fault_strikes_so_often_after_so_many_and_then_the_next_one(sim: Simulator) -> None:
    sim.faults({"kind": "status", "status": 500, "after": 1, "times": 2}, {"kind": "status", "status": 429, "times": 1})
    assert [call(sim, "POST", PATH, BODY).status for _ in range(5)] == [429, 500, 500, 200, 200]


def test_a_fault_strikes_only_its_path_and_key(sim: Simulator) -> None:
    sim.faults({"kind": "status", "match": "/reports", "key": "other"})
    assert call(sim, "POST", PATH, BODY).status == 200
    assert call(sim, "GET", "/", key="other").status == 200
    assert call(sim, "POST", PATH, BODY, key="other").status == 503


def test_faults_are_switched_over_http_without_a_key(sim: Simulator) -> None:
    armed = call(sim, "POST", "/_faults", [{"kind": "status", "status": 418}], key=None)
    assert (armed.status, armed.json) == (200, {"faults": 1})
    assert call(sim, "POST", PATH, BODY).status == 418
    assert call(sim, "DELETE", "/_faults", key=None).json == {"faults": 0}
    assert call(sim, "POST", PATH, BODY).status == 200


@pytest.mark.parametrize("body", [{"kind": "status"}, [{"kind": "statuss"}], [{"kind": "status", "time": 1}], b"x"])
def test_a_fault_that_is_not_understood_is_refused(sim: Simulator, body: object) -> None:
    reply = call(sim, "POST", "/_faults", body, key=None)
    assert reply.status == 400
    assert reply.json["message"]
    assert call(sim, "POST", PATH, BODY).status == 200


def test_a_wrong_fault_in_a_test_fails_at_once(sim: Simulator) -> None:
    with pytest.raises(msgspec.ValidationError, match="found the kind 'statuss', expected one of latency, status"):
        sim.faults({"kind": "statuss"})


def test_there_are_no_other_switches(sim: Simulator) -> None:
    assert call(sim, "GET", "/_faults", key=None).status == 404
