"""Being told to stop: SIGTERM, SIGINT, SIGHUP to read anew; on Windows Ctrl+C, Ctrl+Break and a window that closes."""

from __future__ import annotations

import signal
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Any, Final, Self

# Windows tells a console program with SIGBREAK that its window closes; it has no SIGHUP.
STOPPING: Final = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGBREAK") if hasattr(signal, name))
READING: Final = tuple(getattr(signal, name) for name in ("SIGHUP",) if hasattr(signal, name))


class Signals:
    """Counts the signals that this process gets; use it as a context manager, in the main thread.

    Handlers only count: they interrupt anything, so they must wait for nothing and hold nothing.
    """

    def __init__(self) -> None:
        self.stops = 0
        self.reads = 0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for number in (*STOPPING, *READING):
            with suppress(ValueError):  # only the main thread may, and elsewhere nobody sends any
                self._before[number] = signal.signal(number, self._count)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _count(self, number: int, _frame: FrameType | None) -> None:
        if number in READING:
            self.reads += 1
        else:
            self.stops += 1
