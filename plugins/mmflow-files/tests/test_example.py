"""The example and the README say what is true."""

import csv
import json
import re
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import duckdb
import pytest

from mmflow.__main__ import run_guarded
from mmflow.cli import Surroundings
from mmflow.clock import FixedClock
from mmflow.paths import PATH_WORDS
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
"""
KEY = "key-of-the-plant-4711"


@pytest.fixture
def root(tmp_path):
    """A root with the example as its job, whose site is a simulated plant."""
    plant = Plant(seed=1, zone="America/New_York", start_of_day="06:00", week_starts="monday")
    with Simulator(plants={KEY: plant}, now=NOW) as simulator:
        (tmp_path / "jobs").mkdir()
        (tmp_path / "jobs" / "three-files.yaml").write_text(EXAMPLE, encoding="utf-8")
        (tmp_path / "mmflow.yaml").write_text(SETTINGS.replace("URL", simulator.url), encoding="utf-8")
        yield tmp_path


def run_job(root, day):
    out, err = StringIO(), StringIO()
    around = Surroundings({"KEY": KEY}, root, FixedClock(NOW), stdout=out, stderr=err)
    assert run_guarded(["run", "three-files", "--for", day], around) == 0, err.getvalue()


def test_example_writes_the_same_numbers_as_three_files(root):
    for day in ("2026-11-02", "2026-11-03", "2026-11-03"):
        run_job(root, day)
    folder = root / "out" / "three-files"
    assert sorted(path.name for path in folder.iterdir()) == [
        "2026-11-02.csv",
        "2026-11-02.jsonl",
        "2026-11-03.csv",
        "2026-11-03.jsonl",
        "2026-11.parquet",
    ]
    with (folder / "2026-11-03.csv").open(encoding="utf-8-sig", newline="") as file:
        *rows, total = list(csv.reader(file, delimiter=";"))[1:]
    from_csv = [[name, day, *(number(cell) for cell in cells)] for name, day, *cells in rows]
    lines = (folder / "2026-11-03.jsonl").read_text(encoding="utf-8").splitlines()
    from_jsonl = [list(json.loads(line).values()) for line in lines]
    with duckdb.connect() as database:
        query = "SELECT * REPLACE (CAST(day AS VARCHAR) AS day) FROM read_parquet(?) WHERE day = '2026-11-03'"
        found = database.execute(query, [str(folder / "2026-11.parquet")]).fetchall()
        days = database.execute("SELECT DISTINCT day::VARCHAR FROM read_parquet(?)", [str(folder / "2026-11.parquet")])
        assert sorted(days.fetchall()) == [("2026-11-02",), ("2026-11-03",)]
    assert from_csv == from_jsonl == [list(row) for row in found]
    assert len(rows) > 10
    assert total[0] == "Total"


def number(cell):
    return float(cell.replace(",", ".")) if cell else None


def test_readme_shows_the_example_as_it_is():
    (block,) = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    assert block == EXAMPLE


def test_option_tables_in_the_readme_are_fresh():
    assert fill_blocks(README, load()) == README, "run 'python dev.py docs'"
    assert README.count("| `path` |") == 3


def test_words_of_paths_in_the_readme_are_all_there_are():
    (sentence,) = re.findall(r"Words in braces are filled in:(.*?)\. Days", README, re.DOTALL)
    assert re.findall(r"\{(\w+)\}", sentence) == list(PATH_WORDS)


def test_package_uses_nothing_of_mmflow_but_its_public_names():
    for module in sorted((HERE / "mmflow_files").glob("*.py")):
        source = module.read_text(encoding="utf-8")
        assert not re.findall(r"^\s*(?:from|import) mmflow\.", source, re.MULTILINE), module
