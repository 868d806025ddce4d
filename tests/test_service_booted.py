"""The unit under a real systemd: the daemon works behind its walls, is started again when it dies, and stops."""

import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.booted import booted, wait

ACCOUNT = 64_321
ROOT = Path("/srv/plant")
ODD = r' a\b "c" $d ${e} #f; '
SETTINGS = """
version: 1
sites:
  boston: {environment: simulator, timezone: America/New_York, start_of_day: "06:00"}
defaults: {owner: ops@example.com}
"""
JOB = """
job: daily
report: {{metrics: [goodParts], group_by: [machine]}}
window: yesterday
schedule: {{at: "{at:%Y-%m-%dT%H:%M:%S}Z"}}
sinks: [{{type: csv, path: daily.csv}}]
"""
# Tries as the daemon, with its walls, what a plugin gone wrong might.
TRY = """
import os
from pathlib import Path
for path in ("/usr/mine", "/etc/mine", "/srv/plant/mmflow.yaml", "/srv/plant/jobs/mine.yaml", "/var/tmp/mine"):
    try:
        Path(path).open("a").close()
        print(path)
    except OSError:
        pass
"""


def mmflow(inside, *words):
    return inside.call(sys.executable, "-m", "mmflow", *words, "--root", ROOT)


def facts_of(inside, number):
    """What Linux says of a process inside."""
    lines = inside.call("cat", f"/proc/{number}/status").splitlines()
    return dict(line.split(":\t") for line in lines if ":\t" in line)


@pytest.fixture
def inside(tmp_path):
    """A systemd whose machine holds a root, which belongs to an account of its own."""
    with booted(tmp_path) as found:
        able = found.try_("setpriv", f"--reuid={ACCOUNT}", "--clear-groups", sys.executable, "-c", "import mmflow")
        if able.returncode:
            pytest.skip("the Python of these tests is for its owner only")
        for name, line in (("passwd", f"plant:x:{ACCOUNT}:{ACCOUNT}::/:/bin/false"), ("group", f"plant:x:{ACCOUNT}:")):
            with (found.root / "etc" / name).open("a", encoding="utf-8") as file:
                file.write(f"{line}\n")
        root = found.root / "srv/plant"
        (root / "jobs").mkdir(parents=True)
        (root / "mmflow.yaml").write_text(SETTINGS, encoding="utf-8")
        for path in (root, root / "jobs", root / "mmflow.yaml"):
            os.chown(path, ACCOUNT, ACCOUNT)
        yield found


@pytest.mark.timeout(600)
def test_a_service_works_behind_its_walls_and_is_started_again_reloaded_and_stopped(inside):
    # What belongs to the account and lies in shared memory is another program's too.
    shared = inside.root / "dev/shm/mmflow-test-of-another-program"
    shared.touch()
    os.chown(shared, ACCOUNT, ACCOUNT)
    # As docs/operating.md says to write what is odd.
    (inside.root / "etc/mmflow").mkdir()
    (inside.root / "etc/mmflow/mmflow.env").write_text(f"MM_ODD='{ODD}'\n", encoding="utf-8")
    try:
        said = mmflow(inside, "service", "install")
        assert said.startswith("mmflow is installed as /etc/systemd/system/mmflow.service and started")
        wait(lambda: inside.show("mmflow", "ActiveState") == "active")  # the daemon has said that it is ready
        first = inside.show("mmflow", "MainPID")
        facts = facts_of(inside, first)
        assert facts["Uid"].split() == [str(ACCOUNT)] * 4
        assert (facts["CapEff"], facts["NoNewPrivs"], facts["Seccomp"]) == ("0" * 16, "1", "2")
        assert f"MM_ODD={ODD}" in inside.call("cat", f"/proc/{first}/environ").split("\0")
        enter = ("nsenter", "-t", first, "-m", "setpriv", f"--reuid={ACCOUNT}", "--clear-groups")
        assert inside.call(*enter, sys.executable, "-c", TRY).split() == ["/var/tmp/mine"]

        # A job that is written now is read when it is told so, and done by a worker behind the same walls.
        job = inside.root / "srv/plant/jobs/daily.yaml"
        job.write_text(JOB.format(at=datetime.now(UTC) + timedelta(seconds=5)), encoding="utf-8")
        inside.call("systemctl", "reload", "mmflow")
        wait((inside.root / "srv/plant/out/daily.csv").exists)
        assert "installed, active (running) since " in mmflow(inside, "service", "status")

        more = inside.root / "etc/systemd/system/mmflow.service.d"
        more.mkdir()
        (more / "sooner.conf").write_text("[Service]\nRestartSec=1\n", encoding="utf-8")
        inside.call("systemctl", "daemon-reload")
        inside.call("systemctl", "kill", "--signal=KILL", "--kill-who=main", "mmflow")
        wait(lambda: inside.show("mmflow", "NRestarts") == "1" and inside.show("mmflow", "ActiveState") == "active")
        assert inside.show("mmflow", "MainPID") not in ("0", first)

        inside.call("systemctl", "stop", "mmflow")
        ended = [inside.show("mmflow", key) for key in ("ActiveState", "Result", "ExecMainStatus")]
        assert ended == ["inactive", "success", "0"]
        assert shared.exists()
        mmflow(inside, "service", "uninstall")
        assert inside.show("mmflow", "LoadState") == "not-found"
    finally:
        shared.unlink(missing_ok=True)
