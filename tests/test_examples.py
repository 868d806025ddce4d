"""Every example runs as it stands on the simulated plants, and its numbers are those of the plants."""

import csv
import json
import shutil
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import duckdb
import pytest

from mmflow.clock import FixedClock
from mmflow.simulator import Plant
from tests import truth
from tests.desk import NOW, Desk

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples" / "jobs").glob("*.yaml"))
PLUGIN_EXAMPLES = sorted(ROOT.glob("plugins/*/example.yaml"))
# Each site has a plant of its own, numbered in the order of their names.
PLANTS = {
    "boston": Plant(seed=1, zone="America/New_York", start_of_day="06:00", week_starts="monday"),
    "houston": Plant(seed=2, zone="America/Chicago", start_of_day="05:00", week_starts="monday"),
}
MACHINES = 59  # sixty, of which one was retired in spring


class Fact(NamedTuple):
    """What an example has to deliver on Sunday, the 22nd of November 2026, at 06:40 in Boston."""

    file: str
    rows: int
    first: str
    last: str
    column: str
    measure: str


FACTS = {
    "guide-sheets": Fact("guide/sheets.csv", MACHINES, "2026-11-01", "2026-11-08", "Good parts", "goodParts"),
    "guide-excel": Fact("guide/excel.csv", MACHINES * 7, "2026-11-01", "2026-11-07", "Total parts", "totalParts"),
    "guide-power-bi": Fact("guide/power-bi.csv", MACHINES * 30, "2026-10-23", "2026-11-21", "Good parts", "goodParts"),
    "shift-handover": Fact(
        "shifts/2026-11-20 2200.csv", MACHINES, "2026-11-20", "2026-11-20", "Good parts", "goodParts"
    ),
    "both-plants": Fact("weekly/both 2026-11-09.csv", 14, "2026-11-09", "2026-11-15", "Total parts", "totalParts"),
}


