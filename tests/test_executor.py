"""Leased slots in real worker processes: done, ended, and none the other's trouble."""

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Future
from datetime import timedelta
from pathlib import Path

import pytest

from mmflow.clock import SystemClock
from mmflow.executor import Executor, Lane, is_alive
from mmflow.leases import Leases
from mmflow.logs import read_lines
from mmflow.settings import Daemon
from mmflow.tasks import Outcome
from tests.desk import KEY, FixedClock
from tests.leased import (
    CSV,
    OBEYING,
    Ends,
    heard,
    open_ledger,
    order,
    plan,
    read_slot,
    system_lease,
    take,
    write_job,
    write_jobs,
)

CLOCK = SystemClock()
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="signals and limits of POSIX")
RULES = Daemon(workers=2, run_time="8 seconds", run_memory_mb=1024)


@pytest.fixture(scope="module")
def obeying(tmp_path_factory):
    """The folder of a package that worker processes find too, for all tests here."""
    site = tmp_path_factory.mktemp("site")
    (site / "obeying.py").write_text("\n".join(line[4:] for line in OBEYING.splitlines()), encoding="utf-8")
    info = site / "obeying-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: obeying\nVersion: 1.0\nSummary: Obeys.\n")
    (info / "entry_points.txt").write_text("[mmflow]\nobeying = obeying\n")
    sys.path.insert(0, str(site))
    yield site
    sys.path.remove(str(site))
    sys.modules.pop("obeying", None)


@pytest.fixture(scope="module")
def executor(obeying):
    """Two worker processes for all tests here."""
    made = Executor(RULES, CLOCK, {"MM_BOSTON_KEY": KEY})
    yield made
    made.stop(0)


def wait_for(what, seconds=30.0):
    """Wait until something is so; what has come of it is given."""
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)
    return found


