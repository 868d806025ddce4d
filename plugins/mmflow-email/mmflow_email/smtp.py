"""One SMTP session for one mail, command by command, so that the server's word about each recipient is known."""

from __future__ import annotations

import base64
import re
import smtplib
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from mmflow import GiveUp, TryLater, parse_duration
from mmflow_email.addresses import read_mailbox
from mmflow_email.connection import find_port
from mmflow_email.deadline import Deadline, LimitedSMTP, LimitedTLS
from mmflow_email.options import EmailConnection
from mmflow_email.outbox import Recipient, State
from mmflow_email.transport import Around, Mail, Notes, TooLarge, name_option, quote_reply

CLOSING: Final = 421  # the server ends the session, whatever was asked
OK: Final = 250
LOGIN_WANTED: Final = 530
TOO_LARGE: Final = 552
TOO_MANY: Final = 452  # of recipients in one go: the others may be named at once in the next session
OUTLOOK: Final = "https://outlook.office365.com"  # what a token for the mail server of Exchange Online is for
MAILBOX_FULL: Final = re.compile(rb"\b5\.2\.2\b")
# What is wrong with the protocol itself cannot heal; a connection that just ends may.
ENDED: Final = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)


def send_by_smtp(mail: Mail, connection: EmailConnection, run: Around, notes: Notes) -> None:
    """Send a mail through a mail server."""
    with open_session(connection, run) as smtp:
        name_sender(smtp, mail)
        found, accepted = name_recipients(smtp, mail.recipients)
        if accepted:
            found |= hand_over(smtp, mail.content, accepted, notes)
        notes.settle(found)


def check_smtp(connection: EmailConnection, run: Around) -> None:
    """Raise what keeps a mail server from letting us in, or from taking mail from us; none is sent.

    Only the sender's name shows that a server wants a login which the connection has not.
    """
    sender = read_mailbox(connection.from_).address
    with name_option("host"), open_session(connection, run) as smtp:
        code, text = smtp.mail(sender)
        if code == LOGIN_WANTED:
            raise GiveUp(f"username: the server wants a login, and there is none here: {show_answer(code, text)}")
        if code != OK:
            raise answer_error(f"from: the server takes no mail from {sender}", code, text)
        smtp.rset()


@contextmanager
def open_session(connection: EmailConnection, run: Around) -> Iterator[smtplib.SMTP]:
    """Give a session that is protected and logged in as the connection wants it; on failure it is just left."""
    where = f"mail server {connection.host}:{find_port(connection)}"
    smtp = None
    with limit_session(connection, where) as deadline:
        try:
            with explain_failures(where):
                context = make_context(connection, run)
                smtp = connect(connection, context, deadline)
                with name_option("security"):
                    protect(smtp, connection, context, where)
                with name_option("username"):
                    log_in(smtp, connection, run, where)
                yield smtp
                with suppress(smtplib.SMTPException):  # the mail is handed over, whatever comes of the goodbye
                    smtp.quit()
        finally:
            if smtp:
                smtp.close()


@contextmanager
def limit_session(connection: EmailConnection, where: str) -> Iterator[Deadline]:
    """Give the session its time, and say so when it was too long before anybody got the mail."""
    with Deadline(parse_duration(connection.session_timeout).total_seconds()) as deadline:
        try:
            yield deadline
        except TryLater as error:
            if not deadline.passed:
                raise
            what = f"{where} took longer than {connection.session_timeout}, and was left; nothing was sent"
            raise TryLater(f"{what}; see session_timeout") from error


@contextmanager
def explain_failures(where: str) -> Iterator[None]:
    """Turn what the network and the server say into what to do next."""
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        what = f"the certificate of {where} cannot be trusted ({error.verify_message}); nothing was sent"
        raise GiveUp(f"{what}; mend it, or name the company's CA with ca_bundle") from error
    except ENDED as error:
        raise TryLater(f"{where} ended the connection while it was made safe") from error
    except ssl.SSLError as error:
        what = f"no safe connection to {where} could be made ({quote_reply(error.reason or str(error))})"
        raise GiveUp(f"{what}; check port and security, the server needs TLS 1.2") from error
    except smtplib.SMTPResponseException as error:
        raise answer_error(f"{where} does not let us in", error.smtp_code, error.smtp_error) from error
    except smtplib.SMTPServerDisconnected as error:
        raise TryLater(f"{where} ended the connection; nothing was sent") from error
    except UnicodeError as error:
        raise GiveUp(f"{where} cannot be the name of a server; check host") from error
    except OSError as error:
        raise TryLater(
            f"{where} cannot be reached ({error.strerror or type(error).__name__}); check the network"
        ) from error


