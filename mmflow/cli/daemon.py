"""``mmflow daemon``: run every job when it is due, until told to stop."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from mmflow.atomic import STATE
from mmflow.cli.known import open_last
from mmflow.cli.session import Session

if TYPE_CHECKING:
    from mmflow.clock import Clock
    from mmflow.ledger import Ledger, Place

SUMMARY = "Run every job when it is due, until told to stop."
EXAMPLES = """
mmflow daemon                            until Ctrl+C, or until the service manager stops it
mmflow daemon --once                     do what is due now, and end; for a scheduler of the system
mmflow daemon --metrics 127.0.0.1:9464   with numbers for Prometheus, and /health
mmflow daemon --log json                 one JSON document a line on stderr
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare how long, and what is told to whom."""
    parser.add_argument("--once", action="store_true", help="do what is due now, then end; exit code 1: a run failed")
    parser.add_argument("--metrics", metavar="HOST:PORT", default="", help="answer /metrics and /health there")
    parser.add_argument("--log", choices=["text", "json"], default="text", help="form of the log on stderr")


def run(args: argparse.Namespace) -> int:
    """Work; exit code 4 when another daemon is at work on the same ledger."""
    from mmflow.ledger import DaemonLock
    from mmflow.logs import open_logs

    began = args.around.clock.monotonic()
    session = open_last(args)
    around, place = session.around, session.find_place()
    folder, level = session.root / STATE / "logs", logging.DEBUG if args.verbose else logging.INFO
    with ExitStack() as stack:
        if isinstance(place, Path):
            stack.enter_context(DaemonLock(session.root / STATE))
        logs = stack.enter_context(
            open_logs(folder, around.redactor, stream=around.stderr, form=args.log, clock=around.clock, level=level)
        )
        return work(session, place, args, stack, lambda: logs.dropped, began)


def work(
    session: Session,
    place: Place,
    args: argparse.Namespace,
    stack: ExitStack,
    dropped: Callable[[], int],
    began: float,
) -> int:
    """Build the daemon with all that stands beside its loop, and let it work."""
    from mmflow.daemon import Daemon
    from mmflow.daemon.beside import stand_beside
    from mmflow.executor import Executor
    from mmflow.ledger import Opener
    from mmflow.metrics import Health
    from mmflow.notices.post import PATIENCE, Postman
    from mmflow.roster import Roster

    root, clock, environ = session.root, session.around.clock, session.around.environ
    rules = session.workspace.settings.daemon
    roster = Roster(root, clock, environ, redactor=session.around.redactor)
    roster.refresh()

    open_ledger = Opener(place, clock)
    health = Health(redact=session.around.redactor.redact)
    postman = Postman(
        root,
        clock,
        environ,
        lambda: roster.settings_text,
        open_ledger,
        form=args.log,
        trouble=lambda text: health.trouble("notices", text) if text else health.well("notices"),
        looked=lambda: health.looked("notices", PATIENCE),
    )
    if not args.once:
        stack.enter_context(postman)
        stack.enter_context(
            stand_beside(
                roster,
                session.resolver,
                clock,
                health,
                open_ledger,
                tell=postman.tell,
                metrics=args.metrics,
                dropped=dropped,
                root=root,
            )
        )
    daemon = Daemon(
        root=root,
        clock=clock,
        environ=environ,
        roster=roster,
        executor=Executor(rules, clock, environ, warm=not args.once),
        open_ledger=open_ledger,
        alone=isinstance(place, Path),
        health=health,
        began=began,
    )
    code = daemon.run(once=args.once)
    if args.once and is_told(open_ledger, clock):
        postman.send()
    if session.out.as_json:
        session.out.data({"runs": dict(daemon.ended)})
    return code


def is_told(open_ledger: Callable[[], Ledger], clock: Clock) -> bool:
    """Tell whether there is something to tell people now."""
    with open_ledger() as ledger:
        due = ledger.notices.next_due()
        return due is not None and due <= clock.now()
