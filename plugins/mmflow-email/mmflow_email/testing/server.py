"""A real SMTP server that keeps what it gets, and whose answers can be scripted, command by command."""

from __future__ import annotations

import ssl
from asyncio import Server
from base64 import b64decode
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from types import TracebackType
from typing import Any, Final, Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

CUT: Final = "cut"  # the connection ends without an answer
KEEP_AND_CUT: Final = "keep and cut"  # to END: the mail is kept, then the connection ends
CLOSING: Final = "421"


@dataclass(frozen=True, slots=True)
class Received:
    """A mail as the server got it."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes

    @property
    def message(self) -> EmailMessage:
        """The mail, parsed."""
        parsed = BytesParser(policy=default).parsebytes(self.content)
        assert isinstance(parsed, EmailMessage)
        return parsed


@dataclass
class Script:
    """Answers that are given instead of the server's own, each once, unless they are for always."""

    once: dict[str, deque[str]] = field(default_factory=lambda: defaultdict(deque))
    always: dict[str, str] = field(default_factory=dict)
    seen: list[str] = field(default_factory=list)
    meanwhile: dict[str, Callable[[], None]] = field(default_factory=dict)

    def answer(self, command: str) -> str:
        """Note a command and give its scripted answer, "" for none."""
        self.seen.append(command)
        self.meanwhile.get(command, _do_nothing)()
        waiting = self.once.get(command)
        return waiting.popleft() if waiting else self.always.get(command, "")


def _do_nothing() -> None:
    pass


class ScriptedSMTP(SMTP):
    """Asks the script before it answers.

    Commands are named as they come: ``EHLO``, ``STARTTLS``, ``AUTH``, ``MAIL``, ``RCPT a@example.com``, ``DATA``, and
    ``END`` when the mail is through; ``CONNECT`` stands for the greeting.
    """

    is_new = True

    def __init__(self, handler: Any, script: Script, closed: bool, **kwargs: Any) -> None:
        super().__init__(handler, **kwargs)
        self.script = script
        self.closed = closed  # to everybody who is not logged in

    async def push(self, status: Any) -> None:
        """Send an answer; the first is the greeting."""
        if isinstance(status, str) and status.startswith("220 ") and "SMTP" in status and self.is_new:
            self.is_new = False
            if await self.played("CONNECT"):
                return
        await super().push(status)

    async def played(self, command: str) -> bool:
        """Give the scripted answer to a command, if there is one."""
        answer = self.script.answer(command)
        if not answer:
            return False
        if answer != CUT:
            await super().push(answer)
        if answer == CUT or answer.startswith(CLOSING):
            self.hang_up()
        return True

    def hang_up(self) -> None:
        """End the connection."""
        if self.transport is not None:
            self.transport.close()

    async def smtp_EHLO(self, hostname: str) -> None:  # noqa: N802  aiosmtpd finds it by this name
        """Answer EHLO."""
        if not await self.played("EHLO"):
            await super().smtp_EHLO(hostname)

    async def smtp_STARTTLS(self, arg: str) -> None:  # noqa: N802
        """Answer STARTTLS."""
        if not await self.played("STARTTLS"):
            await super().smtp_STARTTLS(arg)

    async def smtp_AUTH(self, arg: str) -> None:  # noqa: N802
        """Answer AUTH."""
        if not await self.played("AUTH"):
            await super().smtp_AUTH(arg)

    async def smtp_MAIL(self, arg: str | None) -> None:  # noqa: N802
        """Answer MAIL."""
        if await self.played("MAIL"):
            return
        if self.closed and not (self.session and self.session.authenticated):
            await super().push("530 5.7.0 Authentication required")
            return
        await super().smtp_MAIL(arg)

    async def smtp_RCPT(self, arg: str | None) -> None:  # noqa: N802
        """Answer RCPT."""
        address = (arg or "").partition("<")[2].partition(">")[0]
        if not await self.played(f"RCPT {address}"):
            await super().smtp_RCPT(arg)

    async def smtp_RSET(self, arg: str) -> None:  # noqa: N802
        """Answer RSET."""
        if not await self.played("RSET"):
            await super().smtp_RSET(arg)

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802
        """Answer DATA."""
        if not await self.played("DATA"):
            await super().smtp_DATA(arg)


