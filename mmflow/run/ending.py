"""How a run ends before its time: what is on record then, and whether its slot is due again."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from random import Random
from typing import Final

from mmflow.breaker import REFUSED_PAUSE
from mmflow.deliver.patience import LONGEST_ASKED, later
from mmflow.errors import Held, KeyRefused, StateError, TryLater
from mmflow.ledger import Ledger, RunState, Slot
from mmflow.run.kept import name_run
from mmflow.run.order import Engine, Order
from mmflow.text import describe

log = logging.getLogger(__name__)

FIRST_REPEAT: Final = 60.0  # seconds after which a slot is run again at the earliest, when nobody says how long
LONGEST_REPEAT: Final = 900.0


@contextmanager
def record_failure(engine: Engine, ledger: Ledger, run: str, order: Order) -> Iterator[None]:
    """Record why a run ends before its time, also when somebody interrupts it, and let the error go on.

    Under a lease the slot is due again when another run of it may do better.
    """
    try:
        yield
    except BaseException as error:
        state: RunState = "held" if isinstance(error, Held) else "failed"
        told, next_at = engine.redactor.shorten(name_cause(error)), find_repeat(error, order, engine.clock.now())
        try:
            if order.lease and next_at:
                ledger.repeat_run(run, order.lease, state, told, next_at)
            else:
                ledger.finish_run(run, state, error=told, lease=order.lease, passing=may_pass(error))
        except StateError as lost:
            log.error("the end of run %s is not on record: %s", run, lost)  # noqa: TRY400  # the error goes on below
        raise


def find_repeat(error: BaseException, order: Order, now: datetime) -> datetime | None:
    """Give when a leased slot is run again after an error, None when that cannot help or there is no time left."""
    if order.lease is None or order.until is None:
        return None
    if isinstance(error, TryLater) and error.after is not None:
        seconds = min(max(FIRST_REPEAT, error.after), LONGEST_ASKED)  # who says "at once" is not asked without end
    elif may_pass(error):
        most = min(LONGEST_REPEAT, 2 * FIRST_REPEAT * 2 ** min(order.lease.tries, 8))
        seconds = Random().uniform(FIRST_REPEAT, most)  # noqa: S311  # spreads load, guards nothing
    elif isinstance(error, KeyRefused):
        seconds = REFUSED_PAUSE.total_seconds()
    else:
        return None
    return later(now, seconds, order.until)


def may_pass(error: BaseException) -> bool:
    """Tell whether the same may work in a while, though nobody does anything about it."""
    return isinstance(error, TryLater) or (isinstance(error, Held) and error.passing)


def record_refusal(ledger: Ledger, lease: Slot, error: str, now: datetime) -> None:
    """Record a run of a leased slot that cannot even begin, such as that of a job without its secret; it has failed."""
    run = name_run(now)
    ledger.begin_run(run, lease.job, lease.due, lease.kind, lease.fence)
    ledger.finish_run(run, "failed", error=error)


def name_cause(error: BaseException) -> str:
    """Give the sentence for what ended a run; of what nobody expected, also its kind."""
    return "interrupted" if isinstance(error, KeyboardInterrupt) else describe(error)
