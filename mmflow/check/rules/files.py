"""Rules about files that many deliveries write to: what one delivery must not take away from another."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Final

from mmflow.check.faults import Finding
from mmflow.check.layers import EACH
from mmflow.check.rules.facts import Facts
from mmflow.check.rules.timing import read_windows
from mmflow.errors import UserError
from mmflow.job import WindowSpec, find_time_group
from mmflow.windows import resolve_window

HOURS_APART: Final = 4  # of the slots that are tried; no shift that matters is shorter


def check_rolling_hours(facts: Facts) -> Iterator[Finding]:
    """Expect windows that begin on a full hour of UTC where rows of hours are replaced.

    The first row of another would hold the rest of its hour only, and take the place of the part that came before.
    """
    rolling = [path for path, mode in facts.texts("sinks", EACH, "mode") if mode == "replace_window"]
    if not rolling or find_time_group(name for _, name in facts.groups) != "hour":
        return
    windows = [window for _, window in read_windows(facts, ())]
    if odd := next((start for window in windows for start in find_odd_starts(facts, window)), None):
        message = f"replace_window needs windows that begin on a full hour of UTC, this one begins at {odd:%H:%M}"
        yield from (Finding(path, message, "put day in the place of hour, or write replace") for path in rolling)


def find_odd_starts(facts: Facts, window: str | WindowSpec) -> Iterator[datetime]:
    """Give the starts of a window that lie within an hour, for slots of the week to come."""
    groups = [text for _, text in facts.texts("report", "filter", "machineGroup", EACH)]
    first = facts.changes.now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    for calendar, hours in product(facts.job_calendars, range(0, 7 * 24, HOURS_APART)):
        with suppress(UserError):  # it is said elsewhere, or there is no shift at that slot
            start = resolve_window(window, calendar, first + timedelta(hours=hours), machine_groups=groups).start
            if start.minute or start.second:
                yield start


FILE_RULES: Final = (check_rolling_hours,)
