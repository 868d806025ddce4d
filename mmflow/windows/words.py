"""What window words mean: each kind of window is a small class that finds its span at a moment, and an earlier one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final, Protocol

from mmflow.errors import UserError
from mmflow.plant import ONE_DAY
from mmflow.plant.periods import DAY, WEEK, YEAR, Period
from mmflow.windows.spans import TICK, Earlier, Moment, Span, move_span, show_count, show_day, span_days, span_instants

HOUR: Final = timedelta(hours=1)
JUST_BEFORE: Final = "the equally long time just before"
WEEKS_BACK: Final[Mapping[Earlier, tuple[int, Period, str]]] = {
    "same_weekday": (-1, WEEK, "seven days earlier"),
    "last_year": (-52, WEEK, "52 weeks earlier"),
}


class Words(Protocol):
    """A window as it was written, able to say which span it means."""

    @property
    def summary(self) -> str:
        """What it means, for people."""
        ...

    def resolve(self, moment: Moment) -> Span:
        """Give the span at this moment."""
        ...

    def earlier(self, moment: Moment, to: Earlier) -> Span:
        """Give the span to compare with."""
        ...


@dataclass(frozen=True, slots=True)
class PeriodWords:
    """A window that is counted in periods of the calendar."""

    summary: str
    period: Period
    find: Callable[[Moment, str], Span]
    count: int = 1  # so many periods are one step back

    def resolve(self, moment: Moment) -> Span:
        """Give the span at this moment."""
        return self.find(moment, self.summary)

    def earlier(self, moment: Moment, to: Earlier) -> Span:
        """Give the same words with the slot moved back, or the same weekdays a week or a year earlier."""
        if to == "previous":
            return self._go_back(moment, self.count, self.period)
        if to == "last_year" and self.period.months:
            return self._go_back(moment, 1, YEAR)
        return move_span(moment.calendar, self.resolve(moment), *WEEKS_BACK[to])

    def _go_back(self, moment: Moment, count: int, period: Period) -> Span:
        return self.find(moment.moved(-count, period), f"{self.summary}, {show_count(count, period.name)} earlier")


@dataclass(frozen=True, slots=True)
class HourWords:
    """The last so many hours of sixty minutes, up to the latest full hour on the wall or up to the slot."""

    summary: str
    count: int
    to_now: bool

    def resolve(self, moment: Moment) -> Span:
        """Give the span at this moment."""
        return self._end_at(moment, self._find_end(moment), self.summary)

    def earlier(self, moment: Moment, to: Earlier) -> Span:
        """Give as many hours just before, or up to the same time on the wall a week or 52 weeks earlier."""
        end = self._find_end(moment)
        if to == "previous":
            return self._end_at(moment, end - self.count * HOUR, JUST_BEFORE)
        count, period, why = WEEKS_BACK[to]
        return self._end_at(moment, self._find_end(moment.moved(count, period)), why)

    def _find_end(self, moment: Moment) -> datetime:
        return moment.at if self.to_now else find_full_hour(moment)

    def _end_at(self, moment: Moment, end: datetime, why: str) -> Span:
        return span_instants(moment.calendar, end - self.count * HOUR, end, why)


def find_full_hour(moment: Moment) -> datetime:
    """Give the latest instant, not after the slot, at which the plant's wall clock showed a full hour.

    It may lie more than an hour back: on Lord Howe Island the clocks change by half an hour.
    """
    minute = moment.at.replace(second=0, microsecond=0)
    back = (minute - timedelta(minutes=minutes) for minutes in range(180))
    return next(instant for instant in back if moment.calendar.wall(instant).minute == 0)


@dataclass(frozen=True, slots=True)
class CellWords:
    """Dates that stand in cells of a destination; a run reads them and puts written dates in their place."""

    summary: str
    cells: str

    def resolve(self, _moment: Moment) -> Span:
        """Raise: whoever has not read the cells cannot know."""
        raise UserError(f"the dates stand in {self.cells}, which only a run or a preview of the job reads")

    def earlier(self, _moment: Moment, _to: Earlier) -> Span:
        """Raise likewise."""
        return self.resolve(_moment)


@dataclass(frozen=True, slots=True)
class RangeWords:
    """Dates written in the job: two days, both included, or two UTC instants, half-open."""

    summary: str
    start: date
    end: date

    def resolve(self, moment: Moment) -> Span:
        """Give the span at this site; the moment itself does not matter."""
        if isinstance(self.start, datetime) and isinstance(self.end, datetime):
            return span_instants(moment.calendar, self.start, self.end, self.summary)
        return span_days(moment.calendar, self.start, self.end, self.summary)

    def earlier(self, moment: Moment, to: Earlier) -> Span:
        """Give the equally long time just before, seven days earlier, or the same dates of the year before."""
        span = self.resolve(moment)
        if to == "same_weekday":
            return move_span(moment.calendar, span, *WEEKS_BACK[to])
        if to == "last_year":
            return move_span(moment.calendar, span, -1, YEAR, "the same dates a year earlier")
        if isinstance(self.start, datetime):
            return span_instants(moment.calendar, span.start - (span.end - span.start), span.start, JUST_BEFORE)
        days = (self.end - self.start).days + 1
        return move_span(moment.calendar, span, -days, DAY, JUST_BEFORE)


def find_today(moment: Moment, why: str) -> Span:
    """Give the production day that is running."""
    return span_days(moment.calendar, moment.today, moment.today, why)


def find_yesterday(moment: Moment, why: str) -> Span:
    """Give the production day before the one that is running."""
    return span_days(moment.calendar, moment.yesterday, moment.yesterday, why)


def find_this(period: Period, moment: Moment, why: str) -> Span:
    """Give the running period up to the end of the running production day."""
    return span_days(moment.calendar, moment.first_day(period, moment.today), moment.today, why)


def find_last(period: Period, count: int, moment: Moment, why: str) -> Span:
    """Give the complete periods before the running one."""
    after = moment.first_day(period, moment.today)
    return span_days(moment.calendar, period.move_day(after, -count), after - ONE_DAY, why)


def find_to_yesterday(period: Period, moment: Moment, why: str) -> Span:
    """Give the period that holds yesterday, up to yesterday's end: complete days, and never none."""
    return span_days(moment.calendar, moment.first_day(period, moment.yesterday), moment.yesterday, why)


def find_to_date(period: Period, moment: Moment, why: str) -> Span:
    """Give the period up to the slot; at the border of two periods the one that ends there, so it is never empty."""
    first = moment.first_day(period, moment.calendar.day_of(moment.at - TICK))
    start = moment.calendar.day_start(first)
    return span_instants(moment.calendar, start, moment.at, f"{why}: from {show_day(first)}")


def find_rolling(period: Period, count: int, moment: Moment, why: str) -> Span:
    """Give the time from the same hour so many periods ago up to the slot."""
    return span_instants(moment.calendar, moment.moved(-count, period).at, moment.at, why)
