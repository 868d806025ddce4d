"""What Google Sheets says when it refuses something, in plain words and with what to do."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import httpx
import msgspec

from mmflow import GiveUp, MmflowError, TryLater

QUOTA: Final = 60.0  # seconds: quotas are per minute
LONGEST_WAIT: Final = 3600.0
SHOWN: Final = 200  # characters of Google's own words
_UNSEEN: Final = re.compile(r"[^\x20-\x7e]+")


class Fault(msgspec.Struct):
    """What stands under ``error`` in an answer."""

    message: str = ""
    status: str = ""
    details: list[dict[str, Any]] = []
    errors: list[dict[str, Any]] = []

    @property
    def reasons(self) -> set[str]:
        """Google's words for why, from wherever they stand."""
        return {str(detail.get("reason", "")) for detail in (*self.details, *self.errors)} - {""}


class Envelope(msgspec.Struct):
    """An answer that refuses."""

    error: Fault = msgspec.field(default_factory=Fault)


class Refused(GiveUp):
    """A request cannot be applied to the spreadsheet as it is now."""


class NameTaken(Refused):
    """A named range cannot be added: its name belongs to one that cannot be seen, since its cells were deleted."""


class Asked(msgspec.Struct, frozen=True):
    """What was asked: of which spreadsheet, and as whom."""

    spreadsheet: str
    address: str


def explain_answer(answer: httpx.Response, asked: Asked) -> MmflowError:
    """Give the error for an answer that is no success."""
    fault = read_fault(answer.content)
    if is_quota(answer.status_code, fault):
        wait = max(QUOTA, min(read_wait(answer.headers), LONGEST_WAIT))
        return TryLater("Google Sheets takes no more requests this minute; the quota is used up", after=wait)
    if answer.status_code >= 500 or answer.status_code in (408, 425):
        return TryLater(f"Google Sheets answers {answer.status_code}: it cannot work at the moment")
    explain = REFUSALS.get(answer.status_code, explain_other)
    return explain(fault, asked) if fault.status or fault.message else explain_stranger(answer)


def read_fault(content: bytes) -> Fault:
    """Read what Google says; nothing at all when it is not Google that says it."""
    try:
        return msgspec.json.decode(content, type=Envelope).error
    except msgspec.MsgspecError:
        return Fault()


def is_quota(code: int, fault: Fault) -> bool:
    """Tell whether a refusal is only about too many requests."""
    limits = {"rateLimitExceeded", "userRateLimitExceeded", "RATE_LIMIT_EXCEEDED"}
    return code == 429 or (code == 403 and (fault.status == "RESOURCE_EXHAUSTED" or bool(limits & fault.reasons)))


def read_wait(headers: Mapping[str, str]) -> float:
    """Give the seconds of ``Retry-After``; 0 for anything but a number."""
    written = headers.get("retry-after", "")
    return float(written) if written.isascii() and written.isdigit() and len(written) < 10 else 0.0


def quote_words(fault: Fault) -> str:
    """Give Google's own words, as one short line."""
    return shorten_words(fault.message)


def name_trouble(error: httpx.RequestError) -> str:
    """Say what kept a request from being answered, as one short line."""
    return shorten_words(str(error)) or type(error).__name__


def shorten_words(text: str) -> str:
    """Give words of others as one short line."""
    return _UNSEEN.sub(" ", text)[:SHOWN].strip()


def explain_request(fault: Fault, asked: Asked) -> MmflowError:
    """Explain what is wrong with a request: mostly something about the spreadsheet."""
    words = quote_words(fault)
    if "named range with the name" in words.lower():
        return NameTaken(f"Google Sheets refuses the name of the table's cells: {words}")
    for sign, what in SIGNS.items():
        if sign in words.lower():
            return Refused(f"{what.format(address=asked.address)} (Google: {words})")
    return Refused(f"Google Sheets refuses the request: {words or fault.status}")


# A part of Google's words, and what it means.
SIGNS: Final[Mapping[str, str]] = {
    "protected": "cells of the table are protected; let {address} edit them, or take the protection away",
    "10000000 cells": "the spreadsheet would have more than 10,000,000 cells; delete some, or use another",
    "50000 characters": "a text is longer than the 50,000 characters of a cell",
    "payload size": "the table is too large for one request; send fewer rows or columns, or use another sink",
    "merged": "cells of the table are merged; unmerge them",
    "not supported for this document": "the file is no Google spreadsheet; save the workbook as Google Sheets",
}  # fmt: skip


def explain_forbidden(fault: Fault, asked: Asked) -> MmflowError:
    """Explain 403: the API is off in the project, or the spreadsheet is not shared."""
    words = quote_words(fault)
    if fault.reasons & {"SERVICE_DISABLED", "accessNotConfigured"} or "has not been used" in words:
        return GiveUp(
            "the Google Sheets API is switched off in the Google Cloud project of the credentials; "
            "enable it there (APIs and services, Google Sheets API) and wait a few minutes"
        )
    if "ACCESS_TOKEN_SCOPE_INSUFFICIENT" in fault.reasons:
        return GiveUp("the credentials were not made for Google Sheets; make them with the scope spreadsheets")
    if "protected" in words.lower():
        return explain_request(fault, asked)
    what = f"spreadsheet: {asked.address} may not open or change {asked.spreadsheet}"
    return GiveUp(f"{what}; share the sheet with {asked.address} as editor")


def explain_missing(_fault: Fault, asked: Asked) -> MmflowError:
    """Explain 404."""
    return GiveUp(
        f"spreadsheet: there is none with the id {asked.spreadsheet}; check the address, and that it was not deleted"
    )


def explain_unknown(_fault: Fault, asked: Asked) -> MmflowError:
    """Explain 401 for a token that is new."""
    return GiveUp(f"Google does not accept the token of {asked.address}; check the credentials, or make new ones")


def explain_other(fault: Fault, _asked: Asked) -> MmflowError:
    """Explain anything else in Google's own words."""
    return GiveUp(f"Google Sheets refuses the request: {quote_words(fault) or fault.status}")


def explain_large(_fault: Fault, _asked: Asked) -> MmflowError:
    """Explain 413."""
    return GiveUp("the table is too large for one request to Google Sheets; send fewer rows or columns")


REFUSALS: Final[Mapping[int, Callable[[Fault, Asked], MmflowError]]] = {
    400: explain_request,
    401: explain_unknown,
    403: explain_forbidden,
    404: explain_missing,
    413: explain_large,
}


def explain_stranger(answer: httpx.Response) -> MmflowError:
    """Explain an answer that Google did not write: of a proxy, or of a page where one has to log in."""
    if answer.status_code == 413:
        return explain_large(Fault(), Asked("", ""))
    return GiveUp(
        f"something else than Google Sheets answers ({answer.status_code}); check base_url, the proxy and the network"
    )
