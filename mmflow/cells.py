"""A window whose dates stand in cells of a destination: read before anything is planned, then as if the job had them.

The dates found are recorded with the run, so that sending it again never looks a second time.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from zoneinfo import ZoneInfo

import msgspec

from mmflow.check import CheckedJob
from mmflow.check.uses import SinkUse
from mmflow.deliver import blame_error
from mmflow.deliver.told import Destination, about_check, sink_info
from mmflow.errors import GiveUp, MmflowError, UserError
from mmflow.job import WindowSpec
from mmflow.plant import PlantCalendar
from mmflow.plant.instants import read_instant
from mmflow.sinks import find_function
from mmflow.windows.spans import Span, span_days

log = logging.getLogger(__name__)


def settle_window(
    checked: CheckedJob, calendars: Mapping[str, PlantCalendar], where: Destination, slot: datetime
) -> CheckedJob:
    """Give the job with the dates that its window's cells hold; any other job as it is.

    Raises :class:`~mmflow.errors.RunError` when the cells cannot be read, :class:`UserError` when what stands there is
    no window.
    """
    job, window = checked.job, checked.job.window
    if not isinstance(window, WindowSpec) or not window.cells:
        return checked
    use = find_source(checked.sinks, window.sink)
    spans = tuple((site, span_today(calendars[site], slot)) for site in job.sites)
    info = sink_info(about_check(job, spans, slot), use, where)
    assert use.type.read_window, "the check saw to it"
    try:
        first, last = map(expect_day, find_function(use.type.read_window)(use.options, window.cells, info))
    except MmflowError:
        raise
    except BaseException as error:
        raise GiveUp(blame_error(use, error, f"when it read {window.cells}")) from error
    zones = {calendars[site].zone.key for site in job.sites}
    found = WindowSpec(from_=write_border(first, zones), to=write_border(last, zones))
    log.info("%s holds %s to %s", window.cells, found.from_, found.to)
    return replace(checked, parsed=msgspec.structs.replace(job, window=found))


def expect_day(found: object) -> date:
    """Give what a sink has found in a cell when it is a day or a time; :class:`TypeError` for anything else."""
    if not isinstance(found, date):
        raise TypeError(f"{type(found).__name__} is no day")
    return found


def span_today(calendar: PlantCalendar, slot: datetime) -> Span:
    """Give the span of the day of a slot, by which file names are filled before the window is known."""
    day = calendar.day_of(slot)
    return span_days(calendar, day, day, "the day of the slot")


def find_source(uses: Sequence[SinkUse], named: str) -> SinkUse:
    """Give the sink whose cells hold the window; the check has made sure that there is one."""
    return next(use for use in uses if use.type.read_window and named in ("", use.name))


def write_border(found: date, zones: set[str]) -> str:
    """Write a day, or a time of the plant as an instant; :class:`UserError` for a time where plants have two zones."""
    if not isinstance(found, datetime):
        return found.isoformat()
    if len(zones) > 1:
        named = ", ".join(sorted(zones))
        raise UserError(f"the cells hold times, and the sites have several zones ({named}); use days")
    return read_instant(found.isoformat(timespec="seconds"), ZoneInfo(next(iter(zones)))).isoformat()
