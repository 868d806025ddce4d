"""Real daemons say what is late also when next to nothing of them works: the loop, the workers, the ledger."""

import os
import sqlite3
from contextlib import closing
from datetime import UTC, datetime

import pytest

from tests.daemons import ask, running_daemon
from tests.hooks import open_hook
from tests.ledgers import ledger_file
from tests.test_daemon_process import SLOW

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the helpers start daemons of POSIX")

START = datetime(2026, 11, 3, 11, 39, 30, tzinfo=UTC)
FAST = {"start": START, "speed": 12.0, "module": "tests.daemon_hung"}  # each five seconds a minute
JOB = """
    job: {name}
    report: {{metrics: [goodParts], group_by: [machine]}}
    window: yesterday
    schedule: {{every: day, at: "{at}"}}
    deadline: 1 min
    notify: {{on: [late], via: [{{type: webhook, connection: ops}}]}}
    sinks: [{{type: console}}]
"""


@pytest.fixture
def hook():
    with open_hook() as opened:
        yield opened


@pytest.fixture
def desk(desk, hook):
    """A desk with one worker, whose people are told at an address."""
    text = desk.text("mmflow.yaml").replace(
        "defaults: {owner: ops@example.com}",
        "defaults: {owner: ops@example.com, notify: {via: [{type: webhook, connection: ops}]}}\n"
        f'connections: {{ops: {{type: webhook, url: "{hook.url.partition("?")[0]}"}}}}\n'
        'daemon: {notice_wait: 1 second, workers: 1, heartbeat: "${env:HEARTBEAT}"}',
    )
    desk.write("mmflow.yaml", text)
    desk.simulator.clear_faults()
    yield desk
    desk.simulator.clear_faults()


def heard(hook):
    """What people were told, by job and kind."""
    return {(item["job"], item["kind"]): item["reason"] for one in hook.heard for item in one.get("items", ())}


def test_what_is_late_is_said_while_the_workers_are_busy_and_the_loop_stands_still(desk, hook):
    desk.simulator.faults(SLOW)
    for name, at in (("busy", "06:40"), ("waits", "06:41"), ("unplanned", "06:44")):
        desk.job(JOB.format(name=name, at=at), name)
    with running_daemon(desk.root, environ={"HEARTBEAT": hook.url}, **FAST) as daemon:
        daemon.wait_for(lambda: ("waits",) in ask(desk.root, "SELECT job FROM slot"), 60)
        (desk.root / "hang").touch()
        daemon.wait_for(lambda: len(heard(hook)) == 3, 90)
        daemon.kill()
    reasons = heard(hook)
    assert "it has been running since 2026-11-03 11:40 UTC" in reasons["busy", "late"]
    assert "it has been running since" in reasons["waits", "late"], "it is the next in line of the one worker"
    assert reasons["unplanned", "late"].endswith(": the daemon runs and has not planned it")


@pytest.mark.row("R22")
def test_what_is_late_is_said_while_somebody_locks_the_ledger_and_the_heart_stands_still(desk, hook):
    desk.job(JOB.format(name="daily", at="06:43"))
    with running_daemon(desk.root, environ={"HEARTBEAT": hook.url}, **FAST) as daemon:
        daemon.wait_text("at work")
        with closing(sqlite3.connect(ledger_file(desk.root), isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            daemon.wait_for(lambda: heard(hook).keys() >= {("daily", "late"), ("", "outage")}, 90)
            daemon.wait_text("no heartbeat: ledger: the ledger ", 60)
        beats = hook.bodies.count(b"")
        daemon.wait_for(lambda: hook.bodies.count(b"") > beats, 60)
        daemon.wait_for(lambda: ("", "state") in heard(hook), 60)
        assert daemon.stop() == 0
    assert "deliver" in heard(hook)["daily", "late"]
    assert "the ledger" in heard(hook)["", "outage"]
    assert [item["kind"] for one in hook.heard for item in one.get("items", ())].count("late") == 1
