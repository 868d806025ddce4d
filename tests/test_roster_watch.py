"""Files that change are noticed: with the system's help, by the slow look without it, and by many processes at once."""

from __future__ import annotations

import logging
import time
from threading import Event, Thread, active_count

import pytest

from mmflow.clock import SystemClock
from mmflow.roster import Roster
from mmflow.roster.reading import read_jobs, read_many
from mmflow.roster.watch import Watcher
from mmflow.workspace import read_workspace
from tests.desk import NOW
from tests.rosters import JOB, SETTINGS, Plant


class Waiting:
    """What a daemon does: it looks when it is woken."""

    def __init__(self, roster: Roster) -> None:
        self.roster = roster
        self.woken = Event()

    def until(self, told: str) -> None:
        """Look whenever woken until a change says this.

        A file that comes while its folder is only just being watched waits for the slow look, a minute later.
        """
        end = time.monotonic() + 90
        while time.monotonic() < end:
            assert self.woken.wait(end - time.monotonic()), f"nobody was woken, and {told!r} was not told"
            self.woken.clear()
            if told in str(self.roster.refresh()):
                return
        pytest.fail(f"{told!r} was not told")


@pytest.fixture
def plant(tmp_path) -> Plant:
    return Plant(tmp_path)


def test_changes_are_noticed_wherever_they_happen(plant):
    """One pass over new files, new folders, whole replacements and deletions, for each costs a second."""
    plant.job("morning")
    roster = Roster(plant.root, SystemClock(), {})
    roster.refresh()
    waiting = Waiting(roster)
    threads = active_count()
    roster.watch(waiting.woken.set)
    try:
        plant.job("weekly", file="deep/er/weekly")
        waiting.until("1 job new: weekly")
        plant.job("monthly", file="deep/er/monthly")
        waiting.until("1 job new: monthly")
        fresh = plant.write("jobs/.fresh", JOB.replace("NAME", "morning").replace("06:40", "06:50"))
        fresh.replace(plant.root / "jobs/morning.yaml")
        waiting.until("morning: at 06:40, Monday to Friday")
        (plant.root / "jobs/deep/er/weekly.yaml").unlink()
        waiting.until("1 job gone: weekly")
        plant.write("mmflow.yaml", SETTINGS + "output: reports\n")
        waiting.until("mmflow.yaml was read anew")
    finally:
        roster.close()
    assert active_count() == threads


def test_where_nothing_can_be_watched_a_slow_look_goes_on_and_it_is_said(plant, caplog):
    """A folder that is not there cannot be watched, like one too many."""
    caplog.set_level(logging.WARNING)
    woken = Event()
    root = plant.root / "gone"
    watcher = Watcher(root, woken.set, lambda: False, poll=0.5)
    try:
        assert woken.wait(30)
    finally:
        watcher.close()
    assert "changed files are found only every" in caplog.text


def test_closing_ends_at_once(plant):
    watcher = Watcher(plant.root, lambda: None, lambda: False)
    begun = time.monotonic()
    watcher.close()
    assert time.monotonic() - begun < 5


def test_what_several_processes_find_is_what_one_finds(plant):
    """Also the problems, in the same order; it takes as long as it takes to start interpreters."""
    kinds = (JOB, JOB.replace("yesterday", "yesterdy"), "job: [", JOB + 'owner: "${env:OWNER}"\n')
    texts = [(f"jobs/{n}.yaml", kinds[n % 4].replace("NAME", f"job-{n}").encode()) for n in range(250)]
    workspace = read_workspace(SETTINGS, plant.root, NOW)
    found = read_many(texts, workspace, SETTINGS, NOW, many=2)
    assert found == read_jobs(texts, workspace)
    assert [bool(reading.plan) for reading in found[:4]] == [True, False, False, True]


def test_where_no_thread_can_be_started_jobs_are_checked_without_other_processes(plant, monkeypatch, caplog):
    def refuse(_thread: Thread) -> None:
        raise RuntimeError("can't start new thread")

    workspace = read_workspace(SETTINGS, plant.root, NOW)
    texts = [("jobs/a.yaml", JOB.replace("NAME", "a").encode())] * 2
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    monkeypatch.setattr(Thread, "start", refuse)
    assert read_many(texts, workspace, SETTINGS, NOW, many=2) == read_jobs(texts, workspace)
    assert "one after the other" in caplog.text
