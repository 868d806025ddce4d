"""The daemon with very many jobs: how long it takes to read them, what they cost while idle, and a second of storm.

``python bench/daemon.py WHAT ROOT`` is one candidate, which prints what it found as JSON.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from measure import read_peak, show_peak

HERE = Path(__file__).parent
MMFLOW = [sys.executable, "-m", "mmflow"]
MANY = 10_000  # jobs that are read, and then idle
IDLE = 20.0  # seconds
STORM = 1_000  # jobs due in one second
SPREAD = 20 * 60  # minutes of a day over which the many jobs are due
PATIENCE = 900.0  # seconds until a storm has to be over
Row = tuple[str, ...]

SETTINGS = """
version: 1
sites:
  bench: {{base_url: "{url}", api_key: "${{file:key}}", timezone: UTC, start_of_day: "06:00"}}
defaults: {{owner: bench@example.com}}
daemon: {{workers: {workers}}}
"""
JOB = """
job: job-{number}
description: Yesterday by machine, for the seven o'clock meeting.
sites: [bench]
report:
  metrics: [oee, goodParts, rejectedParts, {{metric: downtime, unit: min, label: "Down (min)"}}]
  group_by: [machine, day]
  filter: {{machineGroup: [Mills]}}
window: yesterday
schedule: {{cron: "{minute} {hour} * * *", catch_up: latest}}
shape:
  columns:
    scrap_rate: "rejectedParts / nullif(totalParts, 0)"
  where: "downtime > 0"
  sort: [-downtime]
  limit: 20
checks: [{{rows: ">= 1"}}]
sinks:
  - {{type: csv, path: "morning/{number}.csv"}}
"""
SMALL_JOB = """
job: job-{number}
report:
  metrics: [totalParts, goodParts, rejectedParts, timeInCycle, timeInCut, downtime, allTime, oee, availability]
  group_by: [machine, day]
window: yesterday
schedule: {{cron: "{minute} {hour} * * *"}}
sinks: [{{type: csv, path: "{number}.csv"}}]
"""


def write_root(
    root: Path, count: int, due: datetime, *, spread: int = 1, job: str = JOB, url: str = "https://plant.example"
) -> None:
    """Write so many jobs, due each day at a minute, or at so many minutes up to it."""
    (root / "mmflow.yaml").write_text(SETTINGS.format(url=url, workers=os.cpu_count() or 2), encoding="utf-8")
    (root / "key").write_text("bench-key", encoding="utf-8")
    (root / "jobs").mkdir()
    for number in range(count):
        at = due - timedelta(minutes=number % spread)
        text = job.format(number=number, minute=at.minute, hour=at.hour)
        (root / f"jobs/job-{number}.yaml").write_text(text, encoding="utf-8")


def load_jobs(root: Path) -> dict[str, Any]:
    """Read all jobs as the daemon does when it starts."""
    from mmflow.clock import SystemClock
    from mmflow.roster import Roster

    begun = time.perf_counter()
    roster = Roster(root, SystemClock(), os.environ)
    roster.refresh()
    first, work = time.perf_counter(), sum(os.times()[:4])  # of its processes too, which have ended
    roster.refresh()
    again = time.perf_counter()
    assert len(roster.plans) == MANY
    return {"seconds": first - begun, "again": again - first, "work": work, "peak": read_peak()}


def ring_alarms(_root: Path) -> dict[str, Any]:
    """Let APScheduler alone start as many jobs that do nothing in one second."""
    from apscheduler.executors.pool import ThreadPoolExecutor
    from apscheduler.schedulers.background import BackgroundScheduler

    started: list[float] = []
    over = threading.Event()
    due = datetime.now(UTC) + timedelta(seconds=5)

    def note() -> None:
        started.append(time.time() - due.timestamp())
        if len(started) == STORM:
            over.set()

    scheduler = BackgroundScheduler(executors={"default": ThreadPoolExecutor(10)}, timezone=UTC)
    for number in range(STORM):
        scheduler.add_job(note, "date", run_date=due, id=str(number), misfire_grace_time=None)
    scheduler.start()
    assert over.wait(PATIENCE)
    scheduler.shutdown()
    return {"p50": statistics.median(started), "p99": statistics.quantiles(started, n=100)[98], "all": max(started)}


CANDIDATES: dict[str, Callable[[Path], dict[str, Any]]] = {"load": load_jobs, "alarms": ring_alarms}


def run_candidate(what: str, root: Path) -> dict[str, Any]:
    """Run one candidate in a process of its own."""
    command = [sys.executable, __file__, what, str(root)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@contextmanager
def running_daemon(root: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Start a real daemon, and stop it as a service manager would."""
    with (
        (root / "daemon.log").open("wb") as log,
        subprocess.Popen([*MMFLOW, "daemon", "--root", str(root)], stdout=log, stderr=log) as process,
    ):
        try:
            yield process
        finally:
            process.terminate()


