"""Each sink gets the finished table, one after the other and independently; what came of it goes to the ledger.

``turns.py`` says in which order and which of them get nothing this time, ``told.py`` what a sink is told.
"""

from __future__ import annotations

import errno
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count
from random import Random
from typing import Final, TypeAlias

import msgspec

from mmflow.atomic import STATE
from mmflow.check.uses import SinkUse
from mmflow.clock import Clock
from mmflow.deliver.patience import LONGEST_WAIT, SinkLock, later, may_deliver, next_due, pause_by_hand, pause_later
from mmflow.deliver.places import spare_newer
from mmflow.deliver.told import About, Destination, sink_info
from mmflow.deliver.turns import fails_condition, find_files, order_uses, put_last, spare_fallback
from mmflow.errors import Busy, MmflowError, TryLater, Unknown
from mmflow.ledger import Delivery, DeliveryState, Ledger, Slot
from mmflow.logs import bind
from mmflow.refs import Redactor
from mmflow.sinks import Partial, Receipt, RunInfo, Skip, find_function
from mmflow.stops import ending_copies
from mmflow.table import Table
from mmflow.text import is_interrupt, read_error, show_start

__all__ = ["Destination", "Means", "Messages", "attempt_delivery", "blame", "check_sink", "deliver"]

MOST_ROWS: Final = 2**63 - 1  # what a database can count
NO_HANDLES: Final = frozenset({errno.EMFILE, errno.ENFILE})  # of this process, and of the whole machine
STANDING = frozenset({"done", "superseded"})

Detail: TypeAlias = str | int | float | bool | None

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Messages:
    """How sinks are treated whose deliveries cannot be taken back: nobody is mailed by surprise.

    ``to`` sends them only there, ``send`` allows them at all, else ``why`` says why not; ``again`` allows them also
    when the slot's message is out already. After ``expires`` none is sent, however long the run took until then.
    """

    to: tuple[str, ...] = ()
    send: bool = True
    why: str = ""
    again: bool = False
    expires: datetime | None = None


@dataclass(frozen=True, slots=True)
class Means:
    """What every delivery needs beside the table and the sink."""

    where: Destination
    ledger: Ledger
    clock: Clock
    redactor: Redactor
    messages: Messages = field(default_factory=Messages)
    lease: Slot | None = None
    until: datetime | None = None  # under a lease: what fails for a while is tried again later, but not after this
    rng: Random = field(default_factory=Random)  # spreads load, guards nothing


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one attempt ended."""

    state: DeliveryState
    receipt: Receipt | None = None
    error: str = ""
    again: bool = False  # it may be tried again, in so many seconds when the other side said so
    after: float | None = None
    asked: bool = True  # the other side was; else this says nothing of its connection


def deliver(table: Table, uses: Sequence[SinkUse], about: About, means: Means) -> datetime | None:
    """Deliver to every sink and record what came of it; a sink that fails does not stop the others.

    By hand a sink that says "try later" is tried up to three times, unless it asks for more than a minute. With
    ``means.until`` it is tried once and is due again later, as long as that is before then; those that wait for it stay
    pending. Gives the instant at which the first is due again, None when all have ended. Errors are recorded without
    secrets, never raised. Raises :class:`Busy` when the lease is lost.
    """
    crashed = {one.sink for one in means.ledger.deliveries(about.run) if one.state == "running"}
    for use in put_last(order_uses(uses), crashed):
        with bind(sink=use.name):
            deliver_one(table, use, uses, about, means)
    return next_due(means.ledger.deliveries(about.run))


def deliver_one(table: Table, use: SinkUse, uses: Sequence[SinkUse], about: About, means: Means) -> None:
    """Deliver to one sink, or record why it gets nothing, or leave it for later."""
    ledger, started = means.ledger, means.clock.monotonic()
    known = {delivery.sink: delivery for delivery in ledger.deliveries(about.run)}
    if means.until and not may_deliver(use, uses, known, means.clock.now()):
        return
    reason = find_reason(table, use, uses, about, means)
    if reason and known[use.name].state in STANDING:
        log.info("sink %s: %s; what it has got stays", use.name, reason)
        return
    admitted = means.clock.now()
    if not reason and park(use, about, means, admitted):
        return
    left = is_doubtful(known[use.name], use, means)
    previous = ledger.last_receipt(known[use.name].key)
    files = find_files(use, known, means.where.root)
    for attempt in count(1):
        taken = ledger.take_delivery(about.run, use.name, means.lease)
        info = sink_info(about, use, means.where, taken, previous, to=means.messages.to, attachments=files)
        outcome = Outcome("skipped", error=reason) if reason else try_alone(table, use, info, left=left)
        outcome, left = hide_secrets(outcome, use, means.redactor), False
        if not reason:
            note_trouble(use, outcome, means, admitted)
        previous = outcome.receipt or previous
        pause = find_pause(outcome, attempt, taken, means)
        if pause is None:
            told = say_end(outcome, means)
            ledger.commit_delivery(taken, outcome.state, receipt=outcome.receipt, error=told, passing=outcome.again)
            log.info("sink %s: %s in %.1f s", use.name, outcome.state, means.clock.monotonic() - started)
            return
        next_at = means.clock.now() + timedelta(seconds=pause)
        ledger.commit_delivery(
            taken, "retrying", receipt=outcome.receipt, error=outcome.error, next_at=next_at, passing=True
        )
        log.info("sink %s: %s; trying again in %.0f s", use.name, outcome.error, pause)
        if means.until:
            return
        means.clock.sleep(pause)


def find_pause(outcome: Outcome, attempt: int, taken: Delivery, means: Means) -> float | None:
    """Give the seconds until this delivery is tried again, None when it is not."""
    if not outcome.again:
        return None
    if means.until is None:
        return pause_by_hand(outcome.after, attempt)
    pause = pause_later(outcome.after, taken.attempts, means.rng)
    return pause if later(means.clock.now(), pause, means.until) else None


def say_end(outcome: Outcome, means: Means) -> str:
    """Give what is recorded of a delivery that has ended; of one that was asked for too long a wait, also that."""
    wait = outcome.after or 0.0
    if outcome.again and means.until is None and not wait <= LONGEST_WAIT:
        return f"{outcome.error}; it may work after {wait:.0f} seconds"
    return outcome.error


def name_connection(use: SinkUse, means: Means) -> str:
    """Give what the ledger calls the connection of a sink, "" when its troubles are nobody else's."""
    return f"connection {use.connection_name}" if use.connection_name and means.until else ""


