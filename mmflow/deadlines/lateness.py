"""Whether a report is there in time, and why not: what the schedule promised, held against what the ledger knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from mmflow.leases import CANCELLED
from mmflow.ledger import JobRow, Ledger, Run, Slot
from mmflow.ledger.notices import End
from mmflow.ledger.statements import AHEAD
from mmflow.notices.verdict import LASTING, advise, explain, find_kind, is_passing, list_runs
from mmflow.notices.words import CALM
from mmflow.planner.choices import MISSED, STILL_RUNS, STILL_WAITS, find_deadline
from mmflow.plant import PlantCalendar
from mmflow.roster import JobPlan
from mmflow.schedule import Timetable, make_timetable
from mmflow.sinks import NoticeItem

LONGEST_CHAIN: Final = 20  # of jobs that follow each other
UNPLANNED: Final = "look in its log for what keeps it from planning; started anew, it makes up for the latest report"
COMING: Final = "it may still come: nothing has to be done unless it lasts"


@dataclass(frozen=True, slots=True)
class Promise:
    """A job that has a deadline, and when it is due; ``trouble`` says why it is not planned, "" when it is.

    ``inside`` tells whether the daemon itself asks, so that it runs.
    """

    plan: JobPlan
    timetable: Timetable
    trouble: str = ""
    inside: bool = False

    def at(self, due: datetime) -> Expected:
        """Say of one time when the report must be there."""
        deadline = find_deadline(self.plan.deadline, due, self.timetable.zone)
        assert deadline, "only jobs with a deadline are watched"
        return Expected(self, due, deadline)


@dataclass(frozen=True, slots=True)
class Expected:
    """A report that must be delivered by ``deadline``."""

    promise: Promise
    due: datetime
    deadline: datetime

    @property
    def plan(self) -> JobPlan:
        """The job."""
        return self.promise.plan

    @property
    def timetable(self) -> Timetable:
        """When it is due."""
        return self.promise.timetable


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a report is not there, what to do, and by which command; ``temporary`` when nobody has to do anything now."""

    reason: str
    advice: str
    command: str
    temporary: bool = False


def find_timetable(
    plan: JobPlan,
    plans: Mapping[str, JobPlan],
    calendars: Mapping[str, PlantCalendar],
    root: Path,
    *,
    days: bool = True,
) -> Timetable | None:
    """Give the timetable by which a job is due, of one that follows others that of the first of them.

    Without ``days`` it has none that are skipped. Raises :class:`UserError` when those cannot be read.
    """
    for _ in range(LONGEST_CHAIN):
        if plan.schedule is None or any(site not in calendars for site in plan.sites):
            return None
        sites = [calendars[site] for site in plan.sites]
        schedule = plan.schedule if days else msgspec.structs.replace(plan.schedule, calendar=())
        if timetable := make_timetable(schedule, sites, plan.machine_groups, root, kept=True):
            return timetable
        if plan.schedule.after not in plans:
            return None
        plan = plans[plan.schedule.after]
    return None


def explain_lateness(expected: Expected, ledger: Ledger, root: Path, plans: Mapping[str, JobPlan]) -> Cause | None:
    """Say why a report is not there, None when it is, or was never to be; ``plans`` has the job that it follows.

    Jobs do not follow each other in a circle: :func:`find_timetable` finds none for those.
    """
    due, plan = expected.due, expected.plan
    if expected.timetable.skip_reason(due):
        return None
    found = ledger.notices.read_times(plan.job, due)
    row = ledger.slots.read_job(plan.job)
    if any(is_delivered(slot, run) for slot, run in found) or (row and row.paused_until and due < row.paused_until):
        return None
    planned = [(slot, run) for slot, run in found if slot.kind == "schedule"]
    if planned:
        slot, run = planned[0]
        return explain_end(End(slot=slot, run=run, deliveries=tuple(ledger.deliveries(slot.run)), job=row, told={}))
    follows = plan.schedule.after if plan.schedule else ""
    if follows in plans and not any(is_delivered(*one) for one in ledger.notices.read_times(follows, due)):
        followed = replace(expected.promise, plan=plans[follows])
        return blame_followed(replace(expected, promise=followed), ledger, root, plans)
    if row and row.cursor >= due:  # the planner has passed it, before the job had this schedule
        return None
    if expected.promise.trouble and (row or not is_newer(root / plan.file, due)):
        return Cause(f"it cannot be planned: {expected.promise.trouble}", LASTING, "mmflow validate")
    if not is_known(expected, row) and is_newer(root / plan.file, due):
        return None
    if expected.promise.inside:
        return Cause("the daemon runs and has not planned it", UNPLANNED, "mmflow logs --level warning")
    advice = "look whether the daemon runs, and start it: then the latest report is made up for"
    return Cause("it was never planned; does the daemon run?", advice, "mmflow service status")