def wait_until(done: Callable[[], bool], process: subprocess.Popen[bytes], root: Path) -> float:
    """Wait for something that the daemon does, and give the second of the wall in which it was seen."""
    end = time.monotonic() + PATIENCE
    while not done():
        if process.poll() is not None or time.monotonic() > end:
            sys.exit(f"the daemon did not do it: {(root / 'daemon.log').read_text(encoding='utf-8')[-2000:]}")
        time.sleep(0.1)
    return time.time()


def ask(root: Path, question: str) -> list[tuple[Any, ...]]:
    """Ask the ledger, which may not be there yet."""
    path = root / ".mmflow" / "ledger.sqlite"
    if not path.exists():
        return []
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=20)) as connection:
            return connection.execute(question).fetchall()
    except sqlite3.OperationalError:  # it is being made
        return []


def read_usage(process: int) -> tuple[float, float]:
    """Give the processor seconds and the memory in MB of a process alone; nothing where the system does not say."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        ticks, pages = int(fields[11]) + int(fields[12]), int(fields[21])
        return ticks / os.sysconf("SC_CLK_TCK"), pages * os.sysconf("SC_PAGE_SIZE") / 2**20
    except OSError:
        return 0.0, 0.0


def bench_jobs(rounds: int) -> Iterator[Row]:
    """Measure how long very many jobs take to be read, for the first time, after a restart, and when nothing is new."""
    found: dict[str, list[dict[str, Any]]] = {"first start": [], "restart": []}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_root(root, MANY, datetime.now(UTC) - timedelta(hours=1), spread=SPREAD)
        for _ in range(rounds):
            shutil.rmtree(root / ".mmflow", ignore_errors=True)
            for results in found.values():
                results.append(run_candidate("load", root))
    seconds = {name: statistics.median(one["seconds"] for one in results) for name, results in found.items()}
    seconds["look at unchanged files"] = statistics.median(one["again"] for one in found["restart"])
    for name, median in seconds.items():
        results = found.get(name, [])
        work = f"{statistics.median(one['work'] for one in results):.1f} s" if results else ""
        peak = show_peak(max(one["peak"] or 0 for one in results)) if results else ""
        yield name, f"{MANY:,}", f"{median:.2f} s", work, f"{seconds['first start'] / median:.0f}x", peak


def bench_idle(_rounds: int) -> Iterator[Row]:
    """Measure what a real daemon costs while none of very many jobs is due."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_root(root, MANY, datetime.now(UTC) - timedelta(hours=1), spread=SPREAD)
        with running_daemon(root) as process:
            planned = "SELECT count(*) FROM job"
            wait_until(lambda: ask(root, planned) == [(MANY,)], process, root)
            time.sleep(10)  # what it does once it knows all jobs is over
            before, _ = read_usage(process.pid)
            time.sleep(IDLE)
            after, memory = read_usage(process.pid)
    yield f"{MANY:,}", f"{(after - before) / IDLE:.2%}", f"{memory:.0f} MB"


def bench_storm(rounds: int) -> Iterator[Row]:
    """Measure how long after a common due instant jobs are leased, begun and over, beside bare alarms."""
    from run import open_plant

    for _ in range(rounds):
        with open_plant(50) as url, tempfile.TemporaryDirectory() as folder:
            yield storm(Path(folder), url)
        bare = run_candidate("alarms", Path())
        lags = (f"{bare[key]:.2f} s" for key in ("p50", "p99", "all"))
        yield "APScheduler, jobs of nothing", f"{STORM:,}", *lags, "", "", ""


def storm(root: Path, url: str) -> Row:
    """Let all jobs be due in the same second, and give what became of it."""
    due = (datetime.now(UTC) + timedelta(seconds=100)).replace(second=0, microsecond=0)
    write_root(root, STORM, due, job=SMALL_JOB, url=url)
    with running_daemon(root) as process:
        leased = "SELECT count(*) FROM slot WHERE fence > 0"
        taken = wait_until(lambda: ask(root, leased) == [(STORM,)], process, root) - due.timestamp()
        ended = "SELECT count(*) FROM slot WHERE state = 'done'"
        over = wait_until(lambda: ask(root, ended) == [(STORM,)], process, root) - due.timestamp()
        _, memory = read_usage(process.pid)
    begun = [datetime.fromisoformat(at).timestamp() - due.timestamp() for (at,) in ask(root, "SELECT started FROM run")]
    p99 = statistics.quantiles(begun, n=100)[98]
    lags = (f"{statistics.median(begun):.2f} s", f"{p99:.2f} s", f"{max(begun):.2f} s")
    return "mmflow, whole runs", f"{STORM:,}", *lags, f"{taken:.2f} s", f"{STORM / over:.1f}", f"{memory:.0f} MB"


if __name__ == "__main__":
    print(json.dumps(CANDIDATES[sys.argv[1]](Path(sys.argv[2]))))