@pytest.fixture
def plants(tmp_path, service):
    """The folder of the examples at a fixed moment; its sites are simulated by themselves."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples", ignore=shutil.ignore_patterns("out", ".mmflow"))
    return Desk(tmp_path / "examples", service, FixedClock(NOW), environ={})


def run_example(desk, name, *words):
    done = desk.mmflow("run", name, "--json", *words)
    assert done.code == 0, done.err
    assert done.data["state"] == "ok"
    return done.data


def read_rows(desk, file):
    """The rows of a delivered file and its footer."""
    rows = list(csv.DictReader(desk.text(f"out/{file}").splitlines()))
    return [row for row in rows if "Total" not in row.values()], [row for row in rows if "Total" in row.values()]


def happened(site, start, end):
    """What each machine of a site did between two instants."""
    return PLANTS[site].truth(start, end, NOW)


def happened_in(spans):
    """What the machines of all sites did in the spans of a run."""
    instants = ((span["site"], *(datetime.fromisoformat(span[key]) for key in ("start", "end"))) for span in spans)
    return [atom for site, start, end in instants for atoms in happened(site, start, end).values() for atom in atoms]


def test_examples_have_no_problems_at_all(plants):
    done = plants.mmflow("validate", "--strict", "--json")
    assert done.data == {"jobs": len(EXAMPLES), "problems": []}


@pytest.mark.parametrize("name", FACTS)
def test_example_delivers_what_happened(plants, name):
    fact = FACTS[name]
    result = run_example(plants, name)
    assert {(span["first_day"], span["last_day"]) for span in result["spans"]} == {(fact.first, fact.last)}
    rows, footer = read_rows(plants, fact.file)
    assert len(rows) == fact.rows
    measured = truth.MEASURES[fact.measure](happened_in(result["spans"]))
    assert sum(float(row[fact.column]) for row in rows) == measured
    assert [float(row[fact.column]) for row in footer] in ([], [measured])


def test_parquet_of_the_power_bi_recipe_holds_the_same_table(plants):
    run_example(plants, "guide-power-bi")
    rows, _ = read_rows(plants, "guide/power-bi.csv")
    with duckdb.connect() as database:
        path = str(plants.root / "out/guide/power-bi.parquet")
        query = "SELECT CAST(day AS VARCHAR), machine, CAST(goodParts AS DOUBLE) FROM read_parquet(?)"
        found = database.execute(query, [path]).fetchall()
    assert found == [(row["Day"], row["Machine"], float(row["Good parts"])) for row in rows]


def test_morning_report_shows_the_worst_mills_beside_the_day_before(plants):
    run_example(plants, "morning", "--for", "2026-11-20")
    rows, footer = read_rows(plants, "morning/2026-11-20.csv")
    down = [float(row["Down (min)"]) for row in rows]
    assert (len(rows), down) == (20, sorted(down, reverse=True))
    day = date(2026, 11, 20)
    for when, column in ((day, "Good parts"), (day - timedelta(days=1), "Good parts, previous")):
        atoms = happened("boston", truth.wall(when), truth.wall(when + timedelta(days=1)))
        expected = {row["Machine"]: truth.MEASURES["goodParts"](atoms[row["Machine"]]) for row in rows}
        assert {row["Machine"]: float(row[column]) for row in rows} == expected
    assert float(footer[0]["Good parts"]) >= sum(float(row["Good parts"]) for row in rows)


def test_both_plants_stand_in_both_files(plants):
    run_example(plants, "both-plants")
    rows, _ = read_rows(plants, "weekly/both 2026-11-09.csv")
    lines = plants.text("out/weekly/both 2026-11-09.jsonl").splitlines()
    assert [(row["Site"], float(row["Total parts"])) for row in rows] == [
        (line["site"], line["totalParts"]) for line in map(json.loads, lines)
    ]
    assert {site: sum(row["Site"] == site for row in rows) for site in PLANTS} == {"boston": 7, "houston": 7}


def test_oee_of_a_week_is_that_of_the_week(plants):
    run_example(plants, "oee-weeks")
    rows, _ = read_rows(plants, "trend/oee-weeks.csv")
    weeks = [date(2026, 11, 9) - timedelta(weeks=back) for back in range(13)]
    assert {row["Week"] for row in rows} == {week.isoformat() for week in weeks}
    assert len(rows) == MACHINES * 13
    first = min(weeks)
    atoms = happened("boston", truth.wall(first), truth.wall(first + timedelta(weeks=1)))
    expected = {name: truth.MEASURES["oee"](found) for name, found in atoms.items() if found}
    assert [name for name, value in expected.items() if value is None] == ["Wire EDM 1"]  # it has no shifts
    shown = {row["Machine"]: row["OEE (%)"] for row in rows if row["Week"] == first.isoformat()}
    assert shown == {
        name: "" if value is None else f"{100 * value:.1f}".removesuffix(".0") for name, value in expected.items()
    }


def test_every_example_is_shown_here(plants):
    listed = {job["job"] for job in plants.mmflow("jobs", "--json").data["jobs"]}
    assert listed == {*FACTS, "morning", "oee-weeks"}


@pytest.mark.parametrize("path", PLUGIN_EXAMPLES, ids=lambda path: path.parent.name)
def test_example_of_a_plugin_runs_among_the_others(plants, path):
    text = path.read_text(encoding="utf-8")
    if "connection:" in text:
        pytest.skip("it needs what it connects to; the package's own tests run it there")
    plants.job(text, "plugin")
    result = run_example(plants, "jobs/plugin.yaml")
    assert {delivery["state"] for delivery in result["deliveries"]} == {"done"}


def test_every_plugin_has_an_example():
    assert [path.parent for path in PLUGIN_EXAMPLES] == [
        path.parent for path in sorted(ROOT.glob("plugins/*/pyproject.toml"))
    ]
