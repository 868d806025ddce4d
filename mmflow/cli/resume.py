"""``mmflow resume``: let a paused job run again."""

from __future__ import annotations

import argparse
from contextlib import suppress

from mmflow.cli.arguments import add_job
from mmflow.cli.known import open_known, read_known
from mmflow.cli.session import Session
from mmflow.errors import EXIT_OK, MmflowError, UserError

SUMMARY = "Let a paused job run again, from now on: what was due meanwhile is not made up for."
EXAMPLES = """
mmflow resume morning-oee
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the job."""
    add_job(parser)


def run(args: argparse.Namespace) -> int:
    """Write it into the ledger; a job that was not paused stays as it is."""
    from mmflow.ledger import Ledger

    session = open_known(args)
    job = find_name(session, args.job)
    now = session.around.clock.now()
    with Ledger.open(session.find_place(), session.around.clock) as ledger:
        row = ledger.slots.read_job(job)
        paused = bool(row and row.paused_until and row.paused_until > now)
        if paused:
            ledger.slots.resume(job)
    if session.out.as_json:
        session.out.data({"job": job, "paused": False, "resumed": paused})
    else:
        session.out.line(f"{job} goes on from now" if paused else f"{job} was not paused")
    return EXIT_OK


def find_name(session: Session, word: str) -> str:
    """Give the name of a job, also of one whose file cannot be used any more and that only the ledger knows."""
    try:
        return read_known(session, word).job.job
    except UserError:
        with suppress(MmflowError), session.open_ledger() as ledger:
            if ledger.slots.read_job(word):
                session.out.note(f"no file that can be used has a job {word}; the ledger knows it")
                return word
        raise
