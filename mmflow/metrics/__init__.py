"""How the daemon is, for those who watch it: ``/health`` for service managers, ``/metrics`` for Prometheus."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from mmflow.ledger import Run, Slot
from mmflow.ledger.notices import End
from mmflow.tasks import Outcome

STALE: Final = 90.0  # seconds without a pass of the loop, or without a tick; a tick comes every 30


# What is counted since the daemon began, by the labels it has.
COUNTERS: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "passes": ("Rounds of the loop.", ()),
    "pass_errors": ("Parts of a round that raised.", ()),
    "slots_planned": ("Slots that were planned.", ()),
    "slots_ended": ("Slots that have ended.", ("state",)),
    "runs": ("Runs that ended their slot.", ("state",)),
    "deliveries": ("Deliveries of those runs.", ("state", "type")),
    "retries": ("Tries of those deliveries beyond the first.", ()),
    "api_requests": ("Questions that were put to the service.", ()),
    "api_tries": ("Tries of those questions, the first ones too.", ()),
    "api_bytes": ("Bytes that came back, as they came over the wire.", ()),
}
LENGTHS: Final[Mapping[str, str]] = {
    "schedule_lag": "From when a slot is due until its run begins.",
    "run": "How long runs take.",
}
BOUNDS: Final = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0)  # seconds


def is_mended(slot: Slot, run: Run) -> bool:
    """Tell whether a slot had ended before this, by another run or by its own that was sent again."""
    later = slot.state == "done" and run.finished is not None and run.finished < slot.updated
    return later or run.kind != slot.kind


class Spread:
    """How many lengths of time lie within each of :data:`BOUNDS`, and their sum."""

    def __init__(self, counts: Sequence[int] = (0,) * (len(BOUNDS) + 1), total: float = 0.0) -> None:
        self.counts, self.total = list(counts), total

    def add(self, seconds: float) -> None:
        """Count one; a clock that was set back counts as nothing."""
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.total += max(seconds, 0.0)

    def copy(self) -> Spread:
        """Give one that no longer changes."""
        return Spread(self.counts, self.total)

    @property
    def buckets(self) -> list[tuple[str, float]]:
        """Give how many lie below each bound, and in all, as Prometheus wants it."""
        sums = [sum(self.counts[: place + 1]) for place in range(len(self.counts))]
        return list(zip((*map(str, BOUNDS), "+Inf"), map(float, sums), strict=True))


class Health:
    """What the daemon's loop says of itself, read by other threads.

    ``passed`` after each pass of the loop, ``trouble`` and ``well`` by part ("ledger", "clock", "planner", …). Waits
    are real seconds, like those of the alarm. Without a single pass yet it is starting, no trouble until it lasts.
    ``redact`` takes secrets out of what is said.
    """

    def __init__(
        self,
        monotonic: Callable[[], float] = time.monotonic,
        stale: float = STALE,
        redact: Callable[[str], str] = str,
    ) -> None:
        self._monotonic = monotonic
        self._redact = redact
        self._stale = stale
        self._lock = threading.Lock()
        self._seen = {"loop": monotonic()}
        self._ticks = -1
        self._troubles: dict[str, str] = {}
        self._counts: Counter[tuple[str, ...]] = Counter()
        self._lengths: dict[str, Spread] = {name: Spread() for name in LENGTHS}

    def passed(self, ticks: int | None = None) -> None:
        """Note that the loop has come round, and how often the alarm has ticked by then."""
        now = self._monotonic()
        with self._lock:
            self._seen["loop"] = now
            if ticks is not None and ticks != self._ticks:
                self._seen["alarm"], self._ticks = now, ticks
        self.count("passes")

    def looked(self, part: str, every: float) -> None:
        """Note that a part has looked which looks again and again, and does so at least every so many seconds."""
        with self._lock:
            self._seen[part] = self._monotonic() + every

    def failed(self) -> None:
        """Count a pass that raised."""
        self.count("pass_errors")

    def trouble(self, part: str, why: str) -> None:
        """Note that a part does not work, with a sentence that says why; it stays so until it is ``well``."""
        with self._lock:
            self._troubles[part] = self._redact(why)

    def well(self, part: str) -> None:
        """Note that a part works (again)."""
        with self._lock:
            self._troubles.pop(part, None)

    def count(self, what: str, *labels: str, more: int = 1) -> None:
        """Count what happened: one of :data:`COUNTERS`, with its labels."""
        with self._lock:
            self._counts[(what, *labels)] += more

    def asked(self, outcome: Outcome) -> None:
        """Count what a run has asked of the service; called after that is on record."""
        self.count("api_requests", more=outcome.requests)
        self.count("api_tries", more=outcome.tries)
        self.count("api_bytes", more=outcome.received)

    def ended(self, end: End) -> None:
        """Count a slot that has ended, with its run and its deliveries; called after that is on record.

        One that ends once more, since somebody has mended it by hand, was counted the first time.
        """
        slot, run = end.slot, end.run
        if run and is_mended(slot, run):
            return
        self.count("slots_ended", slot.state)
        for delivery in end.deliveries:
            self.count("deliveries", delivery.state, delivery.type)
            self.count("retries", more=max(delivery.attempts - 1, 0))
        if run is None:
            return
        self.count("runs", run.state)
        with self._lock:
            if slot.kind == "schedule" and slot.tries == 1:
                self._lengths["schedule_lag"].add((run.started - slot.due).total_seconds())
            if run.finished:
                self._lengths["run"].add((run.finished - run.started).total_seconds())

    @property
    def counts(self) -> Mapping[tuple[str, ...], int]:
        """What was counted since the start, by name and labels."""
        with self._lock:
            return dict(self._counts)

    @property
    def lengths(self) -> Mapping[str, Spread]:
        """What was measured since the start, in seconds, by name."""
        with self._lock:
            return {name: spread.copy() for name, spread in self._lengths.items()}

    @property
    def reasons(self) -> tuple[str, ...]:
        """Say what is wrong, in sentences; nothing when all is well."""
        now = self._monotonic()
        with self._lock:
            late = [(part, now - seen) for part, seen in self._seen.items() if now - seen > self._stale]
            stale = [f"{part}: has not moved for {waited:.0f} seconds" for part, waited in late]
            return (*stale, *(f"{part}: {why}" for part, why in sorted(self._troubles.items())))

    @property
    def ok(self) -> bool:
        """Whether all is well."""
        return not self.reasons
