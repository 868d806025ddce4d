"""The production report over HTTP against sums of the plant's truth, made by the tests' own code."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from mmflow.simulator import Access, Plant, Simulator
from mmflow.simulator.metrics import METRICS

from .client import KEY, ask, call, compute_metrics, question

ZONE = ZoneInfo("America/New_York")
THRESHOLDS = {
    "oeeFailureThreshold": 0.4,
    "oeeWarningThreshold": 0.6,
    "partsGoalFailureThreshold": 0.75,
    "partsGoalWarningThreshold": 0.9,
}
LISTED = [name for name, metric in METRICS.items() if metric.is_listed]
SUMS = [name for name, metric in METRICS.items() if metric.kind == "sum" and metric.is_listed]
DAYS = {
    "summer": (date(2026, 7, 15), 24),
    "winter": (date(2026, 1, 14), 24),
    "spring forward": (date(2026, 3, 7), 23),
    "fall back": (date(2026, 10, 31), 25),
}


@pytest.fixture(scope="module")
def sim(plant: Plant) -> Iterator[Simulator]:
    with Simulator({KEY: plant}, now=datetime(2026, 11, 22, 12, 34, tzinfo=UTC)) as simulator:
        yield simulator


def span_of(day: date) -> tuple[datetime, datetime]:
    start, end = (datetime(d.year, d.month, d.day, 6, tzinfo=ZONE) for d in (day, day + timedelta(days=1)))
    return start.astimezone(UTC), end.astimezone(UTC)


def in_days(day: date) -> dict[str, str]:
    return {"startDay": day.isoformat(), "endDay": day.isoformat()}


def in_instants(day: date) -> dict[str, str]:
    return dict(zip(("start", "end"), (t.isoformat().replace("+00:00", "Z") for t in span_of(day)), strict=True))


@pytest.mark.parametrize("name", DAYS)
def test_every_metric_by_machine_follows_from_the_truth(sim: Simulator, plant: Plant, name: str) -> None:
    day, hours = DAYS[name]
    start, end = span_of(day)
    truth = {machine: atoms for machine, atoms in plant.truth(start, end).items() if atoms}
    found = {row["machine"]: row for row in ask(sim, question(LISTED, ["machine"], **in_days(day)))["items"]}
    assert found.keys() == truth.keys()
    for machine, atoms in truth.items():
        expected = compute_metrics(atoms)
        assert {name: found[machine][name] for name in expected} == expected
        assert THRESHOLDS.items() <= found[machine].items()
        assert found[machine]["allTime"] == hours * 3_600_000
        ideal = sum(a.in_cycle / a.ideal_ms for a in atoms if a.in_cycle)
        assert found[machine]["inCycleIdealParts"] == pytest.approx(ideal, abs=0.001 * len(atoms))
        assert found[machine]["minStartTime"] == start.strftime("%Y-%m-%dT%H:%M:%S.000Z")
        assert found[machine]["maxEndTime"] == end.strftime("%Y-%m-%dT%H:%M:%S.000Z")


@pytest.mark.parametrize("name", DAYS)
@pytest.mark.parametrize("groups", [["machine", "shift"], ["day", "machineGroup"], ["jobOperation", "operator"], []])
def test_both_ways_to_name_the_window_agree(sim: Simulator, name: str, groups: list[str]) -> None:
    day = DAYS[name][0]
    by_day = ask(sim, question(LISTED, groups, **in_days(day)))
    by_instant = ask(sim, question(LISTED, groups, **in_instants(day)))
    assert by_day == by_instant


def test_totals_are_made_of_sums_and_never_of_means(sim: Simulator, plant: Plant) -> None:
    first, last = date(2026, 9, 1), date(2026, 9, 30)
    span = {"startDay": first.isoformat(), "endDay": last.isoformat()}
    document = ask(sim, question(["oee", "availability", "performance"], ["machine"], **span))
    atoms = [a for found in plant.truth(span_of(first)[0], span_of(last)[1]).values() for a in found]
    expected = compute_metrics(atoms)
    assert document["aggregate"] == pytest.approx({name: expected[name] for name in document["aggregate"]})
    rates = [row["oee"] for row in document["items"] if row["oee"] is not None]
    assert abs(sum(rates) / len(rates) - document["aggregate"]["oee"]) > 0.001


@pytest.mark.parametrize("name", DAYS)
@pytest.mark.parametrize("group", ["shift", "hour", "operator", "jobOperation"])
def test_the_parts_of_a_day_add_up_to_the_day(sim: Simulator, name: str, group: str) -> None:
    span = in_days(DAYS[name][0])
    whole = {row["machine"]: row for row in ask(sim, question(SUMS, ["machine"], **span))["items"]}
    parts = ask(sim, question(SUMS, ["machine", group], **span))["items"]
    for machine, row in whole.items():
        mine = [part for part in parts if part["machine"] == machine]
        assert {m: sum(p[m] for p in mine) for m in SUMS} == pytest.approx({m: row[m] for m in SUMS})


def test_good_and_rejected_parts_are_all_parts(sim: Simulator) -> None:
    metrics = ["goodParts", "rejectedParts", "totalParts", "nonconformParts", "timeInCut", "timeInCycle", "allTime"]
    for row in ask(sim, question(metrics, ["machine", "shift"], **in_days(date(2026, 7, 15))))["items"]:
        assert row["goodParts"] + row["rejectedParts"] == row["totalParts"]
        assert row["nonconformParts"] <= row["rejectedParts"]
        assert row["timeInCut"] <= row["timeInCycle"] <= row["allTime"]


def test_oee_is_availability_times_performance_times_quality(plant: Plant, sim: Simulator) -> None:
    """For one machine at one job, where all parts weigh the same, quality is simply good over total."""
    metrics = ["oee", "availability", "performance", "goodParts", "totalParts"]
    rows = ask(sim, question(metrics, ["machine", "shift", "jobOperation"], **in_days(date(2026, 7, 15))))["items"]
    made = [row for row in rows if row["shift"] != "No Shift" and row["totalParts"]]
    assert made
    for row in made:
        quality = row["goodParts"] / row["totalParts"]
        assert row["oee"] == pytest.approx(row["availability"] * row["performance"] * quality)
        assert 0 <= row["oee"] <= 1


def test_time_outside_every_shift_has_a_label_no_id_and_no_oee(sim: Simulator) -> None:
    rows = ask(sim, question(["oee", "utilizationRate", "allTime"], ["shift"], **in_days(date(2026, 7, 15))))["items"]
    [row] = [row for row in rows if row["shift"] == "No Shift"]
    assert row["shiftId"] is None
    assert row["oee"] is None
    assert row["utilizationRate"] is not None
    assert row["allTime"] > 0


def test_columns_come_in_the_order_of_groups_and_metrics(sim: Simulator) -> None:
    groups = ["day", "machineGroup", "machine", "shift", "operator", "jobOperation", "hour"]
    rows = ask(sim, question(["totalParts", "allTime", "totalParts"], groups, **in_days(date(2026, 7, 15))))["items"]
    expected = ["day"]
    for group in groups[1:-1]:
        expected += [group, f"{group}Id"]
    assert {tuple(row) for row in rows} == {(*expected, "hour", "totalParts", "allTime")}


def test_days_and_hours_are_iso_text_in_ascending_order(sim: Simulator) -> None:
    span = {"startDay": "2026-10-31", "endDay": "2026-11-01"}
    days = [row["day"] for row in ask(sim, question(["allTime"], ["day"], **span))["items"]]
    assert days == ["2026-10-31T00:00:00.000Z", "2026-11-01T00:00:00.000Z"]
    hours = [row["hour"] for row in ask(sim, question(["allTime"], ["hour"], **span))["items"]]
    assert hours == sorted(hours)
    assert (len(hours), hours[0], hours[-1]) == (49, "2026-10-31T10:00:00.000Z", "2026-11-02T10:00:00.000Z")


def test_a_machine_in_two_groups_has_two_rows_and_counts_once_in_the_total(sim: Simulator) -> None:
    span = in_days(date(2026, 7, 15))
    document = ask(sim, question(["allTime"], ["machineGroup", "machine"], **span))
    assert [r["machineGroup"] for r in document["items"] if r["machine"] == "Mill-Turn 1"] == ["Mills", "Lathes"]
    assert document["aggregate"]["allTime"] == 59 * 24 * 3_600_000
    assert sum(row["allTime"] for row in document["items"]) == 61 * 24 * 3_600_000


def test_filters_keep_and_excludes_drop_by_id(sim: Simulator, plant: Plant) -> None:
    span = in_days(date(2026, 7, 15))
    lathes = next(group for group in plant.groups if group.name == "Lathes")
    mill, turn = (next(m for m in plant.machines if m.name == name) for name in ("Mill 01", "Mill-Turn 1"))

    def machines(**filters: object) -> set[str]:
        rows = ask(sim, question(["allTime"], ["machine"], **span, **filters))["items"]
        return {row["machine"] for row in rows}

    assert machines(filter={"machine": [mill.id]}) == {"Mill 01"}
    assert len(machines(filter={"machineGroup": [lathes.id]})) == 2 + 17 + 6
    assert machines(filter={"machine": [mill.id, turn.id], "machineGroup": [lathes.id]}) == {"Mill-Turn 1"}
    assert machines(filter={"machine": [mill.id, turn.id]}, exclude={"machineGroup": [lathes.id]}) == {"Mill 01"}
    assert len(machines(filter={"machine": []}, exclude={})) == 59
    assert machines(filter={"machine": [str(mill.ref)]}) == set()
    rows = ask(sim, question(["allTime"], ["machineGroup"], **span, filter={"machineGroup": [lathes.id]}))["items"]
    assert [row["machineGroup"] for row in rows] == ["Lathes"]


@pytest.mark.parametrize("kind", ["shift", "operator", "jobOperation"])
def test_keeping_one_and_excluding_it_are_the_two_halves_of_everything(sim: Simulator, kind: str) -> None:
    span = in_days(date(2026, 7, 15))
    document = ask(sim, question(["allTime", "goodParts"], [kind], **span))
    row = document["items"][0]
    kept = ask(sim, question(["allTime", "goodParts"], [kind], **span, filter={kind: [row[f"{kind}Id"]]}))
    rest = ask(sim, question(["allTime", "goodParts"], [kind], **span, exclude={kind: [row[f"{kind}Id"]]}))
    assert kept["items"] == [row]
    assert rest["items"] == document["items"][1:]
    for metric, whole in document["aggregate"].items():
        assert kept["aggregate"][metric] + rest["aggregate"][metric] == whole


def test_nested_levels_hold_the_same_numbers_as_flat_rows(sim: Simulator) -> None:
    groups, span = ["day", "shift", "machineGroup"], {"startDay": "2026-07-15", "endDay": "2026-07-16"}
    flat = ask(sim, question(["goodParts", "oee"], groups, **span))
    nested = ask(sim, question(["goodParts", "oee"], groups, flatten=False, **span))
    names = nested["entities"]
    rows = [
        {
            "day": day["entity"]["id"],
            "shift": names["shift"][shift["entity"]["id"] or "null"]["name"],
            "shiftId": shift["entity"]["id"],
            "machineGroup": names["machineGroup"][group["entity"]["id"]]["name"],
            "machineGroupId": group["entity"]["id"],
            **group["aggregate"],
        }
        for day in nested["items"]
        for shift in day["items"]
        for group in shift["items"]
    ]
    assert rows == flat["items"]
    assert nested["aggregate"] == flat["aggregate"]
    days = ask(sim, question(["goodParts", "oee"], ["day"], **span))["items"]
    assert [day["aggregate"] for day in nested["items"]] == [{m: d[m] for m in ("goodParts", "oee")} for d in days]


def test_without_groups_there_is_only_the_aggregate(sim: Simulator) -> None:
    document = ask(sim, question(["allTime"], **in_days(date(2026, 7, 15))))
    assert document == {"aggregate": {"allTime": 59 * 24 * 3_600_000}, "items": []}


def test_csv_has_the_same_cells_as_the_flat_rows(sim: Simulator) -> None:
    body = question(["oee", "goodParts"], ["machine", "day"], **in_days(date(2026, 7, 15)))
    rows = ask(sim, body)["items"]
    reply = call(sim, "POST", "/reports/production", body | {"csv": True})
    assert reply.headers["content-type"] == "text/csv; charset=utf-8"
    lines = list(csv.DictReader(io.StringIO(reply.body.decode())))
    assert list(lines[0]) == list(rows[0])
    assert lines == [{k: "" if v is None else str(v) for k, v in row.items()} for row in rows]
    assert any('"' in line["machine"] for line in lines)


def test_flatten_may_be_the_text_true(sim: Simulator) -> None:
    """The vendor's own spreadsheet macro sends it."""
    span = in_days(date(2026, 7, 15))
    right, text = (ask(sim, question(["oee"], ["machine"], flatten=value, **span)) for value in (True, "true"))
    assert text == right


