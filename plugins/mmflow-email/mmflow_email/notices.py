"""Tells people by mail what became of their reports: plain text, and the same as simple HTML."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from mmflow import GiveUp, MmflowError, Notice, NoticeInfo, Options, TryLater, replace_file
from mmflow_email.addresses import Mailbox, read_mailbox
from mmflow_email.connection import find_connection
from mmflow_email.letter import Letter
from mmflow_email.message import Envelope, build_message, make_message_id
from mmflow_email.options import EmailConnection
from mmflow_email.outbox import PRIVATE, Recipient
from mmflow_email.rules import NOBODY, sort_people
from mmflow_email.transport import Mail, find_transport

PAGE = (
    '<!doctype html><html><body><pre style="font: 14px/1.4 sans-serif; white-space: pre-wrap">{}</pre></body></html>\n'
)


def notify_email(notice: Notice, _options: Options, info: NoticeInfo) -> None:
    """Send the notice to everybody who is named by an address and has not got it yet.

    Each try has the same bytes and Message-ID. Raises :class:`TryLater` while somebody is left who may still get it.
    """
    connection = find_connection(info.connection)
    sender, boxes = read_mailbox(connection.from_), find_people(notice, connection, info)
    told = Told(info.store / f"{notice.id}.json")
    told.read()
    left = [box.address for box in boxes if box.address not in told.found]
    if left:
        content = write_mail(notice, Envelope(sender=sender, to=tuple(boxes)))
        find_transport(connection)(Mail(content, sender.address, left, others=[*told.found]), connection, info, told)
    conclude(boxes, told, info)


def check_notices(_options: Options, info: NoticeInfo) -> None:
    """Raise what keeps the connection from letting us in; nothing is sent."""
    connection = find_connection(info.connection)
    if connection.transport == "graph":
        from mmflow_email.graph import check_graph

        check_graph(connection, info)
    else:
        from mmflow_email.smtp import check_smtp

        check_smtp(connection, info)


def find_people(notice: Notice, connection: EmailConnection, info: NoticeInfo) -> list[Mailbox]:
    """Give who gets the mail; who may get none keeps nobody else from being told."""
    boxes, wrong = sort_people(notice.to, connection)
    if not boxes:
        raise GiveUp(f"nobody was told: {'; '.join(wrong)}" if wrong else NOBODY)
    for why in wrong:
        info.log.warning("a notice goes to others alone: %s", why)
    return boxes


def write_mail(notice: Notice, envelope: Envelope) -> bytes:
    """Give the bytes of the mail."""
    letter = Letter(notice.subject, PAGE.format(html.escape(notice.text)), f"{notice.text}\n")
    message_id = make_message_id(f"notice {notice.id}", envelope.sender)
    return build_message(letter, envelope, (), message_id=message_id, sent=notice.created)


def conclude(boxes: Sequence[Mailbox], told: Told, info: NoticeInfo) -> None:
    """Forget about a mail that all have got, or raise what is left to do."""
    lacking = {box.address: told.tried.get(box.address) for box in boxes if box.address not in told.found}
    never = [f"{who}: {one.reply}" for who, one in lacking.items() if one and one.state == "refused"]
    later = [f"{who}: {one.reply if one else 'not tried'}" for who, one in lacking.items() if not _is_refused(one)]
    if later:
        raise TryLater(f"not everybody was told: {'; '.join(later)}")
    if never and len(never) == len(boxes):
        raise GiveUp(f"nobody was told: {'; '.join(never)}; check the addresses")
    if never:
        info.log.warning("a notice was refused for good: %s", "; ".join(never))
    with suppress(OSError):
        told.path.unlink(missing_ok=True)


def _is_refused(one: Recipient | None) -> bool:
    return one is not None and one.state == "refused"


@dataclass(slots=True)
class Told:
    """Who has got a notice, kept on disk between its tries; when in doubt somebody is told twice."""

    path: Path
    found: list[str] = field(default_factory=list)
    tried: dict[str, Recipient] = field(default_factory=dict)

    def read(self) -> None:
        """Take over what earlier tries found; what cannot be read counts for nothing."""
        try:
            self.found = msgspec.json.decode(self.path.read_bytes(), type=list[str])
        except (OSError, msgspec.DecodeError):
            self.found = []

    def commit(self, addresses: Sequence[str]) -> None:
        """Let it happen."""

    def settle(self, found: Mapping[str, Recipient]) -> None:
        """Note who has got it now."""
        self.tried.update(found)
        self.found += [address for address, one in found.items() if one.state == "sent"]
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with replace_file(self.path, PRIVATE) as draft:
                draft.file.write(msgspec.json.encode(self.found))
        except (OSError, MmflowError):
            return  # then they are told again
