"""``mmflow next``: when jobs are due, about which time, and what is unusual about it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from itertools import islice
from zoneinfo import ZoneInfo

from mmflow.check import CheckedJob
from mmflow.check.layers import get
from mmflow.cli.known import has_errors, list_known, read_known
from mmflow.cli.session import Session, open_session
from mmflow.cli.times import describe_due, describe_pause, find_timetable, list_calendars, show_instant
from mmflow.errors import EXIT_OK, EXIT_USER, MmflowError, UserError, describe_problems
from mmflow.job import Job
from mmflow.ledger import JobRow
from mmflow.ledger.slots import FOREVER
from mmflow.plant import PlantCalendar
from mmflow.plant.instants import has_time, read_day, read_instant
from mmflow.schedule import Timetable
from mmflow.schedule.ordering import TICK
from mmflow.windows import resolve_window
from mmflow.workspace import find_lead

SUMMARY = "Show when jobs are due next, about which time, and what is unusual about it; asks nothing."
EXAMPLES = """
mmflow next                                       the next five times at which anything is due
mmflow next morning-oee -n 10                     the next ten of one job
mmflow next --all -n 1                            the next one of every job, also of those that have none
mmflow next morning-oee --from 2027-03-13         as if it were that day, in the zone of the schedule
"""

HEADINGS = ("due", "job", "about", "why")


@dataclass(frozen=True, slots=True)
class Due:
    """One time at which a job is due."""

    job: CheckedJob
    at: datetime
    timetable: Timetable
    after: str = ""  # the job that it follows
    paused: str = ""  # that it, or the one that it follows, is

    @property
    def why(self) -> str:
        """What is unusual: it is skipped, the clocks change, or another job comes first."""
        skipped = self.timetable.skip_reason(self.at) or self.paused
        facts = [f"skipped: {skipped}" if skipped else "", self.timetable.note(self.at)]
        facts.append(f"when {self.after} has delivered" if self.after else "")
        return "; ".join(fact for fact in facts if fact)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare which jobs, how many times, and from when."""
    parser.add_argument("job", metavar="JOB", nargs="?", help="a job's name, or a path that ends in .yaml")
    parser.add_argument("-n", dest="count", metavar="N", type=read_count, default=5, help="so many times (default: 5)")
    parser.add_argument("--from", dest="start", metavar="TIME", help="from this day or moment on (default: now)")
    parser.add_argument("--all", action="store_true", help="so many times of every job, not of all together")


def read_count(text: str) -> int:
    """Read a number from 1 to 1000."""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 1000:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a number from 1 to 1000")
    return int(text)


@dataclass(frozen=True, slots=True)
class Windows:
    """Says which time a job asks about; the values of its references are put in once."""

    session: Session
    _asked: dict[str, Job | str] = field(default_factory=dict)

    def describe(self, due: Due) -> str:
        """Say it for one time, for each site where they differ."""
        if cells := get(due.job.layers.values, ("window", "cells")):
            return f"the dates in {cells}"
        name = due.job.name
        if name not in self._asked:
            self._asked[name] = self._ask(due.job)
        job = self._asked[name]
        if isinstance(job, str):
            return job
        sites = list_calendars(self.session.workspace, due.job)
        whys = {site.name: explain_window(job, site, due.at) for site in sites}
        shared = set(whys.values())
        return shared.pop() if len(shared) == 1 else "; ".join(f"{site}: {why}" for site, why in whys.items())

    def _ask(self, job: CheckedJob) -> Job | str:
        try:
            return self.session.resolve_question(job)
        except MmflowError as error:  # a variable that is set for the daemon alone
            return str(error).splitlines()[0]


def explain_window(job: Job, site: PlantCalendar, at: datetime) -> str:
    """Say which span the window of a job is at a site."""
    try:
        return resolve_window(job.window, site, at, machine_groups=job.report.filter.get("machineGroup", ())).why
    except UserError as error:  # no such shift at that time
        return str(error)


def run(args: argparse.Namespace) -> int:
    """Print the times, sorted; exit code 2 when a file has mistakes, which stderr then names."""
    session = open_session(args)
    if args.job and args.all:
        raise UserError("--all is about every job; leave out the name, or --all")
    _ = session.workspace.settings  # its mistakes are raised
    if args.start:
        read_start(args.start, ZoneInfo("UTC"))
    jobs, wrong = read_jobs(session, args.job)
    wanted = [read_known(session, args.job)] if args.job else list(jobs)
    found = list_times(session, wanted, Known({job.name: job for job in jobs}, read_planned(session)), args)
    if session.out.as_json:
        show_json(session, wanted, found, one=bool(args.job))
    else:
        show_table(session, found)
        if args.job or args.all:
            note_idle(session, wanted, found)
        elif not found:
            session.out.note("no job is due by itself; see why: mmflow next --all" if jobs else "there are no jobs")
    if wrong:
        session.out.note(wrong)
    return EXIT_USER if wrong else EXIT_OK


