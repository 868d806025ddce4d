"""What a task has left behind in the process that did it: put back, or a reason to have another process for the next.

A look at all of it takes a tenth of a millisecond, in a busy machine less than a whole one. What cannot be seen from
here ends with the process, which is replaced now and then anyway.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

HANDLES: Final = 32  # that may be open more than before, among them those that a worker itself keeps from task to task
SHARE: Final = 8  # of all handles that a process may have, that many may be open more; the smaller number counts
THREADS: Final = 8  # that may go on after their task, as libraries keep some
TAKEN: Final = 0.75  # of the memory that was free before may stay so; half of a GB is what small runs need
FOLDERS: Final = ("/proc/self/fd", "/dev/fd")  # where systems list the handles of a process
CLOCKS: Final = ("time", "monotonic", "perf_counter", "sleep")
SHORT: Final = re.compile(
    r"MemoryError|Cannot allocate memory|bad_alloc|Too many open files|can't start new thread|File too large"
)


class Traces:
    """Compares this process with how it was when this was made; for its main thread."""

    def __init__(self) -> None:
        self._folder = os.getcwd()  # noqa: PTH109  as it is, and no object more
        self._mask = os.umask(0o077)
        os.umask(self._mask)
        self._environ = dict(os.environ)
        self._signals = {number: signal.getsignal(number) for number in sorted(signal.valid_signals())}
        self._blocked = read_blocked()
        self._clocks = {name: getattr(time, name) for name in CLOCKS}
        self._limits = read_limits()
        self._streams = read_streams()
        self._listed = next((folder for folder in FOLDERS if Path(folder).is_dir()), "")
        self._handles = self._count_handles()
        self._threads = threading.active_count()
        self._size = read_size()

    def put_back(self) -> list[str]:
        """Put back what a task has changed for those after it; give its names."""
        return [*self._put_back_limits(), *self._put_back_signals(), *self._put_back_rest()]

    def find_wear(self) -> str:
        """Give why this process is to be replaced, "" when it may go on."""
        return "; ".join(self._list_wear())

    def find_rest(self) -> str:
        """Give what of it could not be put back."""
        return "; ".join(self._list_rest())

    def _put_back_limits(self) -> Iterator[str]:
        for number, limit in read_limits().items():
            if limit != self._limits[number]:
                set_limit(number, self._limits[number])
                yield "a limit"

    def _put_back_signals(self) -> Iterator[str]:
        for number, handler in self._signals.items():
            if signal.getsignal(number) is not handler:
                with suppress(OSError, ValueError, TypeError):  # one that no Python has set, or that none may
                    signal.signal(number, handler)
                yield f"the handler of signal {int(number)}"
        if sys.platform == "win32":
            return
        if read_blocked() != self._blocked:
            signal.pthread_sigmask(signal.SIG_SETMASK, self._blocked)
            yield "the signals that are held back"
        if signal.setitimer(signal.ITIMER_REAL, 0)[0]:
            yield "a timer"

    def _put_back_rest(self) -> Iterator[str]:
        if read_folder() != self._folder:
            with suppress(OSError):
                os.chdir(self._folder)
            yield "the working folder"
        if os.umask(self._mask) != self._mask:
            yield "the umask"
        if (found := dict(os.environ)) != self._environ:
            self._put_back_environ(found)
            yield "the environment"
        for name, call in self._clocks.items():
            if getattr(time, name) is not call:
                setattr(time, name, call)
                yield f"time.{name}"

    def _put_back_environ(self, found: Mapping[str, str]) -> None:
        for name in found.keys() - self._environ.keys():
            os.environ.pop(name, None)
        os.environ.update(self._environ)
        if sys.platform != "win32":
            time.tzset()

    def _list_wear(self) -> Iterator[str]:
        if read_streams() != self._streams:
            yield "stdin, stdout or stderr was closed or changed"
        if (more := self._count_handles() - self._handles) > self._room():
            yield f"{more} more handles are open than at its start"
        if (more := threading.active_count() - self._threads) > THREADS:
            yield f"{more} more threads are at work than at its start"
        if self._is_short():
            yield f"it has taken {(read_size() - self._size) >> 20} MB more than at its start"

    def _list_rest(self) -> Iterator[str]:
        if read_limits() != self._limits:
            yield "a limit was set for good"
        if read_folder() != self._folder:
            yield "the working folder is gone"
        if any(signal.getsignal(number) is not handler for number, handler in self._signals.items()):
            yield "the handler of a signal was set for good"

    def _count_handles(self) -> int:
        return len(os.listdir(self._listed)) if self._listed else 0  # noqa: PTH208  for each run

    def _room(self) -> int:
        soft = self._limits.get(limit_of("RLIMIT_NOFILE"), (-1, -1))[0]
        return min(HANDLES, soft // SHARE) if soft > 0 else HANDLES

    def _is_short(self) -> bool:
        most = self._limits.get(limit_of("RLIMIT_AS"), (-1, -1))[0]
        return most > self._size > 0 and read_size() - self._size > (most - self._size) * TAKEN


def ran_short(error: str) -> bool:
    """Tell whether the sentence of a failure is about what a process has too little of."""
    return SHORT.search(error) is not None


def limit_of(name: str) -> int:
    """Give the number of a limit, -1 where there is none of that name."""
    if sys.platform == "win32":
        return -1
    import resource

    return int(getattr(resource, name, -1))


def read_limits() -> dict[int, tuple[int, int]]:
    """Give the limits of this process by their numbers, each with what it may be set to."""
    if sys.platform == "win32":
        return {}
    import resource

    return {number: resource.getrlimit(number) for number in NUMBERS}


def set_limit(number: int, limit: tuple[int, int]) -> None:
    """Set a limit of this process, if it may."""
    if sys.platform != "win32":
        import resource

        with suppress(OSError, ValueError):
            resource.setrlimit(number, limit)


def list_limits() -> tuple[int, ...]:
    """Give the numbers of the limits that there are here."""
    if sys.platform == "win32":
        return ()
    import resource

    return tuple({getattr(resource, name) for name in dir(resource) if re.match("RLIMIT_[A-Z]+$", name)})


def read_blocked() -> set[Any]:
    """Give the signals that are held back."""
    return set() if sys.platform == "win32" else set(signal.pthread_sigmask(signal.SIG_BLOCK, ()))


def read_folder() -> str:
    """Give the working folder, "" when it is gone."""
    try:
        return os.getcwd()  # noqa: PTH109
    except OSError:
        return ""


def read_streams() -> list[tuple[int, int]]:
    """Give what stdin, stdout and stderr are to the system, as far as they are open."""
    found = []
    for stream in (0, 1, 2):
        with suppress(OSError):
            status = os.fstat(stream)
            found.append((status.st_dev, status.st_ino))
    return found


def read_size() -> int:
    """Give the bytes of addresses that this process uses, which is what its limit counts; 0 where nobody tells."""
    try:
        with Path("/proc/self/statm").open(encoding="ascii") as file:
            return int(file.read().split()[0]) * PAGE
    except OSError:
        return 0


NUMBERS: Final = list_limits()
PAGE: Final = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
