"""The clock changes of zones: which times of day are skipped, and which come twice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

YEARS_AHEAD: Final = 5
STEP: Final = timedelta(days=5)  # shorter than any spell between two clock changes


class Change(NamedTuple):
    """The wall clock from ``first`` up to ``end``, of one day, that is skipped, or that comes twice (``back``)."""

    day: date
    first: datetime
    end: datetime
    back: bool


@dataclass(frozen=True, slots=True)
class ClockChanges:
    """The clock changes in the five years after ``now``; each zone is looked at once, and only when it is asked for."""

    now: datetime
    _found: dict[str, tuple[Change, ...]] = field(default_factory=dict, repr=False)

    def list_changes(self, zone: ZoneInfo) -> tuple[Change, ...]:
        """Give the changes of a zone, in order."""
        if zone.key not in self._found:
            self._found[zone.key] = tuple(find_changes(zone, self.now))
        return self._found[zone.key]


def find_changes(zone: ZoneInfo, now: datetime) -> Iterator[Change]:
    """Give the clock changes of a zone in the years after ``now``, in order."""
    at, offset = now.astimezone(UTC), _offset(zone, now)
    for _ in range(366 * YEARS_AHEAD // STEP.days):
        after, changed = at + STEP, _offset(zone, at + STEP)
        if changed != offset:
            yield _find_change(zone, at, after)
        at, offset = after, changed


def _find_change(zone: ZoneInfo, before: datetime, after: datetime) -> Change:
    while after - before > timedelta(minutes=1):
        middle = before + (after - before) / 2
        before, after = (middle, after) if _offset(zone, middle) == _offset(zone, before) else (before, middle)
    instant = after.replace(second=0, microsecond=0)
    walls = [instant.replace(tzinfo=None) + _offset(zone, moment) for moment in (before, after)]
    return Change(min(walls).date(), min(walls), max(walls), back=walls[1] < walls[0])


def _offset(zone: ZoneInfo, instant: datetime) -> timedelta:
    return instant.astimezone(zone).utcoffset() or timedelta()
