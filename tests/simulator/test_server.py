"""Connections, compression, the log of requests, limits, and ERP job dispatch."""

from __future__ import annotations

import gzip
import http.client
import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime

import pytest

from mmflow.simulator import Plant, Simulator
from mmflow.simulator.service import Limiter

from .client import KEY, call, question

PATH = "/reports/production"
BODY = question(["goodParts"], ["machine"], startDay="2026-07-15", endDay="2026-07-15")
HEADERS = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}


def connect(sim: Simulator) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(sim.url.removeprefix("http://"), timeout=20)


def test_a_connection_is_kept_for_many_requests(sim: Simulator) -> None:
    with closing(connect(sim)) as connection:
        sockets = set()
        for body in (json.dumps(BODY), "{", json.dumps(BODY)):
            connection.request("POST", PATH, body, HEADERS)
            connection.getresponse().read()
            sockets.add(connection.sock)
        assert len(sockets) == 1


def test_an_answer_is_compressed_for_those_who_can_unpack_it(sim: Simulator) -> None:
    plain = call(sim, "POST", PATH, BODY)
    packed = call(sim, "POST", PATH, BODY, headers={"Accept-Encoding": "gzip, deflate"})
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body
    assert len(packed.body) < len(plain.body) / 2


def test_a_small_answer_is_not_worth_compressing(sim: Simulator) -> None:
    reply = call(sim, "POST", PATH, b"{", headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in reply.headers
    assert reply.headers["content-length"] == "34"


def test_answers_to_many_clients_at_once_are_the_same(sim: Simulator) -> None:
    with ThreadPoolExecutor(8) as pool:
        bodies = {reply.body for reply in pool.map(lambda _: call(sim, "POST", PATH, BODY), range(16))}
    assert len(bodies) == 1


def test_stopping_does_not_wait_for_idle_connections(plant: Plant) -> None:
    with Simulator({KEY: plant}) as sim, closing(connect(sim)) as connection:
        connection.request("GET", "/", headers=HEADERS)
        connection.getresponse().read()
        sim.stop()
        with pytest.raises(ConnectionError):
            connect(sim).connect()


def test_requests_are_kept_without_the_key(sim: Simulator) -> None:
    call(sim, "POST", f"{PATH}/?x=1", BODY, headers={"X-Test": "yes"})
    call(sim, "GET", "/", key="wrong")
    first, second = sim.requests
    assert (first.method, first.path, first.body, first.company, first.in_flight) == (
        "POST",
        PATH,
        BODY,
        "Demo Plant",
        1,
    )
    assert first.headers["x-test"] == "yes"
    assert (second.path, second.body, second.company) == ("/", None, None)
    shown = call(sim, "GET", "/_requests", key=None)
    assert [(r["method"], r["path"]) for r in shown.json] == [("POST", PATH), ("GET", "/")]
    assert KEY.encode() not in shown.body
    assert b"wrong" not in shown.body


def test_requests_count_how_many_are_in_flight(sim: Simulator) -> None:
    sim.faults({"kind": "latency", "delay": 0.3})
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: call(sim, "GET", "/"), range(3)))
    assert sorted(request.in_flight for request in sim.requests) == [1, 2, 3]


def test_the_date_header_follows_the_simulated_clock(sim: Simulator) -> None:
    assert call(sim, "GET", "/").headers["date"] == "Sun, 22 Nov 2026 12:34:00 GMT"


def test_now_must_have_a_zone(plant: Plant) -> None:
    with pytest.raises(ValueError, match="expected an aware one"):
        Simulator({KEY: plant}, now=datetime(2026, 1, 1))


def test_an_erp_starts_follows_and_stops_a_job(plant: Plant) -> None:
    now = datetime(2026, 7, 15, 12, tzinfo=UTC)
    with Simulator({KEY: plant}, now=lambda: now) as sim:
        body = {"erpJobOperationRunId": 8, "erpMachineId": "Mill 01", "jobName": "job1", "partName": "part1"}
        assert call(sim, "POST", "/erp/jobdispatch/start", body).status == 200
        now = datetime(2026, 7, 15, 15, tzinfo=UTC)
        running = call(sim, "GET", "/erp/jobdispatch/8").json
        stop = {"erpJobOperationRunId": 8, "endAt": "2026-07-15T14:00:00.000Z"}
        assert call(sim, "POST", "/erp/jobdispatch/stop", stop).status == 200
        stopped = call(sim, "GET", "/erp/jobdispatch/8").json
    atoms = plant.truth(datetime(2026, 7, 15, 12, tzinfo=UTC), datetime(2026, 7, 15, 14, tzinfo=UTC), now)["Mill 01"]
    assert (running["startAt"], running["endAt"]) == ("2026-07-15T12:00:00.000Z", None)
    assert stopped["endAt"] == "2026-07-15T14:00:00.000Z"
    assert running["metrics"]["totalParts"] > stopped["metrics"]["totalParts"] > 0
    assert stopped["metrics"] == {
        "totalParts": sum(a.total for a in atoms),
        "goodParts": sum(a.good for a in atoms),
        "scrapParts": sum(a.scrap for a in atoms),
        "nonconformParts": sum(a.nonconform for a in atoms),
    }


@pytest.mark.parametrize(
    ("action", "body", "field"),
    [
        ("start", {"erpMachineId": "Mill 99"}, "erpMachineId"),
        ("start", {"erpMachineId": "Mill 01", "startAt": "2026-07-15T14:00:00"}, "startAt"),
        ("stop", {"erpJobOperationRunId": 9}, "erpJobOperationRunId"),
        ("stop", {"endAt": "later"}, "endAt"),
    ],
)
def test_a_dispatch_that_makes_no_sense_is_refused(sim: Simulator, action: str, body: object, field: str) -> None:
    reply = call(sim, "POST", f"/erp/jobdispatch/{action}", body)
    assert (reply.status, reply.json["errors"][0]["field"]) == (400, field)
    assert call(sim, "GET", "/erp/jobdispatch/9").status == 404


def test_the_limit_forgets_calls_after_a_minute() -> None:
    now = 0.0
    limiter = Limiter(2, tick=lambda: now)
    assert [limiter.wait("a"), limiter.wait("a"), limiter.wait("b"), limiter.wait("a")] == [0, 0, 0, 60]
    now = 59.0
    assert limiter.wait("a") == 1
    now = 60.0
    assert limiter.wait("a") == 0
