"""Who runs or resends a job that the daemon is working on is told how to end that, and need not know of processes."""

from __future__ import annotations

import sys

import pytest

from mmflow.clock import SystemClock
from mmflow.executor import Executor
from mmflow.settings import Daemon
from tests.desk import KEY
from tests.leased import OBEYING, Ends, heard, order, read_slot, system_lease, write_job
from tests.test_executor import wait_for


@pytest.mark.row("R19")
@pytest.mark.skipif(sys.platform == "win32", reason="a worker is to be stopped soon")
def test_a_run_of_the_daemon_is_named_with_the_command_that_ends_it(desk, install):
    install("obeying", OBEYING)
    write_job(desk, "type: obey, name: obey")
    order(desk, "obey", "sleep", "ok")
    executor, ends = Executor(Daemon(workers=1, run_time="10 minutes"), SystemClock(), {"MM_BOSTON_KEY": KEY}), Ends()
    try:
        task = system_lease(desk)
        executor.submit(task, ends)
        wait_for(lambda: heard(desk, "obey"), 60)
        run = read_slot(desk).run
        for words in (("run", "daily"), ("resend", run, "--no-send")):
            done = desk.mmflow(*words)
            assert done.code == 4
            assert "job 'daily' is being run by the daemon, in process " in done.err
            assert done.err.endswith(f"; wait until it ends, or end it: mmflow cancel {run}\n")
        assert desk.mmflow("cancel", run).code == 0
        assert executor.cancel(task.key)
        assert ends.wait(task).state == "cancelled"
    finally:
        executor.stop(0)
    assert desk.mmflow("run", "daily").code == 0
