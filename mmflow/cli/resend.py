"""``mmflow resend``: deliver a past run's table again, without asking the service."""

from __future__ import annotations

import argparse

from mmflow.cli.arguments import add_sinks, named_sinks
from mmflow.cli.messages import add_sending, may_send
from mmflow.cli.output import quiet_stdout
from mmflow.cli.session import open_engine, open_session
from mmflow.cli.show import end_run

SUMMARY = "Deliver the stored table of a past run again; this also releases a run that was held."
EXAMPLES = """
mmflow resend 20261103T114002-7f3a19c4            to all its sinks
mmflow resend 20261103T114002-7f3a19c4 --failed   only where it did not arrive
mmflow resend 20261103T114002-7f3a19c4 --sink csv
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare run and sinks."""
    parser.add_argument("run", metavar="RUN", help="the run's id, see 'mmflow runs'")
    parser.add_argument("--failed", action="store_true", help="only deliveries that are not done")
    add_sinks(parser)
    add_sending(parser)


def run(args: argparse.Namespace) -> int:
    """Deliver; exit code 1 when a required sink has not got the report by then."""
    from mmflow.deliver import Messages
    from mmflow.deliver.chosen import choose_sinks
    from mmflow.deliver.ending import is_settled
    from mmflow.run.again import resend_run

    session = open_session(args)
    with session.open_ledger() as ledger:
        known, deliveries = ledger.read_run(args.run), ledger.deliveries(args.run)
    checked = session.resolve_job(session.read_job(known.job))
    settled = {one.sink for one in deliveries if args.failed and is_settled(one)}
    uses = [use for use in choose_sinks(checked.sinks, named_sinks(args)) if use.name not in settled]
    messages = Messages(send=may_send(session, args, uses))
    with (
        open_engine(session, checked.job.sites, ask=False, reach=True, record=True) as engine,
        quiet_stdout(session.out),
    ):
        result = resend_run(engine, checked, args.run, named_sinks(args), failed=args.failed, messages=messages)
    return end_run(session.out, result)
