"""What strangers' code prints in a worker process becomes lines of the log, about its job, and not too many."""

from __future__ import annotations

import logging
import os
import secrets
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Final, TextIO

from mmflow.logs import bind

MOST_LINES: Final = 200  # that are kept of one task
MOST_BYTES: Final = 65_536
PATIENCE: Final = 2.0  # seconds for which the end of a task waits for what was printed
STREAMS: Final = (1, 2)  # stdout and stderr, as the system counts them, also for code that is no Python

log = logging.getLogger(__name__)


class Printed:
    """Stands behind stdout and stderr of this process from now on, until it ends."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        for stream in STREAMS:
            os.dup2(self._writer, stream)
        sys.stdout, sys.stderr = map(open_stream, STREAMS)
        self._mark = f"end of task {secrets.token_hex(8)}".encode()
        self._seen = threading.Event()
        self._facts: dict[str, str | datetime | None] = {}
        self._lines = self._size = self._dropped = 0
        threading.Thread(target=self._read, name="mmflow-printed", daemon=True).start()

    @contextmanager
    def belong_to(self, job: str = "", slot: datetime | None = None) -> Iterator[None]:
        """Have what is printed inside the block logged before it ends, as that of a slot if there is one."""
        self._facts = {"job": job, "slot": slot}
        try:
            yield
        finally:
            self._settle()

    def _settle(self) -> None:
        """Wait until all that was printed is logged, and count anew."""
        self._seen.clear()
        with suppress(OSError, ValueError):  # somebody has closed them
            sys.stdout.flush()
            sys.stderr.flush()
        os.write(self._writer, b"\n" + self._mark + b"\n")
        self._seen.wait(PATIENCE)

    def _read(self) -> None:
        rest = b""
        while chunk := os.read(self._reader, MOST_BYTES):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self._take(line)
            if len(rest) > MOST_BYTES:  # a line without an end
                self._take(rest)
                rest = b""

    def _take(self, line: bytes) -> None:
        with bind(**self._facts):
            if line == self._mark:
                self._end()
            elif line.strip():
                self._keep(line)

    def _keep(self, line: bytes) -> None:
        self._lines += 1
        self._size += len(line)
        if self._lines > MOST_LINES or self._size > MOST_BYTES:
            self._dropped += 1
        else:
            log.info("printed: %s", line.decode("utf-8", "backslashreplace").rstrip())

    def _end(self) -> None:
        if self._dropped:
            log.warning("%d more lines were printed and are not in the log", self._dropped)
        self._lines = self._size = self._dropped = 0
        self._seen.set()


def open_stream(handle: int, encoding: str = "utf-8") -> TextIO:
    """Give what Python prints to; each line goes on at once, so that it is known when the process dies."""
    return open(handle, "w", encoding=encoding, errors="backslashreplace", buffering=1, closefd=False)


def keep_terminal() -> TextIO | None:
    """Give what stderr is before :class:`Printed` stands there, for what people are to see; None where it is closed."""
    try:
        return open_stream(os.dup(2), sys.stderr.encoding)
    except (OSError, AttributeError):
        return None
