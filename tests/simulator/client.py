"""A small HTTP client of the tests' own, and sums made from the plant's truth by other code than the simulator's."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from mmflow.simulator import Atom, Simulator

KEY = "key-boston"


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back, headers in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


def call(
    sim: Simulator,
    method: str,
    path: str,
    body: object = None,
    *,
    key: str | None = KEY,
    headers: Mapping[str, str] | None = None,
) -> Reply:
    """Make one call on a connection of its own. ``bytes`` are sent as they are, anything else as JSON."""
    sent = {
        "Content-Type": "application/json",
        **({"Authorization": f"Bearer {key}"} if key else {}),
        **(headers or {}),
    }
    payload = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
    connection = http.client.HTTPConnection(urlsplit(sim.url).netloc, timeout=20)
    try:
        connection.request(method, path, payload, sent)
        with connection.getresponse() as response:
            return Reply(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
    finally:
        connection.close()


def question(metrics: Iterable[str], groups: Iterable[str] = (), *, flatten: object = True, **more: object) -> Any:
    """Give the body of a report request."""
    asked = {"data": [{"metric": m} for m in metrics], "groupBy": [{"group": g} for g in groups], "flatten": flatten}
    return asked | more


def ask(sim: Simulator, body: object, path: str = "/reports/production") -> Any:
    """Ask for a report and give its document."""
    reply = call(sim, "POST", path, body)
    assert reply.status == 200, reply
    return reply.json


def divide(over: float, under: float) -> float | None:
    """Give a quotient, or nothing where there is nothing to divide by."""
    return over / under if under else None


def compute_metrics(atoms: list[Atom]) -> dict[str, float | None]:
    """Give the metrics of some atoms straight from their definitions."""
    planned = [a for a in atoms if a.shift is not None]
    cycle, everything = sum(a.in_cycle for a in atoms), sum(a.length for a in atoms)
    total = sum(a.good + a.scrap + a.nonconform for a in atoms)
    required = sum(a.length - a.planned_down for a in planned)
    run = sum(a.in_cycle for a in planned)
    ideal_of_all = sum((a.good + a.scrap + a.nonconform) * a.ideal_ms for a in atoms)
    ideal_planned = sum((a.good + a.scrap + a.nonconform) * a.ideal_ms for a in planned)
    expected_of_all = sum((a.good + a.scrap + a.nonconform) * a.expected_ms for a in atoms)
    ideal_of_good = sum(a.good * a.ideal_ms for a in planned)
    return {
        "actualPartTime": divide(cycle, total),
        "allTime": everything,
        "availability": divide(run, required),
        "averagePartsPerHour": divide(total * 3_600_000, everything),
        "categorizedDowntime": sum(a.down + a.planned_down for a in atoms if a.reason),
        "downtime": sum(a.down + a.planned_down for a in atoms),
        "expectedPartsPerHour": divide(total * 3_600_000, expected_of_all),
        "expectedPartTime": divide(expected_of_all, total),
        "expectedSetupTime": sum(a.expected_setup for a in atoms),
        "goodParts": sum(a.good for a in atoms),
        "idealPartsPerHour": divide(total * 3_600_000, ideal_of_all),
        "idealPartTime": divide(ideal_of_all, total),
        "nonOptionalTime": required,
        "nonconformParts": sum(a.nonconform for a in atoms),
        "nonconformRate": divide(sum(a.nonconform for a in atoms), total),
        "oee": divide(ideal_of_good, required),
        "ooe": divide(ideal_of_good, sum(a.length for a in planned)),
        "partsGoal": sum(a.goal for a in atoms),
        "performance": divide(ideal_planned, run),
        "plannedDowntime": sum(a.planned_down for a in atoms),
        "rejectedParts": sum(a.scrap + a.nonconform for a in atoms),
        "setupTime": sum(a.setup for a in atoms),
        "timeInCut": sum(a.in_cut for a in atoms),
        "timeInCycle": cycle,
        "totalParts": total,
        "utilizationRate": divide(cycle, everything),
    }
