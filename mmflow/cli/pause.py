"""``mmflow pause``: let the times of a job pass without running it."""

from __future__ import annotations

import argparse
from datetime import datetime

from mmflow.cli.arguments import add_job, read_moment
from mmflow.cli.known import open_known, read_known
from mmflow.cli.session import Session
from mmflow.cli.times import describe_pause
from mmflow.errors import EXIT_OK, UserError
from mmflow.job import Schedule
from mmflow.plant import PlantCalendar
from mmflow.plant.instants import has_time

SUMMARY = "Let the times of a job pass without running it, until it is resumed."
EXAMPLES = """
mmflow pause morning-oee
mmflow pause morning-oee --until 2026-12-01           from that production day on it runs again
mmflow pause morning-oee --until 2026-12-01T06:00 --why "line 3 is being rebuilt"
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare job, end and reason."""
    add_job(parser)
    parser.add_argument("--until", metavar="DAY|TIME", default="", help="plant time; a day is from its start on")
    parser.add_argument("--why", metavar="TEXT", default="", help="reason, shown with each time that is skipped")


def run(args: argparse.Namespace) -> int:
    """Write it into the ledger, where a daemon that runs sees it at its next look."""
    from mmflow.ledger import Ledger

    session = open_known(args)
    checked = read_known(session, args.job)
    if not isinstance(checked.job.schedule, Schedule):
        raise UserError(f"{checked.job.job} has no schedule, so there is nothing to pause")
    calendar = session.workspace.checked.calendars[checked.job.sites[0]]
    until = read_end(args.until, calendar).astimezone(calendar.zone) if args.until else None
    if until and until <= session.around.clock.now():
        raise UserError(f"{args.until} is over already; give a time to come")
    why = " ".join(args.why.split())  # of one line, as all reasons are
    with Ledger.open(session.find_place(), session.around.clock) as ledger:
        before = describe_pause(ledger.slots.read_job(checked.job.job), session.around.clock.now(), calendar.zone)
        ledger.slots.pause(checked.job.job, until, why)
    if before:
        session.out.note(f"this takes the place of an earlier pause: {before}")
    tell_pause(session, checked.job.job, until, why)
    return EXIT_OK


def read_end(text: str, calendar: PlantCalendar) -> datetime:
    """Read the day or the time until which a job is paused."""
    if has_time(text) or text[:1].isdecimal():
        return read_moment(text, calendar)
    raise UserError(f"{text!r} is neither a day nor a time; write it like 2026-12-01 or 2026-12-01T06:00")


def tell_pause(session: Session, job: str, until: object, why: str) -> None:
    """Say what was done and how it is undone."""
    if session.out.as_json:
        session.out.data({"job": job, "paused": True, "until": until, "why": why})
        return
    when = f" until {until:%Y-%m-%d %H:%M %Z}" if until else ""
    session.out.line(f"{job} is paused{when}; what is under way goes on. 'mmflow resume {job}' lets it run again")
