"""Locks that the operating system drops when their holder ends: of jobs and of the daemon."""

import errno
import os
import re
import subprocess
import sys

import pytest

from mmflow.errors import Busy, StateError
from mmflow.ledger import DaemonLock, JobLock, OsLock, list_held, lock
from tests.ledgers import wait_until


@pytest.mark.skipif(sys.platform == "win32", reason="Windows locks bytes, not files")
def test_a_disk_without_locks_is_not_taken_for_another_runner(tmp_path, monkeypatch):
    def refuse(handle):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(lock, "lock_file", refuse)
    with (
        pytest.raises(StateError, match=r"daily\.lock cannot be locked: .*No locks available"),
        JobLock(tmp_path, "daily"),
    ):
        pass


HOLD = """
import sys
from pathlib import Path
from mmflow.ledger import DaemonLock, JobLock
folder = Path(sys.argv[2])
with JobLock(folder, "daily") if sys.argv[1] == "job" else DaemonLock(folder):
    print("held", flush=True)
    sys.stdin.read()
"""


FORK = """
import os, sys
from pathlib import Path
from mmflow.ledger import JobLock
with JobLock(Path(sys.argv[1]), "daily"):
    if os.fork() == 0:  # as a sink may, and leave it behind
        print("forked", flush=True)
        sys.stdin.read()
        if sys.argv[2] == "unwinds":
            sys.exit()
        os._exit(0)
    if sys.argv[2] == "dies":
        os._exit(1)
    if sys.argv[2] == "unwinds":
        os.wait()
        print("child is gone", flush=True)
        sys.stdin.read()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows does not fork")
@pytest.mark.parametrize("how", ["ends", "dies"])
def test_a_process_that_a_sink_has_left_behind_holds_no_lock(tmp_path, how):
    command = [sys.executable, "-c", FORK, str(tmp_path), how]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout.readline() == "forked\n"
        wait_until(lambda: parent.poll() is not None)
        with JobLock(tmp_path, "daily"):
            pass


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows does not fork")
def test_a_process_that_was_forked_does_not_give_back_the_lock_of_its_parent(tmp_path):
    reading, writing = os.pipe()
    command = [sys.executable, "-c", FORK.replace("sys.stdin.read()", "", 1), str(tmp_path), "unwinds"]
    with subprocess.Popen(command, stdin=reading, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout.readline() == "forked\n"
        assert parent.stdout.readline() == "child is gone\n"
        with pytest.raises(Busy), JobLock(tmp_path, "daily"):
            pass
        os.close(writing)
    os.close(reading)


@pytest.fixture
def hold(tmp_path):
    """Start a process that holds a lock, of a job or of the daemon."""
    holders = []

    def start(kind):
        command = [sys.executable, "-c", HOLD, kind, str(tmp_path)]
        holders.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        assert holders[-1].stdout.readline() == "held\n"
        return holders[-1]

    yield start
    for holder in holders:
        with holder:
            holder.kill()


def test_a_second_runner_of_a_job_is_told_who_runs_it_and_since_when(tmp_path, hold):
    holder = hold("job")
    told = rf"job 'daily' is being run by process {holder.pid} on \S+ since 20\d\d-\d\d-\d\d \d\d:\d\d UTC; wait"
    with pytest.raises(Busy, match=told), JobLock(tmp_path, "daily"):
        pass
    with JobLock(tmp_path, "other"):
        pass
    holder.kill()
    holder.wait()
    with JobLock(tmp_path, "daily"):
        pass


@pytest.mark.row("R19")
def test_who_finds_a_run_of_the_daemon_in_the_way_is_told_how_to_end_it(tmp_path):
    with JobLock(tmp_path, "daily", "20261103T114002-7f3a19c4"):
        with pytest.raises(Busy) as found, JobLock(tmp_path, "daily"):
            pass
        assert "\n" not in list_held(tmp_path)[0]
    told = (
        r"job 'daily' is being run by the daemon, in process \d+ on \S+ since .* UTC; wait until it ends, or end it: "
    )
    assert re.fullmatch(rf"{told}mmflow cancel 20261103T114002-7f3a19c4", str(found.value))
    with JobLock(tmp_path, "daily"), pytest.raises(Busy, match=r"run by process \d+ .*or end it$"):
        JobLock(tmp_path, "daily").__enter__()


@pytest.mark.row("R19")
def test_a_second_daemon_is_told_who_the_first_is_and_since_when(tmp_path, hold):
    holder = hold("daemon")
    told = rf"a daemon is at work already: process {holder.pid} on \S+ since .* UTC; .*PostgreSQL"
    with pytest.raises(StateError, match=told) as refused, DaemonLock(tmp_path):
        pass
    assert refused.value.exit_code == 4
    holder.kill()
    holder.wait()
    with DaemonLock(tmp_path):
        pass


def test_a_lock_may_be_waited_for(tmp_path, hold):
    holder = hold("job")
    holder.stdin.close()
    with OsLock(tmp_path / "daily.lock", patience=20):
        assert f"process {os.getpid()} " in OsLock(tmp_path / "daily.lock").owner


def test_locks_that_are_held_are_listed_and_left_alone(tmp_path, hold):
    with JobLock(tmp_path, "ended"):
        pass
    assert list_held(tmp_path / "none") == []
    holder = hold("job")
    before = (tmp_path / "daily.lock").read_bytes()
    (listed,) = list_held(tmp_path)
    assert re.match(rf"daily: process {holder.pid} on ", listed)
    assert (tmp_path / "daily.lock").read_bytes() == before