class Keeper:
    """Takes the mails that are through."""

    def __init__(self, script: Script, knows: Callable[[str, str], bool]) -> None:
        self.script = script
        self.knows = knows
        self.mails: list[Received] = []

    async def auth_XOAUTH2(self, server: ScriptedSMTP, words: list[str]) -> AuthResult:  # noqa: N802
        """Answer a login by token as Exchange does: what is wrong first, and after an empty line the refusal."""
        found = dict(part.split("=", 1) for part in b64decode(words[1]).decode().split("\x01") if part)
        token = found.get("auth", "").removeprefix("Bearer ")
        if self.knows(found.get("user", ""), token):
            return AuthResult(success=True, auth_data=LoginPassword(b"", b""))
        await server.challenge_auth(b'{"status":"401"}')
        return AuthResult(success=False, handled=False)

    async def handle_DATA(self, server: ScriptedSMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Answer the end of a mail, and keep it unless the script says otherwise."""
        answer = self.script.answer("END")
        if not answer or answer == KEEP_AND_CUT or answer.startswith("2"):
            content = envelope.content
            assert isinstance(content, bytes)
            assert envelope.mail_from
            self.mails.append(Received(envelope.mail_from, tuple(envelope.rcpt_tos), content))
        if answer in (CUT, KEEP_AND_CUT):
            server.hang_up()
        return answer or "250 2.0.0 kept"


class Listening(Controller):
    """Makes scripted servers."""

    def __init__(self, keeper: Keeper, script: Script, closed: bool, **kwargs: Any) -> None:
        self.script = script
        self.closed = closed
        super().__init__(keeper, hostname="127.0.0.1", port=0, **kwargs)

    def _trigger_server(self) -> None:
        """Learn the port that the system chose, before aiosmtpd makes its first connection there."""
        assert isinstance(self.server, Server)
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()  # type: ignore[no-untyped-call]

    def factory(self) -> ScriptedSMTP:
        """Make the server of one connection."""
        return ScriptedSMTP(self.handler, self.script, self.closed, **self.SMTP_kwargs)


class MailServer:
    """An SMTP server on this machine, for as long as the block runs.

    ``starttls`` offers STARTTLS with that certificate, ``tls`` speaks TLS from the first byte. With ``login`` it takes
    mail only from who logs in so, but not in the ways ``without``. ``size`` is the largest mail that it takes, and says
    so. ``knows`` tells whether a token is good for a mailbox; with it XOAUTH2 is offered.

    >>> with MailServer() as server:
    ...     server.answer("RCPT new@example.com", "451 4.7.1 greylisted")
    """

    def __init__(
        self,
        *,
        starttls: ssl.SSLContext | None = None,
        tls: ssl.SSLContext | None = None,
        login: tuple[str, str] | None = None,
        size: int = 30_000_000,
        without: tuple[str, ...] = (),
        knows: Callable[[str, str], bool] | None = None,
    ) -> None:
        self.script = Script()
        self.keeper = Keeper(self.script, knows or (lambda _user, _token: False))
        self.login = login
        self.logins: list[tuple[str, str]] = []
        self.controller = Listening(
            self.keeper,
            self.script,
            login is not None or knows is not None,
            ssl_context=tls,
            tls_context=starttls,
            data_size_limit=size,
            auth_exclude_mechanism=without if knows else (*without, "XOAUTH2"),
            authenticator=self.authenticate,
            auth_require_tls=tls is None,
        )

    def __enter__(self) -> Self:
        self.controller.start()
        self.script.seen.clear()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.controller.stop()

    def authenticate(self, _server: SMTP, _session: Session, _envelope: Envelope, _way: str, given: Any) -> AuthResult:
        """Note and judge a login."""
        assert isinstance(given, LoginPassword)
        self.logins.append((given.login.decode(), given.password.decode()))
        return AuthResult(success=self.logins[-1] == self.login, handled=False)

    @property
    def port(self) -> int:
        """Where it listens on 127.0.0.1."""
        port: int = self.controller.port
        return port

    @property
    def mails(self) -> list[Received]:
        """The mails that it has kept, oldest first."""
        return self.keeper.mails

    @property
    def seen(self) -> list[str]:
        """The commands that it got, oldest first."""
        return self.script.seen

    def answer(self, command: str, *answers: str) -> None:
        """Give these answers to the next commands of that name, one each, and then its own again."""
        self.script.once[command].extend(answers)

    def answer_always(self, command: str, answer: str) -> None:
        """Give this answer to every command of that name; "" ends it."""
        self.script.always[command] = answer

    def meanwhile(self, command: str, action: Callable[[], None]) -> None:
        """Do something, in the server's thread, whenever a command of that name has come and is not answered yet."""
        self.script.meanwhile[command] = action

    def copies(self, address: str) -> list[Received]:
        """Give the mails that went to an address."""
        return [mail for mail in self.mails if address in mail.recipients]
