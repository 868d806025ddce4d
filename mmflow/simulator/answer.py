"""An answer before it is sent, and the answers that look the same whatever was asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime

import msgspec

from mmflow.simulator.profiles import Profile

JSON = "application/json; charset=utf-8"
HTML = "text/html; charset=utf-8"
TEXT = "text/plain; charset=utf-8"

WORDS = {401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 429: "Too Many Requests"}


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers and body. A body that is a tuple is sent with its length, any other one chunk by chunk.

    The rest is for faults: ``promised`` is a length to claim instead of the true one, ``breaks_off`` ends the
    connection where the body should go on, ``bytes_per_second`` lets it drip.
    """

    status: int
    content_type: str
    chunks: Iterable[bytes]
    headers: Mapping[str, str] = field(default_factory=dict)
    promised: int | None = None
    breaks_off: bool = False
    bytes_per_second: int = 0


def make_json(status: int, body: object, headers: Mapping[str, str] | None = None) -> Answer:
    """Give a body as compact JSON."""
    return Answer(status, JSON, (msgspec.json.encode(body),), headers or {})


def write_date(moment: datetime) -> str:
    """Give an HTTP date, ``Sun, 22 Nov 2026 06:00:00 GMT``."""
    return format_datetime(moment.astimezone(UTC), usegmt=True)


def refuse_json() -> Answer:
    """Give the documented 34 bytes for a body that is not JSON."""
    return make_json(400, {"message": "Problem parsing JSON"})


def refuse_query(errors: Sequence[Mapping[str, str]]) -> Answer:
    """Give the documented envelope; with the metric ``abc`` as the only error it has 146 bytes."""
    return make_json(400, {"code": "ValidationError", "message": "Validation Error", "errors": errors})


def refuse_call(status: int, profile: Profile, headers: Mapping[str, str] | None = None) -> Answer:
    """Give a 401, 403, 404 or 429, whose bodies nobody has published."""
    words = WORDS[status]
    if profile.error_body == "text":
        return Answer(status, TEXT, (words.encode(),), headers or {})
    return make_json(status, {"code": words.replace(" ", ""), "message": words, "errors": []}, headers)


def refuse_path(method: str, path: str) -> Answer:
    """Give the page that Express sends for a call it has no route for."""
    page = (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>Error</title>\n</head>\n'
        f"<body>\n<pre>Cannot {method} {_escape(path)}</pre>\n</body>\n</html>\n"
    )
    return Answer(404, HTML, (page.encode(),))


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
