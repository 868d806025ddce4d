"""Calendar periods made of production days: which one a day lies in, and the day some of them away."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta


@dataclass(frozen=True, slots=True)
class Period:
    """A length of the calendar: either a number of days (1 or 7) or a number of months that divides the year."""

    name: str
    days: int = 0
    months: int = 0

    def first_day(self, day: date, week_starts: int = 0) -> date:
        """Give the first day of the period that holds ``day``; ``week_starts`` is 0 for Monday."""
        if self.months:
            return date(day.year, 1 + (day.month - 1) // self.months * self.months, 1)
        return day - timedelta(days=(day.weekday() - week_starts) % self.days)

    def move_day(self, day: date, count: int) -> date:
        """Give the day ``count`` periods later (earlier when negative); 31 March less a month is 28 or 29 February."""
        if self.months:
            year, month = divmod(day.year * 12 + day.month - 1 + count * self.months, 12)
            return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))
        return day + timedelta(days=count * self.days)


DAY = Period("day", days=1)
WEEK = Period("week", days=7)
MONTH = Period("month", months=1)
QUARTER = Period("quarter", months=3)
YEAR = Period("year", months=12)

PERIODS: Mapping[str, Period] = {period.name: period for period in (DAY, WEEK, MONTH, QUARTER, YEAR)}
