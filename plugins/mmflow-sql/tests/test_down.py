"""A job with three sinks whose database is down: the others get theirs, and it is caught up with alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from mmflow.__main__ import run_guarded
from mmflow.cli import Surroundings
from mmflow.clock import FixedClock
from mmflow.simulator import Plant, Simulator
from mmflow_sql.testing import Database, PostgresServer

NOW = datetime(2026, 11, 22, 11, 40, tzinfo=UTC)
KEY = "key-of-the-plant-4711"
PASSWORD = "Geheim-9471"
SETTINGS = """
version: 1
sites:
  plant: {{base_url: "{url}", api_key: "${{env:KEY}}", timezone: America/New_York, start_of_day: "06:00"}}
connections:
  plant_db: {{type: sql, url: "{database}", password: "${{env:PASSWORD}}"}}
"""
JOB = """
job: three
report: {metrics: [oee, goodParts], group_by: [machine, day]}
window: yesterday
sinks: [{type: csv}, {type: sql, connection: plant_db, table: oee}, {type: jsonl}]
"""
Call = Callable[..., Any]


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    plant = Plant(seed=1, zone="America/New_York", start_of_day="06:00", week_starts="monday")
    with Simulator(plants={KEY: plant}, now=NOW) as served:
        yield served


@pytest.fixture
def call(simulator: Simulator, postgres_database: Database, tmp_path: Path) -> Call:
    """Give a function that runs a command and gives its exit code, what it printed as JSON, and all it printed."""
    url = postgres_database.connection.url
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / "three.yaml").write_text(JOB, encoding="utf-8")
    (tmp_path / "mmflow.yaml").write_text(SETTINGS.format(url=simulator.url, database=url), encoding="utf-8")

    def run(*words: str) -> tuple[int, Any, str]:
        out, err = StringIO(), StringIO()
        around = Surroundings({"KEY": KEY, "PASSWORD": PASSWORD}, tmp_path, FixedClock(NOW), stdout=out, stderr=err)
        code = run_guarded([*words, "--json"], around)
        return code, json.loads(out.getvalue()), out.getvalue() + err.getvalue()

    return run


@pytest.mark.row("R48")
@pytest.mark.row("R53")
def test_a_database_that_is_down_is_caught_up_with_alone(
    call: Call, simulator: Simulator, postgres: PostgresServer, postgres_database: Database, tmp_path: Path
) -> None:
    postgres.stop()
    try:
        code, found, said = call("run", "three")
    finally:
        postgres.start()
    states = {delivery["sink"]: delivery["state"] for delivery in found["deliveries"]}
    assert (code, states) == (1, {"csv": "done", "sql": "failed", "jsonl": "done"})
    assert "cannot be reached" in said
    assert PASSWORD not in said
    asked, files = len(simulator.requests), sorted((tmp_path / "out" / "three").iterdir())
    written = [file.stat().st_mtime_ns for file in files]
    code, found, said = call("resend", found["run"], "--failed")
    assert (code, found["state"]) == (0, "ok"), said
    assert len(simulator.requests) == asked
    assert [file.stat().st_mtime_ns for file in files] == written
    lines = next(file for file in files if file.suffix == ".jsonl").read_text().splitlines()
    assert postgres_database.query('SELECT count(*) FROM "oee"') == [(len(lines),)]
    assert PASSWORD not in (tmp_path / ".mmflow" / "ledger.sqlite").read_bytes().decode("latin-1")
