"""``mmflow runs``: what ran, and what came of it."""

from __future__ import annotations

import argparse

from mmflow.cli.output import Output
from mmflow.cli.session import Session, open_session
from mmflow.cli.show import run_document, show_run
from mmflow.errors import UserError
from mmflow.ledger import Ledger, Run

SUMMARY = "List past runs, or show one with its deliveries and receipts."
EXAMPLES = """
mmflow runs                        the latest runs of all jobs
mmflow runs --job morning-oee -n 5
mmflow runs show 20261103T114002-7f3a19c4
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what to show."""
    parser.add_argument("show", nargs="?", choices=["show"], help="show one run")
    parser.add_argument("run", nargs="?", metavar="ID", help="the run's id")
    parser.add_argument("--job", default="", help="only runs of this job")
    parser.add_argument("-n", dest="count", type=read_count, default=20, help="how many (default: 20)")


def run(args: argparse.Namespace) -> int:
    """Print."""
    session = open_session(args)
    if args.show and not args.run:
        raise UserError("say which run: mmflow runs show ID; 'mmflow runs' lists them")
    with session.open_ledger() as ledger:
        if args.show:
            found = ledger.read_run(args.run)
            show_run(session.out, found, ledger.deliveries(found.id))
        else:
            list_runs(session.out, ledger, find_runs(session, ledger, args.job, args.count))
    return 0


def read_count(text: str) -> int:
    """Read how many runs to list."""
    if not text.isdecimal() or not 1 <= int(text[:9]) == int(text):
        raise argparse.ArgumentTypeError(f"found {text[:20]!r}, expected a whole number from 1")
    return int(text)


def find_runs(session: Session, ledger: Ledger, job: str, count: int) -> list[Run]:
    """Give the latest runs; raises :class:`UserError` for a job that neither ran nor exists."""
    found = ledger.runs(job, count)
    if found or not job:
        return found
    return ledger.runs(session.workspace.read_job(job, session.around.cwd).name, count)


def list_runs(out: Output, ledger: Ledger, runs: list[Run]) -> None:
    """Print one line a run, newest first."""
    if out.as_json:
        out.data({"runs": [run_document(run, ledger.deliveries(run.id)) for run in runs]})
        return
    headings = ("run", "job", "state", "rows", "about", "started (UTC)", "error")
    out.table(
        headings,
        [
            (run.id, run.job, run.state, run.rows, about(run), f"{run.started:%Y-%m-%d %H:%M}", run.error[:60])
            for run in runs
        ],
    )


def about(run: Run) -> str:
    """Give the production days a run is about."""
    if not run.spans:
        return ""
    span = run.spans[0][1]
    first, last = span.first_day.isoformat(), span.last_day.isoformat()
    return first if first == last else f"{first} to {last}"
