"""``mmflow jobs``: every job, who owns it, when it is due, and what came of it last."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, tzinfo

from mmflow.check import CheckedJob
from mmflow.check.layers import get
from mmflow.cli.known import has_errors, list_known
from mmflow.cli.session import Session, open_session
from mmflow.cli.times import SHOWN, describe_due, describe_pause, find_next, find_pause, find_timetable
from mmflow.errors import EXIT_OK, EXIT_USER, Problem, describe_problems
from mmflow.ledger import JobRow, Ledger, Run
from mmflow.ledger.slots import FOREVER
from mmflow.refs import HIDDEN
from mmflow.secrecy import looks_like_secret

SUMMARY = "List the jobs: owner, schedule, next time, last result."
EXAMPLES = """
mmflow jobs
mmflow jobs --json
"""

HEADINGS = ("job", "file", "owner", "schedule", "next", "paused", "problems", "last", "at (UTC)")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare nothing of its own."""


def run(args: argparse.Namespace) -> int:
    """Print one line a job, and what is wrong with any; exit code 2 when something is."""
    session = open_session(args)
    jobs, unread = session.workspace.read_jobs()
    wrong = sorted({*unread, *(problem for job in jobs for problem in job.problems if problem.severity == "error")})
    with session.open_ledger() as ledger:
        planned = ledger.slots.read_jobs()
        rows = [
            describe_job(session, job, planned.get(job.name), ledger, errors)
            for job, errors in count_errors(session, jobs, unread)
        ]
    if session.out.as_json:
        session.out.data({"jobs": rows, "problems": wrong})
    else:
        session.out.table(HEADINGS, [[show_value(value) for value in row.values()] for row in rows])
        if wrong:
            session.out.note(describe_problems(wrong))
    return EXIT_USER if wrong else EXIT_OK


def count_errors(
    session: Session, jobs: Sequence[CheckedJob], unread: Sequence[Problem]
) -> Iterator[tuple[CheckedJob, int]]:
    """Give every job with the number of its mistakes; one that has any as it was last good, if it ever was."""
    broken = Counter(problem.file for problem in unread)
    known = {job.document.name: job for job in list_known(session, jobs, unread)}
    for file, job in {job.document.name: job for job in jobs}.items():
        yield known.get(file, job), sum(problem.severity == "error" for problem in job.problems)
    yield from ((job, broken[file]) for file, job in known.items() if file in broken)


def describe_job(
    session: Session, job: CheckedJob, planned: JobRow | None, ledger: Ledger, errors: int
) -> dict[str, object]:
    """Give one row; a job with mistakes is listed with what can be read of it, and is not due."""
    timetable, now = find_timetable(session.workspace, job), session.around.clock.now()
    zone: tzinfo = timetable.zone if timetable else UTC
    start = find_pause(planned, now) or now
    runs = timetable and start != FOREVER and not has_errors(job)
    due, skipped = find_next(timetable, start) if timetable and runs else (None, None)
    until = f", skipped until {skipped.astimezone(zone):%Y-%m-%d}" if skipped else ""
    last: Run | None = next(iter(ledger.runs(job.name, 1)), None) if job.name else None
    return {
        "job": job.name,
        "file": job.document.name,
        "owner": find_text(job, "owner"),
        "schedule": describe_due(session.workspace, job) + until,
        "next": due.astimezone(zone) if due else None,
        "paused": describe_pause(planned, now, zone),
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
    return f"{value:{SHOWN}}{'' if value.tzinfo is UTC else f' {value:%Z}'}" if isinstance(value, datetime) else value
