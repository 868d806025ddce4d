"""A time in which the ledger cannot be used: what has been said of it, since nothing of that can be written down."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, TypeAlias

from mmflow.clock import Clock
from mmflow.deadlines.lateness import Cause, Expected, describe
from mmflow.notices.verdict import REPEAT
from mmflow.sinks import NoticeItem

Late: TypeAlias = tuple[Expected, NoticeItem]

LASTS: Final = 120.0  # seconds after which people are told; a server that is started anew needs less
AGAIN: Final = 60.0  # seconds until the next try when nobody could be told
UNSEEN: Final = "not known to be delivered"
UNKNOWN: Final = "look whether it is there, then after the ledger"


@dataclass(slots=True)
class Outage:
    """What the watch over deadlines remembers until the ledger can be used again."""

    judged: datetime | None = None  # up to when the ledger could say what was delivered
    found: Sequence[Late] = ()  # what was late by its word and could not be written down
    told: dict[str, tuple[datetime, datetime]] = field(default_factory=dict)  # by job: which time, and when it was told
    said: bool = False  # that it cannot be used
    since: float | None = None
    rest_until: float = 0.0

    def begin(self, clock: Clock) -> datetime:
        """Take note that it cannot be used, and give up to when it could."""
        if self.since is None:
            self.since = clock.monotonic()
        self.judged = self.judged or clock.now()
        return self.judged

    def lasts(self, clock: Clock) -> bool:
        """Tell whether it lasts, and that was not told yet."""
        return not self.said and self.since is not None and clock.monotonic() - self.since >= LASTS

    def choose(self, late: Iterable[Late], now: datetime) -> list[Late]:
        """Give what is to be told: each time once, and a job once an hour."""
        return [one for one in late if not self._is_told(one[0], now)]

    def _is_told(self, expected: Expected, now: datetime) -> bool:
        due, at = self.told.get(expected.plan.job, (None, None))
        return due == expected.due or (at is not None and abs(now - at) < REPEAT)

    def note(self, late: Iterable[Late], now: datetime, *, said: bool) -> None:
        """Remember what was told."""
        self.told |= {expected.plan.job: (expected.due, now) for expected, _ in late}
        self.said = self.said or said


def doubt(expected: Expected, error: Exception) -> NoticeItem:
    """Say that nobody can tell whether a report is there in time."""
    cause = Cause(f"nobody can tell, since the ledger cannot be used: {error}", UNKNOWN, "mmflow doctor")
    return describe(expected, cause, UNSEEN)
