"""The clock that is handed in: the wall decides *what* is due, the monotonic one measures every wait."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Time as the engine sees it. Made once by the command line, the daemon or a test."""

    def now(self) -> datetime:
        """Give the present instant, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Give seconds that never go back; only differences mean anything."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def now(self) -> datetime:
        """Give the present instant in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Give the machine's monotonic seconds."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait for real."""
        time.sleep(seconds)


class FixedClock:
    """A clock for tests and rehearsals: it stands still until somebody sleeps on it or moves it."""

    def __init__(self, at: datetime) -> None:
        if at.tzinfo is None:
            raise ValueError("a fixed clock needs an aware time")
        self._now = at.astimezone(UTC)
        self._elapsed = 0.0

    def now(self) -> datetime:
        """Give the instant it was set to, plus what was slept."""
        return self._now

    def monotonic(self) -> float:
        """Give the seconds slept so far."""
        return self._elapsed

    def sleep(self, seconds: float) -> None:
        """Move on at once instead of waiting."""
        from datetime import timedelta

        self._elapsed += seconds
        self._now += timedelta(seconds=seconds)

    def set(self, at: datetime) -> None:
        """Put the wall clock elsewhere; monotonic time does not notice."""
        self._now = at.astimezone(UTC)
