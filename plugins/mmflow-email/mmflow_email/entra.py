"""Microsoft's login: an application gets a token, for Graph or for the mail server of Exchange Online."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import quote

import httpx

from mmflow import GiveUp, TryLater
from mmflow_email.options import EmailConnection
from mmflow_email.transport import quote_reply

LONGEST_WAIT: Final = 3600.0
# What Microsoft's login says, by the number in its text, in words that help.
LOGIN_FAULTS: Final[Mapping[str, str]] = {
    "AADSTS7000215": "the client secret is wrong; give its value, not its ID",
    "AADSTS7000222": "the client secret has expired; make a new one",
    "AADSTS700016": "the tenant has no application with this client_id",
    "AADSTS90002": "there is no such tenant",
    "AADSTS900023": "there is no such tenant",
    "AADSTS65001": "an administrator has to consent to the application's permission",
}


def fetch_token(client: httpx.Client, connection: EmailConnection, resource: str) -> str:
    """Log in as the application and give a bearer token for a resource."""
    assert connection.client_secret, "checked with the connection"
    url = f"{connection.login_url.rstrip('/')}/{quote(connection.tenant, safe='')}/oauth2/v2.0/token"
    form = {
        "grant_type": "client_credentials",
        "client_id": connection.client_id,
        "client_secret": connection.client_secret.reveal(),
        "scope": f"{resource.rstrip('/')}/.default",
    }
    try:
        answer = client.post(url, data=form)
    except httpx.HTTPError as error:
        raise explain_transport(error, f"the login at {connection.login_url}") from error
    return read_token(answer, connection)


def read_token(answer: httpx.Response, connection: EmailConnection) -> str:
    """Give the token in an answer, or say why there is none."""
    found = read_json(answer)
    token = found.get("access_token")
    if answer.status_code == 200 and isinstance(token, str) and token.isascii() and token.isprintable():
        return token
    where, said = f"the login at {connection.login_url}", str(found.get("error_description", ""))
    if answer.status_code == 429 or answer.status_code >= 500:
        raise TryLater(f"{where} is busy (HTTP {answer.status_code})", after=read_wait(answer))
    words = next((words for sign, words in LOGIN_FAULTS.items() if sign in said), "")
    detail = words or quote_reply(said or str(found.get("error", "no token in the answer")))
    raise GiveUp(f"{where} did not work (HTTP {answer.status_code}): {detail}")


def explain_transport(error: httpx.HTTPError, what: str) -> TryLater | GiveUp:
    """Give the error for a connection that could not be made."""
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        found = f"the certificate of {what} cannot be trusted; nothing was sent"
        return GiveUp(f"{found}; set network.ca_bundle to the company's CA if it opens such connections")
    return TryLater(f"{what} cannot be reached ({type(error).__name__}); check the network")


def read_wait(answer: httpx.Response) -> float | None:
    """Give the seconds of a ``Retry-After``: a number, or a date held against the answer's own."""
    said = answer.headers.get("retry-after", "").strip()
    if said.isdecimal():
        return min(float(said[:9]), LONGEST_WAIT)
    try:
        until, now = (parsedate_to_datetime(text) for text in (said, answer.headers.get("date", "")))
        return min(max((until - now).total_seconds(), 0.0), LONGEST_WAIT)
    except (TypeError, ValueError):
        return None


def read_json(answer: httpx.Response) -> dict[str, Any]:
    """Give the object in an answer, an empty one when there is none."""
    try:
        found = answer.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
