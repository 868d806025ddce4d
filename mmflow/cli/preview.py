"""``mmflow preview``: the finished table on the terminal; nothing is delivered and nothing recorded."""

from __future__ import annotations

import argparse
import tempfile
import webbrowser
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from mmflow.check.uses import SinkUse
from mmflow.cli.arguments import add_dates, add_job, plan_offline, read_order
from mmflow.cli.output import Output
from mmflow.cli.session import Session, open_engine, open_session
from mmflow.errors import EXIT_OK, EXIT_RUN, TryLater, UserError
from mmflow.plan import Plan, describe_plan
from mmflow.sinks import CONSOLE, ConsoleOptions, Rendering
from mmflow.table import Cell, Table, shorten_cell

if TYPE_CHECKING:
    from mmflow.deliver.difference import Difference
    from mmflow.run import Report

SUMMARY = "Show what a job would deliver, or with --plan what it would ask; deliver nothing."
EXAMPLES = """
mmflow preview morning-oee
mmflow preview morning-oee --plan               the requests, without asking
mmflow preview morning-oee --sink csv           what that sink would write
mmflow preview morning-oee --sink excel --open  the same, opened in its program
mmflow preview morning-oee --sink email --save seen   its file, put into the folder "seen"
mmflow preview morning-oee --sink sql --diff    what would change at its destination
mmflow preview morning-oee --for 2026-11-03 --json
"""

ON_TERMINAL = SinkUse("console", CONSOLE, ConsoleOptions())


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare job, dates and what to show."""
    add_job(parser)
    add_dates(parser)
    parser.add_argument("--plan", action="store_true", help="show the requests instead; asks nothing")
    parser.add_argument("--sink", metavar="NAME", help="show what this sink would write")
    parser.add_argument("--diff", action="store_true", help="with --sink: show what would change at its destination")
    parser.add_argument("--save", metavar="FOLDER", help="with --sink: put the file that it would write there")
    parser.add_argument("--open", action="store_true", help="with --sink: open the file that it would write")


def run(args: argparse.Namespace) -> int:
    """Print the plan or the table; exit code 1 when the gate would hold the report."""
    from mmflow.deliver.chosen import choose_sinks
    from mmflow.run import calendars_of, make_report, plan_job, settle_job
    from mmflow.run.rehearsal import compare_sink, rehearse_sink

    session = open_session(args)
    check_flags(args)
    if args.plan:
        show_plan(session.out, plan_offline(session, args))
        return EXIT_OK
    checked = session.resolve_job(session.read_job(args.job))
    use = choose_sinks(checked.sinks, frozenset({args.sink}))[0] if args.sink else ON_TERMINAL
    with open_engine(session, checked.job.sites) as engine:
        order = read_order(args, checked.job, calendars_of(engine, checked.job), engine.clock.now())
        checked = settle_job(engine, checked, order)
        plan = plan_job(engine, checked.job, order)
        with tempfile.TemporaryDirectory(prefix="mmflow-", ignore_cleanup_errors=True) as folder:
            with pointing_to_doctor():
                report = make_report(engine, checked, plan, Path(folder), Path(folder) / "table.parquet")
            if args.diff:
                show_difference(session.out, compare_sink(engine, checked, use, report))
            else:
                shown = rehearse_sink(engine, checked, use, report)
                keep_file(session, args, f"{checked.job.job}-{use.name}", shown)
                show_report(session.out, report, shown.text)
            note_verdict(session.out, report)
    return EXIT_RUN if report.verdict.state == "hold" else EXIT_OK


@contextmanager
def pointing_to_doctor() -> Iterator[None]:
    """Say how to find out why a site does not answer."""
    try:
        yield
    except TryLater as error:
        raise TryLater(f"{error}; see why: mmflow doctor", after=error.after) from error


def check_flags(args: argparse.Namespace) -> None:
    """Raise :class:`UserError` for flags that mean nothing without a sink, or contradict each other."""
    wanted = [flag for flag in ("diff", "save", "open") if getattr(args, flag)]
    if wanted and not args.sink:
        raise UserError(f"--{wanted[0]} is about one sink; add --sink NAME")
    if args.diff and len(wanted) > 1:
        raise UserError(f"--diff and --{wanted[1]} are two questions; ask them one after the other")


def keep_file(session: Session, args: argparse.Namespace, name: str, shown: Rendering) -> None:
    """Write what a sink would write to the folder that was named, or to one of the system's, and open it if wished."""
    if not args.save and not args.open:
        return
    folder = session.around.cwd / args.save if args.save else Path(tempfile.mkdtemp(prefix="mmflow-"))
    path = folder / f"{name}{shown.suffix}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_bytes(shown.content)
    except OSError as error:
        raise UserError(f"cannot write {path}: {(error.strerror or 'unknown failure').lower()}") from error
    session.out.note(f"wrote {path}")
    if args.open:
        webbrowser.open(path.absolute().as_uri())


def show_difference(out: Output, difference: Difference) -> None:
    """Print what would change."""
    from mmflow.deliver.difference import describe_difference, difference_document

    if out.as_json:
        out.data(difference_document(difference))
        return
    for line in describe_difference(difference):
        out.line(line)


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
    """Print the table as data or as a sink shows it."""
    if out.as_json:
        out.data(table_document(report.table))
    else:
        out.copy(shown.rstrip("\n"))


def note_verdict(out: Output, report: Report) -> None:
    """Print on stderr what the gate thinks of the report, and whether the daemon would make it at all."""
    from mmflow.load.idle import find_idle

    if idle := find_idle(report.plan, report.spool):
        out.note(f"skipped by the daemon: {idle}")
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
