"""``mmflow preview``: the finished table on the terminal; nothing is delivered and nothing recorded."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from mmflow.check.uses import SinkUse
from mmflow.cli.arguments import add_dates, add_job, plan_offline, read_order
from mmflow.cli.output import Output
from mmflow.cli.session import open_engine, open_session
from mmflow.errors import EXIT_OK, EXIT_RUN
from mmflow.plan import Plan, describe_plan
from mmflow.sinks import CONSOLE, ConsoleOptions
from mmflow.table import Cell, Table, shorten_cell

if TYPE_CHECKING:
    from mmflow.run import Report

SUMMARY = "Show what a job would deliver, or with --plan what it would ask; deliver nothing."
EXAMPLES = """
mmflow preview morning-oee
mmflow preview morning-oee --plan               the requests, without asking
mmflow preview morning-oee --sink csv           as that sink would show it
mmflow preview morning-oee --for 2026-11-03 --json
"""

ON_TERMINAL = SinkUse("console", CONSOLE, ConsoleOptions())


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare job, dates and what to show."""
    add_job(parser)
    add_dates(parser)
    parser.add_argument("--plan", action="store_true", help="show the requests instead; asks nothing")
    parser.add_argument("--sink", metavar="NAME", help="show what this sink would write")


def run(args: argparse.Namespace) -> int:
    """Print the plan or the table; exit code 1 when the gate would hold the report."""
    from mmflow.run import calendars_of, choose_sinks, make_report, plan_job, rehearse_sink

    session = open_session(args)
    if args.plan:
        show_plan(session.out, plan_offline(session, args))
        return EXIT_OK
    checked = session.resolve_job(session.read_job(args.job))
    use = choose_sinks(checked.sinks, frozenset({args.sink}))[0] if args.sink else ON_TERMINAL
    with open_engine(session, checked.job.sites) as engine:
        order = read_order(args, checked.job, calendars_of(engine, checked.job), engine.clock.now())
        plan = plan_job(engine, checked.job, order)
        with tempfile.TemporaryDirectory(prefix="mmflow-", ignore_cleanup_errors=True) as folder:
            report = make_report(engine, checked, plan, Path(folder), Path(folder) / "table.parquet")
            show_report(session.out, report, rehearse_sink(engine, checked, use, report))
    return EXIT_RUN if report.verdict.state == "hold" else EXIT_OK


def show_plan(out: Output, plan: Plan) -> None:
    """Print the requests."""
    if not out.as_json:
        out.line(describe_plan(plan))
        return
    out.data(
        {
            "job": plan.job,
            "slot": plan.slot,
            "requests": [
                {
                    "site": piece.site,
                    "query": piece.query,
                    "window": piece.window,
                    "groups": piece.groups,
                    "metrics": piece.metrics,
                }
                for piece in plan.slices
            ],
        }
    )


def show_report(out: Output, report: Report, shown: str) -> None:
    """Print the table as data or as a sink shows it, and on stderr what the gate thinks of it."""
    if out.as_json:
        out.data(table_document(report.table))
    else:
        out.copy(shown.rstrip("\n"))
    for reason in report.verdict.reasons:
        out.note(f"{report.verdict.state}: {reason}")


def table_document(table: Table) -> dict[str, object]:
    """Give the JSON of a table."""
    return {
        "columns": [
            {"name": column.name, "label": column.label, "type": column.type, "unit": column.unit}
            for column in table.columns
        ],
        "rows": [shorten_row(row) for row in table.rows()],
        "footer": [{"kind": row.kind, "values": shorten_row(row.values)} for row in table.footer],
        "notices": table.notices,
    }


def shorten_row(row: Iterable[Cell]) -> list[Cell]:
    """Give the cells of a row with whole numbers as integers."""
    return [shorten_cell(cell) for cell in row]
