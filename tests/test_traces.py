"""What a task leaves behind in its process is put back, or the process is replaced; the next task finds none of it."""

import ast
import os
import time
from datetime import timedelta

import pytest

from mmflow.clock import SystemClock
from mmflow.executor import Executor, Lane
from mmflow.leases import Leases
from mmflow.logs import read_lines
from mmflow.settings import Daemon
from mmflow.tasks import Outcome
from mmflow.worker import look_back
from mmflow.worker.traces import Traces
from tests.desk import KEY, FixedClock
from tests.leased import (
    OBEYING,
    Ends,
    heard,
    open_ledger,
    order,
    plan,
    read_deliveries,
    read_slot,
    system_lease,
    take,
    write_job,
    write_jobs,
)
from tests.test_executor import POSIX, executor_processes, is_there, wait_for

CLOCK = SystemClock()
pytestmark = POSIX
# What a task of a stranger may look at: all that others could have changed.
LOOK = (
    "import resource, tempfile; mask = os.umask(0); os.umask(mask); "
    "(root / 'found.txt').write_text(repr((os.getpid(), os.getcwd(), mask, sorted(os.environ.items()), "
    "resource.getrlimit(resource.RLIMIT_NOFILE), str(signal.getsignal(signal.SIGTERM)), "
    "sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())), signal.getitimer(signal.ITIMER_REAL)[0] > 0, "
    "time.monotonic() > 1)))"
)
CHANGE = (
    "import resource; os.umask(0o777); os.chdir('/'); os.environ.pop('PATH'); "
    "os.environ.update(HTTPS_PROXY='http://127.0.0.1:9', TZ='Asia/Tokyo'); "
    "resource.setrlimit(resource.RLIMIT_NOFILE, (200, resource.getrlimit(resource.RLIMIT_NOFILE)[1])); "
    "signal.signal(signal.SIGTERM, signal.SIG_IGN); signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1}); "
    "signal.setitimer(signal.ITIMER_REAL, 600); time.monotonic = lambda: 0.0"
)
LEAKS = {
    "more handles are open": "KEPT.extend(open(os.devnull) for _ in range(60))",
    "more threads are at work": "[threading.Thread(target=time.sleep, args=(600,)).start() for _ in range(9)]",
    "MB more than at its start": "KEPT.append(bytearray(450 << 20))",
    "stdin, stdout or stderr was": "os.close(1)",
    "it ran short: ": "raise MemoryError('no room')",
}


@pytest.fixture
def executor(install):
    """One worker process that finds sinks that obey."""
    install("obeying", OBEYING)
    made = Executor(Daemon(workers=1, run_memory_mb=1024), CLOCK, {"MM_BOSTON_KEY": KEY})
    yield made
    made.stop(0)


def write_doing(desk, job, *lines):
    """Write a job whose sink, of the same name, does these lines of Python, one each time."""
    write_job(desk, f"type: obey, name: {job}", name=job)
    order(desk, job, *(f"do {line}" for line in lines))


def work(desk, executor, job):
    """Do one slot of a job in the worker process; give the outcome."""
    task, ends = system_lease(desk, job), Ends()
    executor.submit(task, ends)
    return ends.wait(task)


def look(desk, executor, job):
    """Have a job look at its process; give what it found."""
    write_doing(desk, job, LOOK)
    assert work(desk, executor, job).run_state == "ok"
    return ast.literal_eval((desk.root / "found.txt").read_text())


def messages(desk):
    """What is in the log, one text for each line."""
    (file,) = (desk.root / ".mmflow" / "logs").glob("*.jsonl")
    return [line.message for line, _ in read_lines(file)]


def test_what_a_run_changes_of_its_process_is_put_back_before_the_next(desk, executor):
    before = look(desk, executor, "one")
    write_doing(desk, "bad", CHANGE)
    outcome = work(desk, executor, "bad")
    assert (outcome.state, outcome.worn) == ("done", "")
    assert look(desk, executor, "two") == before
    (told,) = [text for text in messages(desk) if text.startswith("changed by the run, and put back")]
    for name in ("umask", "folder", "environment", "limit", "signal", "held back", "timer", "time.monotonic"):
        assert name in told


@pytest.mark.parametrize("why", LEAKS)
def test_a_process_in_which_something_has_leaked_is_replaced_before_the_next_task(desk, executor, caplog, why):
    (first,) = wait_for(lambda: executor_processes(executor))
    write_doing(desk, "bad", LEAKS[why])
    outcome = work(desk, executor, "bad")
    assert why in outcome.worn
    assert look(desk, executor, "good")[0] != first
    assert "the worker process is replaced after this run" in caplog.text