def read_jobs(session: Session, word: str | None) -> tuple[Sequence[CheckedJob], str]:
    """Give all jobs, also as they were last good, and what is wrong with them unless only one is asked for."""
    jobs, unread = session.workspace.read_jobs()
    known = list_known(session, jobs, unread)
    wrong = {*unread, *(problem for job in (*jobs, *known) for problem in job.problems if problem.severity == "error")}
    return [job for job in known if not has_errors(job)], describe_problems(wrong) if wrong and not word else ""


def read_planned(session: Session) -> Mapping[str, JobRow]:
    """Give what the ledger knows of jobs; nothing, and a note, when it cannot be asked."""
    try:
        with session.open_ledger() as ledger:
            return ledger.slots.read_jobs()
    except MmflowError as error:
        session.out.note(f"it is not known which jobs are paused: {str(error).splitlines()[0]}")
        return {}


@dataclass(frozen=True, slots=True)
class Known:
    """All jobs by name, and what the ledger knows of them."""

    jobs: Mapping[str, CheckedJob]
    planned: Mapping[str, JobRow]

    def explain_pause(self, names: Sequence[str], at: datetime, zone: tzinfo) -> str:
        """Say that a job is paused at an instant, or else the nearest one that it follows; "" when none is."""
        found = ((name, describe_pause(self.planned.get(name), at, zone)) for name in names)
        return next((f"{'' if name == names[0] else f'{name} is '}paused {why}" for name, why in found if why), "")


def list_times(session: Session, wanted: Sequence[CheckedJob], known: Known, args: argparse.Namespace) -> list[Due]:
    """Give the next times in order: so many of each job, or of all jobs together when none is named."""
    each = [due for job in wanted for due in list_due(session, job, known, args)]
    each.sort(key=lambda due: (due.at, due.job.name))
    return each if args.job or args.all else each[: args.count]


def list_due(session: Session, job: CheckedJob, known: Known, args: argparse.Namespace) -> Iterator[Due]:
    """Give the next times of a job; one that follows others is due when the first of them is."""
    leads = [job, *follow_leads(job, known.jobs)]
    timetable = find_timetable(session.workspace, leads[-1])
    if timetable is None:
        return
    names = [lead.name for lead in leads]
    after = read_start(args.start, timetable.zone) - TICK if args.start else session.around.clock.now()
    for at in islice(timetable.between(after, FOREVER), args.count):
        yield Due(job, at, timetable, "".join(names[1:2]), known.explain_pause(names, at, timetable.zone))


def follow_leads(job: CheckedJob, named: Mapping[str, CheckedJob]) -> Iterator[CheckedJob]:
    """Give the jobs that come before one, the nearest first."""
    seen = {job.name}
    while (lead := named.get(find_lead(job))) and lead.name not in seen:
        yield lead
        seen.add(lead.name)
        job = lead


def read_start(text: str, zone: ZoneInfo) -> datetime:
    """Read a day or a moment, in the zone of the schedule unless it has its own."""
    return read_instant(text if has_time(text) else f"{read_day(text)} 00:00", zone)


def show_table(session: Session, found: Sequence[Due]) -> None:
    """Print the times."""
    windows = Windows(session)
    rows = [(show_instant(due.timetable, due.at), due.job.name, windows.describe(due), due.why) for due in found]
    session.out.table(HEADINGS, rows)


def note_idle(session: Session, wanted: Sequence[CheckedJob], found: Sequence[Due]) -> None:
    """Say which of the jobs are not due at all."""
    due = {one.job.name for one in found}
    for job in wanted:
        if job.name not in due:
            session.out.note(f"{job.name} is not due: {describe_due(session.workspace, job)}")


def show_json(session: Session, wanted: Sequence[CheckedJob], found: Sequence[Due], *, one: bool) -> None:
    """Print the times of each job."""
    windows = Windows(session)
    times: dict[str, list[dict[str, object]]] = {job.name: [] for job in wanted}
    for due in found:
        times[due.job.name].append(describe_time(due, windows.describe(due)))
    documents = [{"job": job, "times": listed} for job, listed in times.items()]
    session.out.data(documents[0] if one else {"jobs": documents})


def describe_time(due: Due, span: str) -> dict[str, object]:
    """Give the JSON of one time."""
    return {"at": due.at, "local": due.at.astimezone(due.timetable.zone), "span": span, "why": due.why}
