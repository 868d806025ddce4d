"""The mail itself: a letter and its files as MIME, the same bytes for the same delivery."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from pathlib import PurePosixPath
from typing import Final

from mmflow_email.addresses import Mailbox, find_control
from mmflow_email.letter import Letter

# Seven bits only: no server on the way has to rewrite anything.
POLICY: Final = SMTP.clone(cte_type="7bit")
LONGEST_SUBJECT: Final = 250
LONGEST_NAME: Final = 120
KINDS: Final = {
    ".csv": "text/csv",
    ".html": "text/html",
    ".json": "application/json",
    ".jsonl": "application/jsonl",
    ".parquet": "application/vnd.apache.parquet",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".txt": "text/plain",
    ".xlsm": "application/vnd.ms-excel.sheet.macroEnabled.12",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".zip": "application/zip",
}


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that goes with a mail."""

    name: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """Who a mail is from and who is named in it, each once; ``bcc`` gets it and is named nowhere."""

    sender: Mailbox
    to: tuple[Mailbox, ...]
    cc: tuple[Mailbox, ...] = ()
    bcc: tuple[Mailbox, ...] = ()
    reply_to: tuple[Mailbox, ...] = ()

    @property
    def addresses(self) -> list[str]:
        """Everybody who gets it."""
        return [box.address for box in (*self.to, *self.cc, *self.bcc)]


def make_message_id(identity: str, sender: Mailbox) -> str:
    """Give the Message-ID of a delivery: the same for each try, so that a second copy can be known as one."""
    return f"<{hashlib.sha256(identity.encode()).hexdigest()}@{sender.domain}>"


def build_message(
    letter: Letter, envelope: Envelope, files: Sequence[Attachment], *, message_id: str, sent: datetime
) -> bytes:
    """Give the mail as it goes out: lines end in CR LF and hold ASCII only."""
    message = EmailMessage(policy=POLICY)
    write_headers(message, letter.subject, envelope, message_id, sent)
    write_body(message, letter)
    for file in files:
        main, _, sub = find_kind(file.name).partition("/")
        message.add_attachment(file.content, maintype=main, subtype=sub, filename=clean_name(file.name))
    set_boundaries(message, message_id)
    return message.as_bytes()


def write_headers(message: EmailMessage, subject: str, envelope: Envelope, message_id: str, sent: datetime) -> None:
    """Write who, what and when; ``Auto-Submitted`` keeps out-of-office replies away."""
    message["From"] = show_mailbox(envelope.sender)
    for name, boxes in (("To", envelope.to), ("Cc", envelope.cc), ("Reply-To", envelope.reply_to)):
        if boxes:
            message[name] = [show_mailbox(box) for box in boxes]
    message["Subject"] = clean_line(subject, LONGEST_SUBJECT)
    message["Date"] = format_datetime(sent.astimezone(UTC))
    message["Message-ID"] = message_id
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "OOF, AutoReply"


def write_body(message: EmailMessage, letter: Letter) -> None:
    """Write the plain text, and the HTML with its pictures.

    Quoted-printable writes every ``=`` as ``=3D``, so that no text from the data can look like a boundary.
    """
    message.set_content(letter.text, cte="quoted-printable")
    message.add_alternative(letter.html, subtype="html", cte="quoted-printable")
    html = list(message.iter_parts())[-1]
    assert isinstance(html, EmailMessage)
    for picture in letter.pictures:
        name = clean_name(picture.name)
        html.add_related(picture.content, "image", "png", cid=f"<{picture.cid}>", filename=name, disposition="inline")


def set_boundaries(message: EmailMessage, message_id: str) -> None:
    """Give each part that holds others a boundary that depends on the delivery alone."""
    for number, part in enumerate(message.walk()):
        if part.is_multipart():
            part.set_boundary("=_" + hashlib.sha256(f"{message_id} {number}".encode()).hexdigest()[:40])


def show_mailbox(box: Mailbox) -> Address:
    """Give an address as the header wants it."""
    return Address(display_name=box.name, addr_spec=box.address)


def clean_line(text: str, most: int) -> str:
    """Make a text one line of a header: what would begin another, or cannot be seen, becomes a space."""
    seen = " ".join("".join(" " if find_control(char) else char for char in text).split())
    return seen if len(seen) <= most else seen[: most - 1] + "…"


def clean_name(name: str) -> str:
    """Give the last part of a path as a name that no mail program can take for a path or a header."""
    last = clean_line(re.split(r"[/\\]", name)[-1], 1000)
    safe = re.sub(r'[<>:"|?*;]', "-", last).strip(" .") or "file"
    suffix = PurePosixPath(safe).suffix[:16]
    return safe if len(safe) <= LONGEST_NAME else safe[: LONGEST_NAME - len(suffix)] + suffix


def find_kind(name: str) -> str:
    """Give the MIME type of a file by its name."""
    return KINDS.get(PurePosixPath(name.lower()).suffix, "application/octet-stream")
