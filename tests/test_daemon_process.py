"""Real daemons in processes of their own: told to stop, stopped dead, frozen, doubled, and out of step with time."""

import os
import signal
import subprocess
import sys
import time
from datetime import timedelta

import pytest

from mmflow.ledger.backup import check_backup
from tests.daemons import PATIENCE, ask, running_daemon, set_clock, slots
from tests.desk import NOW

JOB = """
    job: {name}
    report: {{metrics: [goodParts], group_by: [machine, day]}}
    window: yesterday
    schedule: {{cron: "{cron}", catch_up: {catch_up}}}
    sinks: [{{type: csv, path: "{name}/{{date}}.csv"}}]
"""
START = NOW - timedelta(days=3, seconds=10)  # ten seconds before a full minute
SLOW = {"kind": "latency", "match": "/", "delay": 30}

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")


def write_jobs(desk, *names, rules="workers: 1", catch_up="latest", cron="* * * * *"):
    text = (desk.root / "mmflow.yaml").read_text(encoding="utf-8")
    (desk.root / "mmflow.yaml").write_text(f"{text}daemon: {{{rules}}}\n", encoding="utf-8")
    for name in names:
        desk.job(JOB.format(name=name, catch_up=catch_up, cron=cron), name)


def states(desk, job="daily"):
    return [state for _, state, _ in slots(desk.root, job)]


def owners(desk):
    return ask(desk.root, "SELECT owner, lease_until, deaths FROM slot WHERE state IN ('due', 'running')")


@posix
@pytest.mark.row("R13")
def test_told_to_stop_it_ends_what_takes_too_long_and_the_next_one_goes_on(stormy_desk):
    desk = stormy_desk
    write_jobs(desk, "daily", "second", "third", rules="workers: 3, grace: 1 second", cron="40 * * * *")
    desk.simulator.faults(SLOW)
    early = START - timedelta(seconds=40)  # there is one such time in an hour, and a busy machine is slow to begin
    with running_daemon(desk.root, start=early, speed=10) as daemon:
        daemon.wait_for(lambda: len(ask(desk.root, "SELECT id FROM run WHERE state = 'running'")) == 3)
        began = time.monotonic()
        assert daemon.stop() == 0
        assert time.monotonic() - began < SLOW["delay"], "nobody waited for what was under way"
        assert "3 slots were put back" in daemon.text or daemon.text.count("cancelled") == 3
    assert set(owners(desk)) == {("", "", 0)}, "released, and no death is counted"
    assert states(desk)[0] == "due"
    assert not list((desk.root / "out").rglob("*.csv"))
    desk.simulator.clear_faults()
    settings = desk.root / "mmflow.yaml"
    settings.write_text(settings.read_text(encoding="utf-8").replace("workers: 3", "workers: 1"), encoding="utf-8")
    desk.clock.set(START + timedelta(minutes=50))  # no later time makes up for them
    assert desk.mmflow("daemon", "--once").code == 0
    assert states(desk)[0] == states(desk, "second")[0] == states(desk, "third")[0] == "done"


@posix
@pytest.mark.row("R14")
def test_told_twice_it_stops_at_once(stormy_desk):
    desk = stormy_desk
    write_jobs(desk, "daily", rules="workers: 1, grace: 10 minutes")
    desk.simulator.faults(SLOW)
    with running_daemon(desk.root, start=START, speed=10) as daemon:
        daemon.wait_for(lambda: ask(desk.root, "SELECT id FROM run WHERE state = 'running'"))
        daemon.send(signal.SIGTERM)
        daemon.wait_text("stopping; what runs may go on for 600 s")
        assert daemon.process.poll() is None
        daemon.send(signal.SIGTERM)
        assert daemon.process.wait(PATIENCE) == 0
    assert set(owners(desk)) == {("", "", 0)}


@pytest.mark.row("R19")
def test_a_daemon_at_work_copies_its_ledger_and_a_second_one_is_told_who_is_at_work(desk):
    write_jobs(desk, "daily")
    with running_daemon(desk.root, start=START) as daemon:
        daemon.wait_text("at work")
        second = desk.mmflow("daemon")
        assert second.code == 4
        assert f"a daemon is at work already: process {daemon.process.pid} on " in second.err
        assert " since 20" in second.err
        assert desk.mmflow("runs").code == 0, "who only looks is not kept out"
        copy = desk.root / ".mmflow" / "backups" / f"ledger-{START:%Y-%m-%d}.sqlite"
        daemon.wait_for(copy.exists)
        check_backup(copy)
        daemon.wait_text(f"the ledger was copied to {copy}")


