"""Checks of the machine: versions, rules of time zones, memory, disks and rights."""

from __future__ import annotations

import errno
import os
import platform
import re
import shutil
import sys
import tempfile
import zoneinfo
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from mmflow import __version__
from mmflow.atomic import DRAFT
from mmflow.doctor import Diagnosis, fail, ok, warn
from mmflow.settings import Daemon

SCARCE, ROOMY = 100_000_000, 1_000_000_000  # bytes that are free on a disk
FULL: Final = frozenset({errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)})
FEW_FILES: Final = 256  # open at a time; each worker and each request needs some
LEFT_FOR_OTHERS: Final = 512_000_000  # bytes of memory that the daemon and the system need themselves
CGROUP: Final = Path("/sys/fs/cgroup/memory.max")


def check_versions() -> Iterator[Diagnosis]:
    """Say what runs here."""
    yield ok(f"mmflow {__version__}, Python {platform.python_version()}, {platform.platform()}")


def check_zones(now: datetime) -> Iterator[Diagnosis]:
    """Look how old the rules of time zones are: governments change them, and reports would be an hour off."""
    found = find_zone_rules()
    if not found:
        yield fail("there are no rules of time zones", "install the package tzdata")
        return
    place, release = found
    text = f"rules of time zones {release} ({place})"
    if int(release[:4]) < now.year - 1:
        yield warn(f"{text} are old", "update the package tzdata: of the system, or by pip where the system has none")
    else:
        yield ok(text)


def find_zone_rules() -> tuple[str, str] | None:
    """Give where the rules that Python uses come from, and their release, such as ``2025b``."""
    for folder in zoneinfo.TZPATH:
        for name in ("+VERSION", "tzdata.zi"):
            with suppress(OSError), Path(folder, name).open(encoding="utf-8", errors="replace") as file:
                if release := re.search(r"\b(20\d\d[a-z]+)\b", file.readline()):
                    return folder, release[1]
    with suppress(PackageNotFoundError):
        year, _, number = version("tzdata").partition(".")
        return "package tzdata", year + chr(ord("a") + int(number) - 1)
    return None


def check_memory(rules: Daemon) -> Iterator[Diagnosis]:
    """Compare what the runs of a daemon may need with what there is."""
    if sys.platform != "win32":
        import resource

        files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        if 0 <= files < FEW_FILES:
            yield warn(f"only {files} files may be open at a time", f"raise the limit: ulimit -n {4 * FEW_FILES}")
    total = find_memory()
    if not total:
        yield ok("how much memory there is cannot be told on this system")
        return
    wanted = rules.workers * rules.run_memory_mb * 1_000_000
    text = f"{show_size(total)} of memory, of which {rules.workers} runs may take {show_size(wanted)}"
    if wanted + LEFT_FOR_OTHERS > total:
        yield warn(text, "lower daemon.workers or daemon.run_memory_mb in mmflow.yaml")
    else:
        yield ok(text)


def find_memory(limit: Path = CGROUP) -> int:
    """Give the bytes of memory of this machine, or of the container around us, whose limit is a file; 0: not known."""
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows has no such call
        return 0
    with suppress(OSError, ValueError):  # "max" means no limit
        total = min(total, int(limit.read_text(encoding="ascii")))
    return total


def check_folder(folder: Path, what: str) -> Iterator[Diagnosis]:
    """Look whether a folder can be written into, and whether its disk has room."""
    near = next((place for place in (folder, *folder.parents) if place.exists()), folder)
    try:
        with tempfile.TemporaryFile(dir=near, suffix=DRAFT) as draft:
            draft.write(b"mmflow doctor")
        usage = shutil.disk_usage(near)
    except OSError as error:
        yield fail(f"{what} {folder} cannot be written: {error.strerror}", advise_closed(error, near))
        return
    yield judge_room(f"{what} {folder}", usage.free)
    if sys.platform != "win32" and os.geteuid() == 0 and (owner := near.stat().st_uid):
        advice = "run mmflow as that account, or the daemon cannot change what you make: sudo -u '#UID' mmflow …"
        yield warn(f"{near} belongs to account {owner}, and this is root", advice.replace("UID", str(owner)))


def advise_closed(error: OSError, folder: Path) -> str:
    """Say what to do about a folder that cannot be written into."""
    if error.errno in FULL:
        return "make room: runs fail when the disk is full"
    if error.errno == errno.EROFS:
        return f"see why the disk of {folder} may only be read; disks are mounted so after an error"
    return f"see whose {folder} is, and who runs mmflow"


def judge_room(what: str, free: int) -> Diagnosis:
    """Say whether so many free bytes are enough."""
    text = f"{what} can be written, {show_size(free)} are free"
    if free < SCARCE:
        return fail(text, "make room: runs fail when the disk is full")
    return ok(text) if free >= ROOMY else warn(text, "make room before it is full")


def show_size(count: float) -> str:
    """Write a number of bytes for people."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
