"""When jobs are due, for the commands that show it: read offline, and without the value of any reference."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from itertools import islice
from typing import Final

import msgspec

from mmflow.check import CheckedJob
from mmflow.check.layers import EACH, find_texts, get
from mmflow.check.rules.scheduling import MOST_SKIPPED
from mmflow.errors import UserError
from mmflow.job import Schedule
from mmflow.ledger import JobRow
from mmflow.ledger.slots import FOREVER
from mmflow.options import convert_values
from mmflow.plant import PlantCalendar
from mmflow.schedule import Timetable, choose_zone, describe_schedule, make_timetable
from mmflow.workspace import Workspace

SHOWN: Final = "%Y-%m-%d %H:%M"


def read_schedule(job: CheckedJob) -> Schedule | None:
    """Give the schedule of a job, None when it runs by hand only or its schedule cannot be read."""
    written = get(job.layers.values, ("schedule",))
    try:
        return convert_values(written, Schedule) if isinstance(written, dict) else None
    except msgspec.ValidationError:
        return None


def list_calendars(workspace: Workspace, job: CheckedJob) -> Sequence[PlantCalendar]:
    """Give the calendars of a job's sites, those that can be made."""
    sites = [text for _, text in find_texts(job.layers.values, ("sites", EACH))] or workspace.checked.site_names
    return [workspace.checked.calendars[site] for site in sites if site in workspace.checked.calendars]


def find_timetable(workspace: Workspace, job: CheckedJob) -> Timetable | None:
    """Give the timetable of a job; None for one that runs by hand, after another job, or cannot be read."""
    schedule, calendars = read_schedule(job), list_calendars(workspace, job)
    groups = [text for _, text in find_texts(job.layers.values, ("report", "filter", "machineGroup", EACH))]
    try:
        return make_timetable(schedule, calendars, groups, workspace.root) if schedule and calendars else None
    except UserError:
        return None  # the check says why


def describe_due(workspace: Workspace, job: CheckedJob) -> str:
    """Say when a job is due, "" when that cannot be read."""
    schedule, calendars = read_schedule(job), list_calendars(workspace, job)
    if schedule is None:
        return "" if isinstance(get(job.layers.values, ("schedule",)), dict) else describe_schedule(None)
    try:
        return describe_schedule(schedule, choose_zone(schedule, calendars) if calendars else None)
    except UserError:
        return ""


def find_next(timetable: Timetable, now: datetime) -> tuple[datetime | None, datetime | None]:
    """Give the next time that is not skipped, or else the last one that was looked at and is; None for the other."""
    skipped = None
    for due in islice(timetable.between(now, FOREVER), MOST_SKIPPED):
        if not timetable.skip_reason(due):
            return due, None
        skipped = due
    return None, skipped


def find_pause(planned: JobRow | None, at: datetime) -> datetime | None:
    """Give the end of the pause that a job is in at an instant, None when it is in none."""
    until = planned.paused_until if planned else None
    return until if until and until > at else None


def describe_pause(planned: JobRow | None, at: datetime, zone: tzinfo = UTC) -> str:
    """Say until when a job that is paused at an instant is, in a zone, and why; "" when it is not."""
    end = find_pause(planned, at)
    if planned is None or end is None:
        return ""
    until = "until it is resumed" if end == FOREVER else f"until {end.astimezone(zone):{SHOWN} %Z}"
    return f"{until}: {planned.paused_why}" if planned.paused_why else until


def show_instant(timetable: Timetable, due: datetime) -> str:
    """Write an instant in the zone of a schedule: ``Mon 2026-11-23 06:40 EST``."""
    return f"{due.astimezone(timetable.zone):%a {SHOWN} %Z}"
