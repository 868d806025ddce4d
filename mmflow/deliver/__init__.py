"""Each sink gets the finished table, one after the other and independently; what came of it goes to the ledger.

``turns.py`` says in which order and which of them get nothing this time, ``told.py`` what a sink is told.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import msgspec

from mmflow.check.uses import SinkUse
from mmflow.clock import Clock
from mmflow.deliver.told import About, Destination, sink_info
from mmflow.deliver.turns import fails_condition, find_files, order_uses, spare_fallback
from mmflow.errors import MmflowError, TryLater, Unknown
from mmflow.ledger import Delivery, DeliveryState, Ledger
from mmflow.refs import Redactor
from mmflow.sinks import Partial, Receipt, RunInfo, Skip, find_function
from mmflow.table import Table

__all__ = ["Destination", "Means", "Messages", "attempt_delivery", "blame", "check_sink", "deliver"]

ATTEMPTS = 3
LONGEST_WAIT = 60.0
STANDING = frozenset({"done", "superseded"})

Detail: TypeAlias = str | int | float | bool | None

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Messages:
    """How sinks are treated whose deliveries cannot be taken back: nobody is mailed by surprise.

    ``to`` sends them only there, ``send`` allows them at all, ``again`` also when the slot's message is out already.
    """

    to: tuple[str, ...] = ()
    send: bool = True
    again: bool = False


@dataclass(frozen=True, slots=True)
class Means:
    """What every delivery needs beside the table and the sink."""

    where: Destination
    ledger: Ledger
    clock: Clock
    redactor: Redactor
    messages: Messages = field(default_factory=Messages)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one attempt ended."""

    state: DeliveryState
    receipt: Receipt | None = None
    error: str = ""
    wait: float | None = None  # seconds until it may be tried again, when it may


def deliver(table: Table, uses: Sequence[SinkUse], about: About, means: Means) -> None:
    """Deliver to every sink and record what came of it; a sink that fails does not stop the others.

    A sink that says "try later" is tried up to three times, unless it asks for more than a minute. Errors are recorded
    without secrets, never raised.
    """
    for use in order_uses(uses):
        deliver_one(table, use, uses, about, means)


def deliver_one(table: Table, use: SinkUse, uses: Sequence[SinkUse], about: About, means: Means) -> None:
    """Deliver to one sink, with its retries, or record why it gets nothing."""
    ledger, started = means.ledger, means.clock.monotonic()
    known = {delivery.sink: delivery for delivery in ledger.deliveries(about.run)}
    reason = find_reason(table, use, uses, about, means)
    if reason and known[use.name].state in STANDING:
        log.info("sink %s: %s; what it has got stays", use.name, reason)
        return
    left = is_doubtful(known[use.name], use, means)
    previous = ledger.last_receipt(known[use.name].key)
    files = find_files(use, known, means.where.root)
    for attempt in range(1, ATTEMPTS + 1):
        taken = ledger.take_delivery(about.run, use.name)
        info = sink_info(about, use, means.where, taken, previous, to=means.messages.to, attachments=files)
        outcome = Outcome("skipped", error=reason) if reason else try_sink(table, use, info, left=left)
        outcome, left = hide_secrets(outcome, use, means.redactor), False
        again = outcome.wait is not None and attempt < ATTEMPTS
        state: DeliveryState = "retrying" if again else outcome.state
        ledger.commit_delivery(taken, state, receipt=outcome.receipt, error=outcome.error)
        previous = outcome.receipt or previous
        if not again:
            log.info("sink %s: %s in %.1f s", use.name, state, means.clock.monotonic() - started)
            break
        log.info("sink %s: %s; trying again", use.name, outcome.error)
        means.clock.sleep(max(outcome.wait or 2.0**attempt, 0.0))


def find_reason(table: Table, use: SinkUse, uses: Sequence[SinkUse], about: About, means: Means) -> str:
    """Give why a sink gets nothing this time, "" when it gets the table."""
    deliveries = {delivery.sink: delivery for delivery in means.ledger.deliveries(about.run)}
    return (
        spare_fallback(use, uses, deliveries)
        or fails_condition(use, table, about.facts.missing)
        or (refuse_message(deliveries[use.name], means) if use.type.semantics == "message" else "")
    )


def refuse_message(delivery: Delivery, means: Means) -> str:
    """Give why a message is not sent: this run sends none, or that of its slot is out."""
    if not means.messages.send:
        return "not sent: this run sends no messages"
    standing = means.ledger.standing_run(delivery.key)
    if not standing or means.messages.again:
        return ""
    return f"not sent: run {standing} has sent it; 'mmflow resend {standing} --sink {delivery.sink}' sends it again"


def is_doubtful(delivery: Delivery, use: SinkUse, means: Means) -> bool:
    """Tell whether an earlier try may have arrived and nobody knows, unless somebody asks for it once more.

    What a later run has is other rows, so the doubt of another run counts for messages alone: they are sent once.
    """
    if means.messages.again:
        return False
    doubted = use.type.semantics == "message" and means.ledger.doubtful_run(delivery.key) != ""
    return doubted or delivery.state == "unknown"


