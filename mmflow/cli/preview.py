"""``mmflow preview``: the finished table on the terminal; nothing is delivered and nothing recorded."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from mmflow.cli.arguments import add_dates, add_job, read_order
from mmflow.cli.output import Output
from mmflow.cli.session import open_engine, open_session
from mmflow.errors import EXIT_OK, EXIT_RUN
from mmflow.table import Column, Table

SUMMARY = "Show what a job would deliver, or with --plan what it would ask; deliver nothing."
EXAMPLES = """
mmflow preview morning-oee
mmflow preview morning-oee --plan               the requests, without asking
mmflow preview morning-oee --sink csv           as that sink would show it
mmflow preview morning-oee --for 2026-11-03 --json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare job, dates and what to show."""
    add_job(parser)
    add_dates(parser)
    parser.add_argument("--plan", action="store_true", help="show the requests instead; asks nothing")
    parser.add_argument("--sink", metavar="NAME", help="show what this sink would write")


def run(args: argparse.Namespace) -> int:
    """Print the plan or the table; exit code 1 when the gate would hold the report."""
    from mmflow.plan import describe_plan
    from mmflow.run import calendars_of, choose_sinks, make_report, plan_job

    session = open_session(args)
    checked = session.resolve_job(session.read_job(args.job))
    sinks = choose_sinks(checked.sinks, frozenset({args.sink})) if args.sink else []
    with open_engine(session, () if args.plan else checked.job.sites) as engine:
        order = read_order(args, checked.job, calendars_of(engine, checked.job), engine.clock.now())
        plan = plan_job(engine, checked.job, order)
        if args.plan:
            session.out.line(describe_plan(plan))
            return EXIT_OK
        with tempfile.TemporaryDirectory(prefix="mmflow-", ignore_cleanup_errors=True) as folder:
            report = make_report(engine, checked, plan, Path(folder), Path(folder) / "table.parquet")
            show_report(session.out, report)
    return EXIT_RUN if report.verdict.state == "hold" else EXIT_OK
