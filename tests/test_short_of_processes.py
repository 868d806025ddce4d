"""A daemon that can start neither processes nor threads goes on, loses nothing, and works when it can again."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.chaos import children_of
from tests.daemons import RealDaemon, ask, running_daemon, slots
from tests.desk import NOW, Desk, open_desk

USER = 61234  # nobody's: root is exempt from the limit, and a user who runs other processes would have them counted
AS_USER = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"]
READS_ALL = [f"--{kind}-caps=+dac_override,+dac_read_search" for kind in ("inh", "ambient")]  # the code lies anywhere
JOB = """
    job: daily
    report: {metrics: [goodParts], group_by: [machine]}
    window: yesterday
    schedule: {cron: "* * * * *", overlap: skip}
    sinks: [{type: csv, path: "{date}.csv"}]
"""


def become_another() -> list[str]:
    """Give the command that runs another one as a user of its own."""
    command = [*AS_USER, *READS_ALL]
    found = shutil.which("setpriv")
    if not found or subprocess.run([*command, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no right to become another user here")
    return command


@pytest.fixture
def desk(service) -> Iterator[Desk]:
    """A root that another user may own and reach."""
    with TemporaryDirectory() as folder:
        yield open_desk(Path(folder), service)


def give_away(root: Path) -> None:
    for path in [root, *root.rglob("*")]:
        os.chown(path, USER, USER)


def allow(by: list[str], daemon: RealDaemon, most: int) -> None:
    """Let a daemon have so many processes and threads at the most, which is for its own user to say."""
    subprocess.run([*by, "prlimit", f"--pid={daemon.process.pid}", f"--nproc={most}:"], check=True)


@pytest.mark.row("R87")
@pytest.mark.skipif(sys.platform != "linux", reason="limits of another process are set as Linux does")
def test_a_daemon_that_can_start_no_process_and_no_thread_goes_on_and_recovers(desk):
    desk.job(JOB)
    by = become_another()
    give_away(desk.root)
    with running_daemon(desk.root, start=NOW, speed=20, by=by) as daemon:
        daemon.wait_text("at work")
        desk.job(JOB.replace("daily", "first"), "first")
        daemon.wait_text("1 job new: first")  # so files are watched
        allow(by, daemon, 1)
        for worker in children_of(daemon.process.pid):
            os.kill(worker, signal.SIGKILL)
        daemon.wait_text("cannot be started", 60)
        assert not ask(desk.root, "SELECT * FROM slot WHERE deaths > 0 OR state = 'failed'")
        desk.job(JOB.replace("daily", "second"), "second")
        daemon.wait_text("can't start new thread", 60)
        allow(by, daemon, 1_000)
        daemon.wait_for(lambda: "done" in [state for _, state, _ in slots(desk.root)], 60)
        daemon.wait_for(lambda: slots(desk.root, "second"), 60)
        assert daemon.stop() == 0
    assert not ask(desk.root, "SELECT * FROM slot WHERE deaths > 0 OR state = 'failed'")
