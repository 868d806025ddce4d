"""Each switch of a profile turns one unknown of the service the other way, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from mmflow.simulator import PROFILES, Plant, Profile, Simulator

from .client import KEY, Reply, ask, call, question

NOW = datetime(2026, 11, 22, 12, 34, tzinfo=UTC)
SPAN = {"startDay": "2026-07-17", "endDay": "2026-07-18"}
PATH = "/reports/production"


@contextmanager
def turned(plant: Plant, **switches: Any) -> Iterator[Simulator]:
    with Simulator({KEY: plant}, now=NOW, profile=replace(Profile(), **switches), graphql_limit=1) as sim:
        yield sim


def ask_with(plant: Plant, body: object, **switches: Any) -> Any:
    with turned(plant, **switches) as sim:
        return ask(sim, body)


def test_the_contrary_profile_turns_every_switch_but_one() -> None:
    """``No Shift`` has been seen in use, so its label stays."""
    documented, contrary = PROFILES["documented"], PROFILES["contrary"]
    same = {f.name for f in fields(Profile) if getattr(documented, f.name) == getattr(contrary, f.name)}
    assert same == {"no_shift"}


@pytest.mark.parametrize(
    ("ids", "columns"),
    [
        ("all", ["machine", "machineId", "shift", "shiftId", "day", "allTime"]),
        ("shift", ["machine", "shift", "shiftId", "day", "allTime"]),
        ("none", ["machine", "shift", "day", "allTime"]),
    ],
)
def test_ids_on_rows(plant: Plant, ids: str, columns: list[str]) -> None:
    rows = ask_with(plant, question(["allTime"], ["machine", "shift", "day"], **SPAN), ids=ids)["items"]
    assert {tuple(row) for row in rows} == {tuple(columns)}


@pytest.mark.parametrize(("unplanned", "said"), [("zero", 0), ("null", None)])
def test_the_planned_time_of_a_weekend(plant: Plant, unplanned: str, said: int | None) -> None:
    span = {"startDay": "2026-07-18", "endDay": "2026-07-18"}
    rows = ask_with(plant, question(["nonOptionalTime"], ["machine"], **span), unplanned=unplanned)["items"]
    times = {row["machine"]: row["nonOptionalTime"] for row in rows}
    assert times["Mill 01"] == said
    assert times["Grinder 1"] > 0


def test_a_day_as_a_plain_date(plant: Plant) -> None:
    rows = ask_with(plant, question(["allTime"], ["day"], **SPAN), day_text="date")["items"]
    assert [row["day"] for row in rows] == ["2026-07-17", "2026-07-18"]


def test_an_hour_by_the_clock_of_the_plant(plant: Plant) -> None:
    rows = ask_with(plant, question(["allTime"], ["hour"], **SPAN), hour_text="offset")["items"]
    assert (rows[0]["hour"], rows[-1]["hour"]) == ("2026-07-17T06:00:00-04:00", "2026-07-19T05:00:00-04:00")


def test_times_in_descending_order(plant: Plant) -> None:
    rows = ask_with(plant, question(["allTime"], ["day", "machine"], **SPAN), time_order="descending")["items"]
    assert [row["day"][:10] for row in rows] == ["2026-07-18"] * 59 + ["2026-07-17"] * 59
    assert rows[0]["machine"] == "Mill 01"


def test_a_wrong_content_type_as_an_express_404(plant: Plant) -> None:
    with turned(plant, wrong_type="404") as sim:
        reply = call(sim, "POST", PATH, b"[object Object]", headers={"Content-Type": "text/plain"})
        assert reply.status == 404
        assert b"Cannot POST /reports/production" in reply.body
        assert call(sim, "POST", PATH, b"[object Object]").status == 400


@pytest.mark.parametrize(("meaning", "key"), [("false", "entities"), ("true", "aggregate")])
def test_the_text_false_for_flatten(plant: Plant, meaning: str, key: str) -> None:
    document = ask_with(plant, question(["allTime"], ["shift"], flatten="false", **SPAN), flatten_false=meaning)
    assert next(iter(document)) == key


@pytest.mark.parametrize(
    ("items", "expected"),
    [("empty", {"items": []}), ("absent", {}), ("total", {"items": [{"allTime": 59 * 48 * 3_600_000}]})],
)
def test_items_without_groups(plant: Plant, items: str, expected: dict[str, Any]) -> None:
    document = ask_with(plant, question(["allTime"], **SPAN), ungrouped_items=items)
    assert document == {"aggregate": {"allTime": 59 * 48 * 3_600_000}, **expected}


def test_missing_combinations_as_zeros(plant: Plant) -> None:
    """2026-07-18 is a Saturday, so the shifts of the week have no time on it."""
    body = question(["allTime", "oee", "minStartTime"], ["shift", "day"], **SPAN)
    rows = ask_with(plant, body)["items"]
    filled = ask_with(plant, body, missing="zero")["items"]
    added = [row for row in filled if row not in rows]
    assert [row for row in filled if row in rows] == rows
    assert {(row["shift"], row["day"][:10]) for row in added} == {
        (s, "2026-07-18") for s in ("First", "Second", "Third")
    }
    assert all((row["allTime"], row["oee"], row["minStartTime"]) == (0, None, None) for row in added)


def test_a_rate_without_denominator_as_zero(plant: Plant) -> None:
    body = question(["oee"], ["shift"], **SPAN)
    shown = {row["shift"]: row["oee"] for row in ask_with(plant, body, empty_rate="zero")["items"]}
    assert shown["No Shift"] == 0
    assert shown["First"] > 0


def test_counts_as_floats(plant: Plant) -> None:
    with turned(plant, counts="float") as sim:
        body = call(sim, "POST", PATH, question(["allTime"], **SPAN)).body
    assert body == b'{"aggregate":{"allTime":10195200000.0},"items":[]}'


def test_csv_ignored(plant: Plant) -> None:
    body = question(["allTime"], ["day"], **SPAN)
    assert ask_with(plant, body | {"csv": True}, csv="ignored") == ask_with(plant, body)


@pytest.mark.parametrize(("winner", "hours"), [("days", 48), ("instants", 1)])
def test_both_windows_in_one_query(plant: Plant, winner: str, hours: int) -> None:
    body = question(["allTime"], **SPAN, start="2026-07-01T00:00:00Z", end="2026-07-01T01:00:00Z")
    document = ask_with(plant, body, both_windows=winner)
    assert document["aggregate"]["allTime"] == 59 * hours * 3_600_000


def test_thresholds_as_percent(plant: Plant) -> None:
    document = ask_with(plant, question(["oeeWarningThreshold"], **SPAN), thresholds="percent")
    assert document["aggregate"] == {"oeeWarningThreshold": 60}


def test_timestamps_as_milliseconds(plant: Plant) -> None:
    document = ask_with(plant, question(["minStartTime"], **SPAN), timestamps="ms")
    assert document["aggregate"] == {"minStartTime": datetime(2026, 7, 17, 10, tzinfo=UTC).timestamp() * 1000}


def test_other_names_for_the_time_outside_every_shift(plant: Plant) -> None:
    body = question(["allTime"], ["shift"], **SPAN)
    row = ask_with(plant, body, no_shift=None, no_shift_id="0")["items"][-1]
    assert (row["shift"], row["shiftId"]) == (None, "0")
    nested = ask_with(plant, body | {"flatten": False}, no_shift_id="0")
    assert nested["entities"]["shift"]["0"] == {"name": "No Shift"}


def test_a_nested_day_as_a_column(plant: Plant) -> None:
    body = question(["allTime"], ["shift", "day"], flatten=False, **SPAN)
    level = ask_with(plant, body, time_entity="column")["items"][0]
    assert level["entity"]["id"]
    assert level["items"][0].keys() == {"day", "aggregate"}


def test_plain_words_as_bodies_of_errors(plant: Plant) -> None:
    with turned(plant, error_body="text") as sim:
        call(sim, "POST", "/graphql", {"query": "{machines{name}}"})
        replies = [call(sim, "GET", "/", key="x"), call(sim, "POST", "/graphql", {"query": "{machines{name}}"})]
        missing = call(sim, "GET", "/erp/jobdispatch/8")
    assert [(r.status, r.body) for r in replies] == [(401, b"Unauthorized"), (429, b"Too Many Requests")]
    assert (missing.status, missing.body) == (404, b"Not Found")


def ask_too_often(plant: Plant, retry_after: str) -> Reply:
    with turned(plant, retry_after=retry_after) as sim:
        call(sim, "POST", "/graphql", {"query": "{machines{name}}"})
        return call(sim, "POST", "/graphql", {"query": "{machines{name}}"})


def test_what_a_429_says_about_waiting(plant: Plant) -> None:
    assert 0 < int(ask_too_often(plant, "seconds").headers["retry-after"]) <= 60
    assert "retry-after" not in ask_too_often(plant, "none").headers
    reply = ask_too_often(plant, "date")
    wait = parsedate_to_datetime(reply.headers["retry-after"]) - parsedate_to_datetime(reply.headers["date"])
    assert 0 < wait.total_seconds() <= 60


def test_metrics_beyond_the_known_part_of_the_list(plant: Plant) -> None:
    body = question(["quality", "scrapParts", "scrapRate", "nonconformParts", "rejectedParts", "totalParts"], **SPAN)
    found = ask_with(plant, body, unlisted_metrics=True)["aggregate"]
    assert found["scrapParts"] + found["nonconformParts"] == found["rejectedParts"]
    assert found["scrapRate"] == found["scrapParts"] / found["totalParts"]
    assert 0.9 < found["quality"] < 1


def test_both_profiles_tell_of_the_same_plant(plant: Plant) -> None:
    metrics = ["goodParts", "timeInCycle", "oee"]
    body = question(metrics, ["machine"], **SPAN)
    rows = {}
    for name in PROFILES:
        with Simulator({KEY: plant}, now=NOW, profile=name) as sim:
            rows[name] = {row["machine"]: [row[m] or 0 for m in metrics] for row in ask(sim, body)["items"]}
    assert rows["documented"] == rows["contrary"]
