"""A signal to stop that reaches a whole group, by Ctrl+C or a service manager, is meant for the process at its head.

Those that it has started end when it says so, or when it is gone.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from types import FrameType


@contextmanager
def holding_stops() -> Iterator[None]:
    """Have processes that this thread starts inside the block get no signal to stop until they call what is below.

    From their first moment on: signals that are held back stay so in a new process, where nothing is set up yet. On
    Windows there is no such thing.
    """
    if sys.platform == "win32":
        yield
        return
    resource_tracker.ensure_running()  # else it is started with the process, and lets signals through
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def ignore_stops() -> None:
    """Have this process go on whatever signal to stop it gets; in its main thread.

    SIGTERM meets a handler, since programs that this process starts would inherit that it is ignored.
    """
    signal.signal(signal.SIGTERM, go_on)
    ignore_interrupts()


def ignore_interrupts() -> None:
    """Have this process go on at Ctrl+C, and end at SIGTERM as ever; in its main thread."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})


def go_on(_number: int, _frame: FrameType | None) -> None:
    """Do nothing about a signal."""


@contextmanager
def ending_copies() -> Iterator[None]:
    """End a copy of this process that strangers' code made inside the block, and let go on, where it leaves the block.

    It would do all that follows a second time, by the same handles. It leaves without a word.
    """
    home = os.getpid()
    try:
        yield
    finally:
        if os.getpid() != home:
            os._exit(0)
