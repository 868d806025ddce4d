"""Sends a report as a mail: frozen in the outbox first, then handed over, then what came of it is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

import msgspec

from mmflow import GiveUp, MmflowError, Partial, Presence, Receipt, RunInfo, Skip, Table, TryLater, Unknown
from mmflow_email.addresses import list_mailboxes
from mmflow_email.conditions import is_expired, say_expired
from mmflow_email.connection import check_allowed, find_connection
from mmflow_email.freezing import Delivery, address_mail, freeze_mail, freeze_smaller
from mmflow_email.letter.rules import check_files
from mmflow_email.options import EmailOptions
from mmflow_email.outbox import UNSENT, Entry, Outbox, Overtaken, Recipient, Spoilt
from mmflow_email.rules import RECIPIENTS
from mmflow_email.transport import Mail, TooLarge, find_transport, name_option

GREYLISTED: Final = 300.0  # seconds; servers that say "later" on principle want five minutes or more
RESENDS: Final = 1
Failure: TypeAlias = TryLater | GiveUp
ENDED: Final = "mmflow ended before it could note the server's word"


def deliver_email(table: Table, options: EmailOptions, run: RunInfo) -> Receipt:
    """Send the mail to everybody who has not got it yet.

    The first try freezes its bytes. Later tries of the same delivery send those to who is left, whatever became of the
    job meanwhile.
    """
    delivery = Delivery(table, options, run, find_connection(run.connection), Outbox.of(run))
    with delivery.outbox.hold(run):
        delivery.outbox.sweep(run.clock.now())
        entry = resume_mail(delivery) or freeze_mail(delivery)
        failure = None
        if find_open(entry, options, run):
            entry, failure = send_mail(entry, delivery)
        return conclude(entry, delivery, failure)


def resume_mail(delivery: Delivery) -> Entry | None:
    """Take over what an earlier try left, or give None when a mail has to be written.

    A mail that reached nobody is written anew when nobody is left, or when the job has been mended since. One that was
    held is sent again: that is what somebody decided who delivers it once more.
    """
    run, options = delivery.run, delivery.options
    entry = delivery.outbox.find(run)
    if entry is None or not (entry.reached or (entry.among(*UNSENT) and is_addressed(entry, delivery))):
        return None
    entry = msgspec.structs.replace(entry, fence=run.fence)
    if entry.held:
        entry = msgspec.structs.replace(entry.put(entry.among("unknown"), "pending"), held=False)
    entry = entry.put(entry.among("committing"), "unknown", ENDED)
    if is_expired(options, run) and not run.to:
        entry = entry.put(entry.among(*UNSENT), "expired", say_expired(options, run))
    delivery.outbox.save(entry)
    return entry


def is_addressed(entry: Entry, delivery: Delivery) -> bool:
    """Tell whether a frozen mail is from and for those whom the job names now."""
    envelope = address_mail(delivery.options, delivery.connection, delivery.run)
    return (entry.sender, sorted(entry.recipients)) == (envelope.sender.address, sorted(envelope.addresses))


def find_open(entry: Entry, options: EmailOptions, run: RunInfo) -> list[str]:
    """Give who has not got the mail and still may; ``on_unknown: resend`` sends once more to whom nobody can tell."""
    again = options.on_unknown == "resend" and (bool(run.to) or not is_expired(options, run))
    return [
        address
        for address, one in entry.recipients.items()
        if one.state in UNSENT or (again and one.state == "unknown" and one.unknowns <= RESENDS)
    ]


def send_mail(entry: Entry, delivery: Delivery) -> tuple[Entry, Failure | None]:
    """Send to who is left; a mail that is too large for the server goes once more without its files."""
    entry, failure = try_mail(entry, delivery)
    if not (isinstance(failure, TooLarge) and entry.attached):
        return entry, failure
    try:
        smaller = freeze_smaller(entry, delivery, str(failure))
    except (TryLater, GiveUp) as error:
        return entry, error
    return try_mail(smaller, delivery)


def try_mail(entry: Entry, delivery: Delivery) -> tuple[Entry, Failure | None]:
    """Hand the mail over once; give what came of it, and why nobody got it this time: somebody may have before."""
    notes = EntryNotes(entry, delivery)
    try:
        recipients = find_open(entry, delivery.options, delivery.run)
        check_allowed(list_mailboxes(recipients), delivery.connection)
        mail = Mail(delivery.outbox.read(entry), entry.sender, recipients, entry.bcc, others=entry.among("sent"))
        find_transport(delivery.connection)(mail, delivery.connection, delivery.run, notes)
    except (TryLater, GiveUp) as error:
        notes.withdraw()
        return notes.entry, error
    return notes.entry, None


class EntryNotes:
    """Keeps the entry of a mail on disk up to date while it is sent."""

    def __init__(self, entry: Entry, delivery: Delivery) -> None:
        self.entry = entry
        self.delivery = delivery

    def commit(self, addresses: Sequence[str]) -> None:
        """Note that from now on nobody can tell, should this process end."""
        moved = self.entry.put(addresses, "committing")
        self.delivery.outbox.save(moved)
        self.entry = moved

    def settle(self, found: Mapping[str, Recipient]) -> None:
        """Note what is known now."""
        self.entry = self.entry.moved(found)
        note_result(self.entry, self.delivery)

    def withdraw(self) -> None:
        """Note that nobody got it after all."""
        if undone := self.entry.among("committing"):
            self.settle(dict.fromkeys(undone, Recipient("pending")))


def note_result(entry: Entry, delivery: Delivery) -> None:
    """Put on disk what came of a try; a disk that fails now must not hide that people have got the mail."""
    try:
        delivery.outbox.save(entry)
    except MmflowError as error:
        delivery.run.log.warning("who got the mail could not be noted in the outbox: %s", error)


def conclude(entry: Entry, delivery: Delivery, failure: Failure | None) -> Receipt:
    """Give the receipt when everybody got it, or raise what is left to do."""
    receipt, left = make_receipt(entry), find_open(entry, delivery.options, delivery.run)
    if isinstance(failure, GiveUp):
        raise give_up(entry, receipt, left, failure, delivery) from failure
    if left:
        raise postpone(entry, receipt, left, failure) from failure
    if entry.among("unknown"):
        raise hold(entry, delivery)
    delivery.outbox.drop_content(entry)
    if failed := entry.among("refused", "expired"):
        raise close(entry, receipt, failed)
    return receipt


def give_up(
    entry: Entry, receipt: Receipt, left: Sequence[str], failure: GiveUp, delivery: Delivery
) -> Partial | Failure:
    """Give the result when somebody has to change something first; a mail that reached nobody is written anew then."""
    if isinstance(failure, Spoilt) and not entry.reached:
        delivery.outbox.forget(entry)
        return TryLater("the bytes of the mail were lost or changed before anybody got it; it is written anew")
    if entry.among("sent") and not isinstance(failure, Overtaken):
        return Partial(receipt, why=f"not delivered to {', '.join(left)}: {failure}{add_refused(entry)}")
    if not entry.reached and not isinstance(failure, Overtaken):
        delivery.outbox.forget(entry)
    return failure


def postpone(entry: Entry, receipt: Receipt, left: Sequence[str], failure: TryLater | None) -> Partial | TryLater:
    """Give the error by which the engine tries again, for those who are left."""
    why = f"{', '.join(left)}: {failure}" if failure else say_states(entry, left)
    after = failure.after if failure else GREYLISTED if entry.among("later") else None
    if entry.among("sent"):
        return Partial(receipt, retry=tuple(left), why=f"not delivered yet to {why}{add_refused(entry)}", after=after)
    return TryLater(f"{failure or why}{add_refused(entry)}", after=after)


def hold(entry: Entry, delivery: Delivery) -> Unknown:
    """Give the error for a mail that somebody has to decide about, and note that they are told."""
    note_result(msgspec.structs.replace(entry, held=True), delivery)
    said = say_states(entry, entry.among("unknown")) + add_refused(entry)
    return Unknown(f"{said}; ask them, and send it again with mmflow resend if it is missing ({entry.message_id})")


def close(entry: Entry, receipt: Receipt, failed: Sequence[str]) -> Partial | GiveUp | Skip:
    """Give the result for a mail that some will never get."""
    said = f"not delivered to {say_states(entry, failed)}"
    if entry.among("sent"):
        return Partial(receipt, why=said)
    if not entry.among("refused"):
        return Skip(entry.recipients[failed[0]].reply)
    return GiveUp(f"{said}; check the addresses")


def make_receipt(entry: Entry) -> Receipt:
    """Give what is proven about a mail; lists that are empty are left out."""
    sent, refused = entry.among("sent"), entry.among("refused")
    details: dict[str, str | int | float | bool | None] = {
        "message_id": entry.message_id,
        "bytes": entry.size,
        "recipients": len(entry.recipients),
        "sent": len(sent),
        "refused": len(refused),
    }
    lists = {
        "sent_to": ", ".join(sent),
        "refused_to": ", ".join(f"{address} ({entry.recipients[address].reply})" for address in refused),
        "attached": ", ".join(entry.attached),
    }
    details |= {name: listed for name, listed in lists.items() if listed}
    return Receipt(rows=entry.rows, sha256=entry.sha256, details=details)


def add_refused(entry: Entry) -> str:
    """Give the end of a sentence about the others: who will never get this mail, "" for nobody."""
    refused = entry.among("refused")
    return f"; refused for good: {say_states(entry, refused)}" if refused else ""


def say_states(entry: Entry, addresses: Sequence[str]) -> str:
    """Say of some recipients what the server said, those with the same word together."""
    by_reply: dict[str, list[str]] = {}
    for address in addresses:
        one = entry.recipients[address]
        by_reply.setdefault(one.reply or "not attempted", []).append(address)
    return "; ".join(f"{', '.join(who)}: {reply}" for reply, who in by_reply.items())


def check_email(options: EmailOptions, run: RunInfo) -> None:
    """Look whether the connection lets us in and everybody may get mail; nothing is sent."""
    check_files(options, run)
    with name_option("connection"):
        connection = find_connection(run.connection)
    envelope = address_mail(options, connection, run)
    for key in RECIPIENTS:
        with name_option(key):
            check_allowed(getattr(envelope, key), connection)
    if connection.transport == "graph":
        from mmflow_email.graph import check_graph

        with name_option("client_secret"):
            check_graph(connection, run)
    else:
        from mmflow_email.smtp import check_smtp

        check_smtp(connection, run)


def probe_email(options: EmailOptions, run: RunInfo) -> Presence:
    """Tell what a try left that ended without a word.

    ``present``: everybody has got it. ``absent``: delivering again is right, it sends to those alone who have not got
    it and still may. ``unknown``: the job wants somebody to decide.
    """
    entry = Outbox.of(run).find(run)
    if entry is None:
        return "absent"
    entry = entry.put(entry.among("committing"), "unknown", ENDED)
    if find_open(entry, options, run):
        return "absent"
    if entry.among("unknown"):
        return "unknown"
    return "present" if len(entry.among("sent")) == len(entry.recipients) else "absent"
