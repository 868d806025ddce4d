"""What a worker takes from its task, what it keeps, and that it outlives nobody."""

import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
import trustme

from mmflow.ledger import JobLock
from tests.desk import KEY, NOW
from tests.leased import (
    CSV,
    OBEYING,
    Bench,
    open_ledger,
    order,
    plan,
    read_slot,
    system_lease,
    take,
    write_job,
    write_jobs,
)
from tests.test_executor import POSIX, is_there, wait_for

ROOT = Path(__file__).parents[1]
# Stands for a daemon: gives one task to a worker process and waits.
DAEMON = """
import os, sys, time
import msgspec
from mmflow.clock import SystemClock
from mmflow.executor import Executor
from mmflow.settings import Daemon
from mmflow.tasks import Task
task = msgspec.json.decode(sys.stdin.buffer.read(), type=Task)
Executor(Daemon(workers=1), SystemClock(), dict(os.environ)).submit(task, print)
time.sleep(600)
"""
# The same, while it may open no file, and so start no process; then when it may.
SHORT_OF_FILES = """
import os, queue, resource, sys
import msgspec
from mmflow.clock import SystemClock
from mmflow.executor import Executor
from mmflow.settings import Daemon
from mmflow.tasks import Task
task = msgspec.json.decode(sys.stdin.buffer.read(), type=Task)
ends = queue.SimpleQueue()
executor = Executor(Daemon(workers=1), SystemClock(), dict(os.environ), warm=False)
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
for most in (3, soft):
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    executor.submit(task, lambda task, outcome: ends.put(outcome))
    outcome = ends.get(timeout=120)
    print(outcome.state, outcome.error)
executor.stop(0)
"""


@pytest.fixture
def bench(desk):
    made = Bench(desk)
    yield made
    made.worker.close()


@pytest.mark.row("R77")
def test_a_job_that_is_edited_after_it_was_given_out_runs_as_it_was(bench):
    desk = bench.desk
    desk.job(CSV)
    plan(desk, "daily")
    (task,) = take(desk)
    desk.job(CSV.replace("daily.csv", "changed.csv"))
    assert bench.worker.execute(task).run_state == "ok"
    assert [path.name for path in (desk.root / "out").iterdir()] == ["daily.csv"]


@pytest.mark.row("R82")
def test_a_secret_that_was_changed_is_read_anew_by_the_next_run(bench):
    desk = bench.desk
    (desk.root / "key.txt").write_text("a-key-nobody-knows-4711", encoding="utf-8")
    (desk.root / "key.txt").chmod(0o600)
    desk.write("mmflow.yaml", desk.text("mmflow.yaml").replace("${env:MM_BOSTON_KEY}", "${file:key.txt}"))
    desk.job(CSV)
    plan(desk, "daily")
    (refused,) = bench.work()
    assert (refused.state, refused.run_state) == ("again", "failed")
    (desk.root / "key.txt").write_text(KEY, encoding="utf-8")
    desk.clock.sleep(3600)
    assert [one.run_state for one in bench.work()] == ["ok"]


def test_a_file_that_settings_name_is_looked_at_again_as_long_as_it_is_wrong(bench):
    desk = bench.desk
    desk.write("mmflow.yaml", desk.text("mmflow.yaml") + "network: {ca_bundle: company.pem}\n")
    desk.write("company.pem", "half of a certificate")
    write_jobs(desk, "a", "b")
    plan(desk, "a")
    (refused,) = bench.work()
    assert "holds no PEM certificate" in refused.error
    trustme.CA().cert_pem.write_to_path(desk.root / "company.pem")
    plan(desk, "b")
    assert [one.run_state for one in bench.work()] == ["ok"]


def test_settings_as_they_were_before_are_not_kept(bench):
    desk = bench.desk
    write_jobs(desk, "a", "b")
    for job in ("a", "b"):
        plan(desk, job)
        assert [one.run_state for one in bench.work()] == ["ok"]
        desk.write("mmflow.yaml", desk.text("mmflow.yaml") + "\n")
    assert len(bench.worker._workspaces) == 1


def test_a_simulated_plant_is_started_once(bench):
    desk = bench.desk
    desk.write("mmflow.yaml", "version: 1\nsites: {demo: {environment: simulator, timezone: UTC}}\n")
    write_jobs(desk, "a", "b")
    plan(desk, "a", "b")
    assert [one.run_state for one in bench.work()] == ["ok", "ok"]
    assert len(bench.worker._plants) == 1


