"""``mmflow jobs``: every job, who owns it, when it runs, and what came of it last."""

from __future__ import annotations

import argparse
from datetime import datetime

from mmflow.check import CheckedJob
from mmflow.check.layers import get
from mmflow.cli.session import open_session
from mmflow.errors import EXIT_OK, EXIT_USER, describe_problems
from mmflow.ledger import Ledger, Run
from mmflow.refs import HIDDEN
from mmflow.secrecy import looks_like_secret

SUMMARY = "List the jobs: owner, schedule, last result."
EXAMPLES = """
mmflow jobs
mmflow jobs --json
"""

HEADINGS = ("job", "file", "owner", "schedule", "problems", "last", "at (UTC)")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare nothing of its own."""


def run(args: argparse.Namespace) -> int:
    """Print one line a job; exit code 2 when a file could not be read."""
    session = open_session(args)
    jobs, unread = session.workspace.read_jobs()
    with session.open_ledger() as ledger:
        rows = [describe_job(job, ledger) for job in jobs]
    if session.out.as_json:
        session.out.data({"jobs": rows, "problems": unread})
    else:
        session.out.table(HEADINGS, [[show_value(value) for value in row.values()] for row in rows])
        if unread:
            session.out.note(describe_problems(unread))
    return EXIT_USER if unread else EXIT_OK


def describe_job(job: CheckedJob, ledger: Ledger) -> dict[str, object]:
    """Give one row; a job with mistakes is listed with what can be read of it."""
    last: Run | None = next(iter(ledger.runs(job.name, 1)), None) if job.name else None
    errors = sum(problem.severity == "error" for problem in job.problems)
    return {
        "job": job.name,
        "file": job.document.name,
        "owner": find_text(job, "owner"),
        "schedule": find_text(job, "schedule", "cron"),
        "problems": errors,
        "last": last.state if last else "",
        "at": last.started if last else None,
    }


def find_text(job: CheckedJob, *path: str) -> str:
    """Give a text of the job as it is written, "" when there is none; never what looks like a secret."""
    value = get(job.layers.values, path)
    if not isinstance(value, str):
        return ""
    return HIDDEN if looks_like_secret(value) else value


def show_value(value: object) -> object:
    """Give a time as people read it, anything else as it is."""
    return f"{value:%Y-%m-%d %H:%M}" if isinstance(value, datetime) else value
