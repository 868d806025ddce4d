"""Rules about files that many deliveries write to: what one delivery must not take away from another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import product
from typing import Final

from mmflow.check.faults import Finding
from mmflow.check.layers import EACH
from mmflow.check.rules.facts import Facts
from mmflow.check.rules.timing import read_windows
from mmflow.errors import UserError
from mmflow.job import WindowSpec, find_time_group
from mmflow.plant import PlantCalendar
from mmflow.plant.periods import MONTH, QUARTER, WEEK, Period
from mmflow.windows import resolve_window

HOURS_APART: Final = 4  # of the slots that are tried; no shift that matters is shorter


def begins_hour(_calendar: PlantCalendar, start: datetime) -> bool:
    """Tell whether an instant is a full hour of UTC."""
    return not (start.minute or start.second)


def begins_day(calendar: PlantCalendar, start: datetime) -> bool:
    """Tell whether a production day begins at an instant."""
    return calendar.day_start(calendar.day_of(start)) == start


def begins_period(period: Period, calendar: PlantCalendar, start: datetime) -> bool:
    """Tell whether a week, month or quarter begins at an instant."""
    day = calendar.day_of(start)
    return begins_day(calendar, start) and period.first_day(day, calendar.week_starts) == day


# For each time group: what a row of it is, and whether one begins at an instant.
BORDERS: Final[Mapping[str, tuple[str, Callable[[PlantCalendar, datetime], bool]]]] = {
    "hour": ("on a full hour of UTC", begins_hour),
    "day": ("with a production day", begins_day),
    "week": ("with a week", partial(begins_period, WEEK)),
    "month": ("with a month", partial(begins_period, MONTH)),
    "quarter": ("with a quarter", partial(begins_period, QUARTER)),
}
HINTS: Final = {"hour": "put day in the place of hour, or write replace"}


def check_rolling_windows(facts: Facts) -> Iterator[Finding]:
    """Expect windows that begin where a row of the time group begins, where rows of that time are replaced.

    The first row of another would hold a part of its time only, and take the place of the part that came before: a
    shift would erase the earlier shifts of its day.
    """
    group = find_time_group(name for _, name in facts.groups)
    if not facts.rolling or group not in BORDERS:
        return
    where, begins = BORDERS[group]
    windows = [window for _, window in read_windows(facts, ())]
    if odd := next((start for window in windows for start in find_odd_starts(facts, window, begins)), None):
        begun = f"{odd:%H:%M}" if group == "hour" else f"{odd:%Y-%m-%dT%H:%MZ}"
        message = f"replace_window needs windows that begin {where}, this one begins at {begun}"
        hint = HINTS.get(group, "choose such a window, or write replace")
        yield from (Finding((*path, "mode"), message, hint) for path in facts.rolling)


def find_odd_starts(
    facts: Facts, window: str | WindowSpec, begins: Callable[[PlantCalendar, datetime], bool]
) -> Iterator[datetime]:
    """Give the starts of a window that lie within a row of its time group, for slots of the week to come."""
    groups = [text for _, text in facts.texts("report", "filter", "machineGroup", EACH)]
    first = facts.changes.now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    for calendar, hours in product(facts.job_calendars, range(0, 7 * 24, HOURS_APART)):
        with suppress(UserError):  # it is said elsewhere, or there is no shift at that slot
            start = resolve_window(window, calendar, first + timedelta(hours=hours), machine_groups=groups).start
            if not begins(calendar, start):
                yield start


FILE_RULES: Final = (check_rolling_windows,)
