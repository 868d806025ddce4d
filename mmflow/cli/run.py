"""``mmflow run``: execute one job now."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from mmflow.cli.arguments import add_dates, add_job, add_sinks, named_sinks, read_order
from mmflow.cli.messages import add_sending, may_send
from mmflow.cli.output import quiet_stdout
from mmflow.cli.session import open_engine, open_session
from mmflow.cli.show import end_run
from mmflow.errors import UserError

if TYPE_CHECKING:
    from mmflow.check.uses import SinkUse

SUMMARY = "Ask the service for a job's report and deliver it."
EXAMPLES = """
mmflow run morning-oee
mmflow run morning-oee --for 2026-11-03        the report about that production day
mmflow run morning-oee --from 2026-11-01 --to 2026-11-08
mmflow run morning-oee --at 2026-11-03T06:40   as if it were that moment
mmflow run morning-oee --sink csv              only this sink
mmflow run morning-oee --to me@example.com     only its messages, and only to this address
mmflow run morning-oee --no-send               everything but messages
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare job, dates, sinks, and who gets messages."""
    add_job(parser)
    add_dates(parser, addresses=True)
    add_sinks(parser)
    add_sending(parser)


def run(args: argparse.Namespace) -> int:
    """Execute; exit code 1 when the run was held or failed."""
    from mmflow.deliver import Messages
    from mmflow.deliver.chosen import choose_messages, choose_sinks
    from mmflow.run import calendars_of, run_job

    session = open_session(args)
    if args.mail_to and args.no_send:
        raise UserError("--to and --no-send contradict each other; give one of them")
    checked = session.resolve_job(session.read_job(args.job))
    chosen = choose_messages(checked.sinks, named_sinks(args)) if args.mail_to else named_sinks(args)
    uses = choose_sinks(checked.sinks, chosen)
    send = may_send(session, args, uses, args.mail_to)
    with open_engine(session, checked.job.sites, record=True) as engine:
        order = read_order(args, checked.job, calendars_of(engine, checked.job), engine.clock.now())
        if args.at and order.slot > engine.clock.now() and send and not args.mail_to:
            refuse_early(args.at, uses)
        order = replace(order, sinks=chosen, messages=Messages(to=args.mail_to, send=send))
        with quiet_stdout(session.out):
            result = run_job(engine, checked, order)
    return end_run(session.out, result)


def refuse_early(at: str, uses: Sequence[SinkUse]) -> None:
    """Refuse to send a message before its time; each is sent once, so that nothing would go out when it is due."""
    if senders := [use.name for use in uses if use.type.semantics == "message"]:
        raise UserError(
            f"{at} is still to come: what {', '.join(senders)} sent now would be the message that is due then, "
            "which is sent once; add --no-send, or --to ADDRESS to see it yourself"
        )