def answer_error(what: str, code: int, text: bytes | str) -> TryLater | GiveUp:
    """Give the error for a refusal: 4yz may pass, 5yz will not."""
    said = f"{what}: {show_answer(code, text)}"
    return GiveUp(f"{said}; somebody has to change that first") if code >= 500 else TryLater(said)


def make_context(connection: EmailConnection, run: Around) -> ssl.SSLContext:
    """Give how the server has to prove who it is: by the system's authorities, and the company's.

    Without TLS nobody is asked for it, and nobody trusted: reading all certificates takes a while.
    """
    if connection.security == "none":
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if connection.ca_bundle:
        path = Path(run.root, connection.ca_bundle)
        try:
            context.load_verify_locations(path)
        except (OSError, ssl.SSLError) as error:
            raise GiveUp(f"ca_bundle: {path} cannot be read as a PEM file; give the company's CA") from error
    return context


def connect(connection: EmailConnection, context: ssl.SSLContext, deadline: Deadline) -> smtplib.SMTP:
    """Open the connection and hear the greeting."""
    host, port = connection.host, find_port(connection)
    timeout = parse_duration(connection.timeout).total_seconds()
    if connection.security == "tls":
        return LimitedTLS(deadline, host, port, timeout=timeout, context=context)
    return LimitedSMTP(deadline, host, port, timeout=timeout)


def protect(smtp: smtplib.SMTP, connection: EmailConnection, context: ssl.SSLContext, where: str) -> None:
    """Say hello, and switch to TLS where it does not run already; never go on without it."""
    smtp.ehlo_or_helo_if_needed()
    if connection.security != "starttls":
        return
    if not smtp.has_extn("starttls"):
        what = f"{where} does not offer STARTTLS, or somebody on the way took the offer out; nothing was sent"
        raise GiveUp(f"{what}; use security: tls, or ask who runs the server")
    smtp.starttls(context=context)
    smtp.ehlo()


def log_in(smtp: smtplib.SMTP, connection: EmailConnection, run: Around, where: str) -> None:
    """Log in when the connection has a name; only ever called on a connection that is safe when it has."""
    if not connection.username:
        return
    ways = ("XOAUTH2",) if connection.login == "xoauth2" else ("PLAIN", "LOGIN")
    offered = str(smtp.esmtp_features.get("auth", "")).upper().split()
    way = next((way for way in ways if way in offered), None)
    if way is None:
        raise GiveUp(f"{where} offers no login by {connection.login}; change login, or use transport: graph")
    code, text = answer_token(smtp, connection, run) if way == "XOAUTH2" else answer_password(smtp, way, connection)
    if code != 235:
        hint = "Exchange Online switches such logins off; use transport: graph" if is_switched_off(text) else ""
        error = answer_error(f"{where} does not accept the login of {connection.username}", code, text)
        raise type(error)(f"{error}; {hint}" if hint else str(error))


def answer_token(smtp: smtplib.SMTP, connection: EmailConnection, run: Around) -> tuple[int, bytes]:
    """Give a token of Microsoft; one that is refused may just have run out, so a new one is fetched once."""
    from mmflow_email.entra import fetch_token

    with run.open_http() as client:
        for _ in range(2):
            token = fetch_token(client, connection, OUTLOOK)
            word = encode(f"user={connection.username}\x01auth=Bearer {token}\x01\x01")
            code, text = smtp.docmd("AUTH", f"XOAUTH2 {word}")
            if code == 334:  # why it was refused, in base64; an empty line asks for the refusal itself
                code, text = smtp.docmd("")
            if code == 235:
                break
    return code, text


def answer_password(smtp: smtplib.SMTP, way: str, connection: EmailConnection) -> tuple[int, bytes]:
    """Give name and password in UTF-8, which smtplib's own login cannot."""
    assert connection.password, "checked with the connection"
    username, password = connection.username, connection.password.reveal()
    if way == "PLAIN":
        return smtp.docmd("AUTH", f"PLAIN {encode(f'{chr(0)}{username}{chr(0)}{password}')}")
    code, text = smtp.docmd("AUTH", "LOGIN")
    for word in (username, password):
        if code != 334:
            break
        code, text = smtp.docmd(encode(word))
    return code, text


