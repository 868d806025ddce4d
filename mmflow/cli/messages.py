"""Who gets messages from a command: said before they go, and on a terminal asked for."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from mmflow.check.uses import SinkUse
from mmflow.cli.session import Session


def add_sending(parser: argparse.ArgumentParser) -> None:
    """Declare whether messages go out."""
    parser.add_argument("--no-send", action="store_true", help="send no messages (e-mail); other sinks are delivered")
    parser.add_argument("--yes", "-y", action="store_true", help="send messages without asking on a terminal")


def may_send(session: Session, args: argparse.Namespace, uses: Sequence[SinkUse], to: Sequence[str] = ()) -> bool:
    """Say who will get messages, and on a terminal ask whether they shall, unless somebody is sure.

    Without a terminal nobody can answer, and a run by cron or a script is meant as it is.
    """
    from mmflow.deliver.chosen import list_recipients

    people = list(dict.fromkeys(to or list_recipients(uses)))
    if args.no_send or not people or not any(use.type.semantics == "message" for use in uses):
        return not args.no_send
    session.out.note(f"messages go to {', '.join(people)}")
    around = session.around
    if args.yes or to or not (around.stdin.isatty() and around.stderr.isatty()):
        return True
    around.stderr.write("send them? [y/N] ")
    around.stderr.flush()
    return around.stdin.readline().strip().lower() in ("y", "yes")
