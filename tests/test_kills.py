"""Killed at any step: the old file or the new one stands, and the next run of the slot is right."""

import hashlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import zipfile
from textwrap import dedent

import pytest

from mmflow.atomic import DRAFT
from tests.crash import open_crashes
from tests.desk import KEY, NOW, Desk, FixedClock, open_desk

JOB = """
    job: daily
    report: {metrics: [goodParts, downtime], group_by: [machine, day]}
    window: yesterday
    slice: 1 day
    shape: {sort: [machine], limit: LIMIT}
    sinks:
      - {type: csv, path: "{date}.csv"}
      - {name: rolling, type: csv, path: "all.csv", mode: replace_window}
      - {type: parquet, path: "{date}.parquet"}
      - {type: excel, path: "{date}.xlsx"}
      - {name: book, type: excel, path: "all.xlsx", mode: replace_window}
"""
AT = ("--at", "2026-11-22T06:40")
# An effect is one of more than a hundred steps. Every eleventh is tried; MMFLOW_EVERY_KILL=1 in the environment: all.
STRIDE = 1 if os.environ.get("MMFLOW_EVERY_KILL") else 11
KILLED = (-getattr(signal, "SIGKILL", signal.SIGTERM), signal.SIGTERM)  # on POSIX, on Windows
PARTS = 3  # so that several workers share the kills


@pytest.fixture(scope="module")
def crash(tmp_path_factory):
    """Runs a command that is killed before its n-th effect."""
    with open_crashes(tmp_path_factory.mktemp("crash")) as crash:
        yield crash


def count_effects(shown):
    """Read how many effects a command that was not killed says it had."""
    return int(shown.splitlines()[-1].removeprefix("effects: "))


def hashes(root):
    """Give the files that readers see, by name; drafts are not for them."""
    found = {path.name: path for path in (root / "out").glob("*") if not path.name.endswith(DRAFT)}
    return {name: hashlib.sha256(read_content(path)).hexdigest() for name, path in found.items()}


def read_content(path):
    """Give what a file says; of a workbook its rows, since its sheet About names the run."""
    if path.suffix != ".xlsx":
        return path.read_bytes()
    with zipfile.ZipFile(path) as book:
        assert book.testzip() is None
        return book.read("xl/worksheets/sheet1.xml")


def drafts(root):
    return list((root / "out").glob(f".*{DRAFT}"))


def ask_ledger(root, question):
    connection = sqlite3.connect(root / ".mmflow" / "ledger.sqlite")
    try:
        return connection.execute(question).fetchall()
    finally:
        connection.close()


@pytest.fixture(scope="module")
def before(tmp_path_factory, service):
    """A root with earlier reports of three rows, of two days, whose job has since been changed to ten."""
    desk = open_desk(tmp_path_factory.mktemp("before"), service)
    desk.job(JOB.replace("LIMIT", "3"))
    assert desk.mmflow("run", "daily", "--for", "2026-11-20").code == 0
    done = desk.mmflow("run", "daily", *AT, "--json")
    assert done.code == 0, done.err
    desk.job(JOB.replace("LIMIT", "10"))
    return desk, done.data["run"]


@pytest.fixture(scope="module")
def after(tmp_path_factory, before, crash):
    """The hashes of the old and of the new files, and the effects that lie between them."""
    root = copy_desk(before[0], tmp_path_factory.mktemp("after")).root
    old = hashes(root)
    done = crash(root, 0, "run", "daily", *AT)
    assert done.returncode == 0, done.stderr
    new = hashes(root)
    assert set(old) == set(new)
    assert {name for name in old if old[name] != new[name]} == {
        f"{name}.{kind}" for name in ("2026-11-21", "all") for kind in ("csv", "parquet", "xlsx")
    } - {"all.parquet"}
    return old, new, count_effects(done.stdout)


@pytest.fixture(scope="module")
def first(after):
    """The files of a first run."""
    _, new, _ = after
    day = {name: digest for name, digest in new.items() if name.startswith("2026-11-21")}
    return day | {f"all.{kind}": day[f"2026-11-21.{kind}"] for kind in ("csv", "xlsx")}


def copy_desk(desk, folder):
    root = folder / "root"
    shutil.copytree(desk.root, root)
    return Desk(root, desk.simulator, FixedClock(NOW))


def check_wreck(root, old, new):
    """What a killed run left is whole: old or new files, a sound ledger, and nothing else but drafts."""
    found = hashes(root)
    assert set(found) == set(old)
    for name, digest in found.items():
        assert digest in (old[name], new[name]), f"{name} is a mixture"
    assert ask_ledger(root, "PRAGMA integrity_check") == [("ok",)]