def encode(word: str) -> str:
    """Write a text in base64."""
    return base64.b64encode(word.encode()).decode()


def is_switched_off(text: bytes) -> bool:
    """Tell whether Exchange Online says that logins by password are no more."""
    return any(sign in text for sign in (b"5.7.139", b"5.7.30 "))


def name_sender(smtp: smtplib.SMTP, mail: Mail) -> None:
    """Begin the mail; :class:`TooLarge` when the server says that it takes no mail so large."""
    size, most = len(mail.content), str(smtp.esmtp_features.get("size", ""))
    if most.isdecimal() and 0 < int(most) < size:
        raise TooLarge(f"the mail has {size} bytes, the server takes {most}")
    options = [f"SIZE={size}"] if smtp.has_extn("size") else []
    code, text = smtp.mail(mail.sender, options)
    check_size(code, text)
    if code != 250:
        raise answer_error(f"the server takes no mail from {mail.sender}", code, text)


def name_recipients(smtp: smtplib.SMTP, addresses: Sequence[str]) -> tuple[dict[str, Recipient], list[str]]:
    """Name each recipient; give the states of those who will not get it now, and who will.

    When the server ends the session nobody gets it: who was accepted, or not named yet, stays pending.
    """
    found: dict[str, Recipient] = {}
    for address in addresses:
        code, text = ask_recipient(smtp, address)
        if code == CLOSING:
            left = Recipient("pending", f"not attempted: {show_answer(code, text)}")
            return dict.fromkeys(addresses, left) | found, []
        if code not in (250, 251):
            found[address] = Recipient("pending" if code == TOO_MANY else judge(code), show_answer(code, text))
    return found, [address for address in addresses if address not in found]


def ask_recipient(smtp: smtplib.SMTP, address: str) -> tuple[int, bytes]:
    """Name one recipient; a connection that is lost counts as one that the server closed."""
    try:
        return smtp.rcpt(address)
    except smtplib.SMTPException:
        return CLOSING, b"the connection was lost"


def hand_over(smtp: smtplib.SMTP, content: bytes, accepted: Sequence[str], notes: Notes) -> dict[str, Recipient]:
    """Send the mail itself; the commit stands before the one line that makes the server responsible for it."""
    try:
        code, text = smtp.docmd("DATA")
        if code != 354:
            check_size(code, text)
            return dict.fromkeys(accepted, Recipient(judge(code), show_answer(code, text)))
        smtp.send(quote_dots(content))
    except smtplib.SMTPException:
        return dict.fromkeys(accepted, Recipient("pending", "the connection was lost before the mail was through"))
    notes.commit(accepted)
    try:
        smtp.send(b".\r\n")
        code, text = smtp.getreply()
    except smtplib.SMTPException:
        return dict.fromkeys(accepted, Recipient("unknown", "the connection was lost before the server's word"))
    return dict.fromkeys(accepted, judge_mail(code, text))


def judge_mail(code: int, text: bytes) -> Recipient:
    """Give the state of all recipients by the one answer to the mail; what is no answer leaves it unknown."""
    check_size(code, text)
    states: dict[int, State] = {2: "sent", 4: "later", 5: "refused"}
    return Recipient(states.get(code // 100, "unknown"), show_answer(code, text))


def check_size(code: int, text: bytes) -> None:
    """Raise :class:`TooLarge` when that is what an answer means."""
    if code == TOO_LARGE and not MAILBOX_FULL.search(text):
        raise TooLarge(f"the server says: {show_answer(code, text)}")


def judge(code: int) -> State:
    """Give the state after an answer that is no yes, before the mail was through."""
    return "refused" if 500 <= code < 600 else "later"


def show_answer(code: int, text: bytes | str) -> str:
    """Give an answer as one line; what has no code is none."""
    return f"{code} {quote_reply(text)}" if code > 0 else f"no answer of SMTP: {quote_reply(text)}"


def quote_dots(content: bytes) -> bytes:
    """Double the dots at the start of lines, so that only ours ends the mail, which ends in a line break."""
    quoted = re.sub(rb"(?m)^\.", b"..", content)
    return quoted if quoted.endswith(b"\r\n") else quoted + b"\r\n"
