"""Runs a process and says how long it took and how much memory it held at most."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

STEP = 0.02  # seconds between two looks at the memory


@dataclass(frozen=True, slots=True)
class Measure:
    """One process: wall seconds, and the peak of its own memory in MB, None where the system does not say."""

    seconds: float
    peak: float | None


def measure(command: Sequence[str], cwd: Path) -> Measure:
    """Run a process to its end; one that fails ends the caller with its words."""
    begun = time.perf_counter()
    with (
        subprocess.Popen(command, cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process,
        ThreadPoolExecutor(1) as watcher,
    ):
        watching = watcher.submit(follow_peak, process)
        _, complaint = process.communicate()
        seconds = time.perf_counter() - begun
        if process.returncode:
            sys.exit(f"{' '.join(command)} ended with {process.returncode}: {complaint}")
        return Measure(seconds, watching.result())


def follow_peak(process: subprocess.Popen[str]) -> float | None:
    """Give the last peak that could be read while the process ran."""
    peak = None
    while process.returncode is None:
        peak = read_peak(process.pid) or peak
        time.sleep(STEP)
    return peak


def read_peak(process: int | str = "self") -> float | None:
    """Give the most memory that a process has held so far, in MB; None on a system that does not say.

    ``ru_maxrss`` will not do: on Linux a child begins with what its parent had.
    """
    try:
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text(encoding="utf-8"))
    except OSError:
        return None
    return int(found[1]) / 1024 if found else None


def show_peak(peak: float | None) -> str:
    """Write a peak of memory."""
    return "not told" if peak is None else f"{peak:.0f} MB"