def test_the_day_that_is_running_counts_up_to_now(sim: Simulator) -> None:
    """Now is 12:34 in UTC, 94 minutes after the day began at 06:00 in New York."""
    document = ask(sim, question(["allTime"], ["machine"], **in_days(date(2026, 11, 22))))
    assert {row["allTime"] for row in document["items"]} == {94 * 60_000}
    assert ask(sim, question(["oee"], ["machine"], **in_days(date(2026, 11, 23))))["items"] == []


def test_corrections_arrive_a_day_after_the_day_has_ended(plant: Plant) -> None:
    day = date(2026, 7, 15)
    body = question(["rejectedParts", "categorizedDowntime", "totalParts", "downtime"], **in_days(day))
    ended = span_of(day)[1]
    now = ended
    with Simulator({KEY: plant}, now=lambda: now) as sim:
        early = ask(sim, body)["aggregate"]
        now = ended + timedelta(hours=23, minutes=59)
        assert ask(sim, body)["aggregate"] == early
        now = ended + timedelta(days=1)
        late = ask(sim, body)["aggregate"]
    assert late["rejectedParts"] > early["rejectedParts"]
    assert late["categorizedDowntime"] > early["categorizedDowntime"]
    assert (late["totalParts"], late["downtime"]) == (early["totalParts"], early["downtime"])