def park(use: SinkUse, about: About, means: Means, admitted: datetime) -> bool:
    """Leave a delivery for later, when its connection does not answer just now and there is time left."""
    name = name_connection(use, means)
    trouble = means.ledger.breakers.admit(name, admitted) if name else None
    if trouble is None or means.until is None or trouble.resume_at >= means.until:
        return False
    means.ledger.park_delivery(about.run, use.name, trouble.resume_at, trouble.reason)
    return True


def note_trouble(use: SinkUse, outcome: Outcome, means: Means, admitted: datetime) -> None:
    """Tell the ledger whether a connection answers: one that says when to come again, or takes a part, does."""
    if not outcome.asked or not (name := name_connection(use, means)):
        return
    if outcome.again and outcome.after is None and outcome.receipt is None:
        means.ledger.breakers.fail(name, admitted, name)
    elif outcome.state != "unknown":
        means.ledger.breakers.answer(name, admitted)


def try_alone(table: Table, use: SinkUse, info: RunInfo, *, left: bool) -> Outcome:
    """Call the sink once while no other run delivers to it."""
    try:
        with SinkLock(info.root / STATE, info.job, use.name):
            return try_sink(table, use, info, left=left)
    except Busy as busy:
        return Outcome("failed", error=str(busy), again=True, asked=False)


def find_reason(table: Table, use: SinkUse, uses: Sequence[SinkUse], about: About, means: Means) -> str:
    """Give why a sink gets nothing this time, "" when it gets the table."""
    deliveries = {delivery.sink: delivery for delivery in means.ledger.deliveries(about.run)}
    return (
        spare_fallback(use, uses, deliveries)
        or fails_condition(use, table, about.facts.missing)
        or (spare_newer(use, about, means.ledger) if about.kind == "restate" and not means.messages.again else "")
        or (refuse_message(deliveries[use.name], means) if use.type.semantics == "message" else "")
    )


def refuse_message(delivery: Delivery, means: Means) -> str:
    """Give why a message is not sent: this run sends none, or that of its slot is out."""
    if not means.messages.send:
        return f"not sent: {means.messages.why or 'this run sends no messages'}"
    if means.messages.expires and means.clock.now() > means.messages.expires:
        return f"not sent: it expired at {means.messages.expires:%Y-%m-%d %H:%M} UTC"
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
    return doubted or delivery.state in {"unknown", "running"}


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
                return Outcome("unknown", error=f"nobody can tell whether it arrived: {read_error(error)}")
            presence = "unknown"  # what is replaced as a whole may be delivered twice
        except BaseException as error:  # noqa: BLE001  # a stranger's code
            return Outcome("unknown", error=blame_error(use, error, "in its probe"))
    if presence == "present":
        return Outcome("done", receipt=Receipt(rows=len(table)))
    if presence == "unknown" and use.type.semantics == "message":
        resend = f"'mmflow resend {info.run} --sink {use.name}' sends it again"
        return Outcome("unknown", error=f"nobody can tell whether an earlier try of it arrived; {resend}")
    return attempt_delivery(table, use, info)


