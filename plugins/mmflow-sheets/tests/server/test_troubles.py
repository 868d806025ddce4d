"""Faults on demand, and the quota."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from mmflow_sheets.testing import Fault, SheetsServer

ADD = {"addSheet": {"properties": {"title": "New"}}}


def post(caller):
    return caller.send("POST", ":batchUpdate", {"requests": [ADD]})


@pytest.mark.parametrize(
    ("kind", "code", "status"),
    [
        ("quota", 429, "RESOURCE_EXHAUSTED"),
        ("unavailable", 503, "UNAVAILABLE"),
        ("internal", 500, "INTERNAL"),
        ("disabled", 403, "PERMISSION_DENIED"),
    ],
)
def test_a_fault_answers_for_google_as_often_as_it_says(server, caller, kind, code, status):
    server.faults(Fault(kind, times=2))
    assert [post(caller).status_code for _ in range(2)] == [code, code]
    assert "New" not in caller.book.titles
    assert post(caller).status_code == 200
    server.faults(Fault(kind))
    assert post(caller).json()["error"]["status"] == status


def test_a_proxy_may_answer_with_a_page(server, caller):
    server.faults(Fault("bad_gateway"))
    answer = post(caller)
    assert (answer.status_code, answer.headers["Content-Type"]) == (502, "text/html; charset=UTF-8")
    assert "New" not in caller.book.titles


@pytest.mark.parametrize(("kind", "is_done"), [("drop_before", False), ("drop_after", True), ("cut", True)])
def test_a_lost_connection_does_not_tell_whether_it_was_done(server, caller, kind, is_done):
    server.faults(Fault(kind, match=":batchUpdate"))
    with pytest.raises(httpx.TransportError):
        post(caller)
    assert ("New" in caller.book.titles) is is_done
    assert server.requests[-1].status == (200 if kind == "cut" else 0)


def test_a_fault_waits_for_its_call_and_can_be_cleared(server, caller):
    server.faults(Fault("unavailable", after=1, match=":batchUpdate", times=None))
    caller.get()
    assert [post(caller).status_code for _ in range(2)] == [200, 503]
    server.clear_faults()
    assert post(caller).status_code == 400  # there is such a tab by now


def test_the_token_endpoint_can_be_down(server):
    server.faults(Fault("unavailable", match="/token"))
    assert httpx.post(f"{server.url}/token", trust_env=False).status_code == 503


def test_a_slow_answer_comes_in_the_end(server, caller):
    server.faults(Fault("slow", seconds=0.3))
    with pytest.raises(httpx.ReadTimeout):
        caller.client.get(f"/v4/spreadsheets/{caller.book.id}", timeout=0.05)


def test_a_fault_that_nobody_knows_is_refused():
    with pytest.raises(ValueError, match="expected one of quota, unavailable"):
        Fault("flood")


@pytest.mark.row("R63")
def test_a_minute_allows_so_many_writes_and_the_next_one_as_many_again():
    times = [datetime(2026, 11, 22, 12, 0, 59, tzinfo=UTC)]
    with SheetsServer(now=lambda: times[-1]) as server:
        server.limit(writes=2)
        book, headers = server.spreadsheet(), {"Authorization": f"Bearer {server.give_token()}"}

        def write():
            url = f"{server.url}/v4/spreadsheets/{book.id}:batchUpdate"
            return httpx.post(url, json={"requests": [{"addSheet": {}}]}, headers=headers, trust_env=False)

        assert [write().status_code for _ in range(3)] == [200, 200, 429]
        assert "limit 'Write requests per minute per user'" in write().json()["error"]["message"]
        times.append(times[0] + timedelta(seconds=1))
        assert write().status_code == 200
        assert len(book.titles) == 4


def test_calls_may_be_packed_and_answers_are(caller):
    import gzip

    body = gzip.compress(b'{"requests": [{"addSheet": {"properties": {"title": "Packed"}}}]}')
    url = f"/v4/spreadsheets/{caller.book.id}:batchUpdate"
    assert caller.client.post(url, content=body, headers={"Content-Encoding": "gzip"}).status_code == 200
    assert "Packed" in caller.book.titles
    assert caller.send("GET", "", includeGridData="true").headers["Content-Encoding"] == "gzip"


def test_a_body_in_chunks_is_read_whole(caller):
    url = f"/v4/spreadsheets/{caller.book.id}:batchUpdate"
    chunks = iter([b'{"requests": [{"addSheet": ', b'{"properties": {"title": "Chunks"}}}]}'])
    assert caller.client.post(url, content=chunks).status_code == 200
    assert "Chunks" in caller.book.titles