def try_sink(table: Table, use: SinkUse, info: RunInfo, *, left: bool) -> Outcome:
    """Call the sink once; ``left`` says that an earlier try of this delivery ended without a word.

    Then the sink is asked first whether that one arrived. A message that may have is not sent again.
    """
    presence = "absent"
    if left:
        try:
            presence = find_function(use.type.probe)(use.options, info) if use.type.probe else "unknown"
        except MmflowError as error:
            if use.type.semantics == "message":
                return Outcome("unknown", error=f"nobody can tell whether it arrived: {error}")
            presence = "unknown"  # what is replaced as a whole may be delivered twice
        except (Exception, SystemExit) as error:
            log.exception("the probe of sink %s failed", use.name)
            return Outcome("unknown", error=blame(use, f"raised {type(error).__name__} in its probe: {error}"))
    if presence == "present":
        return Outcome("done", receipt=Receipt(rows=len(table)))
    if presence == "unknown" and use.type.semantics == "message":
        resend = f"'mmflow resend {info.run} --sink {use.name}' sends it again"
        return Outcome("unknown", error=f"nobody can tell whether an earlier try of it arrived; {resend}")
    return attempt_delivery(table, use, info)


def attempt_delivery(table: Table, use: SinkUse, info: RunInfo) -> Outcome:
    """Call the sink once; whatever a plugin raises becomes an outcome."""
    try:
        receipt = find_function(use.type.deliver)(table, use.options, info)
    except TryLater as error:
        return postpone(str(error), error.after)
    except Unknown as error:
        return Outcome("unknown", error=str(error))
    except Skip as reason:
        return Outcome("skipped", error=str(reason))
    except Partial as part:
        return settle_part(part)
    except MmflowError as error:
        return Outcome("failed", error=str(error))
    except (Exception, SystemExit) as error:  # a stranger's code: its bug must not stop the other sinks
        log.exception("sink %s failed", use.name)
        return Outcome("failed", error=blame(use, f"raised {type(error).__name__}: {error}"))
    if not isinstance(receipt, Receipt):
        return Outcome("unknown", error=blame(use, f"gave {type(receipt).__name__}, not a Receipt"))
    return Outcome("done", receipt=receipt)


def postpone(error: str, after: float | None) -> Outcome:
    """Give the outcome of an attempt that may be repeated: at once when the wait is short, else by somebody later."""
    wait = after or 0.0
    if wait <= LONGEST_WAIT:
        return Outcome("failed", error=error, wait=wait)
    return Outcome("failed", error=f"{error}; it may work after {wait:.0f} seconds")


def settle_part(part: Partial) -> Outcome:
    """Give the outcome of a delivery that is done in part: the rest is tried again, or beyond help."""
    if not part.retry:
        return Outcome("done", receipt=part.receipt, error=str(part))
    return replace(postpone(str(part), part.after), receipt=part.receipt)


def check_sink(use: SinkUse, info: RunInfo) -> str:
    """Let a sink say whether it could deliver, writing nothing; give what is in the way, "" for nothing."""
    if use.type.check is None:
        return ""
    try:
        find_function(use.type.check)(use.options, info)
    except MmflowError as error:
        return str(error)
    except (Exception, SystemExit) as error:  # a stranger's code: its bug must not hide what else is found
        log.exception("the check of sink %s failed", use.name)
        return blame(use, f"raised {type(error).__name__} in its check: {error}")
    return ""


def hide_secrets(outcome: Outcome, use: SinkUse, redactor: Redactor) -> Outcome:
    """Give the outcome as it may be stored; a receipt that cannot be stored leaves the delivery unknown."""
    outcome = replace(outcome, error=redactor.redact(outcome.error))
    if outcome.receipt is None:
        return outcome
    try:
        receipt = msgspec.convert(msgspec.to_builtins(outcome.receipt), Receipt)
    except (TypeError, ValueError) as error:
        found = redactor.redact(str(error))
        return Outcome("unknown", error=blame(use, f"gave a receipt that cannot be stored: {found}"))
    hidden = msgspec.structs.replace(
        receipt,
        path=redactor.redact(receipt.path),
        more=tuple(map(redactor.redact, receipt.more)),
        details={redactor.redact(name): hide(value, redactor) for name, value in receipt.details.items()},
    )
    return replace(outcome, receipt=hidden)


def hide(value: Detail, redactor: Redactor) -> Detail:
    """Give a value of a receipt without secrets."""
    return redactor.redact(value) if isinstance(value, str) else value


def blame(use: SinkUse, what: str) -> str:
    """Give the sentence for a plugin that broke the contract."""
    return f"{use.type.name} {what}; this is a bug in {use.type.distribution or 'its package'}"
