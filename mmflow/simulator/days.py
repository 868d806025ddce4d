"""Instants and production days of one zone, in whole quarters of an hour; instants are UTC epoch milliseconds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

SECOND = 1_000
MINUTE = 60 * SECOND
QUARTER = 15 * MINUTE
HOUR = 4 * QUARTER
DAY = 24 * HOUR


@dataclass(frozen=True, slots=True)
class Day:
    """One production day: its date and its half-open span, 23, 24 or 25 hours long around clock changes."""

    date: date
    start: int
    end: int


def to_instant(moment: datetime) -> int:
    """Give the epoch milliseconds of an aware time."""
    return int((moment - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(milliseconds=1))


def to_time(instant: int) -> datetime:
    """Give the aware UTC time of epoch milliseconds."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=instant)


def write_iso(instant: int) -> str:
    """Give ``2026-11-22T06:00:00.000Z``."""
    return to_time(instant).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def read_minutes(text: str) -> int:
    """Give the minutes after midnight of ``HH:MM``; only quarters of an hour, because facts are kept by quarter."""
    clock = time.fromisoformat(text)
    minutes = clock.hour * 60 + clock.minute
    if minutes % 15 or clock.second or clock.microsecond:
        raise ValueError(f"found {text!r}, expected a quarter of an hour such as '06:15'")
    return minutes


def find_instant(zone: ZoneInfo, day: date, minutes: int) -> int:
    """Give the instant at which the wall clock shows that many minutes after midnight of ``day``.

    A time that the clock shows twice means the first; one that it skips means the first valid instant after it.
    """
    wall = datetime.combine(day, time()) + timedelta(minutes=minutes)
    first, second = (to_instant(wall.replace(tzinfo=zone, fold=fold)) for fold in (0, 1))
    if first <= second:
        return first
    before = to_time(second).astimezone(zone).utcoffset()
    later = range(second, first + QUARTER, QUARTER)
    return next(t for t in later if to_time(t).astimezone(zone).utcoffset() != before)


@dataclass(frozen=True, slots=True)
class Days:
    """The production days of one zone, each from ``start_minutes`` after midnight to the same time a day later."""

    zone: ZoneInfo
    start_minutes: int

    def on(self, day: date) -> Day:
        """Give the production day that bears this date."""
        tomorrow = day + timedelta(days=1)
        return Day(day, *(find_instant(self.zone, d, self.start_minutes) for d in (day, tomorrow)))

    def at(self, instant: int) -> Day:
        """Give the production day in which an instant lies."""
        guess = to_time(instant).astimezone(self.zone).date()
        found = (self.on(guess + timedelta(days=shift)) for shift in (0, -1, 1))
        return next(day for day in found if day.start <= instant < day.end)

    def between(self, start: int, end: int) -> Iterator[Day]:
        """Give every production day that touches the half-open span, in order."""
        if start >= end:
            return
        day = self.at(start)
        while day.start < end:
            yield day
            day = self.on(day.date + timedelta(days=1))