def age_drafts(root):
    for draft in drafts(root):
        os.utime(draft, (time.time() - 7200,) * 2)


def check_repair(desk, new):
    """The next run gives the new files, leaves nothing open in the ledger, and sweeps."""
    age_drafts(desk.root)
    done = desk.mmflow("run", "daily", *AT, "--json")
    assert (done.code, done.data["state"]) == (0, "ok"), done.err
    assert hashes(desk.root) == new
    assert drafts(desk.root) == []
    assert {state for (state,) in ask_ledger(desk.root, "SELECT state FROM run")} <= {"ok", "failed"}
    open_ones = "SELECT * FROM delivery WHERE state IN ('pending', 'running', 'retrying')"
    assert ask_ledger(desk.root, open_ones) == []
    standing = "SELECT count(*) FROM delivery WHERE state = 'done' GROUP BY key"
    assert set(ask_ledger(desk.root, standing)) == {(1,)}


def spread_kills(effects, part):
    return range(1, effects + 1, STRIDE)[part::PARTS]


@pytest.mark.row("R4", "R5", "R6", "R11")
@pytest.mark.parametrize("part", range(PARTS))
def test_a_run_killed_at_any_effect_leaves_old_or_new_files_and_is_made_good_by_the_next(
    before, after, crash, tmp_path, part
):
    old, new, effects = after
    for fatal in spread_kills(effects, part):
        desk = copy_desk(before[0], tmp_path / str(fatal))
        killed = crash(desk.root, fatal, "run", "daily", *AT)
        assert killed.returncode in KILLED, f"effect {fatal}: {killed.stderr}"
        check_wreck(desk.root, old, new)
        check_repair(desk, new)


@pytest.mark.row("R25")
@pytest.mark.parametrize("part", range(PARTS))
def test_a_first_run_killed_while_the_ledger_is_made_leaves_a_ledger_that_the_next_can_use(
    before, first, crash, tmp_path, part
):
    for fatal in spread_kills(14, part):
        desk = open_desk(tmp_path / str(fatal), before[0].simulator)
        desk.job(JOB.replace("LIMIT", "10"))
        assert crash(desk.root, fatal, "run", "daily", *AT).returncode in KILLED
        assert not (desk.root / "out").exists()
        check_repair(desk, first)


def test_a_resend_killed_at_any_effect_is_made_good_by_another(before, after, crash, tmp_path):
    old, _, _ = after
    root = copy_desk(before[0], tmp_path / "whole").root
    run = before[1]
    effects = count_effects(crash(root, 0, "resend", run).stdout)
    assert effects > 30
    for fatal in range(2, effects, STRIDE * 2):
        desk = copy_desk(before[0], tmp_path / str(fatal))
        (desk.root / "out" / "2026-11-21.csv").write_text("changed by hand", encoding="utf-8")
        touched = hashes(desk.root)
        assert crash(desk.root, fatal, "resend", run).returncode in KILLED
        check_wreck(desk.root, touched, old)
        age_drafts(desk.root)
        assert desk.mmflow("resend", run).code == 0
        assert hashes(desk.root) == old
        assert drafts(desk.root) == []


def start(desk, *words):
    """Start a command in a process of its own, by the machine's clock."""
    command = [sys.executable, "-m", "mmflow", *words, "--root", str(desk.root)]
    environ = os.environ | {"MM_BOSTON_KEY": KEY}
    return subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_until(true, process):
    """Wait for what another process does, as long as it lives."""
    while not true():
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)


# Answers that go on longer than any test: one trickles in, of the other not a byte comes.
ENDLESS = {"drip": {"kind": "drip", "bytes_per_second": 100}, "silence": {"kind": "latency", "delay": 100}}


@pytest.fixture(params=["drip"])
def slow_run(request, stormy_desk):
    """A run that waits for its answer as long as a test needs; of a trickle the beginning is in the spool."""
    stormy_desk.job(JOB.replace("LIMIT", "10"))
    stormy_desk.simulator.faults(ENDLESS[request.param])
    sign = (
        (lambda: list(stormy_desk.root.glob(f".mmflow/spool/*/*{DRAFT}")))
        if request.param == "drip"
        else (lambda: stormy_desk.simulator.requests)
    )
    with start(stormy_desk, "run", "daily", *AT) as process:
        wait_until(sign, process)
        yield stormy_desk, process
        process.kill()


