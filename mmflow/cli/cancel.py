"""``mmflow cancel``: end a run that the daemon is working on, or that waits to be tried again."""

from __future__ import annotations

import argparse

from mmflow.cli.session import open_session
from mmflow.errors import EXIT_OK, UserError

SUMMARY = "End a run of the daemon that is going on, or that waits to be tried again."
EXAMPLES = """
mmflow cancel 20261103T114002-7f3a19c4
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the run."""
    parser.add_argument("run", metavar="RUN", help="the run's id, see 'mmflow runs'")


def run(args: argparse.Namespace) -> int:
    """Leave the wish in the ledger; the daemon heeds it within seconds."""
    from mmflow.ledger import Ledger

    session = open_session(args)
    with session.open_ledger() as looked:
        looked.read_run(args.run)  # an unknown one is said to be so before anything is written
    with Ledger.open(session.find_place(), session.around.clock) as ledger:
        found = ledger.read_run(args.run)
        slot = ledger.slots.read(found.job, found.slot, found.kind)
        if slot.state == "running" and not slot.owner:
            raise UserError(f"run {found.id} was started by hand; end it where it runs, with Ctrl+C")
        if not ledger.slots.wish(found.id, "cancel"):
            raise UserError(f"run {found.id} has ended already: {found.state}")
    if session.out.as_json:
        session.out.data({"run": found.id, "job": found.job, "wish": "cancel"})
    else:
        session.out.line(f"run {found.id} is ended by the daemon within seconds, or when one runs again")
    return EXIT_OK
