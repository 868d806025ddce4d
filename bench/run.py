"""Speed and memory beside what users have today, all in one run: ``python dev.py bench [--rounds N] [--only STEP]``.

Every candidate is a fresh process, the rounds are interleaved, medians count. Machines differ and are noisy: only the
ratios of one run mean anything, so those are printed.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
MACHINES = 1000
FIRST_DAY = "2024-01-01"
STAGE_ROWS = 200_000

SETTINGS = """
version: 1
sites:
  bench: {{base_url: "{url}", api_key: "${{env:BENCH_KEY:-key-of-the-bench}}", timezone: UTC, start_of_day: "00:00"}}
defaults: {{owner: bench@example.com}}
"""
JOB = """
job: bench
report:
  metrics: [totalParts, goodParts, rejectedParts, timeInCycle, timeInCut, downtime, allTime, oee, availability]
  group_by: [machine, day]
window: {{from: "{first}", to: "{last}"}}
sinks: [{{type: csv, path: bench.csv, header: names}}]
"""


@dataclass(frozen=True)
class Measure:
    """One process: wall seconds, and the peak of its memory in MB (0 where the system does not say)."""

    seconds: float
    peak: float


def measure(command: list[str], cwd: Path) -> Measure:
    """Run a process to its end; one that fails ends the bench."""
    begun = time.perf_counter()
    process = subprocess.Popen(command, cwd=cwd, stdout=subprocess.DEVNULL)
    peak = wait_peak(process)
    if process.returncode:
        sys.exit(f"{' '.join(command)} ended with {process.returncode}")
    return Measure(time.perf_counter() - begun, peak)


def wait_peak(process: subprocess.Popen[bytes]) -> float:
    """Wait and give the peak memory in MB."""
    if sys.platform == "win32":
        process.wait()
        return 0.0
    import os

    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_maxrss / (1024 * 1024 if sys.platform == "darwin" else 1024)


def interleave(candidates: dict[str, list[str]], cwd: Path, rounds: int) -> dict[str, Measure]:
    """Run all candidates in turn, round after round, and give each one's medians."""
    found: dict[str, list[Measure]] = {name: [] for name in candidates}
    for _ in range(rounds):
        for name, command in candidates.items():
            found[name].append(measure(command, cwd))
    return {
        name: Measure(statistics.median(m.seconds for m in all_), max(m.peak for m in all_))
        for name, all_ in found.items()
    }


@contextmanager
def open_plant() -> Iterator[str]:
    """Serve ready bytes from a process of their own."""
    command = [sys.executable, str(HERE / "plant.py"), str(MACHINES)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def write_workspace(root: Path, url: str, days: int) -> None:
    """Write the settings and the job."""
    from datetime import date, timedelta

    last = date.fromisoformat(FIRST_DAY) + timedelta(days=days - 1)
    (root / "jobs").mkdir(exist_ok=True)
    (root / "mmflow.yaml").write_text(SETTINGS.format(url=url), encoding="utf-8")
    (root / "jobs" / "bench.yaml").write_text(JOB.format(first=FIRST_DAY, last=last), encoding="utf-8")


def bench_starts(rounds: int) -> list[tuple[str, ...]]:
    """Cold starts, as multiples of starting Python itself."""
    python = sys.executable
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        subprocess.run([python, "-m", "mmflow", "init", "."], cwd=root, check=True, stdout=subprocess.DEVNULL)
        candidates = {
            "python -c pass": [python, "-c", "pass"],
            "mmflow --version": [python, "-m", "mmflow", "--version"],
            "mmflow validate (one job)": [python, "-m", "mmflow", "validate"],
            "python -c 'import pandas'": [python, "-c", "import pandas"],
        }
        found = interleave(candidates, root, rounds * 3)
    bare = found["python -c pass"].seconds
    return [(name, f"{m.seconds * 1000:.0f} ms", f"{m.seconds / bare:.1f}x") for name, m in found.items()]


def bench_runs(sizes: list[int], rounds: int) -> list[tuple[str, ...]]:
    """Whole cold runs to CSV, beside the pandas script on the same server."""
    rows: list[tuple[str, ...]] = []
    with open_plant() as url, tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for size in sizes:
            days = max(1, size // MACHINES)
            write_workspace(root, url, days)
            script = [sys.executable, str(HERE / "pandas_script.py"), url, FIRST_DAY, str(days), "pandas.csv"]
            found = interleave(
                {"mmflow": [sys.executable, "-m", "mmflow", "run", "bench"], "pandas script": script}, root, rounds
            )
            compare_files(root, days * MACHINES)
            ours, theirs = found["mmflow"], found["pandas script"]
            rows.append(
                (
                    f"{days * MACHINES:,}",
                    *(f"{m.seconds:.2f} s" for m in (ours, theirs)),
                    f"{theirs.seconds / ours.seconds:.1f}x",
                    f"{days * MACHINES / ours.seconds:,.0f}",
                    *(f"{m.peak:.0f} MB" for m in (ours, theirs)),
                )
            )
    return rows


def compare_files(root: Path, rows: int) -> None:
    """Speed counts only when both made the same table."""
    import pandas as pd

    ours, theirs = (pd.read_csv(root / name) for name in ("out/bench.csv", "pandas.csv"))
    assert len(ours) == len(theirs) == rows
    pd.testing.assert_frame_equal(ours, theirs, check_dtype=False)


def bench_stages(rounds: int) -> list[tuple[str, ...]]:
    """Time the steps on 200,000 rows: ours in one process, what pandas does with the same answers in another."""
    rows: list[tuple[str, ...]] = []
    with open_plant() as url, tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_workspace(root, url, STAGE_ROWS // MACHINES)
        for candidate in ("mmflow", "pandas"):
            found = [time_stages(candidate, root) for _ in range(rounds)]
            for step in found[0]:
                if step != "peak":
                    seconds = statistics.median(one[step] for one in found)
                    peak = max(one["peak"] for one in found)
                    rows.append((candidate, step, f"{seconds:.2f} s", f"{STAGE_ROWS / seconds:,.0f}", f"{peak:.0f} MB"))
    return rows


def time_stages(candidate: str, root: Path) -> dict[str, float]:
    """Run one candidate once."""
    command = [sys.executable, str(HERE / "stages.py"), candidate]
    done = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def show_table(title: str, headings: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    """Print one table in Markdown."""
    print(f"\n{title}\n")
    print(f"| {' | '.join(headings)} |\n|{'---|' * len(headings)}")
    for row in rows:
        print(f"| {' | '.join(row)} |")


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, nargs="*", default=[50_000, 200_000, 1_000_000])
    parser.add_argument("--only", choices=["starts", "stages", "runs"])
    args = parser.parse_args()
    print(
        f"Python {platform.python_version()}, {platform.system()}, {args.rounds} rounds, medians; peaks are the worst"
    )
    if args.only in (None, "starts"):
        show_table("Cold starts", ("command", "time", "of bare Python"), bench_starts(args.rounds))
    if args.only in (None, "stages"):
        show_table(
            f"Steps, {STAGE_ROWS:,} rows of 12 columns",
            ("who", "step", "time", "rows/s", "peak of the process"),
            bench_stages(args.rounds),
        )
    if args.only in (None, "runs"):
        headings = ("rows", "mmflow", "pandas script", "faster", "rows/s", "mmflow peak", "pandas peak")
        show_table("Whole cold run to CSV, slices of a week", headings, bench_runs(args.rows, args.rounds))


if __name__ == "__main__":
    main()
