"""What a status other than success means, in the words of the user's settings.

Only the form of a 400 is documented: ``{"code", "message", "errors": [{"field", "code", "message"}]}``. What 401, 403
and 404 mean is what they mean everywhere; the texts of their bodies are unknown and only quoted.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

import msgspec

from mmflow.errors import BadRequest, Complaint, GiveUp, KeyRefused, RunError
from mmflow.text import show_start

SCOPE = "reporting"
QUOTED = re.compile(r"""(['"])(.+?)\1""")


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer that is none: who sent which status, the start of its body without secrets, and where it points."""

    where: str
    status: int
    text: str
    location: str
    key_name: str


class RefusalBody(msgspec.Struct):
    """The documented body of an error; every part may be missing."""

    message: str = ""
    errors: tuple[RefusedField, ...] = ()


class RefusedField(msgspec.Struct):
    """One thing that the service did not like."""

    field: str = ""
    code: str = ""
    message: str = ""


# Status: what it means and what to do. ``{key}`` names the key as the settings do, ``{scope}`` what reports need.
MEANINGS = {
    401: "{key} is unknown there, revoked, or of another environment; check the key and the site's environment",
    403: "{key} may not ask for reports; give it the scope '{scope}'",
    404: "nothing is there to ask; check base_url, and whether something between here and there changes requests",
    405: "nothing is there to ask; check base_url",
    407: "the proxy wants a user name and password; check network.proxy",
    413: "the request is too large; filter by fewer names",
}


def explain_refusal(refusal: Refusal) -> RunError:
    """Give the error for a refusal that no patience helps against."""
    start = f"{refusal.where} answered {refusal.status}"
    if 300 <= refusal.status < 400:
        return GiveUp(f"{start}, a redirect to {name_target(refusal.location)}, which is not followed; check base_url")
    body = read_body(refusal.text)
    if refusal.status in {400, 422} and body.errors:
        return BadRequest(start, map(read_complaint, body.errors))
    if refusal.status < 300:
        return GiveUp(f"{start}, expected 200 with a report; check base_url")
    meaning = MEANINGS.get(refusal.status, "the service refused the request")
    said = show_start(body.message or refusal.text)
    kind = KeyRefused if refusal.status in {401, 403} else GiveUp
    return kind(
        f"{start}: {meaning.format(key=refusal.key_name, scope=SCOPE)}" + (f" (it said: {said})" if said else "")
    )


def read_complaint(error: RefusedField) -> Complaint:
    """Take over what the service did not like; the word it means stands in quotes (``Metric 'abc' is not valid``)."""
    quoted = QUOTED.search(error.message)
    message = f"refused by the service: {show_start(error.message or error.code)}"
    return Complaint(error.field, message, quoted[2] if quoted else "")


def read_body(text: str) -> RefusalBody:
    """Give the documented parts of an error's body; empty when it has another form."""
    try:
        return msgspec.json.decode(text, type=RefusalBody)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return RefusalBody()


def name_target(location: str) -> str:
    """Give the scheme and host that a redirect points to, without the path, which may hold a session."""
    try:
        parts = urlsplit(location)
    except ValueError:
        return "an address that makes no sense"
    return f"{parts.scheme or 'https'}://{parts.hostname}" if parts.hostname else "another path of the same host"
