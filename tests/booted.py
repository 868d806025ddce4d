"""A systemd of its own for a test: process 1 of namespaces, with a private /etc, /run and /srv, and no other units."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

SYSTEMD = Path("/lib/systemd/systemd")
RUNNING = Path("/run/systemd/system")
GROUPS = Path("/sys/fs/cgroup")
TARGETS = ("sysinit", "basic", "shutdown", "umount", "network-online", "multi-user", "default")
SPACES = ("-m", "-p", "-C", "-u", "-i")  # mounts, processes, control groups, name, memory that is shared
PATIENCE = 120.0
UNIT = "[Unit]\nDescription=of a test\nDefaultDependencies=no\n"
# It gets control groups below some of its own, so that it sees no others.
ENTER = """\
for group in {groups}/* {groups}; do mkdir -p $group/mmflow-$$ && echo $$ > $group/mmflow-$$/cgroup.procs; done
exec unshare -f {spaces} --mount-proc --propagation private sh -c "$0"
"""
# What process 1 of the namespaces does before it becomes systemd.
BEGIN = """\
umount -l {groups}/* {groups}
mount -t tmpfs tmpfs {groups} && mkdir {groups}/systemd
mount -t cgroup -o none,name=systemd cgroup {groups}/systemd || mount -t cgroup2 cgroup2 {groups} || exit 1
mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/system /run/lock || exit 1
mount -t tmpfs tmpfs /srv && mount --bind {etc} /etc || exit 1
export container=other SYSTEMD_UNIT_PATH=/etc/systemd/system
exec {systemd} --system --log-target=null
"""


@dataclass(frozen=True)
class Inside:
    """What is run by that systemd, and its files, seen from outside."""

    number: int

    @property
    def root(self) -> Path:
        """Where its file system is seen."""
        return Path(f"/proc/{self.number}/root")

    def call(self, *words: object) -> str:
        """Run a command inside, and give what it prints; it has to succeed."""
        done = self.try_(*words)
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout

    def try_(self, *words: object) -> subprocess.CompletedProcess[str]:
        """Run a command inside."""
        enter = ["nsenter", "-t", str(self.number), *SPACES, *map(str, words)]
        return subprocess.run(enter, capture_output=True, text=True, check=False, timeout=PATIENCE, cwd="/")

    def show(self, unit: str, key: str) -> str:
        """Give what systemd says of a unit."""
        return self.call("systemctl", "show", unit, f"--property={key}", "--value").strip()


def refuse() -> str:
    """Say why there can be none here, "" when there can."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "only root of a Linux can start a systemd"
    if not SYSTEMD.exists() or not all(map(shutil.which, ("unshare", "nsenter", "mount", "systemctl"))):
        return "systemd is not installed"
    return "this machine is run by systemd, which is left alone" if RUNNING.exists() else ""


@contextmanager
def booted(folder: Path) -> Iterator[Inside]:
    """Start one, with what it needs in a folder; the test is skipped where that cannot be."""
    if why := refuse():
        pytest.skip(why)
    etc = folder / "etc"
    shutil.copytree("/etc", etc, symlinks=True)
    shutil.rmtree(etc / "systemd" / "system")
    (etc / "systemd" / "system").mkdir()
    for name in TARGETS:
        (etc / "systemd" / "system" / f"{name}.target").write_text(UNIT, encoding="utf-8")
    begin = BEGIN.format(groups=GROUPS, etc=etc, systemd=SYSTEMD)
    words = ["sh", "-c", ENTER.format(groups=GROUPS, spaces=" ".join(SPACES)), begin]
    with (
        (folder / "boot.log").open("wb") as log,
        subprocess.Popen(words, start_new_session=True, stdin=subprocess.DEVNULL, stderr=log) as outer,
    ):
        try:
            with suppress(AssertionError):
                wait(lambda: outer.poll() is not None or is_up(outer.pid))
            if not is_up(outer.pid):
                pytest.skip(f"no systemd can be started here: {(folder / 'boot.log').read_text()[-200:]}")
            yield Inside(find_first(outer.pid))
        finally:
            if first := find_first(outer.pid):
                os.kill(first, signal.SIGKILL)  # with it all that is inside ends
            outer.wait(PATIENCE)
            drop_groups(f"mmflow-{outer.pid}")


def drop_groups(name: str) -> None:
    """Remove the control groups that were made, as far as nothing is in them any more."""
    for made in (*GROUPS.glob(f"*/{name}"), GROUPS / name):
        for folder, _, _ in os.walk(made, topdown=False):
            with suppress(OSError):
                Path(folder).rmdir()


def find_first(outer: int) -> int:
    """Give the process that is number 1 inside, 0 when it is not there yet, or no more."""
    try:
        children = Path(f"/proc/{outer}/task/{outer}/children").read_text(encoding="ascii").split()
        names = {Path(f"/proc/{child}/comm").read_text(encoding="ascii"): int(child) for child in children}
    except OSError:
        return 0
    return names.get("systemd\n", 0)


def is_up(outer: int) -> bool:
    """Tell whether it has started all that it is to start."""
    first = find_first(outer)
    return bool(first) and Inside(first).try_("systemctl", "is-system-running").stdout == "running\n"


def wait(done: Callable[[], object]) -> None:
    """Wait for something to be so."""
    end = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < end
        time.sleep(0.1)
