"""What every way of sending a mail is given, and what it may say about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from mmflow import GiveUp, RunInfo
from mmflow_email.addresses import find_control
from mmflow_email.options import EmailConnection
from mmflow_email.outbox import Recipient

LONGEST_REPLY = 200


@dataclass(frozen=True, slots=True)
class Mail:
    """Frozen bytes and who gets them now."""

    content: bytes
    sender: str
    recipients: Sequence[str]
    bcc: Sequence[str] = ()


Commit = Callable[[Sequence[str]], None]
"""Called with the addresses that the next byte may reach; when it raises, nothing more may be sent."""


class Transport(Protocol):
    """Sends a mail and gives the state of each recipient.

    Raises ``TryLater`` or ``GiveUp`` when nobody got it, and :class:`TooLarge` when the size was the reason.
    """

    def __call__(
        self, mail: Mail, connection: EmailConnection, run: RunInfo, commit: Commit
    ) -> Mapping[str, Recipient]:
        """Send."""
        ...


class TooLarge(GiveUp):
    """The mail weighs more than the other side takes; nobody got it."""


def quote_reply(text: bytes | str) -> str:
    """Give what somebody else wrote as one line that can be shown."""
    decoded = text.decode(errors="replace") if isinstance(text, bytes) else text
    line = " ".join("".join(" " if find_control(char) else char for char in decoded[:1000]).split())
    return line if len(line) <= LONGEST_REPLY else line[:LONGEST_REPLY] + "…"
