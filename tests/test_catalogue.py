"""The catalogue: what it knows agrees with the simulated service, and people find what they mean."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from mmflow.__main__ import run_guarded
from mmflow.catalogue import GROUPS, METRICS, convert_unit, list_units, metric
from mmflow.cli import Surroundings
from mmflow.errors import UserError, suggest_name
from mmflow.simulator.metrics import ROWS as SERVICE
from mmflow.simulator.query import GROUPS as SERVICE_GROUPS
from tests.desk import Done

Command = Callable[..., Done]
LISTED = [row for row in SERVICE if row.is_listed]


@pytest.fixture
def catalogue(tmp_path: Path) -> Command:
    """The command, in a folder without a root."""

    def run(*words: str) -> Done:
        out, err = io.StringIO(), io.StringIO()
        around = Surroundings(environ={}, cwd=tmp_path, stdout=out, stderr=err)
        return Done(run_guarded(["catalogue", *words], around), out.getvalue(), err.getvalue())

    return run


def test_every_metric_and_group_of_the_service_is_known_and_no_other() -> None:
    assert sorted(METRICS) == sorted(row.name for row in LISTED)
    assert sorted(name for name, row in GROUPS.items() if not row.ours) == sorted(SERVICE_GROUPS)


def test_rows_become_one_as_the_service_does_it() -> None:
    allowed = {
        "sum": {"sum"},
        "rate": {"derivable", "ask_only"},
        "threshold": {"constant"},
        "time": {"min", "max"},
    }
    assert [row.name for row in LISTED if METRICS[row.name].kind not in allowed[row.kind]] == []


def test_a_derivable_metric_is_the_quotient_that_the_service_builds() -> None:
    sums = {row.name: row.over for row in LISTED if row.kind == "sum"}
    rates = {row.name: (row.over, row.under, row.scale) for row in LISTED if row.kind == "rate"}
    found = {row.name: row for row in METRICS.values() if row.kind == "derivable"}
    assert set(found) == {"nonconformRate", "utilizationRate"}
    for name, row in found.items():
        assert (sums[row.numerator], sums[row.denominator], 1) == rates[name]
        assert METRICS[row.numerator].unit == METRICS[row.denominator].unit


def test_only_derivable_metrics_have_parts() -> None:
    assert all(bool(row.numerator) == bool(row.denominator) == (row.kind == "derivable") for row in METRICS.values())


@pytest.mark.parametrize("name", ["oee", "availability", "performance", "averagePartsPerHour", "actualPartTime"])
def test_what_cannot_be_had_from_other_rows_is_only_asked_for(name: str) -> None:
    assert metric(name).kind == "ask_only"


def test_a_metric_that_is_not_known_passes_through_as_a_number() -> None:
    found = metric("scrapRate")
    assert (found.name, found.label, found.unit, found.kind) == ("scrapRate", "scrapRate", "", "ask_only")
    assert found.certainty == "assumed"


def test_labels_tell_metrics_and_groups_apart() -> None:
    labels = [row.label for row in METRICS.values()] + [row.label for row in GROUPS.values()]
    assert len(set(labels)) == len(labels)


def test_groups_that_place_rows_in_time() -> None:
    assert [row.name for row in GROUPS.values() if row.time] == ["day", "hour", "week", "month", "quarter"]


@pytest.mark.parametrize(
    ("source", "target", "value", "expected"),
    [
        ("ms", "s", 1_500, 1.5),
        ("ms", "min", 90_000, 1.5),
        ("ms", "h", 5_400_000, 1.5),
        ("ratio", "%", 0.375, 37.5),
        ("ms/part", "s/part", 12_500, 12.5),
        ("ms/part", "min/part", 90_000, 1.5),
        ("ms", "ms", 7, 7),
        ("parts", "", 7, 7),
    ],
)
def test_units_convert(source: str, target: str, value: float, expected: float) -> None:
    conversion = convert_unit(source, target)
    assert value * conversion.multiply / conversion.divide == expected


@pytest.mark.parametrize(
    ("source", "target", "said"),
    [
        ("ms", "hours", "ms cannot be shown in 'hours'; expected one of: ms, s, min, h"),
        ("ratio", "min", "ratio cannot be shown in 'min'; expected one of: ratio, %"),
        ("parts", "%", "found unit '%' for a value in parts; remove the unit"),
        ("", "%", "found unit '%' for a value without unit; remove the unit"),
    ],
)
def test_a_unit_that_makes_no_sense_is_refused_with_those_that_do(source: str, target: str, said: str) -> None:
    with pytest.raises(UserError) as raised:
        convert_unit(source, target)
    assert str(raised.value) == said


def test_every_unit_can_be_shown_as_it_is() -> None:
    assert all(list_units(row.unit)[0] == row.unit for row in METRICS.values())


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("goodPart", "goodParts"),
        ("good_parts", "goodParts"),
        ("OEE", "oee"),
        ("dowmtime", "downtime"),
        ("time in cycle", "timeInCycle"),
        ("zork", ""),
        ("", ""),
    ],
)
def test_a_misspelt_metric_gets_the_one_that_was_meant(typed: str, meant: str) -> None:
    assert suggest_name(typed, METRICS) == meant


def test_the_command_lists_everything_and_needs_no_root(catalogue: Command) -> None:
    done = catalogue()
    assert (done.code, done.err) == (0, "")
    first = [line.split()[0] for line in done.out.splitlines() if line.strip("- ")]
    assert first == ["metric", *METRICS, "group", *GROUPS]
    assert "jobOperation  Job operation  jobOperationId  documented  An operation of a job." in done.out


def test_text_is_looked_for_in_name_label_and_meaning_whatever_its_case(catalogue: Command) -> None:
    assert list_names(catalogue("metrics", "INCYCLE", "--json")) == ["inCycleIdealParts", "timeInCycle"]
    assert list_names(catalogue("down", "time", "--json")) == ["categorizedDowntime", "downtime", "plannedDowntime"]
    assert list_names(catalogue("groups", "overlap", "--json")) == ["machineGroup"]


def list_names(done: Done) -> list[str]:
    return [row["name"] for rows in done.data.values() for row in rows]


def test_json_holds_all_that_is_known(catalogue: Command) -> None:
    found = json.loads(catalogue("metrics", "utilization", "--json").out)
    assert found == {
        "metrics": [
            {
                "name": "utilizationRate",
                "label": "Utilization",
                "unit": "ratio",
                "units": ["ratio", "%"],
                "kind": "derivable",
                "numerator": "timeInCycle",
                "denominator": "allTime",
                "direction": "up",
                "decimals": 3,
                "description": "Time in cycle over all time, unscheduled hours included.",
                "source": "maker's query notes",
                "certainty": "documented",
            }
        ]
    }


def test_when_nothing_is_found_the_nearest_name_is_suggested(catalogue: Command) -> None:
    done = catalogue("oeee")
    assert (done.code, done.out) == (0, "")
    assert done.err == "nothing in the catalogue holds 'oeee'; did you mean 'oee'?\n"
