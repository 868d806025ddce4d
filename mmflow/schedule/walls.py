"""Times on the wall as instants, by the rule of Debian's cron for the days on which the clocks change.

A schedule is *fixed* when it names times of day. A fixed time that the clocks skip comes once, at the first minute
after the gap, and one that they show twice comes once, the first time. Any other schedule comes at every real minute
that the wall clock shows and that fits: in both passes of an hour that comes twice, and never in one that is skipped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from heapq import merge
from zoneinfo import ZoneInfo

from mmflow.cron import Cron
from mmflow.plant.instants import first_instant
from mmflow.schedule.ordering import Group, ascend, descend


@dataclass(frozen=True, slots=True)
class WallTimes:
    """The times of one or several cron lines on the wall clocks of a zone."""

    crons: tuple[Cron, ...]
    zone: ZoneInfo
    fixed: bool

    @property
    def facts(self) -> tuple[object, ...]:
        """Give all that decides when it is due, as plain data."""
        return (*(cron.text for cron in self.crons), self.zone.key, self.fixed)

    def forward(self, after: datetime) -> Iterator[datetime]:
        """Give the due instants after one, ascending, in UTC; ends when fifty years have none."""
        shown, twice = read_clock(self.zone, after)
        walls = merge(*(cron.walls_after(shown - twice) for cron in self.crons))
        return ascend(self._group(walls, min), after)

    def backward(self, until: datetime) -> Iterator[datetime]:
        """Give the due instants up to one, included, descending, in UTC."""
        shown, twice = read_clock(self.zone, until)
        walls = merge(*(cron.walls_until(shown + twice) for cron in self.crons), reverse=True)
        return descend(self._group(walls, max), until)

    def day_of(self, due: datetime) -> date:
        """Give the date on the wall."""
        return due.astimezone(self.zone).date()

    def note(self, due: datetime) -> str:
        """Say what the clocks do at a due instant, "" when they do nothing."""
        local = due.astimezone(self.zone)
        shown, twice = read_clock(self.zone, due)
        meant = max((next(cron.walls_until(shown), shown) for cron in self.crons), default=shown)
        if meant != shown:
            return f"{meant:%H:%M} does not exist that day, this is the first minute after the gap"
        return f"{shown:%H:%M} comes twice that day, this is the {'second' if local.fold else 'first'}" if twice else ""

    def _group(self, walls: Iterable[datetime], nearest: Callable[[Iterable[datetime]], datetime]) -> Iterator[Group]:
        for wall in walls:
            both = pass_both(self.zone, wall)
            yield nearest(both), [first_instant(self.zone, wall)] if self.fixed else self._occur(wall, both)

    def _occur(self, wall: datetime, both: Iterable[datetime]) -> list[datetime]:
        return [instant for instant in both if instant.astimezone(self.zone).replace(tzinfo=None) == wall]


@dataclass(frozen=True, slots=True)
class Once:
    """One instant (UTC); ``zone`` is where its date is read."""

    at: datetime
    zone: ZoneInfo

    @property
    def facts(self) -> tuple[object, ...]:
        """Give all that decides when it is due, as plain data."""
        return (self.at.isoformat(),)

    def forward(self, after: datetime) -> Iterator[datetime]:
        """Give it when it lies after an instant."""
        if self.at > after:
            yield self.at

    def backward(self, until: datetime) -> Iterator[datetime]:
        """Give it when it does not lie after an instant."""
        if self.at <= until:
            yield self.at

    def day_of(self, due: datetime) -> date:
        """Give the date on the wall."""
        return due.astimezone(self.zone).date()

    def note(self, _due: datetime) -> str:
        """Say nothing: the check warns of a moment that does not exist."""
        return ""


def read_clock(zone: ZoneInfo, instant: datetime) -> tuple[datetime, timedelta]:
    """Give what the clock shows (naive), and by how much it goes back if it shows that twice."""
    shown = instant.astimezone(zone).replace(tzinfo=None, fold=0)
    early, late = pass_both(zone, shown)
    return shown, late - early


def pass_both(zone: ZoneInfo, wall: datetime) -> tuple[datetime, datetime]:
    """Read a time on the wall with the offset before and with the one after a change of the clocks.

    They are the two instants of a time that comes twice, and equal on all other days. Of a time that is skipped they
    lie around the change, and the first is the later one.
    """
    early, late = (wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    return early, late