def test_files_that_change_are_read_while_it_runs(desk):
    write_jobs(desk, "daily")
    with running_daemon(desk.root, start=START) as daemon:
        daemon.wait_text("planned from now on, by new or changed schedules: daily")
        desk.job(JOB.format(name="other", catch_up="latest", cron="* * * * *"), "other")
        daemon.wait_text("planned from now on, by new or changed schedules: other")
        desk.job("job: daily\nreport: {metrics: [goodPartz", "daily")
        daemon.wait_text("jobs/daily.yaml:")
        (desk.root / "jobs" / "other.yaml").unlink()
        daemon.wait_text("1 job gone: other")
        daemon.wait_for(lambda: ask(desk.root, "SELECT job FROM job WHERE timetable <> ''") == [("daily",)])


@posix
@pytest.mark.row("R73")
def test_frozen_for_hours_it_makes_up_for_the_latest_and_is_not_taken_for_stuck(desk):
    write_jobs(desk, "daily")
    hourly = JOB.replace("{cron}", "0 * * * *")
    desk.job(hourly.format(name="daily", catch_up="latest"), "daily")
    with running_daemon(desk.root, start=START + timedelta(minutes=19, seconds=-30), speed=3600) as daemon:
        daemon.wait_for(lambda: "done" in states(desk))
        daemon.send(signal.SIGSTOP)
        before = len(states(desk))
        time.sleep(4)  # four hours
        daemon.send(signal.SIGCONT)
        daemon.wait_for(lambda: [state for state in states(desk)[before:] if state == "done"])
        daemon.stop()
    later = [reason for _, state, reason in slots(desk.root) if state == "skipped"]
    assert any("it was missed while nothing ran; the one of" in reason for reason in later)
    dues = [due for due, _, _ in slots(desk.root)]
    assert len(dues) == len(set(dues))


@pytest.mark.row("R72")
def test_a_clock_set_two_hours_ahead_and_back_again_plans_nothing_twice(desk):
    write_jobs(desk, "daily")
    with running_daemon(desk.root, start=START, speed=10) as daemon:
        daemon.wait_for(lambda: "done" in states(desk))
        set_clock(desk.root, 7200)
        daemon.wait_text("the clock went forward by 2:00:00")
        daemon.wait_for(lambda: len(states(desk)) > 50)
        set_clock(desk.root, 3600)
        daemon.wait_text("the clock went back by 1:00:00")
        known = len(states(desk))
        time.sleep(1)
        assert len(states(desk)) == known
        set_clock(desk.root, 400 * 86400)
        daemon.wait_text("nothing is planned: the clock went from")
        known = len(states(desk))
        time.sleep(1)
        assert len(states(desk)) == known
        set_clock(desk.root, 7200)
        daemon.wait_text("believed again")
        daemon.wait_for(lambda: len(states(desk)) > known)
        assert daemon.stop() == 0
    assert states(desk).count("skipped") > 50, "what lay in the two hours"


@posix
def test_a_run_that_goes_on_is_cancelled_from_another_process(stormy_desk):
    desk = stormy_desk
    write_jobs(desk, "daily")
    desk.simulator.faults(SLOW)
    with running_daemon(desk.root, start=START, speed=5) as daemon:
        ((run,),) = daemon.wait_for(lambda: ask(desk.root, "SELECT id FROM run WHERE state = 'running'"))
        assert desk.mmflow("cancel", run).code == 0
        daemon.wait_for(lambda: states(desk)[0] == "failed")
        assert slots(desk.root)[0][2] == "cancelled by hand"
        assert desk.mmflow("cancel", run).err == f"run {run} has ended already: failed\n"
        desk.simulator.clear_faults()
        set_clock(desk.root, 60)  # the next one is due sooner
        daemon.wait_for(lambda: "done" in states(desk))


@posix
def test_a_daemon_that_is_killed_takes_its_workers_along_and_the_next_one_goes_on_at_once(stormy_desk):
    desk = stormy_desk
    write_jobs(desk, "daily", catch_up="all")
    desk.simulator.faults(SLOW)
    with running_daemon(desk.root, start=START, speed=5) as daemon:
        daemon.wait_for(lambda: ask(desk.root, "SELECT id FROM run WHERE state = 'running'"))
        children = find_children(daemon.process.pid)
        daemon.kill()
    end = time.monotonic() + PATIENCE
    while any(is_there(child) for child in children):
        assert time.monotonic() < end, "a worker outlives its daemon"
        time.sleep(0.1)
    desk.simulator.clear_faults()
    desk.clock.set(START + timedelta(minutes=2))
    desk.mmflow("daemon", "--once")
    assert ask(desk.root, "SELECT state, deaths FROM slot ORDER BY due LIMIT 1") == [("done", 1)]


def find_children(pid):
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return [int(line) for line in found.stdout.split()]


def is_there(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