def test_a_file_that_is_no_job_fails_its_slot_and_says_why(bench):
    desk = bench.desk
    desk.job("job: daily\nreport: {metrics: [oee]}\nwindow: yesterday\nsinks: [{type: csv, delimeter: x}]\n")
    plan(desk, "daily")
    (outcome,) = bench.work()
    assert (outcome.state, outcome.run_state, read_slot(desk).state) == ("done", "failed", "failed")
    assert "csv has no option 'delimeter'" in outcome.error


@pytest.mark.parametrize("left", [False, True])
def test_what_waits_for_a_job_that_is_run_by_hand_has_failed_when_its_time_is_up(bench, left):
    desk = bench.desk
    desk.job(CSV)
    plan(desk, "daily")
    if left:
        (task,) = take(desk)
        with open_ledger(desk) as ledger:
            ledger.begin_run("r1", "daily", NOW, "schedule", task.slot.fence)
            ledger.postpone_run("r1", task.slot, NOW, "the share is away")
    with JobLock(desk.root / ".mmflow" / "locks", "daily"):
        for hours in (0, 1, 2):
            assert [one.state for one in bench.work()] == ["again"], hours
            desk.clock.sleep(3600)
        (outcome,) = bench.work()
    slot = read_slot(desk)
    assert (outcome.state, outcome.error, slot.state) == ("done", slot.reason, "failed")
    assert slot.reason.startswith(f"its time is up, and job 'daily' is being run by process {os.getpid()} on ")
    assert slot.run == ("r1" if left else "")


@POSIX
def test_a_worker_and_what_it_has_started_end_with_the_daemon(desk, tmp_path):
    site = tmp_path / "site"
    site.mkdir()
    (site / "obeying.py").write_text("\n".join(line[4:] for line in OBEYING.splitlines()), encoding="utf-8")
    info = site / "obeying-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: obeying\nVersion: 1.0\nSummary: Obeys.\n")
    (info / "entry_points.txt").write_text("[mmflow]\nobeying = obeying\n")
    write_job(desk, "type: obey, name: child")
    order(desk, "child", "child")
    task = system_lease(desk)
    environ = {**os.environ, "PYTHONPATH": str(site), "MM_BOSTON_KEY": KEY}
    command = [sys.executable, "-c", DAEMON]
    with subprocess.Popen(command, cwd=ROOT, env=environ, stdin=subprocess.PIPE) as daemon:
        daemon.stdin.write(msgspec.json.encode(task))
        daemon.stdin.close()
        pid = desk.root / "child.pid"
        wait_for(lambda: pid.exists() and pid.read_text(), 60)
        worker = int(Path(f"/proc/{pid.read_text()}/stat").read_text().rpartition(")")[2].split()[1])
        assert is_there(worker)
        daemon.send_signal(signal.SIGKILL)
    wait_for(lambda: not is_there(worker) and not is_there(int(pid.read_text())))


@pytest.mark.row("R86")
@POSIX
def test_a_process_that_cannot_be_started_costs_no_slot_and_is_started_later(desk):
    """A real daemon's executor that runs out of files, in a process of its own."""
    desk.job(CSV)
    environ = {**os.environ, "MM_BOSTON_KEY": KEY}
    command = [sys.executable, "-c", SHORT_OF_FILES]
    given = msgspec.json.encode(system_lease(desk))
    done = subprocess.run(command, cwd=ROOT, env=environ, input=given, capture_output=True, check=True, timeout=120)
    first, second = done.stdout.decode().splitlines()
    assert first.startswith("lost a worker process cannot be started: "), first
    assert second == "done "


def test_locks_of_windows_that_were_filled_in_are_dropped_after_a_day_unless_they_are_held(bench):
    desk = bench.desk
    locks = desk.root / ".mmflow" / "locks"
    desk.job(CSV)
    for name in ("held", "old", "new"):
        with JobLock(locks, f"daily.backfill-{name}"):
            pass
    with JobLock(locks, "daily.backfill-held"):
        long_ago = (NOW - timedelta(days=2)).timestamp()
        for name, at in (("held", long_ago), ("old", long_ago), ("new", NOW.timestamp())):
            os.utime(locks / f"daily.backfill-{name}.lock", (at, at))
        plan(desk, "daily")
        bench.work()
    assert {path.stem for path in locks.glob("*.lock")} == {"daily", "daily.backfill-held", "daily.backfill-new"}
