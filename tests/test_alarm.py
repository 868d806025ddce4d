"""The alarm wakes, the watchdog ends what stands still, and a service manager is told."""

import os
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event

import pytest

from mmflow.alarm import Alarm
from mmflow.clock import FixedClock, SystemClock
from mmflow.daemon import systemd
from mmflow.daemon.watchdog import EXIT_STUCK, STUCK, Watchdog
from mmflow.ledger import postgres

ROOT = Path(__file__).parents[1]


def test_it_wakes_at_the_instant_that_was_set_last():
    woken, clock = Event(), SystemClock()
    with Alarm(woken.set, clock, tick=60) as alarm:
        alarm.set(clock.now() + timedelta(days=400))
        alarm.set(clock.now() + timedelta(seconds=0.2))
        assert woken.wait(10)
        woken.clear()
        alarm.set(clock.now() - timedelta(days=1))
        assert woken.wait(10), "what is over already wakes at once"


def test_it_goes_by_the_clock_that_it_is_given():
    woken, clock = Event(), FixedClock(datetime(2001, 1, 1, tzinfo=UTC))
    with Alarm(woken.set, clock, tick=60) as alarm:
        alarm.set(clock.now() + timedelta(seconds=0.1))
        assert woken.wait(10)


def test_what_was_taken_back_does_not_wake():
    woken, clock = Event(), SystemClock()
    with Alarm(woken.set, clock, tick=60) as alarm:
        alarm.set(clock.now() + timedelta(seconds=0.3))
        alarm.set(None)
        assert not woken.wait(0.6)
        alarm.set(None)


def test_an_instant_that_comes_while_the_one_before_is_told_is_told_too_and_warned_of_by_nobody(caplog):
    busy, free, woken = Event(), Event(), []

    def wake():
        woken.append(len(woken))
        busy.set()
        assert free.wait(30)

    clock = SystemClock()
    with Alarm(wake, clock, tick=60) as alarm:
        alarm.set(clock.now())
        assert busy.wait(30)
        alarm.set(clock.now() + timedelta(milliseconds=1))
        time.sleep(0.5)  # in which a second one is refused, or waits
        free.set()
        end = time.monotonic() + 30
        while len(woken) < 2 and time.monotonic() < end:
            time.sleep(0.01)
    assert len(woken) == 2
    assert [line.getMessage() for line in caplog.records if line.levelname == "WARNING"] == []


def test_it_ticks_without_being_set():
    woken = Event()
    with Alarm(woken.set, SystemClock(), tick=0.1) as alarm:
        assert woken.wait(10)
        assert alarm.ticks >= 1


def run_child(code):
    """Run a small program of ours in a process that may end itself."""
    head = "import time\nfrom mmflow.alarm import Alarm\nfrom mmflow.clock import SystemClock\n"
    head += "from mmflow.daemon.watchdog import Watchdog\n"
    command = [sys.executable, "-c", head + code]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.row("R17")
def test_a_process_whose_alarm_thread_has_died_ends_with_a_word():
    done = run_child("""
with Alarm(lambda: None, SystemClock(), tick=0.1) as alarm, Watchdog({"alarm clock": lambda: alarm.ticks}, 0.5):
    time.sleep(0.5)
    alarm._scheduler._event.set()
    alarm._scheduler._jobstores = None  # its thread ends by the error, as on a full disk
    time.sleep(30)
""")
    assert done.returncode == EXIT_STUCK
    assert "the alarm clock has not moved for" in done.stderr


@pytest.mark.row("R72")
def test_it_ticks_and_wakes_on_when_the_clock_of_the_machine_is_set_back_by_hours():
    done = run_child("""
import datetime as dt, threading
import apscheduler.schedulers.base, mmflow.alarm
class Set(dt.datetime):
    back = dt.timedelta()
    @classmethod
    def now(cls, zone=None):
        return super().now(zone) - cls.back
apscheduler.schedulers.base.datetime = mmflow.alarm.datetime = Set
woken, clock = threading.Event(), SystemClock()
def look(alarm, until):
    end = time.monotonic() + 20
    while not until() and time.monotonic() < end:
        alarm.set(due)
        time.sleep(0.05)
    print(until())
due = clock.now() + dt.timedelta(seconds=1.5)
with Alarm(lambda: None, clock, tick=0.2) as ticking, Alarm(woken.set, clock, tick=600) as waking:
    waking.set(due)
    Set.back = dt.timedelta(hours=3)
    before = ticking.ticks
    look(ticking, lambda: ticking.ticks > before + 2)
    look(waking, woken.is_set)
""")
    assert done.stdout == "True\nTrue\n", done.stderr


@pytest.mark.row("R17")
def test_a_process_whose_loop_hangs_ends_though_it_holds_every_lock():
    done = run_child("""
import threading
lock = threading.Lock()
with Watchdog({"loop": lambda: 1}, 0.3), lock:
    lock.acquire()
""")
    assert (done.returncode, "the loop has not moved" in done.stderr) == (EXIT_STUCK, True)


@pytest.mark.row("R17")
def test_a_process_that_stands_still_ends_though_nobody_reads_what_it_says():
    code = """
import sys, threading, time
from mmflow.daemon.watchdog import Watchdog
def fill():
    while True:
        sys.stderr.write("x" * 4096)
threading.Thread(target=fill, daemon=True).start()
with Watchdog({"loop": lambda: 1}, 0.3):
    time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stderr=subprocess.PIPE) as process:
        try:
            assert process.wait(30) == EXIT_STUCK
        finally:
            process.kill()


def test_a_database_that_does_not_answer_is_given_up_before_the_watchdog_thinks_the_loop_stuck():
    tries = postgres.PATIENCE + 2 * postgres.CONNECT  # the last one, and the question whether it is up
    assert postgres.SILENCE + tries < STUCK
    assert postgres.PATIENCE < postgres.ANSWER < postgres.GIVEN_UP * postgres.LOOK < STUCK


def test_what_moves_is_left_alone():
    moves = iter(range(10_000))
    with Watchdog({"loop": lambda: next(moves)}, 0.2):
        time.sleep(0.5)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no signal that stops a process")
@pytest.mark.row("R73")
def test_a_process_that_was_stopped_for_a_while_is_not_stuck():
    code = """
import os, signal, subprocess, sys
moves = 0
def count():
    return moves
with Watchdog({"loop": count}, 1.0):
    pid = os.getpid()
    subprocess.Popen([sys.executable, "-c", f"import os, time; time.sleep(2.5); os.kill({pid}, {int(signal.SIGCONT)})"])
    os.kill(pid, signal.SIGSTOP)
    moves += 1
    time.sleep(0.3)
print("alive")
"""
    done = run_child(code)
    assert (done.returncode, done.stdout) == (0, "alive\n"), done.stderr


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no such sockets here")
def test_a_service_manager_hears_of_it_and_without_one_nothing_happens(tmp_path):
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(path))
        manager.settimeout(5)
        systemd.notify({"NOTIFY_SOCKET": str(path)}, systemd.READY, "STATUS=fine")
        assert manager.recv(100) == b"READY=1\nSTATUS=fine"
    systemd.notify({"NOTIFY_SOCKET": str(path)}, systemd.READY)
    systemd.notify({}, systemd.READY)
