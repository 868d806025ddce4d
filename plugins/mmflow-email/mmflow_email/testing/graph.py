"""Microsoft's login and ``sendMail`` on real HTTP, checking each request against what is documented.

https://learn.microsoft.com/graph/api/user-sendmail and
https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections import deque
from dataclasses import dataclass
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import parse_qs, unquote

OUTLOOK: Final = "https://outlook.office365.com/.default"  # for SMTP
LARGEST: Final = 4_000_000
TOKEN_PATH: Final = re.compile(r"/(?P<tenant>[^/]+)/oauth2/v2\.0/token")
SEND_PATH: Final = re.compile(r"/v1\.0/users/(?P<user>[^/]+)/sendMail")


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered instead of the service's own; ``status`` 0 ends the connection without a word."""

    status: int
    body: Any = None
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Sent:
    """A mail that was accepted."""

    user: str
    message: EmailMessage

    @property
    def recipients(self) -> list[str]:
        """Everybody whom Exchange would give it to."""
        headers = [self.message[name] for name in ("To", "Cc", "Bcc") if self.message[name]]
        return [address.addr_spec for header in headers for address in header.addresses]


class FakeGraph:
    """A tenant with one application and its mailboxes, for as long as the block runs."""

    def __init__(
        self,
        *,
        tenant: str = "example.onmicrosoft.com",
        client_id: str = "7f3a-app",
        client_secret: str = "graph-secret-4711",  # noqa: S107  of nobody
        mailboxes: tuple[str, ...] = ("reports@example.com",),
    ) -> None:
        self.tenant, self.client_id, self.client_secret = tenant, client_id, client_secret
        self.mailboxes = mailboxes
        self.mails: list[Sent] = []
        self.tokens: list[str] = []
        self.revoked: set[str] = set()
        self.token_answers: deque[Answer] = deque()
        self.send_answers: deque[Answer] = deque()
        self.requests: list[str] = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self.make_handler())
        self.thread = Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    @property
    def url(self) -> str:
        """Where both answer: the ``base_url`` and ``login_url`` of a connection."""
        return f"http://127.0.0.1:{self.server.server_port}"

    def make_handler(self) -> type[BaseHTTPRequestHandler]:
        """Make the class that the HTTP server wants."""
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", "0")))
                fake.requests.append(self.path)
                answer = fake.answer(self.path, {key.lower(): value for key, value in self.headers.items()}, body)
                if answer.status == 0:
                    self.close_connection = True
                    return
                encoded = b"" if answer.body is None else json.dumps(answer.body).encode()
                self.send_response(answer.status)
                for name, value in answer.headers:
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(encoded)))
                self.end_headers()
                self.wfile.write(encoded)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  its name in http.server
                pass

        return Handler

    def answer(self, path: str, headers: dict[str, str], body: bytes) -> Answer:
        """Give the answer to one request."""
        if found := TOKEN_PATH.fullmatch(path):
            return self.give_token(unquote(found["tenant"]), headers, body)
        if found := SEND_PATH.fullmatch(path):
            return self.take_mail(unquote(found["user"]), headers, body)
        return refuse(404, "UnknownPath", f"nothing answers at {path}")

    def give_token(self, tenant: str, headers: dict[str, str], body: bytes) -> Answer:
        """Answer the client credentials grant."""
        if self.token_answers:
            return self.token_answers.popleft()
        form = {key: values[0] for key, values in parse_qs(body.decode(), strict_parsing=True).items()}
        if headers.get("content-type") != "application/x-www-form-urlencoded":
            return refuse_login(900144, "The request body must be a form.")
        if tenant != self.tenant:
            return refuse_login(90002, f"Tenant '{tenant}' not found.")
        if set(form) != {"grant_type", "client_id", "client_secret", "scope"}:
            return refuse_login(900144, f"The request body has the fields {sorted(form)}.")
        if form["grant_type"] != "client_credentials" or form["scope"] not in (f"{self.url}/.default", OUTLOOK):
            return refuse_login(70011, f"The scope {form['scope']} is not valid.")
        if form["client_id"] != self.client_id:
            return refuse_login(700016, f"Application with identifier '{form['client_id']}' was not found.")
        if form["client_secret"] != self.client_secret:
            return refuse_login(7000215, "Invalid client secret provided.")
        self.tokens.append(f"token-{len(self.tokens) + 1}")
        return Answer(200, {"token_type": "Bearer", "expires_in": 3599, "access_token": self.tokens[-1]})

    def knows(self, user: str, token: str) -> bool:
        """Tell whether a token is good for a mailbox, as the mail server of Exchange Online would ask."""
        return user in self.mailboxes and token in self.tokens and token not in self.revoked

    def take_mail(self, user: str, headers: dict[str, str], body: bytes) -> Answer:
        """Answer ``sendMail`` with a mail in MIME."""
        scripted = self.send_answers.popleft() if self.send_answers else None
        if scripted and scripted.status not in (0, 202):
            return scripted
        token = headers.get("authorization", "").removeprefix("Bearer ")
        if token not in self.tokens or token in self.revoked:
            return refuse(401, "InvalidAuthenticationToken", "Access token has expired or is not yet valid.")
        if len(body) > LARGEST:
            return refuse(413, "RequestEntityTooLarge", "The request is too large.")
        if headers.get("content-type") != "text/plain":
            return refuse(400, "RequestBodyRead", "The content type of MIME is text/plain.")
        if user not in self.mailboxes:
            return refuse(404, "ErrorInvalidUser", f"The requested user '{user}' is invalid.")
        try:
            message = BytesParser(policy=default).parsebytes(base64.b64decode(body, validate=True))
        except binascii.Error:
            return refuse(400, "ErrorMimeContentInvalidBase64String", "Invalid base64 string for MIME content.")
        assert isinstance(message, EmailMessage)
        if not message["To"] or message.defects:
            return refuse(400, "ErrorInvalidRecipients", "At least one recipient isn't valid.")
        self.mails.append(Sent(user, message))
        return scripted or Answer(202)


def refuse(status: int, code: str, message: str) -> Answer:
    """Give Graph's error envelope."""
    return Answer(status, {"error": {"code": code, "message": message}})


def refuse_login(number: int, message: str) -> Answer:
    """Give the login's error."""
    status = 401 if number in (7000215, 7000222) else 400
    error = "invalid_client" if status == 401 else "invalid_request"
    return Answer(status, {"error": error, "error_description": f"AADSTS{number}: {message}", "error_codes": [number]})