def blame_followed(followed: Expected, ledger: Ledger, root: Path, plans: Mapping[str, JobPlan]) -> Cause | None:
    """Say what became of the job that one follows, None when nothing was to come of it."""
    cause = explain_lateness(followed, ledger, root, plans)
    if cause is None:
        return None
    said = cause.reason.removeprefix("it ")
    return replace(cause, reason=f"{followed.plan.job}, which it follows{',' if said != cause.reason else ':'} {said}")


def is_known(expected: Expected, row: JobRow | None) -> bool:
    """Tell whether the ledger knows the job by its present schedule; then it is no matter when its file was saved."""
    follows = expected.plan.schedule.after if expected.plan.schedule else ""
    return row is not None and row.timetable == (f"after {follows}" if follows else expected.timetable.fingerprint)


def is_delivered(slot: Slot, run: Run | None) -> bool:
    """Tell whether everybody who has to has got the report."""
    return slot.state == "done" and run is not None and run.state in ("ok", "degraded")


def explain_end(end: End) -> Cause | None:
    """Say why nothing has come of a slot, as its own notice does; None when nothing was to come of it."""
    slot, kind = end.slot, find_kind(end)
    if slot.state == "running":
        since = f"it has been running since {slot.updated:%Y-%m-%d %H:%M} UTC"
        return Cause(since, COMING, f"mmflow logs {slot.job}", temporary=True)
    if slot.state == "due":
        return Cause(slot.reason or "it waits to be run", COMING, list_runs(slot.job), temporary=True)
    if kind in ("", "cancelled") or (kind == "skipped" and not is_unwanted(slot)):
        return None
    what = {"failed": "it failed: ", "held": "it was held back: "}.get(kind, "")
    return Cause(f"{what}{explain(end)}", *advise(end, kind), temporary=kind in CALM or is_passing(end, kind))


def is_unwanted(slot: Slot) -> bool:
    """Tell whether a slot was skipped though nobody asked for that: missed, or one run was still under way.

    So was what could never begin, because the job had no usable file any more, and what was to come again and did not.
    """
    if slot.reason == AHEAD:
        return True
    if slot.reason.startswith(MISSED) or STILL_RUNS in slot.reason or STILL_WAITS in slot.reason:
        return True
    return slot.fence > 0 and not slot.run and slot.reason != CANCELLED


def is_newer(file: Path, due: datetime) -> bool:
    """Tell whether a job was written after it would have been due; nobody could plan it then."""
    try:
        return datetime.fromtimestamp(file.stat().st_mtime, UTC) > due
    except OSError:
        return False


def describe(expected: Expected, cause: Cause, finding: str = "not delivered") -> NoticeItem:
    """Put together what people are told."""
    plan, zone = expected.plan, expected.timetable.zone
    by = f"{expected.deadline.astimezone(zone):%H:%M} ({zone.key})"
    return NoticeItem(
        kind="late",
        job=plan.job,
        slot=expected.due,
        reason=f"{finding} by {by}: {cause.reason}",
        advice=cause.advice,
        command=cause.command,
        temporary=cause.temporary,
        at=expected.deadline,
        zone=zone.key,
    )