def attempt_delivery(table: Table, use: SinkUse, info: RunInfo) -> Outcome:
    """Call the sink once; whatever a plugin raises becomes an outcome."""
    assert use.type.deliver, "the check lets in only types that take a table"
    try:
        with ending_copies():
            receipt = find_function(use.type.deliver)(table, use.options, info)
    except TryLater as error:
        return Outcome("failed", error=read_error(error), again=True, after=error.after)
    except Unknown as error:
        return Outcome("unknown", error=read_error(error))
    except Skip as reason:
        return Outcome("skipped", error=read_error(reason))
    except Partial as part:
        return settle_part(part)
    except MmflowError as error:
        return Outcome("failed", error=read_error(error))
    except BaseException as error:  # noqa: BLE001  # a stranger's code: its bug must not stop the other sinks
        return settle_raised(use, error)
    if not isinstance(receipt, Receipt):
        return Outcome("unknown", error=blame(use, f"gave {type(receipt).__name__}, not a Receipt"))
    return Outcome("done", receipt=receipt)


def settle_part(part: Partial) -> Outcome:
    """Give the outcome of a delivery that is done in part: the rest is tried again, or beyond help."""
    if not part.retry:
        return Outcome("done", receipt=part.receipt, error=read_error(part))
    return Outcome("failed", receipt=part.receipt, error=read_error(part), again=True, after=part.after)


def settle_raised(use: SinkUse, error: BaseException) -> Outcome:
    """Give the outcome of what a stranger's code raised: its bug, unless the system has no handle left for it.

    Then it is tried again; not so a message, of which nobody can tell whether it was out before that.
    """
    if isinstance(error, OSError) and error.errno in NO_HANDLES:
        told = f"{use.type.name} ran short of open files: {read_error(error)}"
        return Outcome("failed", error=told, again=use.type.semantics != "message", asked=False)
    return Outcome("failed", error=blame_error(use, error))


def check_sink(use: SinkUse, info: RunInfo) -> str:
    """Let a sink say whether it could deliver, writing nothing; give what is in the way, "" for nothing."""
    if use.type.check is None:
        return ""
    try:
        find_function(use.type.check)(use.options, info)
    except MmflowError as error:
        return read_error(error)
    except BaseException as error:  # noqa: BLE001  # a stranger's code: its bug must not hide what else is found
        return blame_error(use, error, "in its check")
    return ""


def hide_secrets(outcome: Outcome, use: SinkUse, redactor: Redactor) -> Outcome:
    """Give the outcome as it may be stored; a receipt that cannot be, or be true, leaves the delivery unknown."""
    outcome = replace(outcome, error=redactor.shorten(outcome.error))
    if outcome.receipt is None:
        return outcome
    try:
        receipt = msgspec.json.decode(msgspec.json.encode(outcome.receipt), type=Receipt)
    except (TypeError, ValueError, OverflowError) as error:
        found = redactor.shorten(read_error(error))
        return Outcome("unknown", error=blame(use, f"gave a receipt that cannot be stored: {found}"))
    if not 0 <= receipt.rows <= MOST_ROWS:
        found = f"gave a receipt of {show_start(str(receipt.rows), 40)} rows, so nobody can tell what was delivered"
        return Outcome("unknown", error=blame(use, found))
    hidden = msgspec.structs.replace(
        receipt,
        path=redactor.shorten(receipt.path),
        more=tuple(map(redactor.shorten, receipt.more)),
        details={redactor.shorten(name): hide(value, redactor) for name, value in receipt.details.items()},
    )
    return replace(outcome, receipt=hidden)


def hide(value: Detail, redactor: Redactor) -> Detail:
    """Give a value of a receipt without secrets."""
    return redactor.shorten(value) if isinstance(value, str) else value


def blame_error(use: SinkUse, error: BaseException, doing: str = "") -> str:
    """Log what a stranger's code has raised and give the sentence for it; what somebody's Ctrl+C raised goes on."""
    if is_interrupt(error):
        raise error
    what = f"raised {type(error).__name__}{doing and f' {doing}'}"
    log.error("sink %s %s", use.name, what, exc_info=error)
    return blame(use, f"{what}: {read_error(error)}")


def blame(use: SinkUse, what: str) -> str:
    """Give the sentence for a plugin that broke the contract."""
    return f"{use.type.name} {what}; this is a bug in {use.type.distribution or 'its package'}"
