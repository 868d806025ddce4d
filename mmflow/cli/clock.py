"""``mmflow clock``: whether the daemon believes the clock of this machine, and saying that it is right."""

from __future__ import annotations

import argparse

from mmflow.cli.session import Session, open_session
from mmflow.errors import EXIT_OK, EXIT_RUN

SUMMARY = "Show whether the daemon believes this machine's clock, or say that it is right."
EXAMPLES = """
mmflow clock          exit code 1: nothing is planned until the clock is set, or accepted
mmflow clock accept   the clock is right; plan by it
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the one thing that can be done."""
    parser.add_argument("accept", nargs="?", choices=["accept"], help="say that the clock is right")


def run(args: argparse.Namespace) -> int:
    """Show it, or leave word for the daemon."""
    from mmflow.ledger import Ledger
    from mmflow.planner.clock_rule import accept_clock, read_belief

    session = open_session(args)
    if not args.accept:
        return show_clock(session)
    now = session.around.clock.now()
    with session.open_ledger() as ledger:
        doubt = read_belief(ledger, now)[1]
    if doubt:
        with Ledger.open(session.find_place(), session.around.clock) as ledger:
            accept_clock(ledger, now)
    told = f"accepted, though {doubt.partition(';')[0]}" if doubt else "nothing was in doubt, so nothing is accepted"
    session.out.note(told)
    return show_clock(session)


def show_clock(session: Session) -> int:
    """Print what the clock shows and what the daemon thinks of it."""
    from mmflow.planner.clock_rule import read_belief

    now = session.around.clock.now()
    with session.open_ledger() as ledger:
        last, held = read_belief(ledger, now)
    if session.out.as_json:
        session.out.data({"now": now, "believed": not held, "last": last, "why": held})
    else:
        session.out.line(f"this machine's clock shows {now:%Y-%m-%d %H:%M:%S} UTC")
        session.out.line(f"the daemon last believed it at {last:%Y-%m-%d %H:%M} UTC" if last else "no daemon ran yet")
        session.out.line(f"nothing is planned: {held}" if held else "the daemon can plan by it")
    return EXIT_RUN if held else EXIT_OK
