"""Speed and memory beside what users have today, in one run: ``python dev.py bench [--rounds N] [--only NAME ...]``.

Every candidate is a fresh process, the rounds are interleaved, medians count. Machines differ and are noisy: only the
ratios of one run mean anything, so those are printed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

from daemon import bench_idle, bench_jobs, bench_storm
from measure import Measure, measure, show_peak
from sinks import bench_sinks

HERE = Path(__file__).parent
MMFLOW = [sys.executable, "-m", "mmflow"]
RUN = [*MMFLOW, "run", "bench"]
FIRST_DAY = "2024-01-01"
RUNS = ((50, 1), (1000, 50), (1000, 200), (1000, 1000))  # machines, days
STEPS = (1000, 200)
ROWS_A_REQUEST = 200
Row = tuple[str, ...]

SETTINGS = """
version: 1
sites:
  bench: {{base_url: "{url}", api_key: "${{file:key}}", timezone: UTC, start_of_day: "00:00"}}
defaults: {{owner: bench@example.com}}
"""
JOB = """
job: bench
report:
  metrics: [totalParts, goodParts, rejectedParts, timeInCycle, timeInCut, downtime, allTime, oee, availability]
  group_by: [machine, day]
slice: {piece}
window: {{from: "{first}", to: "{last}"}}
sinks: [{{type: csv, path: bench.csv, header: names}}]
"""


def interleave(candidates: dict[str, list[str]], cwd: Path, rounds: int) -> dict[str, Measure]:
    """Run all candidates in turn, round after round, and give each one's medians."""
    found: dict[str, list[Measure]] = {name: [] for name in candidates}
    for _ in range(rounds):
        for name, command in candidates.items():
            found[name].append(measure(command, cwd))
    return {name: summarize(measures) for name, measures in found.items()}


def summarize(measures: list[Measure]) -> Measure:
    """Give the median time and the worst peak."""
    peaks = [one.peak for one in measures if one.peak is not None]
    return Measure(statistics.median(one.seconds for one in measures), max(peaks, default=None))


