"""What every way of sending a mail is given, and what it may say about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from msgspec.structs import fields

from mmflow import GiveUp, Options, TryLater
from mmflow_email.addresses import find_control
from mmflow_email.options import EmailConnection, EmailOptions
from mmflow_email.outbox import Recipient

if TYPE_CHECKING:
    from httpx import Client

LONGEST_REPLY = 200
OPTIONS: Final = frozenset(field.encode_name for kind in (EmailOptions, EmailConnection) for field in fields(kind))


@dataclass(frozen=True, slots=True)
class Mail:
    """Frozen bytes, who gets them now, and who has got them before."""

    content: bytes
    sender: str
    recipients: Sequence[str]
    bcc: Sequence[str] = ()
    others: Sequence[str] = ()


class Around(Protocol):
    """What sending needs of a run, or of a notice."""

    @property
    def root(self) -> Path:
        """Where relative paths start."""
        ...

    @property
    def connection(self) -> Options | None:
        """The options of the connection."""
        ...

    @property
    def open_http(self) -> Callable[[], Client]:
        """Open a way to the network."""
        ...


class Notes(Protocol):
    """Puts on disk how far a mail came."""

    def commit(self, addresses: Sequence[str]) -> None:
        """Note whom the next byte may reach; when it raises, nothing more may be sent."""
        ...

    def settle(self, found: Mapping[str, Recipient]) -> None:
        """Note what came of it, as soon as that is known; never raises."""
        ...


class Transport(Protocol):
    """Sends a mail, and notes the state of each recipient.

    Raises ``TryLater`` or ``GiveUp`` when nobody got it, and :class:`TooLarge` when the size was the reason.
    """

    def __call__(self, mail: Mail, connection: EmailConnection, run: Around, notes: Notes) -> None:
        """Send."""
        ...


def find_transport(connection: EmailConnection) -> Transport:
    """Give the way of a connection; only that one's libraries are imported."""
    if connection.transport == "graph":
        from mmflow_email.graph import send_by_graph

        return send_by_graph
    from mmflow_email.smtp import send_by_smtp

    return send_by_smtp


@contextmanager
def name_option(option: str) -> Iterator[None]:
    """Begin the message of an error with the option that it is about, unless it names one already."""
    try:
        yield
    except (TryLater, GiveUp) as error:
        if str(error).partition(":")[0] not in OPTIONS:
            error.args = (f"{option}: {error}",)
        raise


class TooLarge(GiveUp):
    """The mail weighs more than the other side takes; nobody got it."""


def quote_reply(text: bytes | str) -> str:
    """Give what somebody else wrote as one line that can be shown."""
    decoded = text.decode(errors="replace") if isinstance(text, bytes) else text
    line = " ".join("".join(" " if find_control(char) else char for char in decoded[:1000]).split())
    return line if len(line) <= LONGEST_REPLY else line[:LONGEST_REPLY] + "…"