def test_a_process_that_has_no_handle_left_is_replaced_before_the_next_task(desk, install):
    import resource

    install("obeying", OBEYING)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, limits[1]))
    executor = Executor(Daemon(workers=1), CLOCK, {"MM_BOSTON_KEY": KEY})
    try:
        write_doing(desk, "bad", "[KEPT.append(open(os.devnull)) for _ in range(999)]")
        write_jobs(desk, "good")
        outcomes = [work(desk, executor, job) for job in ("bad", "good")]
    finally:
        executor.stop(0)
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert [(one.state, one.run_state) for one in outcomes] == [("again", "retrying"), ("done", "ok")]
    assert outcomes[0].worn != ""


def test_a_process_that_cannot_be_looked_at_is_replaced(monkeypatch):
    monkeypatch.setattr("signal.setitimer", lambda *_: (0.0, 0.0))  # this process has one that ends tests that hang
    traces = Traces()
    monkeypatch.setattr(traces, "_listed", "/nowhere")
    assert look_back(traces, Outcome(state="done")).startswith("nobody can tell what the run has left: ")


def test_a_process_that_is_only_used_is_kept(desk, executor):
    jobs = [f"job{number}" for number in range(12)]
    write_jobs(desk, *jobs)
    (first,) = wait_for(lambda: executor_processes(executor))
    assert {work(desk, executor, job).worn for job in jobs} == {""}
    assert executor_processes(executor) == [first]


def test_a_run_that_keeps_its_process_from_writing_is_quarantined_and_harms_no_other(desk, executor):
    """Its process may write no file any more, and so not what came of it either."""
    write_doing(desk, "bad", "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))")
    leases = Leases(clock=CLOCK, executor=executor, stopped="", wake=lambda: None, owner="test")
    plan(desk, "bad", clock=CLOCK)
    with open_ledger(desk, CLOCK) as ledger:
        for deaths in (0, 1, 2, 3):
            (task,) = take(desk, clock=FixedClock(read_slot(desk, "bad").next_at), until=timedelta(days=36499))
            leases.give(task)
            ((_, outcome),) = wait_for(lambda: leases.settle(ledger))
            slot = read_slot(desk, "bad")
            assert (outcome.state, slot.deaths) == ("lost", deaths)
            name = f"good{deaths}"
            write_jobs(desk, name)
            assert work(desk, executor, name).run_state == "ok"
    assert slot.state == "failed"
    assert slot.reason.startswith("quarantined: its run was lost 3 times; the last time ")


def test_a_process_in_which_something_is_broken_that_nobody_sees_is_replaced_when_a_run_is_lost(desk, executor):
    broken = "lambda *_, **__: (_ for _ in ()).throw(mmflow.errors.StateError('it is broken'))"
    write_doing(desk, "bad", f"import mmflow.errors, mmflow.ledger; mmflow.ledger.Ledger.commit_delivery = {broken}")
    write_jobs(desk, "good")
    outcomes = [work(desk, executor, job) for job in ("bad", "good")]
    assert [(one.state, one.run_state, one.worn) for one in outcomes] == [("lost", "", ""), ("done", "ok", "")]


def test_a_copy_of_the_process_that_a_sink_makes_and_lets_return_does_nothing(desk, executor):
    write_doing(desk, "bad", "(root / 'child.pid').open('a').write(f'{os.fork()} ')")
    outcome = work(desk, executor, "bad")
    assert (outcome.state, outcome.run_state) == ("done", "ok")
    pids = sorted(map(int, (desk.root / "child.pid").read_text().split()))
    assert pids[0] == 0, "it was there"
    wait_for(lambda: not is_there(pids[1]))
    assert read_deliveries(desk, outcome.run)["bad"].attempts == 1
    assert len([text for text in messages(desk) if text.startswith("sink bad: done")]) == 1
    assert heard(desk, "bad") == ["do"]


@pytest.mark.parametrize("code", [0, 1])
def test_no_process_takes_the_place_of_one_that_has_ended_in_a_pool_that_is_done_with(code):
    """It would find nothing of what it was promised, and say so on stderr."""
    lane = Lane(CLOCK, {}, 1024, 60.0)
    lane.warm()
    workers = lane._pool._pool_manager.worker_manager.workers
    try:
        lane._pool.schedule(os._exit, args=(code,))
        wait_for(lambda: lane._pid not in workers)
        time.sleep(0.5)  # in which another would be started
        assert workers == {}
    finally:
        lane.close()


def test_a_look_at_all_of_it_takes_less_than_a_millisecond_of_the_processor(monkeypatch):
    monkeypatch.setattr("signal.setitimer", lambda *_: (0.0, 0.0))  # this process has one that ends tests that hang
    traces, times = Traces(), []
    for _ in range(200):
        started = time.process_time()
        traces.put_back()
        traces.find_wear()
        times.append(time.process_time() - started)
    assert sorted(times)[100] < 0.001
