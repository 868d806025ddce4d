"""``mmflow window``: which time a job asks about, at each of its sites, and why."""

from __future__ import annotations

import argparse
from datetime import datetime

from mmflow.cli.arguments import add_dates, add_job, plan_offline
from mmflow.cli.known import read_known
from mmflow.cli.output import Output
from mmflow.cli.session import open_session
from mmflow.cli.show import local_time, span_document
from mmflow.errors import EXIT_OK
from mmflow.plan import Plan
from mmflow.windows import Span
from mmflow.windows.spans import show_day

SUMMARY = "Show which time a job asks about, in plant time and UTC, how long that is, and why; asks nothing."
EXAMPLES = """
mmflow window morning-oee                          as of now
mmflow window morning-oee --at 2026-11-01T06:40    as if it were that moment, plant time
mmflow window morning-oee --at 2026-11-01          at the start of that production day
mmflow window morning-oee --for 2026-10-31 --json  the report about that production day
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare job and dates."""
    add_job(parser)
    add_dates(parser)


def run(args: argparse.Namespace) -> int:
    """Print the span of every site, as a run would ask for it; needs no network, and no secret of a site or sink."""
    session = open_session(args)
    show_windows(session.out, plan_offline(session, args, read_known(session, args.job)))
    return EXIT_OK


def show_windows(out: Output, plan: Plan) -> None:
    """Print the spans of a plan."""
    if out.as_json:
        spans = [span_document(site, span) for site, span in plan.spans]
        out.data({"job": plan.job, "at": plan.slot, "spans": spans})
        return
    for site, span in plan.spans:
        out.line(f"{plan.job} at {site}, {span.zone}")
        for name, text in describe_window(plan.slot, span):
            out.line(f"  {name:<12}{text}")


def describe_window(slot: datetime, span: Span) -> list[tuple[str, str]]:
    """Give what a person wants to know about a span, each with its heading."""
    start, end = span.start, span.end
    return [
        ("as of", show_local(slot, span)),
        ("plant time", f"{show_local(start, span)} to {show_local(end, span)}"),
        ("UTC", f"{start:%Y-%m-%dT%H:%M:%SZ} to {end:%Y-%m-%dT%H:%M:%SZ}, the end excluded"),
        ("length", f"{span.hours:.6g} h"),
        ("why", span.why),
    ]


def show_local(moment: datetime, span: Span) -> str:
    """Write an instant in plant time: ``Sun 2026-11-01 06:00 EST``."""
    local = local_time(moment, span)
    return f"{show_day(local.date())} {local:%H:%M %Z}"
