"""The example and the README say what is true."""

import json
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import pytest

from mmflow.__main__ import run_guarded
from mmflow.cli import Surroundings
from mmflow.clock import FixedClock
from mmflow.plugins import load
from mmflow.simulator import Plant, Simulator
from tools.generated import fill_blocks

NOW = datetime(2026, 11, 22, 11, 40, tzinfo=UTC)
HERE = Path(__file__).parents[1]
EXAMPLE = (HERE / "example.yaml").read_text(encoding="utf-8")
README = (HERE / "README.md").read_text(encoding="utf-8")
SETTINGS = """
version: 1
sites:
  plant: {base_url: "URL", api_key: "${env:KEY}", timezone: America/New_York, start_of_day: "06:00"}
connections:
  plant_db: {type: sql, url: "sqlite:///plant.db"}
"""
KEY = "key-of-the-plant-4711"


@pytest.fixture
def root(tmp_path):
    """A root with the example as its job, whose site is a simulated plant and whose database is a file."""
    plant = Plant(seed=1, zone="America/New_York", start_of_day="06:00", week_starts="monday")
    with Simulator(plants={KEY: plant}, now=NOW) as simulator:
        (tmp_path / "jobs").mkdir()
        (tmp_path / "jobs" / "oee-to-database.yaml").write_text(EXAMPLE, encoding="utf-8")
        (tmp_path / "mmflow.yaml").write_text(SETTINGS.replace("URL", simulator.url), encoding="utf-8")
        yield tmp_path


def call(root, *words):
    out, err = StringIO(), StringIO()
    around = Surroundings({"KEY": KEY}, root, FixedClock(NOW), stdout=out, stderr=err)
    assert run_guarded(list(words), around) == 0, err.getvalue() + out.getvalue()
    return out.getvalue()


def query(root, statement):
    with closing(sqlite3.connect(root / "plant.db")) as connection:
        return connection.execute(statement).fetchall()


def test_example_leaves_each_day_once_and_the_numbers_of_the_report(root):
    for day in ("2026-11-09", "2026-11-12", "2026-11-12"):
        call(root, "run", "oee-to-database", "--for", day)
    days = query(root, "SELECT day, count(*), count(DISTINCT machine) FROM oee_daily GROUP BY day ORDER BY day")
    assert len(days) == 10
    assert all(rows == machines > 3 for _, rows, machines in days)
    shown = json.loads(call(root, "preview", "oee-to-database", "--for", "2026-11-12", "--json"))
    names = [column["name"] for column in shown["columns"]]
    found = query(root, f"SELECT {', '.join(names)} FROM oee_daily_report WHERE day >= '2026-11-06'")
    assert len(found) > 20
    assert sorted(found) == sorted(tuple(row) for row in shown["rows"])


def test_preview_shows_the_statements(root):
    shown = call(root, "preview", "oee-to-database", "--sink", "sql")
    assert "CREATE TABLE oee_daily" in shown
    assert not (root / "plant.db").exists()


def test_validate_live_asks_the_database_and_writes_nothing(root):
    call(root, "validate", "--live")
    assert not (root / "plant.db").exists()


def test_readme_shows_the_example_as_it_is():
    assert EXAMPLE in re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)


def test_option_tables_in_the_readme_are_fresh():
    assert fill_blocks(README, load()) == README, "run 'python dev.py docs'"
    assert README.count("| `table` |") == README.count("| `url` |") == 1


def test_package_uses_nothing_of_mmflow_but_its_public_names():
    for module in sorted((HERE / "mmflow_sql").glob("*.py")):
        source = module.read_text(encoding="utf-8")
        assert not re.findall(r"^\s*(?:from|import) mmflow\.", source, re.MULTILINE), module


def test_listing_sinks_imports_no_library_of_databases():
    code = "import sys; from mmflow.plugins import load; print('sql' in load().sinks, *sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    found, *modules = done.stdout.split()
    assert found == "True"
    assert not {"sqlalchemy", "psycopg", "pymysql", "duckdb"} & {*modules}
