"""``mmflow run``: execute one job now."""

from __future__ import annotations

import argparse
from dataclasses import replace

from mmflow.cli.arguments import add_dates, add_job, add_sinks, named_sinks, read_order
from mmflow.cli.output import quiet_stdout
from mmflow.cli.session import open_engine, open_session
from mmflow.cli.show import end_run

SUMMARY = "Ask the service for a job's report and deliver it."
EXAMPLES = """
mmflow run morning-oee
mmflow run morning-oee --for 2026-11-03        the report about that production day
mmflow run morning-oee --from 2026-11-01 --to 2026-11-08
mmflow run morning-oee --at 2026-11-03T06:40   as if it were that moment
mmflow run morning-oee --sink csv              only this sink
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare job, dates and sinks."""
    add_job(parser)
    add_dates(parser)
    add_sinks(parser)


def run(args: argparse.Namespace) -> int:
    """Execute; exit code 1 when the run was held or failed."""
    from mmflow.run import calendars_of, run_job

    session = open_session(args)
    checked = session.resolve_job(session.read_job(args.job))
    with open_engine(session, checked.job.sites) as engine:
        order = read_order(args, checked.job, calendars_of(engine, checked.job), engine.clock.now())
        with quiet_stdout(session.out):
            result = run_job(engine, checked, replace(order, sinks=named_sinks(args)))
    return end_run(session.out, result)
