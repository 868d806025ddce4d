"""Ends the process when its loop or its alarm stands still, so that whoever keeps it running starts it again."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from threading import Event, Thread
from types import TracebackType
from typing import Final, Self

log = logging.getLogger(__name__)

STUCK: Final = 60.0  # seconds
EXIT_STUCK: Final = 70  # as sysexits.h has it: an internal error
LAST_WORDS: Final = 1.0  # seconds for the log to write why


class Watchdog:
    """Looks again and again whether each of some counts has moved. Use it as a context manager.

    It counts its own looks and reads no clock: a process that was stopped, or a machine that slept, is not stuck.
    """

    def __init__(self, counts: Mapping[str, Callable[[], int]], limit: float = STUCK) -> None:
        self._counts = counts
        self._pause = min(1.0, limit / 10)
        self._patience = round(limit / self._pause)
        self._seen = {name: (count(), 0) for name, count in counts.items()}
        self._ended = Event()
        self._thread = Thread(target=self._watch, name="mmflow-watchdog", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(self._pause):
            for name, count in self._counts.items():
                self._look(name, count())

    def _look(self, name: str, count: int) -> None:
        before, looks = self._seen[name]
        looks = looks + 1 if count == before else 0
        self._seen[name] = (count, looks)
        if looks >= self._patience:
            end_process(f"the {name} has not moved for {looks * self._pause:.0f} seconds: this process ends")


def end_process(why: str) -> None:
    """Say why and end at once, whatever other threads hold or wait for, and though nobody may read what is said."""
    for say in (log.critical, write_error):
        with suppress(RuntimeError):  # no thread can be started
            Thread(target=say, args=(why,), name="mmflow-last-words", daemon=True).start()
    time.sleep(LAST_WORDS)
    os._exit(EXIT_STUCK)


def write_error(text: str) -> None:
    """Write a line to stderr, if there is one."""
    with suppress(OSError, ValueError):
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()
