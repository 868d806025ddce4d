"""A past run's table is delivered once more, from where it is stored."""

from __future__ import annotations

import logging
from contextlib import nullcontext
from dataclasses import replace

from mmflow.check import CheckedJob
from mmflow.deliver import Messages
from mmflow.deliver.chosen import choose_sinks
from mmflow.deliver.ending import is_settled
from mmflow.errors import UserError
from mmflow.ledger import JobLock, Run
from mmflow.run import deliver_run, list_deliveries, lock_job
from mmflow.run.ending import record_failure
from mmflow.run.kept import open_snapshot
from mmflow.run.order import Engine, Order, Result
from mmflow.table import share_database

log = logging.getLogger(__name__)


def resend_run(
    engine: Engine,
    checked: CheckedJob,
    run: str,
    sinks: frozenset[str] | None,
    *,
    failed: bool,
    messages: Messages | None = None,
) -> Result:
    """Deliver a past run's table again, from its snapshot, with the sinks as the job names them now.

    ``failed`` leaves out what is done, and what a later run has delivered. A held run is released in this way. Messages
    of a backfill go out only by the names of their sinks. Of a run that waits to be tried again the other sinks go on
    waiting. Raises :class:`UserError` for an unknown run or sink,
    :class:`GiveUp` when there is no snapshot.
    """
    with engine.open_ledger() as ledger, lock_run(engine, ledger.read_run(run)):
        known = ledger.read_run(run)  # as whoever had the lock before has left it
        table = open_snapshot(engine, known)
        done = {delivery.sink for delivery in ledger.deliveries(run) if is_settled(delivery)}
        uses = [use for use in choose_sinks(checked.sinks, sinks) if not (failed and use.name in done)]
        if not uses:
            raise UserError(f"nothing of run {run} is left to send: all is done, or a later run has taken its place")
        deliveries = list_deliveries(uses, known.job, known.slot, known.spans)
        for sink, _, key in deliveries:
            if (standing := ledger.standing_run(key)) not in ("", run):
                log.warning("%s: this replaces what run %s delivered", sink, standing)
        ledger.begin_resend(run, known.job, deliveries)
        sends = sinks is not None or known.kind != "backfill"
        again = replace(messages or Messages(send=sends), again=not failed)
        order = Order(slot=known.slot, kind=known.kind, sinks=sinks, messages=again)
        waits = known.state == "retrying"  # then its slot has not ended, and goes on also when this is interrupted
        with nullcontext() if waits else record_failure(engine, ledger, run, order), share_database():
            deliver_run(engine, checked, uses, run, table, ledger, order)
        return Result(ledger.read_run(run), ledger.deliveries(run))


def lock_run(engine: Engine, known: Run) -> JobLock:
    """Give the lock under which a run was made: that of its job, or of its window."""
    return lock_job(engine, known.job, Order(slot=known.slot, kind=known.kind), known.id)
