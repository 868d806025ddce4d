"""A sink may end the process of a command without a word: the next command tells, and nothing is sent twice."""

import os
import subprocess
import sys

import pytest

from tests.crash import ROOT
from tests.desk import NOW
from tests.leased import OBEYING, heard, order, write_job


@pytest.fixture
def gone(desk, install):
    """Run the daily job in a process that its second sink ends with exit code 0, and give the run."""
    install("obeying", OBEYING)
    write_job(desk, "type: tell", "type: obey, name: two", "type: obey, name: three")
    order(desk, "two", "exit 0", "ok")
    command = [sys.executable, "-m", "tests.crash", str(desk.root), "0", "run", "daily", "--yes"]
    path = os.pathsep.join([str(desk.root / "site"), str(ROOT)])
    environ = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False, timeout=300)
    assert (done.returncode, done.stdout) == (0, ""), "nobody was there to say anything else"
    (run,) = desk.mmflow("runs", "--json").data["runs"]
    assert (run["state"], run["finished"]) == ("running", None)
    return run["run"]


@pytest.mark.row("R16")
def test_the_next_run_of_the_job_says_that_it_died_and_sends_no_message_twice(desk, gone):
    desk.clock.sleep(60)
    done = desk.mmflow("run", "daily", "--at", f"{NOW:%Y-%m-%dT%H:%M:%SZ}", "--yes")
    assert done.code == 0
    assert f"job daily, run {gone}: the process ended before the run did" in done.err
    shown = desk.mmflow("runs", "show", gone, "--json").data
    assert (shown["state"], shown["error"]) == ("failed", "the process ended before the run did")
    states = {one["sink"]: one["state"] for one in shown["deliveries"]}
    assert states == {"tell": "done", "two": "superseded", "three": "superseded"}
    assert [heard(desk, sink) for sink in ("tell", "two", "three")] == [["ok"], ["exit", "ok"], ["ok"]]


@pytest.mark.row("R16")
def test_what_is_left_of_it_is_sent_from_its_table(desk, gone):
    done = desk.mmflow("resend", gone, "--failed", "--yes", "--json")
    assert f"run {gone}: the process ended before the run did" in done.err
    assert (done.code, done.data["state"]) == (0, "ok")
    assert [heard(desk, sink) for sink in ("tell", "two", "three")] == [["ok"], ["exit", "ok"], ["ok"]]
