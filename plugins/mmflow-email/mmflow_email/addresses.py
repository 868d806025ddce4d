"""Mail addresses as people write them in YAML, read strictly: nothing in them can become a second header or address."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

# A dot-atom of RFC 5322 without braces, which would be a template, and without % and !, which once were routes.
_LOCAL: Final = r"[A-Za-z0-9#$&'*+/=?^_`|~-]+(?:\.[A-Za-z0-9#$&'*+/=?^_`|~-]+)*"
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DOMAIN: Final = rf"{_LABEL}(?:\.{_LABEL})*"
_ADDRESS: Final = re.compile(rf"{_LOCAL}@{_DOMAIN}")
_NAMED: Final = re.compile(r"(?P<name>[^<>]*?)\s*<(?P<address>[^<>]*)>")
LONGEST: Final = 254
LONGEST_LOCAL: Final = 64


@dataclass(frozen=True, slots=True)
class Mailbox:
    """Somebody who gets or sends mail: ``address`` is bare, ``name`` what people see before it, perhaps ""."""

    address: str
    name: str = ""

    def __str__(self) -> str:
        return f"{self.name} <{self.address}>" if self.name else self.address

    @property
    def domain(self) -> str:
        """What stands behind the @, in small letters."""
        return self.address.rpartition("@")[2].lower()


def read_mailbox(text: str) -> Mailbox:
    """Read ``ops@example.com`` or ``Plant Ops <ops@example.com>``; :class:`ValueError` says what is wrong with it."""
    if hidden := find_control(text):
        raise ValueError(f"holds {hidden}, which cannot be part of an address; write it anew")
    text = text.strip()
    named = _NAMED.fullmatch(text)
    name, address = (named["name"].strip(' "'), named["address"]) if named else ("", text)
    if "," in address or ";" in text or text.count("@") > 1:
        raise ValueError(f"{shorten(text)!r} is more than one address; write each as an item of a list")
    if "{" in text or "}" in text:
        raise ValueError(f"{shorten(text)!r} holds a brace; addresses are written out, never filled in from a report")
    if not address.isascii():
        raise ValueError(f"{shorten(text)!r} has a sign outside of ASCII; write the domain in its xn-- form")
    if not _ADDRESS.fullmatch(address):
        raise ValueError(f"{shorten(text)!r} is no mail address; write it like ops@example.com")
    if len(address) > LONGEST or len(address.partition("@")[0]) > LONGEST_LOCAL:
        raise ValueError(f"{shorten(text)!r} is longer than an address can be; check it")
    return Mailbox(address, name)


def list_mailboxes(written: str | Iterable[str]) -> list[Mailbox]:
    """Read one address or several, each once; raises like :func:`read_mailbox`."""
    texts = [written] if isinstance(written, str) else written
    return keep_first(map(read_mailbox, texts))


def keep_first(boxes: Iterable[Mailbox], *, taken: Iterable[Mailbox] = ()) -> list[Mailbox]:
    """Give each address once, as it was written first, and none that is taken; capitals make no other address."""
    seen = {box.address.lower() for box in taken}
    found: dict[str, Mailbox] = {}
    for box in boxes:
        if (known_by := box.address.lower()) not in seen:
            found.setdefault(known_by, box)
    return list(found.values())


def is_domain(text: str) -> bool:
    """Tell whether a text is what may stand behind an @."""
    return re.fullmatch(_DOMAIN, text) is not None


def find_control(text: str) -> str | None:
    """Name the first character that mail programs would obey or hide: line breaks, NUL, marks that turn the text."""
    for char in text:
        if unicodedata.category(char) in {"Cc", "Cf", "Cs", "Zl", "Zp"}:
            return f"U+{ord(char):04X} ({unicodedata.name(char, 'control character').lower()})"
    return None


def shorten(text: str, most: int = 60) -> str:
    """Give the start of a text for a message."""
    return text if len(text) <= most else text[:most] + "…"
