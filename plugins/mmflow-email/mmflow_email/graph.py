"""Microsoft Graph: one request hands over the frozen MIME bytes for all recipients.

Graph takes a mail as MIME in base64. There is no envelope, so hidden recipients travel in a ``Bcc`` header, which
Exchange takes out, and the answer is one for all.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

import httpx

from mmflow import GiveUp, TryLater
from mmflow_email.addresses import read_mailbox
from mmflow_email.entra import explain_transport, fetch_token, read_json, read_wait
from mmflow_email.options import EmailConnection
from mmflow_email.outbox import Recipient
from mmflow_email.transport import Around, Mail, Notes, TooLarge, quote_reply

# Errors of httpx after which not one byte of the request has left.
NEVER_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
SEND_FAULTS: Final[Mapping[int, str]] = {
    400: "the mail or a recipient was refused",
    401: "the token was refused, also a new one; check tenant, client_id and client_secret",
    403: "the application may not send as {sender}; grant it the application permission Mail.Send for this mailbox, "
    "with an administrator's consent",
    404: "there is no mailbox {sender}; check sender",
}


def send_by_graph(mail: Mail, connection: EmailConnection, run: Around, notes: Notes) -> None:
    """Send a mail through Microsoft Graph; 202 means that Exchange has it.

    It goes to everybody whom its headers name, so a mail that a mail server gave to some of them cannot be finished.
    """
    if mail.others:
        who = ", ".join(mail.others)
        raise GiveUp(f"{who} got this mail by a mail server, and Microsoft Graph would send it to them again")
    with run.open_http() as client:
        token = fetch_token(client, connection, connection.base_url)
        notes.commit(mail.recipients)
        answer = post_mail(client, connection, mail, token)
        if isinstance(answer, httpx.Response) and answer.status_code == 401:  # it ran out, or was revoked, just now
            answer = post_mail(client, connection, mail, fetch_token(client, connection, connection.base_url))
        state = answer if isinstance(answer, Recipient) else judge_answer(answer, connection)
        notes.settle(dict.fromkeys(mail.recipients, state))


def check_graph(connection: EmailConnection, run: Around) -> None:
    """Raise what keeps us from getting a token; whether it may send, only sending shows."""
    with run.open_http() as client:
        fetch_token(client, connection, connection.base_url)


def post_mail(client: httpx.Client, connection: EmailConnection, mail: Mail, token: str) -> httpx.Response | Recipient:
    """Hand the mail over; a state instead of an answer when none came."""
    url = f"{connection.base_url.rstrip('/')}/v1.0/users/{quote(find_sender(connection), safe='@')}/sendMail"
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "text/plain"}
    try:
        return client.post(url, content=encode_mail(mail), headers=headers)
    except NEVER_SENT as error:
        return Recipient("pending", str(explain_transport(error, "Microsoft Graph")))
    except httpx.HTTPError as error:
        return Recipient("unknown", f"the connection was lost before the answer ({type(error).__name__})")


def encode_mail(mail: Mail) -> bytes:
    """Write a mail as Graph wants it: base64 of the MIME text, hidden recipients in a header."""
    hidden = ("Bcc: " + ",\r\n ".join(mail.bcc) + "\r\n").encode() if mail.bcc else b""
    return base64.b64encode(hidden + mail.content)


def find_sender(connection: EmailConnection) -> str:
    """Give the mailbox that sends."""
    return read_mailbox(connection.sender or connection.from_).address


def judge_answer(answer: httpx.Response, connection: EmailConnection) -> Recipient:
    """Give the state of all recipients, or raise what keeps the mail from being sent.

    408, 429 and 503 say that nothing was done; after any other failure of the service nobody can tell.
    """
    status = answer.status_code
    if status == 202:
        return Recipient("sent", "202 accepted")
    said = read_error(answer)
    if status in (408, 429, 503):
        raise TryLater(f"Microsoft Graph is busy (HTTP {status})", after=read_wait(answer))
    if status == 413:
        raise TooLarge(f"Microsoft Graph takes no mail so large (HTTP 413 {said})".rstrip())
    if 300 <= status < 500:
        words = SEND_FAULTS.get(status, "the request was refused").format(sender=find_sender(connection))
        raise GiveUp(f"Microsoft Graph did not send the mail: {words} (HTTP {status} {said})")
    return Recipient("unknown", f"HTTP {status} {said}".rstrip())


def read_error(answer: httpx.Response) -> str:
    """Give code and message of Graph's error envelope as one line."""
    error = read_json(answer).get("error")
    if not isinstance(error, dict):
        return ""
    return quote_reply(f"{error.get('code', '')}: {error.get('message', '')}")
