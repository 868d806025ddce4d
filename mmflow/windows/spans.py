"""Spans, resolved windows of one site, and the moments from which they are found."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Final, Literal

from mmflow.plant import ONE_DAY, WEEKDAYS, PlantCalendar
from mmflow.plant.periods import Period

Earlier = Literal["previous", "same_weekday", "last_year"]
TICK: Final = timedelta(microseconds=1)  # the smallest step of a datetime: what lies just before a border


@dataclass(frozen=True, slots=True)
class Span:
    """A resolved window of one site: half-open and in UTC.

    ``start <= end``; they are equal only for a day that a zone left out (Apia, 2011-12-30).
    """

    start: datetime
    end: datetime
    zone: str  # IANA name, for showing
    first_day: date  # production days touched, both included
    last_day: date
    whole_days: bool  # start and end are borders of production days
    why: str  # one sentence for people: which time this is, and why its length is unusual

    @property
    def hours(self) -> float:
        """Length in real hours: 23 or 25 for a day on which the clocks change."""
        return (self.end - self.start) / timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Moment:
    """A slot as one site sees it; ``machine_groups`` say whose shifts are meant."""

    calendar: PlantCalendar
    at: datetime  # UTC
    machine_groups: tuple[str, ...] = ()

    @property
    def today(self) -> date:
        """The production day that is running."""
        return self.calendar.day_of(self.at)

    @property
    def yesterday(self) -> date:
        """The production day before it; a day that its zone left out was none."""
        return self.calendar.day_of(self.calendar.day_start(self.today) - TICK)

    def first_day(self, period: Period, day: date) -> date:
        """Give the first production day of the period that holds ``day``."""
        return period.first_day(day, self.calendar.week_starts)

    def moved(self, count: int, period: Period) -> Moment:
        """Give the same time on the wall so many periods later, never off the production day that belongs to it.

        The start of a production day becomes the start of the other, whatever the wall shows there.
        """
        day = period.move_day(self.today, count)
        start, end = self.calendar.day_start(day), self.calendar.day_start(day + ONE_DAY)
        if self.at == self.calendar.day_start(self.today):
            return replace(self, at=start)
        same = self.calendar.instant(self.calendar.wall(self.at) + (day - self.today))
        return replace(self, at=max(min(same, end - TICK), start))


def span_instants(calendar: PlantCalendar, start: datetime, end: datetime, why: str) -> Span:
    """Give the span between two UTC instants, with its production days."""
    first, last = calendar.day_of(start), calendar.day_of(end - TICK)
    whole = calendar.day_start(first) == start and calendar.day_start(last + ONE_DAY) == end
    return explain_length(calendar, Span(start, end, calendar.zone.key, first, last, whole, why))


def span_days(calendar: PlantCalendar, first: date, last: date, why: str) -> Span:
    """Give the span of whole production days, both included."""
    start, end = calendar.day_start(first), calendar.day_start(last + ONE_DAY)
    text = f"{why}: {show_days(calendar, first, last)}"
    return explain_length(calendar, Span(start, end, calendar.zone.key, first, last, whole_days=True, why=text))


def move_span(calendar: PlantCalendar, span: Span, count: int, period: Period, why: str) -> Span:
    """Give the span so many periods later: whole days stay whole, other times stay the same on the wall."""
    if span.whole_days:
        first, last = (period.move_day(day, count) for day in (span.first_day, span.last_day))
        return span_days(calendar, first, last, why)
    start, end = (Moment(calendar, instant).moved(count, period).at for instant in (span.start, span.end))
    if end <= start:  # the wall showed this time twice, and there it shows it once
        end = start + (span.end - span.start)
    return span_instants(calendar, start, end, why)


def explain_length(calendar: PlantCalendar, span: Span) -> Span:
    """Add to the reason that the clocks change, when days of 24 hours or the times on the wall give another length."""
    days = (span.last_day - span.first_day).days + 1
    shown = timedelta(days=days) if span.whole_days else calendar.wall(span.end) - calendar.wall(span.start)
    extra = (span.end - span.start - shown) / timedelta(hours=1)
    if not extra:
        return span
    return replace(span, why=f"{span.why}; the clocks go {'back' if extra > 0 else 'forward'} {abs(extra):g} h")


def show_days(calendar: PlantCalendar, first: date, last: date) -> str:
    """Write one day or a range of days the way people say it."""
    if first != last:
        return f"{show_day(first)} to {show_day(last)}"
    return show_day(first) + (", a holiday" if calendar.is_holiday(first) else "")


def show_day(day: date) -> str:
    """Write ``Sun 2026-11-15``, in English whatever the locale."""
    return f"{WEEKDAYS[day.weekday()][:3].title()} {day}"


def show_count(count: int, unit: str) -> str:
    """Write ``1 day`` or ``7 days``."""
    return f"{count} {unit}{'s' * (count != 1)}"
