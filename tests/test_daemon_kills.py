"""A daemon that is killed at the worst moments of planning and leasing: every slot is there once, and run once."""

import signal
import subprocess
import sys
from datetime import timedelta

import pytest

from tests.daemons import ROOT, ask, slots
from tests.desk import NOW

KILLED = (-getattr(signal, "SIGKILL", signal.SIGTERM), signal.SIGTERM)  # on POSIX, on Windows
PLANNED, LEASED = "INSERT INTO slot", "SET state = 'running', owner"


@pytest.mark.parametrize(
    ("side", "words", "left"),
    [
        pytest.param("before", PLANNED, [], marks=pytest.mark.row("R1")),
        pytest.param("after", PLANNED, ["due"], marks=pytest.mark.row("R2")),
        ("after", LEASED, ["running"]),
    ],
)
def test_a_daemon_that_is_killed_at_a_transaction_loses_and_doubles_nothing(desk, side, words, left):
    desk.write("mmflow.yaml", (desk.root / "mmflow.yaml").read_text(encoding="utf-8") + "daemon: {workers: 1}\n")
    desk.job("""
        job: daily
        report: {metrics: [goodParts], group_by: [machine]}
        window: yesterday
        schedule: {cron: "40 6 * * *"}
        sinks: [{type: csv, path: "{date}.csv"}]
    """)
    desk.clock.set(NOW - timedelta(hours=23))
    assert desk.mmflow("daemon", "--once").code == 0
    command = [sys.executable, "-m", "tests.daemon_crash", side, NOW.isoformat(), str(desk.root), *words.split()]
    killed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert killed.returncode in KILLED, killed.stderr
    assert [state for _, state, _ in slots(desk.root)] == left
    desk.clock.set(NOW)
    assert desk.mmflow("daemon", "--once").code == 0
    assert [state for _, state, _ in slots(desk.root)] == ["done"]
    assert ask(desk.root, "SELECT tries, deaths FROM slot") == [(1, 0)]
    assert [path.name for path in (desk.root / "out").iterdir()] == ["2026-11-21.csv"]
