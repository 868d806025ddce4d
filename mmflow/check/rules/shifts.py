"""Rules about the shifts of a site: their names, their days, and hours that fit together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import date, datetime, timedelta
from itertools import combinations, product
from typing import Final

import msgspec

from mmflow.check.faults import Finding, explain_error, show
from mmflow.check.layers import EACH, find
from mmflow.check.rules.facts import Facts
from mmflow.document import Path, Value
from mmflow.errors import UserError
from mmflow.options import convert_values
from mmflow.plant import ShiftPattern, parse_weekdays, read_patterns
from mmflow.settings import Shift

PLACES: Final = (("sites", EACH, "shifts"), ("sites", EACH, "schedules", EACH, "shifts"))
SOME_MONDAY: Final = date(2000, 1, 3)
WEEK: Final = timedelta(weeks=1)


def check_shift_names(facts: Facts) -> Iterator[Finding]:
    """Expect shifts to have names."""
    for place in PLACES:
        for path, name in facts.texts(*place, EACH, "name"):
            if not name.strip():
                yield Finding(path, "found empty text, expected the name of a shift", "write a name such as First")


def check_shift_days(facts: Facts) -> Iterator[Finding]:
    """Expect weekdays, or ranges of them, in shifts, and at least one."""
    for place in PLACES:
        for path, shift in facts.blocks(*place, EACH):
            if shift.get("days") == []:
                hint = "write days such as mon-fri, or leave this key out for every day"
                yield Finding((*path, "days"), "found no day, so this shift never starts", hint)
        for path, days in (*facts.texts(*place, EACH, "days"), *facts.texts(*place, EACH, "days", EACH)):
            try:
                parse_weekdays(days)
            except UserError as error:
                yield explain_error(path, error)


def check_shift_hours(facts: Facts) -> Iterator[Finding]:
    """Warn of shifts that last a whole day, and of two in one schedule at the same time."""
    for path, shifts in (found for place in PLACES for found in find(facts.values, place)):
        patterns = list(read_shifts(path, shifts))
        for here, pattern in patterns:
            if pattern.start == pattern.end:
                hint = "write when it ends, unless it does take all day"
                yield Finding(
                    (*here, "to"), "this shift lasts 24 hours", hint, severity="warning", id="whole-day-shift"
                )
        for (_, first), (here, second) in combinations(patterns, 2):
            if overlap(first, second):
                message = f"shift {show(second.name)} runs while {show(first.name)} does"
                hint = "let one begin when the other ends; where both run, the one that ends last counts as current"
                yield Finding(here, message, hint, severity="warning", id="overlapping-shifts")


def read_shifts(path: Path, shifts: Value) -> Iterator[tuple[Path, ShiftPattern]]:
    """Give the shifts of a list that can be read, each with its place."""
    for number, shift in enumerate(shifts if isinstance(shifts, list) else ()):
        with suppress(msgspec.ValidationError, UserError):
            (pattern,) = read_patterns([convert_values(shift, Shift)])
            yield (*path, number), pattern


def overlap(first: ShiftPattern, second: ShiftPattern) -> bool:
    """Tell whether two shifts ever run at the same time, by the clock on the wall and week after week."""
    return any(
        start < other_end + week and other_start + week < end
        for (start, end), (other_start, other_end) in product(list_walls(first), list_walls(second))
        for week in (-WEEK, WEEK * 0, WEEK)
    )


def list_walls(pattern: ShiftPattern) -> Iterator[tuple[datetime, datetime]]:
    """Give the naive local starts and ends of a shift in one week."""
    return (pattern.walls(SOME_MONDAY + timedelta(days=number)) for number in pattern.weekdays)


SHIFT_RULES: Final = (check_shift_names, check_shift_days, check_shift_hours)
