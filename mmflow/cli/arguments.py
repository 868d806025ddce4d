"""Arguments that several commands share, and how the dates people type become an order for a run."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from contextlib import suppress
from datetime import date, datetime, timedelta

from mmflow.check import CheckedJob
from mmflow.cli.session import Session, open_engine
from mmflow.errors import UserError
from mmflow.job import Job, WindowSpec
from mmflow.plan import Plan
from mmflow.plant import PlantCalendar
from mmflow.plant.instants import has_time, read_day, read_instant
from mmflow.run import Order, calendars_of, plan_job, settle_job
from mmflow.windows import NoShift, resolve_window

# How far ahead to look for the slot whose window holds a day: a year and a quarter covers last_year.
FARTHEST = 460


def add_job(parser: argparse.ArgumentParser) -> None:
    """Declare the job."""
    parser.add_argument("job", metavar="JOB", help="a job's name, or a path that ends in .yaml")


def add_sinks(parser: argparse.ArgumentParser) -> None:
    """Declare which sinks."""
    parser.add_argument("--sink", action="append", metavar="NAME", help="only this sink of the job (may be repeated)")


def named_sinks(args: argparse.Namespace) -> frozenset[str] | None:
    """Give the sinks that were named, None when none was and all are meant."""
    return frozenset(args.sink) if args.sink else None


class DayOrAddress(argparse.Action):
    """Tells a last day from an address, which has an @: both are what people call "to"."""

    def __call__(
        self,
        _parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        _option: str | None = None,
    ) -> None:
        """Keep the address beside the others, or the day."""
        if "@" in str(values):
            namespace.mail_to = (*namespace.mail_to, values)
        else:
            namespace.last = values


def add_dates(parser: argparse.ArgumentParser, *, addresses: bool = False) -> None:
    """Declare the ways to say which dates are meant, and with ``addresses`` where messages go."""
    dates = parser.add_argument_group("dates (default: the job's window as of now)")
    dates.add_argument("--for", dest="day", metavar="DAY", help="the report about this production day: 2026-11-03")
    dates.add_argument("--from", dest="first", metavar="DAY", help="first day, instead of the job's window")
    if addresses:
        told = "last day, included; or an address: messages go only there (may be repeated)"
        dates.add_argument("--to", dest="last", metavar="DAY|ADDRESS", action=DayOrAddress, help=told)
        parser.set_defaults(mail_to=())
    else:
        dates.add_argument("--to", dest="last", metavar="DAY", help="last day, included")
    dates.add_argument("--at", metavar="TIME", help="as if it were this moment: 2026-11-03T06:40, plant time")


def read_order(args: argparse.Namespace, job: Job, calendars: Mapping[str, PlantCalendar], now: datetime) -> Order:
    """Give the order that the dates mean; raises :class:`UserError` for dates that mean nothing or two things."""
    given = [name for name, value in (("--for", args.day), ("--from", args.first), ("--at", args.at)) if value]
    if len(given) > 1:
        raise UserError(f"{' and '.join(given)} mean different dates; give one of them")
    if bool(args.first) != bool(args.last):
        raise UserError("--from and --to go together")
    calendar = calendars[job.sites[0]]
    if args.day and has_cells(job):
        raise UserError(
            f"the dates of {job.job} stand in cells, which --for cannot change; give --from and --to instead"
        )
    if args.day:
        return Order(slot=slot_about(job, calendar, read_day(args.day)))
    if args.first:
        window = WindowSpec(from_=args.first, to=args.last)
        spans = {name: resolve_window(window, site, now) for name, site in calendars.items()}
        return Order(slot=now, spans=spans)
    return Order(slot=read_moment(args.at, calendar) if args.at else now)


def plan_offline(session: Session, args: argparse.Namespace, checked: CheckedJob | None = None) -> Plan:
    """Plan the job, unless one is given, and the dates that a command line names; asks no site.

    No network and no secret is needed, but for a job whose dates stand in cells: they are read.
    """
    checked = checked or session.read_job(args.job)
    reads = not args.first and has_cells(checked.job)
    settled = session.resolve_job(checked) if reads else None
    job = settled.job if settled else session.resolve_question(checked)
    with open_engine(session, job.sites, ask=False, reach=reads) as engine:
        order = read_order(args, job, calendars_of(engine, job), engine.clock.now())
        return plan_job(engine, settle_job(engine, settled, order).job if settled else job, order)


def has_cells(job: Job) -> bool:
    """Tell whether the dates of a job stand in cells of a destination."""
    return isinstance(job.window, WindowSpec) and bool(job.window.cells)


def read_moment(text: str, calendar: PlantCalendar) -> datetime:
    """Read a moment; without a zone it is the plant's time, and a day alone is the start of that production day."""
    return read_instant(text, calendar.zone) if has_time(text) else calendar.day_start(read_day(text))


def slot_about(job: Job, calendar: PlantCalendar, day: date) -> datetime:
    """Give the earliest slot, a minute before a production day ends, whose window is about ``day``.

    People think of the day a report is about, not of the moment it was due. Raises :class:`UserError` when the job's
    window never comes to that day.
    """
    groups = job.report.filter.get("machineGroup", ())
    for later in range(FARTHEST):
        slot = calendar.day_start(day + timedelta(days=later + 1)) - timedelta(minutes=1)
        with suppress(NoShift):  # yesterday's third shift, asked on a Sunday
            span = resolve_window(job.window, calendar, slot, machine_groups=groups)
            if span.first_day <= day <= span.last_day:
                return slot
    raise UserError(f"the window of {job.job} is never about {day}; give --from and --to instead")