def test_each_key_opens_its_own_company() -> None:
    plants: dict[str, Plant | Access] = {
        "key-1": Plant(seed=1, company="One"),
        "key-2": Access(Plant(seed=2, company="Two"), {"reporting"}),
    }
    body = question(["goodParts"], **in_days(date(2026, 7, 15)))
    with Simulator(plants) as sim:
        replies = [call(sim, "POST", "/reports/production", body, key=key).json for key in plants]
        homes = [call(sim, "GET", "/", key=key).json for key in plants]
        account = call(sim, "GET", "/accounts/current", key="key-2").json
    assert replies[0] != replies[1]
    assert homes == [{"company": "One"}, {"company": "Two"}]
    assert account["company"]["name"] == "Two"


def test_downtime_by_reason_adds_up_to_the_downtime_of_production(sim: Simulator) -> None:
    """Whatever ``data`` asks for, that endpoint answers with ``downtimeMs``."""
    span = in_days(date(2026, 7, 15))
    body = question(["oee"], ["day", "reason"], **span)
    rows = ask(sim, body, "/reports/downtime")["items"]
    assert {tuple(row) for row in rows} == {("day", "reason", "downtimeMs")}
    assert {"Uncategorized", "Break", "Tooling | Tool change"} <= {row["reason"] for row in rows}
    total = ask(sim, question(["downtime"], **span))["aggregate"]["downtime"]
    assert sum(row["downtimeMs"] for row in rows) == total
    assert all(row["downtimeMs"] > 0 for row in rows)


@pytest.mark.parametrize("path", ["/reports/production/", "/reports/production?x=1"])
def test_a_trailing_slash_and_a_query_string_do_no_harm(sim: Simulator, path: str) -> None:
    body = question(["allTime"], **in_days(date(2026, 7, 15)))
    assert ask(sim, body, path) == ask(sim, body)


def test_a_large_report_is_sent_in_chunks(sim: Simulator) -> None:
    body = question(["goodParts", "oee"], ["machine", "hour"], startDay="2026-07-13", endDay="2026-07-16")
    reply = call(sim, "POST", "/reports/production", body)
    assert reply.headers["transfer-encoding"] == "chunked"
    assert len(json.loads(reply.body)["items"]) == 59 * 24 * 4