@contextmanager
def open_plant(machines: int) -> Iterator[str]:
    """Serve a plant from a process of its own."""
    command = [sys.executable, str(HERE / "plant.py"), str(machines)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def write_workspace(root: Path, url: str, days: int, piece: str = "7 days") -> None:
    """Write the settings and a job of so many days, asked in pieces."""
    last = date.fromisoformat(FIRST_DAY) + timedelta(days=days - 1)
    (root / "jobs").mkdir(exist_ok=True)
    (root / "mmflow.yaml").write_text(SETTINGS.format(url=url), encoding="utf-8")
    (root / "key").write_text("key-of-the-bench", encoding="utf-8")
    (root / "jobs" / "bench.yaml").write_text(JOB.format(first=FIRST_DAY, last=last, piece=piece), encoding="utf-8")


def write_script(url: str, days: int) -> list[str]:
    """Give the command line of the pandas script."""
    return [sys.executable, str(HERE / "pandas_script.py"), url, FIRST_DAY, str(days), "pandas.csv"]


def warm_up() -> None:
    """Run everybody once, so that Python has compiled all modules: whoever came first would pay for it."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with open_plant(50) as url, tempfile.TemporaryDirectory() as folder:
        write_workspace(Path(folder), url, 1)
        interleave({"mmflow": RUN, "validate": [*MMFLOW, "validate"], "script": write_script(url, 1)}, Path(folder), 1)


def bench_starts(rounds: int) -> Iterator[Row]:
    """Measure cold starts, as multiples of starting Python itself."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_workspace(root, "https://plant.example", 1)
        candidates = {
            "python -c pass": [sys.executable, "-c", "pass"],
            "mmflow --version": [*MMFLOW, "--version"],
            "mmflow validate (one job)": [*MMFLOW, "validate"],
            "python -c 'import pandas'": [sys.executable, "-c", "import pandas"],
        }
        found = interleave(candidates, root, rounds * 5)
    bare = found["python -c pass"].seconds
    for name, one in found.items():
        yield name, f"{one.seconds * 1000:.0f} ms", f"{one.seconds / bare:.1f}x"


def bench_runs(rounds: int) -> Iterator[Row]:
    """Measure whole cold runs to CSV, beside the pandas script on the same server."""
    for machines, days in RUNS:
        rows = machines * days
        with open_plant(machines) as url, tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            write_workspace(root, url, days)
            found = interleave({"mmflow": RUN, "pandas script": write_script(url, days)}, root, rounds)
            compare_files(root, rows)
        ours, theirs = found["mmflow"], found["pandas script"]
        yield (
            f"{rows:,}",
            f"{ours.seconds:.2f} s",
            f"{theirs.seconds:.2f} s",
            f"{theirs.seconds / ours.seconds:.1f}x",
            f"{rows / ours.seconds:,.0f}",
            show_peak(ours.peak),
            show_peak(theirs.peak),
        )


def bench_slices(rounds: int) -> Iterator[Row]:
    """Measure how time and memory grow with the number of requests, each of the same size."""
    for requests in (10, 100, 1000):
        rows = requests * ROWS_A_REQUEST
        with open_plant(ROWS_A_REQUEST) as url, tempfile.TemporaryDirectory() as folder:
            write_workspace(Path(folder), url, requests, "1 day")
            one = interleave({"mmflow": RUN}, Path(folder), rounds)["mmflow"]
        yield (
            f"{requests:,}",
            f"{rows:,}",
            f"{one.seconds:.2f} s",
            f"{one.seconds / rows * 1e6:.0f}",
            show_peak(one.peak),
        )


def compare_files(root: Path, rows: int) -> None:
    """Refuse to compare speeds unless both made the same table."""
    import pandas as pd

    ours, theirs = (pd.read_csv(root / name) for name in ("out/bench.csv", "pandas.csv"))
    if len(ours) != rows:
        sys.exit(f"mmflow wrote {len(ours)} rows of {rows}")
    pd.testing.assert_frame_equal(ours, theirs, check_dtype=False)


def bench_steps(rounds: int) -> Iterator[Row]:
    """Time the steps: ours in one process, what pandas does with the same answers in another."""
    machines, days = STEPS
    rows = machines * days
    with open_plant(machines) as url, tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_workspace(root, url, days)
        for candidate in ("mmflow", "pandas"):
            found = [time_steps(candidate, root) for _ in range(rounds)]
            peak = show_peak(max((one.peak for one in found if one.peak is not None), default=None))
            for step in found[0].seconds:
                seconds = statistics.median(one.seconds[step] for one in found)
                yield candidate, step, f"{seconds:.2f} s", f"{rows / seconds:,.0f}", peak


@dataclass(frozen=True)
class Steps:
    """What bench/steps.py says of one candidate."""

    seconds: dict[str, float]
    peak: float | None


def time_steps(candidate: str, root: Path) -> Steps:
    """Run one candidate once."""
    command = [sys.executable, str(HERE / "steps.py"), candidate]
    done = subprocess.run(command, cwd=root, check=True, stdout=subprocess.PIPE, text=True)
    return Steps(**json.loads(done.stdout))


class Bench(NamedTuple):
    """A table to print: what is in it, and what fills it."""

    title: str
    headings: Row
    measure: Callable[[int], Iterator[Row]]


BENCHES = {
    "starts": Bench("Cold starts", ("command", "time", "of bare Python"), bench_starts),
    "steps": Bench("Steps, 200,000 rows", ("who", "step", "time", "rows/s", "peak of the process"), bench_steps),
    "runs": Bench(
        "Whole cold run to CSV, a week in each request",
        ("rows", "mmflow", "pandas script", "faster", "rows/s", "mmflow peak", "pandas peak"),
        bench_runs,
    ),
    "slices": Bench(
        "More and more requests of the same size", ("requests", "rows", "time", "us a row", "peak"), bench_slices
    ),
    "sinks": Bench(
        "Deliveries of 12 columns, each beside the first of its destination",
        ("to", "who", "rows", "time", "rows/s", "the first is", "peak"),
        bench_sinks,
    ),
    "jobs": Bench("Reading jobs", ("when", "jobs", "time", "processor", "faster", "peak"), bench_jobs),
    "idle": Bench("A daemon with nothing to do", ("jobs", "of a core", "memory"), bench_idle),
    "storm": Bench(
        "Jobs due in one second, from then on",
        ("who", "jobs", "half begun", "99 % begun", "all begun", "all leased", "runs/s", "memory of the daemon"),
        bench_storm,
    ),
}


def show_bench(bench: Bench, rounds: int) -> None:
    """Measure and print one table in Markdown."""
    print(f"\n{bench.title}\n\n| {' | '.join(bench.headings)} |\n|{'---|' * len(bench.headings)}")
    for row in bench.measure(rounds):
        print(f"| {' | '.join(row)} |", flush=True)


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=BENCHES, nargs="+", default=list(BENCHES))
    args = parser.parse_args()
    print(f"Python {platform.python_version()}, {platform.system()}, {args.rounds} rounds; medians, worst peaks")
    warm_up()
    for name in args.only:
        show_bench(BENCHES[name], args.rounds)


if __name__ == "__main__":
    main()
