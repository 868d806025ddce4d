"""Writes a mail and freezes it in the outbox, before anybody gets it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from mmflow import GiveUp, RunInfo, Table
from mmflow_email.addresses import Mailbox, keep_first, list_mailboxes, read_mailbox
from mmflow_email.attachments import Enclosed, enclose_files, leave_out
from mmflow_email.conditions import check_conditions, hash_table
from mmflow_email.connection import MEGABYTE, check_allowed, find_limit
from mmflow_email.letter import write_letter
from mmflow_email.message import Envelope, build_message, make_message_id
from mmflow_email.options import Addresses, EmailConnection, EmailOptions
from mmflow_email.outbox import Entry, Outbox, Recipient, identify


@dataclass(frozen=True, slots=True)
class Delivery:
    """What each step of a delivery needs."""

    table: Table
    options: EmailOptions
    run: RunInfo
    connection: EmailConnection
    outbox: Outbox


def freeze_mail(delivery: Delivery) -> Entry:
    """Write the mail of a delivery; raises :class:`~mmflow.Skip` when nobody is to get it."""
    check_conditions(delivery.table, delivery.options, delivery.run, delivery.outbox)
    envelope = address_mail(delivery.options, delivery.connection, delivery.run)
    check_allowed((*envelope.to, *envelope.cc, *envelope.bcc), delivery.connection)
    entry, content = write_mail(delivery, envelope, enclose_files(delivery.options, delivery.run))
    delivery.outbox.freeze(entry, content)
    return entry


def freeze_smaller(entry: Entry, delivery: Delivery, why: str) -> Entry:
    """Write the mail anew without its files, for those who have not got it; the states of all recipients stay."""
    envelope = address_mail(delivery.options, delivery.connection, delivery.run)
    enclosed = reduce_mail(Enclosed(notes=entry.notes), entry.attached, delivery.options, why)
    smaller, content = write_mail(delivery, envelope, enclosed)
    kept = msgspec.structs.replace(smaller, recipients=entry.recipients, frozen_at=entry.frozen_at, table=entry.table)
    delivery.outbox.freeze(kept, content)
    return kept


def address_mail(options: EmailOptions, connection: EmailConnection, run: RunInfo) -> Envelope:
    """Say who gets the mail, each in one place: those of the options, or only ``run.to`` when it is given."""
    try:
        if run.to:
            return Envelope(sender=read_mailbox(connection.from_), to=read_boxes(run.to))
        to, cc, bcc = (read_boxes(written) for written in (options.to, options.cc, options.bcc))
        return Envelope(
            sender=read_mailbox(connection.from_),
            to=to,
            cc=tuple(keep_first(cc, taken=to)),
            bcc=tuple(keep_first(bcc, taken=(*to, *cc))),
            reply_to=read_boxes(options.reply_to),
        )
    except ValueError as error:
        raise GiveUp(f"an address {error}; nobody got the mail") from error


def read_boxes(written: Addresses) -> tuple[Mailbox, ...]:
    """Read the addresses of one option."""
    return tuple(list_mailboxes(written))


def write_mail(delivery: Delivery, envelope: Envelope, enclosed: Enclosed) -> tuple[Entry, bytes]:
    """Give the note about a mail, and its bytes, which fit through the connection."""
    run, limit = delivery.run, find_limit(delivery.connection)
    message_id = make_message_id(identify(run), envelope.sender)
    content = build(delivery, envelope, enclosed, message_id)
    if len(content) > limit and enclosed.files:
        why = f"the mail would have {len(content) / MEGABYTE:.1f} MB, more than {limit / MEGABYTE:.0f}"
        enclosed = reduce_mail(enclosed, enclosed.names, delivery.options, why)
        content = build(delivery, envelope, enclosed, message_id)
    if len(content) > limit:
        raise GiveUp(
            f"the letter alone has {len(content)} bytes, more than the {limit} that are allowed; show fewer rows"
        )
    return describe_mail(delivery, envelope, enclosed, message_id, content), content


def reduce_mail(enclosed: Enclosed, names: Sequence[str], options: EmailOptions, why: str) -> Enclosed:
    """Leave the files out and say so, or give up when the job wants that."""
    if options.attach_fallback == "fail":
        raise GiveUp(f"{why}, and attach_fallback is fail; nobody got the mail")
    return leave_out(enclosed, names, why)


def build(delivery: Delivery, envelope: Envelope, enclosed: Enclosed, message_id: str) -> bytes:
    """Give the bytes of a mail."""
    run = delivery.run
    letter = write_letter(delivery.table, delivery.options, run, notes=enclosed.notes, attached=enclosed.names)
    return build_message(letter, envelope, enclosed.files, message_id=message_id, sent=run.extracted_at)


def describe_mail(delivery: Delivery, envelope: Envelope, enclosed: Enclosed, message_id: str, content: bytes) -> Entry:
    """Give the note about a mail that nobody has got yet."""
    run = delivery.run
    return Entry(
        name=delivery.outbox.name(run),
        key=run.key,
        generation=run.generation,
        fence=run.fence,
        personal=bool(run.to),
        message_id=message_id,
        sender=envelope.sender.address,
        bcc=tuple(box.address for box in envelope.bcc),
        frozen_at=run.clock.now(),
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        rows=len(delivery.table),
        attached=enclosed.names,
        notes=enclosed.notes,
        table=hash_table(delivery.table, run) if delivery.options.send_when == "change" else "",
        recipients={address: start_state(address, message_id, run) for address in envelope.addresses},
    )


def start_state(address: str, message_id: str, run: RunInfo) -> Recipient:
    """Give the state before the first try; the receipt knows who got it, should the outbox have been lost."""
    before = run.previous.details if run.previous else {}
    known = before.get("message_id") == message_id and address in str(before.get("sent_to", "")).split(", ")
    return Recipient("sent", "by the receipt of an earlier try") if known else Recipient()