@pytest.mark.row("R3")
def test_a_run_killed_in_the_middle_of_an_answer_keeps_nothing_of_it(slow_run, first):
    desk, process = slow_run
    process.kill()
    process.wait()
    assert not list(desk.root.glob(".mmflow/spool/*/*.json"))
    assert not (desk.root / "out").exists()
    assert [run["state"] for run in desk.mmflow("runs", "--json").data["runs"]] == ["running"]
    desk.simulator.clear_faults()
    check_repair(desk, first)
    states = {run["state"]: run["error"] for run in desk.mmflow("runs", "--json").data["runs"]}
    assert states == {"ok": "", "failed": "the process ended before the run did"}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot send Ctrl-C to one process")
@pytest.mark.parametrize("slow_run", ENDLESS, indirect=True)
def test_ctrl_c_ends_a_run_soon_and_is_on_record(slow_run):
    desk, process = slow_run
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=10)
    assert (process.returncode, said) == (130, "interrupted\n")
    (run,) = desk.mmflow("runs", "--json").data["runs"]
    assert (run["state"], run["error"]) == ("failed", "interrupted")
    assert {delivery["state"] for delivery in run["deliveries"]} == {"failed"}
    assert not (desk.root / "out").exists()


@pytest.mark.row("R19")
@pytest.mark.parametrize("words", [("run", "daily"), ("resend", "RUN")])
def test_a_job_that_is_running_cannot_be_run_or_resent_beside_it(slow_run, words):
    desk, process = slow_run
    (run,) = desk.mmflow("runs", "--json").data["runs"]
    done = desk.mmflow(*(run["run"] if word == "RUN" else word for word in words))
    assert done.code == 4
    assert done.err.startswith(f"job 'daily' is being run by process {process.pid} on ")
    assert done.err.endswith(" UTC; wait until it ends, or end it\n")
    assert len(desk.mmflow("runs", "--json").data["runs"]) == 1


def test_eight_jobs_started_at_once_in_a_new_root_share_one_ledger(tmp_path, service):
    desk = open_desk(tmp_path, service)
    names = [f"job-{number}" for number in range(8)]
    plain = "\n".join(line for line in dedent(JOB).splitlines() if "type: csv" in line or "type:" not in line)
    for name in names:
        text = plain.replace("LIMIT", "10").replace("job: daily", f"job: {name}").replace('"{', '"{job}-{')
        desk.job(text.replace("all.", "{job}."), name)
    processes = [start(desk, "run", name, *AT) for name in names]
    said = [process.communicate(timeout=100) for process in processes]
    assert [process.returncode for process in processes] == [0] * 8, said
    runs = desk.mmflow("runs", "--json").data["runs"]
    assert sorted(run["job"] for run in runs) == names
    assert {run["state"] for run in runs} == {"ok"}
    assert len(hashes(desk.root)) == 16


HAMMER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from mmflow.clock import SystemClock
from mmflow.ledger import Ledger
from mmflow.sinks import Receipt

path, name = Path(sys.argv[1]), sys.argv[2]
for number in range(20):
    with Ledger.open(path, SystemClock()) as ledger:
        run = f"{name}-{number}"
        ledger.begin_run(run, name, datetime.now(UTC), "manual")
        ledger.note_plan(run, (), [("csv", "csv", "shared"), ("own", "csv", run)])
        for sink in ("csv", "own"):
            ledger.commit_delivery(ledger.take_delivery(run, sink), "done", receipt=Receipt(rows=number))
        ledger.finish_run(run, "ok")
"""


@pytest.mark.row("R21")
def test_eight_processes_write_to_one_ledger_without_waiting_in_vain(tmp_path):
    path = tmp_path / "state" / "ledger.sqlite"
    command = [sys.executable, "-c", HAMMER, str(path)]
    workers = [subprocess.Popen([*command, f"w{number}"], stderr=subprocess.PIPE, text=True) for number in range(8)]
    assert [worker.communicate(timeout=100)[1] for worker in workers] == [""] * 8
    root = tmp_path / "state"
    (root / ".mmflow").mkdir()
    path.rename(root / ".mmflow" / "ledger.sqlite")
    assert ask_ledger(root, "PRAGMA integrity_check") == [("ok",)]
    assert ask_ledger(root, "SELECT count(*) FROM run WHERE state = 'ok'") == [(160,)]
    # Of 160 deliveries of one key, each was a generation of its own and the last one stands.
    generations = ask_ledger(root, "SELECT generation, state FROM delivery WHERE key = 'shared' ORDER BY generation")
    assert generations == [*((number, "superseded") for number in range(1, 160)), (160, "done")]
