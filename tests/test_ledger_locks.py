"""Several connections of one process to one file, as a daemon has them."""

import subprocess
import sys
from contextlib import ExitStack
from datetime import UTC, datetime

import pytest

from mmflow.ledger import Ledger
from tests.ledgers import ledger_file

DUE = datetime(2026, 11, 3, 11, 40, tzinfo=UTC)
LOOK = """
import sys
from pathlib import Path
from mmflow.clock import SystemClock
from mmflow.ledger import Ledger

with Ledger.open(Path(sys.argv[1]), SystemClock()) as ledger:
    print(*sorted(run.id for run in ledger.runs()))
"""


@pytest.fixture
def path(tmp_path):
    return ledger_file(tmp_path)


def look(path):
    """Open and close it in another process, and give the runs that it found."""
    done = subprocess.run([sys.executable, "-c", LOOK, path], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_a_second_connection_takes_no_lock_from_the_first(path, clock):
    """Else the other process, believing that it is the last, clears away the log that is still written to."""
    with Ledger.open(path, clock) as first:
        first.begin_run("r1", "daily", DUE, "manual")
        Ledger.open(path, clock).close()
        assert look(path) == ["r1"]
        first.begin_run("r2", "weekly", DUE, "manual")
        assert look(path) == ["r1", "r2"]


OPEN = """
import sys
from pathlib import Path
from mmflow.clock import SystemClock
from mmflow.ledger import Ledger

sys.stdin.read()
with Ledger.open(Path(sys.argv[1]), SystemClock()) as ledger:
    ledger.note(sys.argv[2], "here")
    print(ledger.identity)
"""


def test_of_many_that_come_first_at_once_each_gets_the_same_ledger(path, clock):
    words = [[sys.executable, "-c", OPEN, path, str(number)] for number in range(8)]
    with ExitStack() as stack:
        begun = [subprocess.Popen(one, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for one in words]
        for one in begun:
            stack.enter_context(one)
        for one in begun:
            one.stdin.close()
        identities = {one.stdout.read() for one in begun}
    assert {one.returncode for one in begun} == {0}
    with Ledger.open(path, clock) as ledger:
        assert identities == {f"{ledger.identity}\n"}
        assert [ledger.noted(str(number)) for number in range(8)] == ["here"] * 8
