"""Real daemons tell people: of what failed, of what is late, and how they are, also with next to nothing left."""

import json
import os
import re
import resource
import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime

import pytest

from mmflow.logs import list_files, read_lines
from tests.daemons import ask, running_daemon, set_clock
from tests.desk import KEY
from tests.hooks import open_hook

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the helpers start daemons of POSIX")

MORNING = datetime(2026, 11, 3, 11, 39, 30, tzinfo=UTC)
FAST = {"start": MORNING, "speed": 6.0}  # each ten seconds a minute
JOB = """
    job: daily
    report: {metrics: [goodParts], group_by: [machine]}
    window: yesterday
    schedule: {cron: "* * * * *"}
    checks: [{rows: ">= 500"}]
    sinks: [{type: console}]
"""


@pytest.fixture
def hook():
    with open_hook() as opened:
        yield opened


def configure(desk, hook):
    url = hook.url.partition("?")[0]
    text = desk.text("mmflow.yaml").replace(
        "defaults: {owner: ops@example.com}",
        "defaults: {owner: ops@example.com, notify: {via: [{type: webhook, connection: ops}]}}\n"
        f'connections: {{ops: {{type: webhook, url: "{url}"}}}}\n'
        "daemon: {notice_wait: 1 second}",
    )
    desk.write("mmflow.yaml", text)


def get(url):
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def find_url(daemon):
    return daemon.wait_for(lambda: re.search(r"(http://[\d.:]+)/health and /metrics", daemon.text))[1]


def test_a_report_that_is_held_is_told_and_counted(desk, hook):
    """One daemon for all of it: it takes some seconds to begin, and to send."""
    configure(desk, hook)
    desk.job(JOB)
    with running_daemon(desk.root, "--log", "json", "--metrics", "127.0.0.1:0", **FAST) as daemon:
        url = find_url(daemon)
        daemon.wait_for(lambda: hook.heard, 40)
        status, health = get(f"{url}/health")
        metrics = get(f"{url}/metrics")[1]
        assert daemon.stop() == 0
    heard = hook.heard[0]
    (item,) = heard["items"]
    assert heard["subject"].startswith("mmflow, needs action: daily held back: ")
    assert heard["to"] == ["ops@example.com"]
    assert "America/New_York" in heard["text"]
    assert item["command"] == f"mmflow resend {item['run']}"
    assert ask(desk.root, "SELECT kind, state FROM notice ORDER BY created")[0] == ("held", "done")
    assert len(hook.heard) == 1  # it goes on being held every minute
    assert (status, json.loads(health)["status"]) == (200, "ok")
    assert 'mmflow_runs_total{state="held"}' in metrics
    assert "mmflow_schedule_lag_seconds_bucket" in metrics
    logged = [line for path in list_files(desk.root / ".mmflow" / "logs") for line, _ in read_lines(path)]
    assert any((line.job, line.run, line.site) == ("daily", item["run"], "boston") and line.slot for line in logged)


def test_a_heart_beats_while_all_is_well_and_no_secret_is_shown_to_who_looks(desk, hook):
    """By a clock of which each second is a minute; what is wrong is its date, which was set far forward and back."""
    configure(desk, hook)
    text = desk.text("mmflow.yaml").replace("daemon: {", 'daemon: {heartbeat: "${env:HEARTBEAT}", ')
    desk.write("mmflow.yaml", text)
    given = {"start": MORNING, "speed": 60.0, "environ": {"HEARTBEAT": hook.url}}
    with running_daemon(desk.root, "--metrics", "127.0.0.1:0", **given) as daemon:
        url = find_url(daemon)
        daemon.wait_for(lambda: beats(hook) >= 2)
        with slow_callers(url) as callers:
            set_clock(desk.root, 40_000_000)
            daemon.wait_for(lambda: get(f"{url}/health")[0] == 503)
            health, metrics = (get(f"{url}/{page}")[1] for page in ("health", "metrics"))
            assert len(callers) == 20
        daemon.wait_text("no heartbeat: clock: ")
        before = beats(hook)
        daemon.wait_for(lambda: daemon.text.count("no heartbeat: clock: ") >= 3)
        assert beats(hook) == before
        set_clock(desk.root, 0)
        daemon.wait_for(lambda: beats(hook) > before)
        assert get(f"{url}/health")[0] == 200
        assert daemon.stop() == 0
    assert "clock: the clock" in json.loads(health)["reasons"][0]
    assert "mmflow_healthy 0.0" in metrics
    for shown in (health, metrics, daemon.text):
        assert KEY not in shown
        assert "t0ken-of-the-hook" not in shown


def beats(hook):
    """How often the heart was heard; notices have a body."""
    return hook.bodies.count(b"")


@contextmanager
def slow_callers(url):
    """Have some call who never say what they want, and some who never read the answer."""
    host, port = url.removeprefix("http://").split(":")
    with ExitStack() as stack:
        callers = [stack.enter_context(socket.create_connection((host, int(port)))) for _ in range(20)]
        for caller in callers[::2]:
            caller.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        yield callers


@pytest.mark.row("R86")
@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_daemon_without_free_file_handles_goes_on_and_recovers(desk):
    desk.job(JOB)
    with running_daemon(desk.root, "--metrics", "127.0.0.1:0", "--log", "json", **FAST) as daemon:
        url = find_url(daemon)
        pid = daemon.process.pid
        daemon.wait_text("at work")
        before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (8, before[1]))  # fewer than are open now
        daemon.wait_text("Too many open files", 40)
        assert daemon.process.poll() is None
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
        daemon.wait_for(lambda: ("held",) in ask(desk.root, "SELECT state FROM run"), 60)
        daemon.wait_for(lambda: get(f"{url}/health")[0] == 200, 30)
        assert daemon.stop() == 0


READ_ONLY = 'mount --bind "$0" "$0" && mount -o remount,bind,ro / && ! touch /written 2>/dev/null && exec "$@"'


@pytest.mark.row("R88")
@pytest.mark.skipif(sys.platform != "linux", reason="mounts as Linux does")
def test_a_daemon_needs_its_root_to_write_to_and_nothing_else(desk):
    """A read-only system, no HOME, the C locale, an odd umask, another folder; what it writes is its owner's alone."""
    desk.job(JOB)
    command = ["unshare", "-m", "sh", "-c", READ_ONLY, str(desk.root)]
    probe = subprocess.run([*command, "true"], capture_output=True, check=False) if shutil.which("unshare") else None
    if not probe or probe.returncode:
        pytest.skip("no right to make the system read-only here")
    environ = {"PATH": os.environ["PATH"], "MM_BOSTON_KEY": KEY, "LC_ALL": "C", "TMPDIR": "/nowhere"}
    words = [sys.executable, "-P", "-m", "mmflow", "daemon", "--once", "--root", str(desk.root)]
    done = subprocess.run(
        [*command, *words], env=environ, cwd="/", umask=0, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    state = desk.root / ".mmflow"
    assert list_files(state / "logs")
    opened = [path for path in state.rglob("*") if path.is_file() and path.stat().st_mode & 0o077]
    assert (state.stat().st_mode & 0o077, opened) == (0, [])
