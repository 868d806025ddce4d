"""Finds what is wrong with the options of a mail before any run, and tells who gets it. Light, as options are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from mmflow import Options, Outline, has_reference, parse_duration
from mmflow_email.addresses import Mailbox, keep_first, list_mailboxes, read_mailbox
from mmflow_email.connection import explain_outside
from mmflow_email.letter.rules import check_letter
from mmflow_email.options import Addresses, EmailConnection, EmailOptions

Place = tuple[str | int, ...]
RECIPIENTS: Final = ("to", "cc", "bcc")
NOBODY: Final = "nobody is named by an address; write owner, or notify: to, as name@example.com"


def validate_email(options: EmailOptions, outline: Outline) -> Iterator[tuple[Place | str, str]]:
    """Find addresses that are none or may get no mail, and options that cannot be met."""
    yield from check_letter(options, outline)
    for key in (*RECIPIENTS, "reply_to"):
        for place, text in place_addresses(key, getattr(options, key)):
            yield from check_address(place, text, outline)
    if not options.to:
        yield "to", "is empty, expected at least one address"
    if options.send_when == "breach" and not options.lights:
        yield "send_when", "breach needs traffic lights to go by; add lights"
    if options.expires:
        yield from check_expiry(options.expires)


def place_addresses(key: str, written: Addresses) -> list[tuple[Place, str]]:
    """Give the texts of an option with their places."""
    return [((key,), written)] if isinstance(written, str) else [((key, at), one) for at, one in enumerate(written)]


def check_address(place: Place, text: str, outline: Outline) -> Iterator[tuple[Place, str]]:
    """Say why a text is no address, or why it may get no mail."""
    try:
        box = read_mailbox(text)
    except ValueError as error:
        yield place, str(error)
        return
    connection = outline.connection if place[0] in RECIPIENTS else None
    if isinstance(connection, EmailConnection) and (outside := explain_outside([box], connection)):
        yield place, outside


def check_expiry(text: str) -> Iterator[tuple[str, str]]:
    """Say what is wrong with an amount of time."""
    try:
        parse_duration(text)
    except ValueError as error:
        yield "expires", str(error)


def list_recipients(options: EmailOptions) -> list[str]:
    """Give the address of everybody who gets this mail, each once."""
    found: list[Mailbox] = [box for key in RECIPIENTS for box in list_mailboxes(getattr(options, key))]
    return [box.address for box in keep_first(found)]


def sort_people(names: Iterable[str], connection: EmailConnection | None) -> tuple[list[Mailbox], list[str]]:
    """Give who can be told by mail, and why others cannot; who is named without an address is told otherwise."""
    boxes, wrong = [], []
    for name in names:
        if "@" not in name:
            continue
        try:
            box = read_mailbox(name)
        except ValueError as error:
            wrong.append(f"{error}")
            continue
        if connection and (outside := explain_outside([box], connection)):
            wrong.append(outside)
        else:
            boxes.append(box)
    return keep_first(boxes), wrong


def validate_notices(
    _options: Options, people: Sequence[str], connection: EmailConnection | None
) -> Iterator[tuple[int | str, str]]:
    """Say who may get no mail, and whether nobody is left who can."""
    for number, name in enumerate(people):
        boxes, _ = sort_people([name], None)
        if connection and (outside := explain_outside(boxes, connection)):
            yield number, outside
    if not sort_people(people, None)[0] and not any(map(has_reference, people)):
        yield "", NOBODY
