"""How much memory a large report needs, told by the system about a process that runs one."""

import subprocess
import sys
from pathlib import Path

import pytest

from bench.measure import measure, read_peak

BENCH = Path(__file__).parent.parent / "bench"
MACHINES = 1000
MOST = 300  # MB, of a process that without any report takes about 60

SETTINGS = 'version: 1\nsites: {{plant: {{base_url: "{url}", api_key: "${{file:key}}", timezone: UTC}}}}\n'
JOB = """
job: large
report:
  metrics: [totalParts, goodParts, rejectedParts, timeInCycle, timeInCut, downtime, allTime, oee, availability]
  group_by: [machine, day]
slice: 5 days
window: {from: "2024-01-01", to: "2026-09-26"}
sinks: [{type: csv, path: large.csv}]
"""


@pytest.fixture
def plant():
    """A service that gives any number of rows, in a process of its own."""
    with subprocess.Popen([sys.executable, BENCH / "plant.py", str(MACHINES)], stdout=subprocess.PIPE) as process:
        yield process.stdout.readline().decode().strip()
        process.terminate()


@pytest.mark.skipif(read_peak() is None, reason="this system does not say how much memory a process has held")
def test_a_million_rows_of_many_slices_fit_in_little_memory(plant, tmp_path):
    (tmp_path / "jobs").mkdir()
    (tmp_path / "mmflow.yaml").write_text(SETTINGS.format(url=plant), encoding="utf-8")
    (tmp_path / "key").write_text("key-of-the-plant", encoding="utf-8")
    (tmp_path / "jobs" / "large.yaml").write_text(JOB, encoding="utf-8")
    one = measure([sys.executable, "-m", "mmflow", "run", "large"], tmp_path)
    with (tmp_path / "out" / "large.csv").open("rb") as file:
        assert sum(1 for _ in file) == 1 + 1000 * MACHINES
    assert one.peak < MOST
