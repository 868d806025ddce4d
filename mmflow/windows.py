"""Window words to spans: what ``yesterday`` or ``{last: 7 days}`` means for one site at one slot.

Every span is a function of the slot and the site's calendar, never of the clock, so a late run asks the same question.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Literal, Protocol

from mmflow.errors import UserError
from mmflow.job import WindowSpec
from mmflow.periods import DAY, MONTH, QUARTER, WEEK, YEAR, Period
from mmflow.plant import ONE_DAY, WEEKDAYS, PlantCalendar, unknown_word

Earlier = Literal["previous", "same_weekday", "last_year"]
TICK = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Span:
    """A resolved window of one site: half-open, aware, in UTC, with ``start <= end``."""

    start: datetime
    end: datetime
    zone: str  # IANA name, for showing
    first_day: date  # production days touched, both included
    last_day: date
    whole_days: bool  # start and end are borders of production days
    why: str  # one sentence for people

    @property
    def hours(self) -> float:
        """Length in real hours: 23 or 25 for a day on which the clocks change."""
        return (self.end - self.start) / timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Moment:
    """A slot as one site sees it."""

    calendar: PlantCalendar
    at: datetime
    machine_groups: tuple[str, ...] = ()

    @property
    def today(self) -> date:
        """The production day that is running."""
        return self.calendar.day_of(self.at)

    def moved(self, count: int, period: Period) -> Moment:
        """Give the same time of day so many periods later, on the production day that many periods later."""
        day = period.move_day(self.today, count)
        wall = self.calendar.wall(self.at)
        same = self.calendar.instant(wall + (day - self.today))
        first, last = self.calendar.day_start(day), self.calendar.day_start(day + ONE_DAY) - TICK
        return replace(self, at=min(max(same, first), last))


class Words(Protocol):
    """A window as it was written, able to say which span it means."""

    def resolve(self, moment: Moment) -> Span:
        """Give the span at this moment."""
        ...

    def earlier(self, moment: Moment, to: Earlier) -> Span:
        """Give the span to compare with."""
        ...


def resolve_window(
    window: str | WindowSpec, calendar: PlantCalendar, at: datetime, *, machine_groups: Sequence[str] = ()
) -> Span:
    """Give the span of ``window`` for a slot; ``machine_groups`` (the job's filter) choose the shift schedule.

    Raises :class:`UserError` for words that mean nothing, and for a shift that does not exist at that slot.
    """
    return read_window(window).resolve(Moment(calendar, at.astimezone(UTC), tuple(machine_groups)))


def earlier_span(
    window: str | WindowSpec, calendar: PlantCalendar, at: datetime, to: Earlier, *, machine_groups: Sequence[str] = ()
) -> Span:
    """Give the span that ``compare:`` sets beside the one of :func:`resolve_window`; raises the same errors."""
    return read_window(window).earlier(Moment(calendar, at.astimezone(UTC), tuple(machine_groups)), to)


# --- spans -----------------------------------------------------------------------------------------------------------


def make_span(calendar: PlantCalendar, start: datetime, end: datetime, why: str) -> Span:
    """Give the span between two UTC instants with its production days."""
    first = calendar.day_of(start)
    last = max(first, calendar.day_of(end - TICK))
    whole = calendar.day_start(first) == start and calendar.day_start(last + ONE_DAY) == end
    return Span(start, end, calendar.zone.key, first, last, whole, why)


def span_days(calendar: PlantCalendar, first: date, last: date, why: str) -> Span:
    """Give the span of whole production days, both included."""
    start, end = calendar.day_start(first), calendar.day_start(last + ONE_DAY)
    return Span(start, end, calendar.zone.key, first, last, True, f"{why}: {show_days(first, last)}")


def show_days(first: date, last: date) -> str:
    """Write one day or a range of days the way people say it."""
    return show_day(first) if first == last else f"{show_day(first)} to {show_day(last)}"


def show_day(day: date) -> str:
    """Write ``Sun 2026-11-15``, in English whatever the locale."""
    return f"{WEEKDAYS[day.weekday()][:3].title()} {day}"


def move_span(calendar: PlantCalendar, span: Span, days: int, why: str) -> Span:
    """Give the span so many days later by the wall clock, production day by production day."""
    if span.whole_days:
        step = timedelta(days=days)
        return span_days(calendar, span.first_day + step, span.last_day + step, why)
    start = Moment(calendar, span.start).moved(days, DAY).at
    end = Moment(calendar, span.end - TICK).moved(days, DAY).at + TICK
    return make_span(calendar, start, end, why)


# --- words -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PeriodWords:
    """A window that is counted in periods of the calendar from the slot."""

    summary: str
    find: Callable[[Moment, str], Span]
    period: Period
    count: int = 1

    def resolve(self, moment: Moment) -> Span:
        """Give the span at this moment."""
        return self.find(moment, self.summary)

    def earlier(self, moment: Moment, to: Earlier) -> Span:
        """Give the same words one step earlier, or the span a week or a year before."""
        if to == "previous":
            return self.resolve(moment.moved(-self.count, self.period))
        if to == "last_year" and self.period.months:
            return self.resolve(moment.moved(-1, YEAR))
        return move_span(moment.calendar, self.resolve(moment), *STEPS[to])


STEPS: Mapping[str, tuple[int, str]] = {
    "same_weekday": (-7, "seven days earlier"),
    "last_year": (-364, "52 weeks earlier, the same weekdays"),
}


def find_day(back: int, moment: Moment, why: str) -> Span:
    """Give the production day so many days before the one that is running."""
    day = moment.today - timedelta(days=back)
    return span_days(moment.calendar, day, day, why)


def find_this(period: Period, moment: Moment, why: str) -> Span:
    """Give the running period up to the end of the running production day."""
    first = period.first_day(moment.today, moment.calendar.week_starts)
    return span_days(moment.calendar, first, moment.today, why)


def find_last(period: Period, count: int, moment: Moment, why: str) -> Span:
    """Give the complete periods before the running one."""
    after = period.first_day(moment.today, moment.calendar.week_starts)
    return span_days(moment.calendar, period.move_day(after, -count), after - ONE_DAY, why)


def find_to_yesterday(period: Period, moment: Moment, why: str) -> Span:
    """Give the period that holds yesterday, up to yesterday's end."""
    last = moment.today - ONE_DAY
    return span_days(moment.calendar, period.first_day(last, moment.calendar.week_starts), last, why)


def find_to_date(period: Period, moment: Moment, why: str) -> Span:
    """Give the period up to the slot; at the very border of a period the one that ends there."""
    calendar = moment.calendar
    first = period.first_day(calendar.day_of(moment.at - TICK), calendar.week_starts)
    return make_span(calendar, calendar.day_start(first), moment.at, why)


def list_words() -> dict[str, PeriodWords]:
    """Build the table of words."""
    words = {
        "today": PeriodWords("the production day running at the slot", partial(find_day, 0), DAY),
        "yesterday": PeriodWords("the production day before the running one", partial(find_day, 1), DAY),
    }
    for period in (WEEK, MONTH, QUARTER, YEAR):
        name = period.name
        words |= {
            f"this_{name}": PeriodWords(
                f"the {name} so far, the running production day included", partial(find_this, period), period
            ),
            f"last_{name}": PeriodWords(
                f"the complete {name} before the running one", partial(find_last, period, 1), period
            ),
            f"{name}_to_date": PeriodWords(f"the {name} up to the slot", partial(find_to_date, period), period),
            f"{name}_to_yesterday": PeriodWords(
                f"the {name} up to yesterday, complete production days only", partial(find_to_yesterday, period), period
            ),
        }
    return words


WINDOW_WORDS: Mapping[str, PeriodWords] = list_words()


def read_window(window: str | WindowSpec) -> Words:
    """Read the YAML form of a window; raises UserError with a suggestion for what is not understood."""
    if isinstance(window, WindowSpec):
        raise UserError("not yet")
    if window not in WINDOW_WORDS:
        raise UserError(unknown_word("window", window, WINDOW_WORDS))
    return WINDOW_WORDS[window]
