"""Whether a site's production days are the service's: one past day is asked for by its date and by its two instants.

A wrong time zone or start of day shows nowhere else: reports about whole days are right in spite of it, and those about
shifts and hours are quietly about other times.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from mmflow.check.faults import Finding
from mmflow.fetch import REPORT_PATH
from mmflow.plan import Slice, make_query, write_instant
from mmflow.plant import PlantCalendar
from mmflow.question import Question
from mmflow.windows.spans import show_day, span_days

if TYPE_CHECKING:
    from mmflow.api.client import Api

BUSY_WITHIN = 14  # days: after a fortnight without parts a plant is closed
FARTHEST = 12  # hours by which the start of day may be wrong
SUMS = Question((), ("allTime", "totalParts"))


class Sums(msgspec.Struct, frozen=True, rename="camel"):
    """What the service counts over a window: machine time in ms, and parts. They are counted anew for each answer."""

    all_time: float | None = None
    total_parts: float | None = None

    def __str__(self) -> str:
        return f"{self.total_parts or 0:,.10g} parts in {(self.all_time or 0) / 3_600_000:,.10g} machine hours"


class SumsAnswer(msgspec.Struct):
    """An answer to a question without groups."""

    aggregate: Sums


def check_calendar(api: Api, calendar: PlantCalendar, now: datetime) -> Iterator[Finding]:
    """Ask about the latest past day with production in both ways, and warn when the sums differ.

    Raises what the service raises. That equal sums mean equal days is an assumption, which a plant that stands still at
    both borders escapes.
    """
    path = ("sites", calendar.name, "timezone")
    busy = find_busy(api, calendar, now)
    if busy is None:
        message = f"no parts were made in {BUSY_WITHIN} production days, so the calendar could not be checked"
        yield Finding(path, message, severity="warning", id="calendar-unchecked")
        return
    piece, by_date = busy
    by_clock = ask_sums(api, name_instants(piece))
    if by_clock != by_date:
        message = (
            f"the service counts {by_date} for its {show_day(calendar.day_of(piece.start))}, but {by_clock} from "
            f"{write_instant(piece.start)} to {write_instant(piece.end)}, where that day lies by this calendar"
        )
        hint = "check timezone and start_of_day" + suggest_start(api, calendar, piece, by_date)
        yield Finding(path, message, hint, severity="warning", id="calendar-differs")


def find_busy(api: Api, calendar: PlantCalendar, now: datetime) -> tuple[Slice, Sums] | None:
    """Give the latest past production day on which parts were made, and its sums by date."""
    for days in range(BUSY_WITHIN):
        piece = ask_day(calendar, past_day(calendar, now - timedelta(days=days)), SUMS)
        sums = ask_sums(api, piece)
        if sums.total_parts:
            return piece, sums
    return None


def past_day(calendar: PlantCalendar, now: datetime) -> date:
    """Give the latest production day that has ended, however wrong the calendar is."""
    return calendar.day_of(now - timedelta(days=2))


def ask_day(calendar: PlantCalendar, day: date, question: Question) -> Slice:
    """Give the one request that a question about one production day takes."""
    span = span_days(calendar, day, day, "a past day")
    return make_query("rows", calendar.name, span, calendar, question).slices[0]


def ask_sums(api: Api, piece: Slice) -> Sums:
    """Ask for the sums of a slice without groups."""
    return api.json(REPORT_PATH, piece.request, SumsAnswer).aggregate


def name_instants(piece: Slice, hours: int = 0) -> Slice:
    """Give the slice that names its window by instants, moved by some hours."""
    moved = timedelta(hours=hours)
    return replace(piece, first_day=None, last_day=None, start=piece.start + moved, end=piece.end + moved)


def suggest_start(api: Api, calendar: PlantCalendar, piece: Slice, wanted: Sums) -> str:
    """Say at which hour the service's day seems to begin, nearest first; "" when no whole hour fits."""
    for hours in sorted(range(-FARTHEST, FARTHEST + 1), key=abs)[1:]:
        moved = name_instants(piece, hours)
        if ask_sums(api, moved) == wanted:
            begins = calendar.wall(moved.start)
            return f": the figures fit a day that begins at {begins:%H:%M} in {calendar.zone.key}"
    return ""
