"""The example and the README say what is true."""

import re
from datetime import UTC, date, datetime
from io import StringIO
from pathlib import Path

import openpyxl
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
"""
KEY = "key-of-the-plant-4711"


@pytest.fixture
def root(tmp_path):
    """A root with the example as its job, whose site is a simulated plant."""
    plant = Plant(seed=1, zone="America/New_York", start_of_day="06:00", week_starts="monday")
    with Simulator(plants={KEY: plant}, now=NOW) as simulator:
        (tmp_path / "jobs").mkdir()
        (tmp_path / "jobs" / "morning-workbook.yaml").write_text(EXAMPLE, encoding="utf-8")
        (tmp_path / "mmflow.yaml").write_text(SETTINGS.replace("URL", simulator.url), encoding="utf-8")
        yield tmp_path


def run_job(root, day):
    out, err = StringIO(), StringIO()
    around = Surroundings({"KEY": KEY}, root, FixedClock(NOW), stdout=out, stderr=err)
    assert run_guarded(["run", "morning-workbook", "--for", day], around) == 0, err.getvalue()


def as_day(heading):
    """A heading over a column is a text or a day, as the workbook has it."""
    return heading.date() if isinstance(heading, datetime) else date.fromisoformat(heading)


def test_example_keeps_one_workbook_over_many_days(root):
    for day in ("2026-11-12", "2026-11-19", "2026-11-19"):
        run_job(root, day)
    book = openpyxl.load_workbook(root / "out" / "morning.xlsx")
    assert book.sheetnames == ["Data", "OEE by day", "Longest stops", "About"]
    headings, *rows = [[cell.value for cell in row] for row in book["Data"].iter_rows()]
    assert headings == ["Machine", "Day", "OEE (%)", "Good parts", "Down time (h)"]
    assert len({(row[0], row[1]) for row in rows}) == len(rows)
    days = {row[1].date() for row in rows}
    assert (min(days), max(days)) == (date(2026, 11, 6), date(2026, 11, 19))
    cross = [[cell.value for cell in row] for row in book["OEE by day"].iter_rows()]
    told = {(as_day(day), row[0]): oee for row in cross[1:] for day, oee in zip(cross[0][1:], row[1:], strict=True)}
    listed = {(row[1].date(), row[0]): row[2] for row in rows}
    assert {place: oee for place, oee in listed.items() if oee is not None} == {
        place: oee for place, oee in told.items() if oee is not None
    }
    stops = [row[2].value for row in book["Longest stops"].iter_rows(min_row=2)]
    assert stops == sorted((row[4] for row in rows if row[4] is not None), reverse=True)[:20]


def test_readme_shows_the_example_as_it_is():
    assert EXAMPLE in re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)


def test_option_tables_in_the_readme_are_fresh():
    assert fill_blocks(README, load()) == README, "run 'python dev.py docs'"
    assert README.count("| `path` |") == 1


def test_package_uses_nothing_of_mmflow_but_its_public_names():
    for module in sorted((HERE / "mmflow_excel").rglob("*.py")):
        source = module.read_text(encoding="utf-8")
        assert not re.findall(r"^\s*(?:from|import) mmflow\.", source, re.MULTILINE), module
