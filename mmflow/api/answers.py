"""Whether what came is an answer at all: whole, JSON, with rows or totals, and no error dressed as a success.

This is the cheap look that every answer gets before its file counts. What its rows hold is checked by the load step.
"""

from __future__ import annotations

from collections.abc import Callable
from mmap import mmap
from typing import TypeAlias, TypeVar

import msgspec

from mmflow.text import show_start

T = TypeVar("T")
Bytes: TypeAlias = bytes | mmap

EXCERPT_BYTES = 200
LONGEST_HIDDEN = 4096  # bytes of a key in any encoding, by far
NO_ERROR = frozenset({b"", b"null", b"[]", b"{}", b'""', b"false"})


class NotAnAnswer(ValueError):  # noqa: N818  # a finding, which the caller turns into an error with the address
    """What came cannot be used; ``cut`` when its end is missing, so that asking again may help.

    The message completes a sentence that begins with "the answer".
    """

    def __init__(self, reason: str, data: Bytes = b"", *, cut: bool = False) -> None:
        super().__init__(reason)
        self._start = data[: 2 * LONGEST_HIDDEN].decode("utf-8", "replace")
        self.cut = cut

    def describe(self, hide: Callable[[str], str]) -> str:
        """Give the message with the start of what came, out of which ``hide`` takes what must not be shown."""
        # Hidden before it is cut short, since half a key at the end would not be known for one.
        start = show_start(hide(self._start))
        return hide(str(self)) + (f"; it begins: {start}" if start else "")


class Envelope(msgspec.Struct):
    """The outermost object of an answer; its parts are checked to be JSON and kept unread."""

    items: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    aggregate: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    error: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    errors: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


def check_grouped(data: Bytes) -> None:
    """Check an answer to a request with groups: its ``items`` must be a list, which may be empty."""
    check_part(data, "items", b"[")


def check_ungrouped(data: Bytes) -> None:
    """Check an answer to a request without groups: its ``aggregate`` must be an object."""
    check_part(data, "aggregate", b"{")


def check_part(data: Bytes, name: str, opening: bytes) -> None:
    """Check that the whole answer is one JSON object that claims no error and has the part that is needed."""
    parts = outline_answer(data)
    if any(parts[claim] not in NO_ERROR for claim in ("error", "errors")):
        raise NotAnAnswer("carries an error although its status is 200", data)
    if not parts[name].startswith(opening):
        raise NotAnAnswer(f"has no {'list' if opening == b'[' else 'object'} {name!r}", data)


def outline_answer(data: Bytes) -> dict[str, bytes]:
    """Give the first bytes of each part, empty when it is not there.

    They are copies, so that nothing holds on to a mapped file while an error travels.
    """
    found = decode_answer(data, Envelope)
    return {name: _copy_start(getattr(found, name)) for name in Envelope.__struct_fields__}


def decode_answer(data: Bytes, kind: type[T]) -> T:
    """Decode JSON as ``kind``; raises :class:`NotAnAnswer` that says what else came."""
    if not len(data):
        raise NotAnAnswer("is empty", cut=True)
    if data[:EXCERPT_BYTES].lstrip().startswith(b"<"):
        raise NotAnAnswer("is a web page, not JSON: a login page, a proxy or another service sent it", data)
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError as error:
        raise NotAnAnswer(f"has an unexpected form ({error})", data) from None
    except msgspec.DecodeError as error:
        if "truncated" in str(error):
            raise NotAnAnswer("ends in the middle", data, cut=True) from None
        raise NotAnAnswer(f"is not JSON ({error})", data) from None
    except UnicodeDecodeError:
        raise NotAnAnswer("is not UTF-8, which JSON has to be", data) from None
    except RecursionError:
        raise NotAnAnswer("is nested without end", data) from None


def _copy_start(part: msgspec.Raw | msgspec.UnsetType) -> bytes:
    return b"" if part is msgspec.UNSET else bytes(memoryview(part)[:EXCERPT_BYTES])
