"""Window words to spans: what ``yesterday`` or ``{last: 7 days}`` means for one site at one slot.

Every span is a function of the slot and the site's calendar, never of the clock, so a late run asks the same question.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from functools import partial
from typing import Final

from msgspec.structs import fields

from mmflow.durations import parse_amount
from mmflow.errors import UserError, hint_names
from mmflow.job import WINDOW_FORMS, WindowSpec
from mmflow.plant import WEEKDAYS, PlantCalendar, parse_weekday
from mmflow.plant.instants import has_time, read_day, read_instant
from mmflow.plant.periods import DAY, MONTH, PERIODS, QUARTER, WEEK, YEAR, Period
from mmflow.windows.shifts import NoShift, ShiftWords
from mmflow.windows.spans import Earlier, Moment, Span, show_count
from mmflow.windows.words import (
    CellWords,
    HourWords,
    PeriodWords,
    RangeWords,
    Words,
    find_last,
    find_rolling,
    find_this,
    find_to_date,
    find_to_yesterday,
    find_today,
    find_yesterday,
)

__all__ = [
    "WINDOW_WORDS",
    "Earlier",
    "NoShift",
    "Span",
    "check_key",
    "check_window",
    "earlier_span",
    "parts_a_day",
    "read_window",
    "resolve_window",
]

# A hundred years, in each of the units of ``last``.
LONGEST: Final = {"hour": 876_600, "day": 36_525, "week": 5_217, "month": 1_200, "quarter": 400, "year": 100}
HOURS_OF_A_DAY: Final = 24
SHIFT_SUMMARIES: Final = {
    "current": "the shift running at the slot, to its end",
    "last": "the shift that ended last before the slot",
}


def resolve_window(
    window: str | WindowSpec, calendar: PlantCalendar, at: datetime, *, machine_groups: Sequence[str] = ()
) -> Span:
    """Give the span of ``window`` for a slot; ``machine_groups`` (the job's filter) choose the shift schedule.

    Raises :class:`UserError` for words that mean nothing, and its kind :class:`NoShift` for a shift that the site has,
    but not at that slot.
    """
    return read_window(window).resolve(find_moment(calendar, at, machine_groups))


def earlier_span(
    window: str | WindowSpec, calendar: PlantCalendar, at: datetime, to: Earlier, *, machine_groups: Sequence[str] = ()
) -> Span:
    """Give the span that ``compare:`` sets beside the one of :func:`resolve_window`; raises the same errors.

    ``previous`` is the same words with the slot moved back by what the window is counted in; of a shift the one of the
    same name on the latest day before; of written dates the equally long time just before. ``same_weekday`` is seven
    days earlier. ``last_year`` is 52 weeks earlier, so that Mondays meet Mondays, but for words that count in months,
    quarters or years and for written dates it is the same dates of the year before.
    """
    return read_window(window).earlier(find_moment(calendar, at, machine_groups), to)


def find_moment(calendar: PlantCalendar, at: datetime, machine_groups: Sequence[str]) -> Moment:
    """Give the slot as the site sees it; an instant without zone is a mistake of the caller."""
    if at.tzinfo is None:
        raise ValueError("a slot is an aware datetime")
    return Moment(calendar, at.astimezone(UTC), tuple(machine_groups))


def check_window(window: str | WindowSpec, calendar: PlantCalendar, *, machine_groups: Sequence[str] = ()) -> None:
    """Raise :class:`UserError` for a window that can mean nothing at this site, whatever the slot."""
    words = read_window(window)
    if isinstance(words, ShiftWords):
        words.find_schedule(calendar, machine_groups)


def parts_a_day(window: str | WindowSpec) -> bool:
    """Tell whether one production day has several of these windows, one after the other: its shifts, or some hours.

    Raises :class:`UserError` for what is not understood.
    """
    words = read_window(window)
    if isinstance(words, HourWords):
        return words.count < HOURS_OF_A_DAY
    return isinstance(words, ShiftWords) and words.shift in SHIFT_SUMMARIES


def read_window(window: str | WindowSpec) -> Words:
    """Read the YAML form of a window; raises :class:`UserError` for what is not understood."""
    if isinstance(window, WindowSpec):
        return read_spec(window)
    if window not in WINDOW_WORDS:
        raise UserError(f"{window!r} is not a window; {hint_names(window, WINDOW_WORDS)}")
    return WINDOW_WORDS[window]


def read_spec(spec: WindowSpec) -> Words:
    """Read a window of several keys by the form that its keys belong to."""
    given = {field.encode_name for field in fields(spec) if getattr(spec, field.name)}
    for needed, allowed in WINDOW_FORMS:
        if needed <= given <= needed | allowed:
            return READERS[needed](spec)
    forms = " or ".join("+".join(sorted(needed)) for needed, _ in WINDOW_FORMS)
    raise UserError(f"a window cannot be made of {', '.join(sorted(given)) or 'no keys'}; use {forms}")


def check_key(key: str, text: str) -> None:
    """Raise :class:`UserError` for what can mean nothing as one key of a window, whatever its other keys say."""
    if reader := KEY_READERS.get(key):
        reader(text)


def read_length(text: str) -> tuple[int, str]:
    """Read ``7 days``."""
    try:
        count, unit = parse_amount(text, units=tuple(LONGEST))
    except ValueError as error:
        raise UserError(f"{text!r} is no length of time; {error}") from error
    if count > LONGEST[unit]:
        raise UserError(f"{text!r} is longer than {show_count(LONGEST[unit], unit)}; ask for less")
    return count, unit


def read_last(spec: WindowSpec) -> Words:
    """Read ``{last: 7 days}``."""
    count, unit = read_length(spec.last)
    many = show_count(count, unit)
    summary = f"the last {many} up to the slot" if spec.to_now else f"the last {many}, complete"
    if unit == "hour":
        return HourWords(summary, count, spec.to_now)
    find = find_rolling if spec.to_now else find_last
    return PeriodWords(summary, PERIODS[unit], partial(find, PERIODS[unit], count), count)


def read_shift(spec: WindowSpec) -> Words:
    """Read ``{shift: Third, on: yesterday}``."""
    if spec.shift in SHIFT_SUMMARIES:
        if spec.on:
            raise UserError(f"shift: {spec.shift} and on: {spec.on} do not go together; give the name of the shift")
        return ShiftWords(SHIFT_SUMMARIES[spec.shift], spec.shift, schedule=spec.schedule)
    on = read_shift_day(spec.on)
    summary = "the shift of that day" if on and on not in WEEKDAYS else "the latest such shift that has ended"
    return ShiftWords(summary, spec.shift, on, spec.schedule)


def read_shift_day(text: str) -> str:
    """Read the day of a shift: ``today``, ``yesterday``, a weekday (given in full) or a date."""
    if text in ("", "today", "yesterday"):
        return text
    if text[:1].isdigit():
        return read_day(text).isoformat()
    return WEEKDAYS[parse_weekday(text)]


def read_border(text: str) -> date:
    """Read ``2026-11-01``, or a date-time with its zone to UTC."""
    return read_instant(text) if has_time(text) else read_day(text)


def read_range(spec: WindowSpec) -> Words:
    """Read ``{from: "2026-11-01", to: "2026-11-08"}`` or two date-times with their zones."""
    first, last = read_border(spec.from_), read_border(spec.to)
    timed = isinstance(first, datetime)
    if timed != isinstance(last, datetime):
        raise UserError("from and to are a day and a date-time; write two days, or two date-times")
    if timed and first >= last:
        raise UserError(f"from {spec.from_} does not lie before to {spec.to}; the end is excluded")
    if first > last:
        raise UserError(f"from {first} lies after to {last}; exchange them")
    return RangeWords(f"the {'times' if timed else 'days'} given", first, last)


def read_cells(spec: WindowSpec) -> Words:
    """Read ``{cells: "Input!B3:D4"}``: words that mean something only when a run has looked into the cells."""
    return CellWords(f"the dates in {spec.cells}", spec.cells)


KEY_READERS: Final[Mapping[str, Callable[[str], object]]] = {
    "last": read_length,
    "on": read_shift_day,
    "from": read_border,
    "to": read_border,
}
READERS: Final[Mapping[frozenset[str], Callable[[WindowSpec], Words]]] = {
    frozenset({"last"}): read_last,
    frozenset({"shift"}): read_shift,
    frozenset({"from", "to"}): read_range,
    frozenset({"cells"}): read_cells,
}


def list_words(period: Period) -> dict[str, Words]:
    """Give the four words of a week, month, quarter or year."""
    name = period.name
    return {
        f"this_{name}": PeriodWords(
            f"the {name} so far, with the whole running day", period, partial(find_this, period)
        ),
        f"last_{name}": PeriodWords(f"the {name} before the running one", period, partial(find_last, period, 1)),
        f"{name}_to_date": PeriodWords(f"the {name} up to the slot", period, partial(find_to_date, period)),
        f"{name}_to_yesterday": PeriodWords(
            f"the {name} of yesterday up to yesterday's end", period, partial(find_to_yesterday, period)
        ),
    }


WINDOW_WORDS: Final[Mapping[str, Words]] = {
    "today": PeriodWords("the production day running at the slot", DAY, find_today),
    "yesterday": PeriodWords("the production day before the running one", DAY, find_yesterday),
    **list_words(WEEK),
    **list_words(MONTH),
    **list_words(QUARTER),
    **list_words(YEAR),
    "current_shift": ShiftWords(SHIFT_SUMMARIES["current"], "current"),
    "last_shift": ShiftWords(SHIFT_SUMMARIES["last"], "last"),
}
