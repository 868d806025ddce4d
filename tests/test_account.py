"""A root that belongs to another account, as that of a service does: who may not look into it is told whose it is."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.test_state import JOB


@pytest.fixture
def closed(desk):
    """A root like that of a service, whose state is for its account alone, and the account that looks at it."""
    if sys.platform == "win32" or os.geteuid() != 0:
        pytest.skip("only root can be somebody else, and POSIX alone has accounts like that")
    desk.job(JOB)
    assert desk.mmflow("run", "daily").code == 0
    other = 65_534
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "plant")
        shutil.copytree(desk.root, root)
        for open_to_all in (Path(folder), root):
            open_to_all.chmod(0o755)
        if not can_import_mmflow(other, root):
            pytest.skip("the Python of these tests is for its owner only")
        yield root, other


@pytest.mark.parametrize(
    ("words", "code"),
    [("runs", 4), ("jobs", 4), ("logs", 4), ("watch --once", 4), ("state backup", 4), ("service status", 1)],
)
def test_who_may_not_look_into_the_state_is_told_whose_it_is(closed, words, code):
    root, other = closed
    done = look_as(other, root, *words.split())
    assert done.returncode == code, done.stderr
    whose = f"{root / '.mmflow'} is for account root alone; run mmflow as that account: sudo -u 'root' mmflow …"
    assert whose in done.stdout + done.stderr


def test_the_doctor_says_so_too_and_a_root_that_is_closed_is_named(closed):
    root, other = closed
    done = look_as(other, root, "doctor")
    assert (done.returncode, "could not be looked at" in done.stdout) == (1, False)
    assert f"{root / '.mmflow'} is for account root alone\n" in done.stdout
    done = look_as(other, root, "doctor", "--bundle", "/tmp/no-such-bundle.zip")
    assert (done.returncode, f"{root / '.mmflow'} is for account root alone" in done.stderr) == (4, True)
    root.chmod(0o700)
    done = look_as(other, root, "runs")
    assert (done.returncode, "which is closed to this account" in done.stderr) == (2, True)


def can_import_mmflow(account, root):
    try:
        done = subprocess.run([sys.executable, "-c", "import mmflow"], cwd=root, user=account, check=False)
    except PermissionError:  # a folder above this Python is closed to others
        return False
    return done.returncode == 0


def look_as(account, root, *words):
    command = [sys.executable, "-m", "mmflow", *words, "--root", root]
    return subprocess.run(command, user=account, cwd="/", capture_output=True, text=True, check=False)