def is_there(pid):
    """Whether a process runs; one that ended and that nobody has asked about does not."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@POSIX
def test_a_process_that_begins_or_works_is_spared_by_signals_that_are_meant_for_the_daemon(desk, obeying, capfd):
    """Ctrl+C reaches all processes of a terminal, SIGTERM often all of a service; these may go on for a while."""
    write_job(desk, "type: obey, name: obey")
    order(desk, "obey", "spin")
    executor = Executor(Daemon(workers=1, run_time="40 seconds"), CLOCK, {"MM_BOSTON_KEY": KEY})
    try:
        (child,) = wait_for(lambda: executor_processes(executor))
        stop_all(child)
        task, ends = system_lease(desk), Ends()
        executor.submit(task, ends)
        wait_for(lambda: heard(desk, "obey"))
        stop_all(child)
        time.sleep(0.5)
        assert is_there(child)
        assert ends.found == {}
        assert executor.cancel(task.key)
        assert ends.wait(task).state == "cancelled", "and did not die"
    finally:
        executor.stop(0)
    assert "Traceback" not in capfd.readouterr().err


def executor_processes(executor):
    """The worker processes of an executor, also those that have just begun."""
    pools = [lane._pool for lane in executor._lanes if lane._pool]
    return [pid for pool in pools for pid in pool._pool_manager.worker_manager.workers]


def stop_all(pid):
    """Tell a process to stop in every way that it may ignore."""
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(pid, number)


def test_a_leased_slot_is_done_in_a_process_of_its_own(desk, executor):
    desk.job(CSV)
    task, ends = system_lease(desk), Ends()
    executor.submit(task, ends)
    outcome = ends.wait(task)
    assert (outcome.state, outcome.run_state, outcome.error) == ("done", "ok", "")
    slot = read_slot(desk)
    assert (slot.state, slot.owner, slot.run) == ("done", "", outcome.run)
    assert "Machine" in desk.text("out/daily.csv")
    assert executor.running() == []
    (file,) = (desk.root / ".mmflow" / "logs").glob("*.jsonl")
    log = wait_for(lambda: file.read_text(encoding="utf-8"))
    assert '"job":"daily"' in log
    assert KEY not in log


def test_what_a_sink_prints_is_in_the_log_without_secrets_and_bounded(desk, executor):
    write_job(desk, "type: obey, name: loud")
    order(desk, "loud", f"print {KEY}")
    task, ends = system_lease(desk), Ends()
    executor.submit(task, ends)
    assert ends.wait(task).run_state == "ok"
    (file,) = (desk.root / ".mmflow" / "logs").glob("*.jsonl")
    wait_for(lambda: "are not in the log" in file.read_text(encoding="utf-8"))
    lines = [line for line, _ in read_lines(file)]
    printed = [line.message for line in lines if line.message.startswith("printed: ")]
    assert printed[:4] == [
        f"printed: {text}" for text in ("by Python: ***", "by the system: \\xff", "by a child", "and more")
    ]
    assert len(printed) == 200
    assert {line.job for line in lines} == {"daily"}
    assert [line.message for line in lines][-1].endswith("lines were printed and are not in the log")


@pytest.mark.row("R15")
def test_a_sink_that_hangs_is_ended_and_the_next_task_is_done(desk, executor):
    """It takes as long as a run may last here."""
    ends = Ends()
    for job in ("spin", "sleep"):
        write_job(desk, f"type: obey, name: {job}", name=job)
        order(desk, job, job)
    desk.job(CSV)
    tasks = [system_lease(desk, job) for job in ("spin", "sleep", "daily")]
    for task in tasks:
        executor.submit(task, ends)
    assert [ends.wait(task).state for task in tasks] == ["timeout", "timeout", "done"]
    assert ends.found[tasks[0].key].error.endswith("daemon.run_time allows 8 s")
    assert read_slot(desk, "spin").state == "running", "the daemon puts it right, since the process could not"


@pytest.mark.row("R16")
@POSIX
def test_a_sink_that_ends_its_process_ends_nothing_else(desk, executor):
    ends = Ends()
    words = {"crash": "crash", "nothing": "exit 0", "seven": "exit 7"}
    for name, word in words.items():
        write_job(desk, f"type: obey, name: {name}", name=name)
        order(desk, name, word)
    desk.job(CSV)
    tasks = [system_lease(desk, job) for job in (*words, "daily")]
    for task in tasks:
        executor.submit(task, ends)
    assert [ends.wait(task).state for task in tasks] == ["died", "died", "died", "done"]


@pytest.mark.row("R16")
@POSIX
def test_a_sink_that_wants_too_much_memory_or_raises_what_cannot_travel_has_failed(desk, executor):
    ends = Ends()
    write_job(desk, "type: obey, name: eat", name="eat")
    write_job(desk, "type: obey, name: odd", name="odd")
    order(desk, "eat", "eat 4096")
    order(desk, "odd", "odd")
    tasks = [system_lease(desk, job) for job in ("eat", "odd")]
    for task in tasks:
        executor.submit(task, ends)
    outcomes = [ends.wait(task) for task in tasks]
    assert [(one.state, one.run_state) for one in outcomes] == [("done", "failed")] * 2
    assert ["MemoryError" in outcomes[0].error, "Odd" in outcomes[1].error] == [True, True]


@POSIX
def test_a_process_that_has_done_its_share_is_replaced_whatever_has_leaked_in_it(desk, monkeypatch):
    monkeypatch.setattr("mmflow.executor.TASKS_OF_ONE", 1)
    write_jobs(desk, "one", "two")
    executor, ends = Executor(Daemon(workers=1), CLOCK, {"MM_BOSTON_KEY": KEY}), Ends()
    try:
        (first,) = wait_for(lambda: executor_processes(executor))
        for job in ("one", "two"):
            task = system_lease(desk, job)
            executor.submit(task, ends)
            assert ends.wait(task).state == "done"
            wait_for(lambda: not is_there(first))
    finally:
        executor.stop(0)


@POSIX
def test_a_process_that_ends_itself_leaves_nothing_behind_that_it_has_started(desk, executor):
    write_job(desk, "type: obey, name: child")
    order(desk, "child", "child and die")
    task, ends = system_lease(desk), Ends()
    executor.submit(task, ends)
    assert ends.wait(task).state == "died"
    pid = int((desk.root / "child.pid").read_text())
    wait_for(lambda: not is_there(pid))


@POSIX
def test_a_run_that_is_cancelled_is_ended_with_all_that_it_has_started(desk, executor):
    write_job(desk, "type: obey, name: child")
    order(desk, "child", "child")
    task, ends = system_lease(desk), Ends()
    executor.submit(task, ends)
    wait_for(lambda: (desk.root / "child.pid").exists() and (desk.root / "child.pid").read_text())
    pid = int((desk.root / "child.pid").read_text())
    assert is_there(pid)
    assert executor.cancel(task.key)
    assert ends.wait(task).state == "cancelled"
    wait_for(lambda: not is_there(pid))
    assert not executor.cancel(task.key)


@POSIX
def test_a_process_that_somebody_kills_while_it_has_nothing_to_do_is_replaced(desk, executor):
    desk.job(CSV)
    (pid,) = {lane._pid for lane in executor._lanes[:1]}
    if pid:
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not is_alive(pid))
    jobs, tasks, ends = ("one", "two", "three"), [], Ends()
    write_jobs(desk, *jobs)
    for job in jobs:
        tasks.append(system_lease(desk, job))
        executor.submit(tasks[-1], ends)
    assert {ends.wait(task).state for task in tasks} == {"done"}


@POSIX
def test_the_number_of_a_process_that_died_with_nothing_to_do_may_be_a_strangers():
    lane = Lane(CLOCK, {}, 1024, 8.0)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True) as stranger:
        lane._pool, lane._pid = Stuck(), stranger.pid
        lane.close()
        assert stranger.poll() is None
        stranger.kill()


class Stuck:
    """A pool whose process nobody can end; all tasks but the first are done."""

    done = 0

    def schedule(self, *_work, **_args):
        Stuck.done += 1
        answer = Future()
        answer.set_result(Outcome(state="lost" if Stuck.done == 1 else "done"))
        return answer

    def stop(self):
        pass

    def join(self):
        raise RuntimeError("Unable to terminate PID 4711")


def test_a_process_that_cannot_be_ended_does_not_end_its_lane(desk, monkeypatch, caplog):
    def give_stuck(lane):
        lane._pool = Stuck()
        return lane._pool

    monkeypatch.setattr(Lane, "_open", give_stuck)
    desk.job(CSV)
    task = system_lease(desk)
    executor = Executor(Daemon(workers=1), CLOCK, {}, warm=False)
    for state in ("lost", "done"):
        ends = Ends()
        executor.submit(task, ends)
        assert ends.wait(task, 5).state == state
    executor.stop(1)
    assert executor.running() == []
    assert "Unable to terminate" in caplog.text


@pytest.mark.row("R16")
@POSIX
def test_a_death_between_two_sinks_costs_no_second_table_and_no_second_delivery(desk, executor):
    """Two processes end, and two more start."""
    write_job(desk, *(f"type: obey, name: {name}" for name in ("one", "two")))
    order(desk, "two", "exit 1", "ok")
    first = system_lease(desk)
    ended = threading.Event()
    leases = Leases(clock=CLOCK, executor=executor, stopped="", wake=ended.set, owner="test")
    with open_ledger(desk, CLOCK) as ledger:
        leases.give(first)
        assert ended.wait(60)
        assert [outcome.state for _, outcome in leases.settle(ledger)] == ["died"]
        slot = read_slot(desk)
        assert (slot.state, slot.resume, slot.deaths) == ("due", slot.run, 1)
        assert ledger.read_run(slot.run).state == "retrying", "no other run of the job closes it"
        asked = len(desk.simulator.requests)
        later = FixedClock(slot.next_at)
        (again,) = take(desk, clock=later, until=timedelta(days=36500) - timedelta(days=1))
        ended.clear()
        leases.give(again)
        assert ended.wait(60)
        ((_, outcome),) = leases.settle(ledger)
    assert (outcome.state, outcome.run_state, outcome.run) == ("done", "ok", slot.run)
    assert (heard(desk, "one"), heard(desk, "two")) == (["ok"], ["exit", "ok"])
    assert len(desk.simulator.requests) == asked


@pytest.mark.row("R16")
@POSIX
def test_what_died_three_times_is_quarantined_and_the_other_sinks_get_their_turn(desk, executor):
    write_job(desk, "type: obey, name: bad", "type: obey, name: good")
    order(desk, "bad", "exit 1")
    plan(desk, "daily", clock=CLOCK)
    for fatal in (False, False, True):
        (task,) = take(desk, clock=CLOCK)
        if fatal:
            ends = Ends()
            executor.submit(task, ends)
            assert ends.wait(task).state == "died"
        with open_ledger(desk, CLOCK) as ledger:
            if not fatal:  # the ledger is told of a death, which costs no process
                run = f"r{task.slot.fence}"
                ledger.begin_run(run, "daily", task.slot.due, "schedule", task.slot.fence)
            slot = ledger.slots.count_death(task.slot)
            if slot.deaths < 3:
                ledger.slots.put_back(task.slot, task.slot.due, "died")
            else:
                ledger.quarantine(slot, "quarantined: its process died 3 times")
    (rest,) = take(desk, clock=CLOCK)
    executor.submit(rest, ends)
    wait_for(lambda: read_slot(desk).state == "failed")
    with open_ledger(desk, CLOCK) as ledger:
        states = {one.sink: one.state for one in ledger.deliveries(rest.slot.resume)}
    assert states == {"bad": "quarantined", "good": "done"}
    assert (heard(desk, "bad"), heard(desk, "good")) == (["exit"], ["ok"])


@POSIX
def test_stopping_ends_what_runs_when_the_grace_is_over_and_begins_nothing_more(desk, obeying):
    """It starts a process of its own, which has to be stopped."""
    executor, ends = Executor(Daemon(workers=1), CLOCK, {"MM_BOSTON_KEY": KEY}), Ends()
    write_job(desk, "type: obey, name: sleep", name="sleep")
    order(desk, "sleep", "sleep")
    desk.job(CSV)
    running, waiting = system_lease(desk, "sleep"), system_lease(desk)
    executor.submit(running, ends)
    wait_for(lambda: heard(desk, "sleep"))
    executor.submit(waiting, ends)
    assert {task.key for task in executor.running()} == {running.key, waiting.key}
    started = time.monotonic()
    executor.stop(0.3)
    assert time.monotonic() - started < 6
    assert {ends.wait(task, 5).state for task in (running, waiting)} == {"cancelled"}
    executor.submit(waiting, late := Ends())
    assert late.wait(waiting, 5).error == "not begun: the daemon stops"
