"""``mmflow watch``: say what is not delivered in time, from outside of the daemon."""

from __future__ import annotations

import argparse
from datetime import timedelta
from typing import TYPE_CHECKING, NoReturn

from mmflow.cli.known import open_known
from mmflow.cli.session import Session
from mmflow.durations import parse_duration
from mmflow.errors import EXIT_OK, EXIT_RUN

if TYPE_CHECKING:
    from mmflow.deadlines import DeadlineWatch
    from mmflow.roster import Roster

SUMMARY = "Say which reports were not delivered by their deadline, also when no daemon runs."
EXAMPLES = """
mmflow watch --once      look, and end; exit code 1 when something is late: for cron, or another machine
mmflow watch             look every 15 seconds and tell people by notify, until Ctrl+C
mmflow watch --once --json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare how often."""
    parser.add_argument("--once", action="store_true", help="print what is late and end; nobody is told")


def run(args: argparse.Namespace) -> int:
    """Look once, or again and again."""
    from mmflow.deadlines import DeadlineWatch
    from mmflow.roster import Roster

    session = open_known(args)
    around = session.around
    session.find_place()  # who may not look into the state is told so before anything is read
    roster = Roster(session.root, around.clock, around.environ)
    roster.refresh()
    if not args.once:
        session.out.note(f"watching {len(roster.plans)} job{'s' * (len(roster.plans) != 1)}; Ctrl+C ends it")
        keep_watch(session, roster)
    return show_late(session, DeadlineWatch(session.root, around.clock, roster))


def show_late(session: Session, watch: DeadlineWatch) -> int:
    """Print what is late now, of the last day, and what to do; exit code 1 when something is."""
    from mmflow.notices.words import localize, show_time

    with session.open_ledger() as ledger:
        items = [item for _, item in watch.find_late(ledger)]
    out = session.out
    if out.as_json:
        out.data({"late": [{"job": item.job, "slot": item.slot, "reason": item.reason} for item in items]})
    for item in () if out.as_json else items:
        assert item.slot, "what is late was due"
        out.line(f"{item.job}, due {show_time(item.slot, item.zone)}: {localize(item)}")
        out.line(f"  {item.advice}: {item.command}")
    if not items and not out.as_json:
        out.line("nothing is late")
    return EXIT_RUN if items else EXIT_OK


def keep_watch(session: Session, roster: Roster) -> NoReturn:
    """Look again and again, and tell people, until somebody interrupts it."""
    from mmflow.deadlines import LOOK_EVERY, DeadlineWatch
    from mmflow.ledger import Opener
    from mmflow.notices.post import Postman
    from mmflow.notices.rounds import Rounds

    around, place = session.around, session.find_place()

    open_ledger = Opener(place, around.clock)

    def wait() -> timedelta:
        return parse_duration(roster.settings.settings.daemon.notice_wait)

    postman = Postman(session.root, around.clock, around.environ, lambda: roster.settings_text, open_ledger)
    watch = DeadlineWatch(session.root, around.clock, roster, wait, postman.tell)
    with postman, Rounds("deadlines", watch.look, open_ledger, LOOK_EVERY, blind=watch.look_blind):
        while True:
            around.clock.sleep(LOOK_EVERY)
            roster.refresh()
