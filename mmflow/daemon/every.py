"""What is done again and again, and not at each turn of the loop."""

from __future__ import annotations

from dataclasses import dataclass, field

from mmflow.clock import Clock


@dataclass(slots=True)
class Every:
    """Tells, at most every so many seconds, that it is time; the first time at once."""

    clock: Clock
    seconds: float
    _last: float | None = field(default=None, init=False)

    def is_time(self) -> bool:
        """Tell it once."""
        now = self.clock.monotonic()
        if self._last is not None and now - self._last < self.seconds:
            return False
        self._last = now
        return True

    def again(self) -> None:
        """Let it be time at the next look."""
        self._last = None

    def put_off(self, seconds: float) -> None:
        """Let it be time in so many seconds, and not before."""
        self._last = self.clock.monotonic() + seconds - self.seconds
