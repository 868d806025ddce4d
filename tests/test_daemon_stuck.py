"""A whole daemon that stands still: it ends with its workers, and the next one goes on with what it had begun."""

import sqlite3
from contextlib import closing

import pytest

from mmflow.daemon.watchdog import EXIT_STUCK
from tests.daemons import PATIENCE, ask, running_daemon, slots
from tests.ledgers import ledger_file, wait_until
from tests.test_daemon_process import SLOW, START, find_children, is_there, posix, write_jobs


@posix
@pytest.mark.row("R17")
def test_a_daemon_whose_loop_stands_still_ends_with_its_workers_and_the_next_one_goes_on(stormy_desk):
    desk = stormy_desk
    write_jobs(desk, "daily", catch_up="all")
    desk.simulator.faults(SLOW)
    with running_daemon(desk.root, start=START, speed=10, module="tests.daemon_stuck") as daemon:
        daemon.wait_for(lambda: ask(desk.root, "SELECT id FROM run WHERE state = 'running'"))
        children = find_children(daemon.process.pid)
        assert children
        with closing(sqlite3.connect(ledger_file(desk.root), isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")  # whoever writes waits for it, for longer than the watchdog does
            assert daemon.process.wait(PATIENCE) == EXIT_STUCK
        assert "the loop of the daemon has not moved for 3 seconds: this process ends" in daemon.text
    wait_until(lambda: not any(map(is_there, children)))
    desk.simulator.clear_faults()
    desk.clock.set(START)
    desk.clock.sleep(120)
    assert desk.mmflow("daemon", "--once").code == 0
    assert slots(desk.root)[0][1] == "done"
