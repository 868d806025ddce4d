"""What a connection must say before anything is sent through it, and who may get mail by it."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import urlsplit

from mmflow import GiveUp, Options, Secret, has_reference, parse_duration
from mmflow_email.addresses import Mailbox, is_domain, read_mailbox
from mmflow_email.options import EmailConnection

MEGABYTE: Final = 1_000_000
# A request of Graph may have 4 MB; a mail grows by a third in it.
GRAPH_LIMIT: Final = 3 * MEGABYTE
PORTS: Final = {"starttls": 587, "tls": 465, "none": 25, "cleartext": 25}
APPLICATION: Final = ("tenant", "client_id", "client_secret")
Fault = tuple[str | tuple[str | int, ...], str]  # an option, or a path in it, and what is wrong there


def find_connection(connection: Options | None) -> EmailConnection:
    """Give the connection of a delivery or a notice; :class:`GiveUp` says everything that is wrong with it."""
    if not isinstance(connection, EmailConnection):
        raise GiveUp("there is no mail connection; name one of mmflow.yaml with the option connection")
    if faults := [f"{key}: {said}" for key, said in validate_connection(connection)]:
        raise GiveUp("the mail connection cannot be used: " + "; ".join(faults))
    return connection


def validate_connection(connection: EmailConnection) -> Iterator[Fault]:
    """Say what is missing or contradicts itself; secrets may still be references."""
    yield from check_mailbox("from", connection.from_)
    yield from check_graph(connection) if connection.transport == "graph" else check_smtp(connection)
    for number, domain in enumerate(connection.allowed_domains):
        if not is_domain(domain.removeprefix("@")):
            yield ("allowed_domains", number), f"{domain!r} is no domain; write each in full, like plant.example.com"


def check_smtp(connection: EmailConnection) -> Iterator[Fault]:
    """Say what is wrong with the keys of a mail server."""
    if not connection.host:
        yield "host", "is missing; give the name of the mail server"
    elif wrong := explain_host(connection.host):
        yield "host", wrong
    elif connection.security == "none" and not is_loopback(connection.host):
        what = "none is for a server on this machine"
        yield "security", f"{what}; use starttls, tls, or cleartext if there is no other way"
    yield from check_login(connection)
    if connection.username and connection.security in ("none", "cleartext"):
        what = f"a login with security: {connection.security} would show the password to others"
        yield "username", f"{what}; use starttls or tls"
    for key in ("timeout", "session_timeout"):
        try:
            parse_duration(getattr(connection, key))
        except ValueError as error:
            yield key, str(error)


def explain_host(host: str) -> str:
    """Say why a text is no bare name of a server, "" when it may be one or is still a reference."""
    if has_reference(host) or is_address(host):
        return ""
    try:
        parts = urlsplit(f"//{host.rpartition('://')[2]}")
        name, port = parts.hostname or "", parts.port
    except ValueError:
        name, port = "", None
    if name == host.lower() and not re.search(r"[\s\\]", name):
        return ""
    wanted = f"host: {name or 'smtp.example.com'}" + (f" and port: {port}" if port else "")
    return f"{host!r} is not the bare name of a server; write {wanted}"


def is_address(host: str) -> bool:
    """Tell whether a host is a number, such as 10.0.0.7 or ::1."""
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def check_login(connection: EmailConnection) -> Iterator[Fault]:
    """Say what is missing for the login to a mail server."""
    if connection.login == "xoauth2":
        if not connection.username:
            yield "username", "xoauth2 needs it, the mailbox that sends"
        yield from check_application(connection, "xoauth2")
    elif connection.username and not has_text(connection.password):
        yield "password", "a login needs both username and password"
    elif has_text(connection.password) and not connection.username:
        yield "username", "a login needs both username and password"


def check_graph(connection: EmailConnection) -> Iterator[Fault]:
    """Say what is wrong with the keys of Microsoft Graph."""
    yield from check_application(connection, "graph")
    if connection.sender:
        yield from check_mailbox("sender", connection.sender)


def check_application(connection: EmailConnection, what: str) -> Iterator[Fault]:
    """Say what is missing for a token of Microsoft."""
    missing = [name for name in APPLICATION if not has_text(getattr(connection, name))]
    if missing:
        yield missing[0], f"{what} needs {', '.join(missing)}"
    for name in ("base_url", "login_url"):
        address = getattr(connection, name)
        if not is_web_address(address):
            yield name, f"found {address!r}, expected an address that begins with https://"


def check_mailbox(key: str, text: str) -> Iterator[Fault]:
    """Say why a text is no address."""
    try:
        read_mailbox(text)
    except ValueError as error:
        yield key, str(error)


def has_text(value: str | Secret | None) -> bool:
    """Tell whether something is given; a reference counts, an empty secret does not."""
    return bool(value.reveal() if isinstance(value, Secret) else value)


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine."""
    return host.lower() == "localhost" or (is_address(host) and ipaddress.ip_address(host.strip("[]")).is_loopback)


def is_web_address(address: str) -> bool:
    """Tell whether an address is one of https, or of plain http on this machine."""
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
    except ValueError:
        return False
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host)))


def find_port(connection: EmailConnection) -> int:
    """Give the port of the mail server."""
    return connection.port or PORTS[connection.security]


def find_limit(connection: EmailConnection) -> int:
    """Give the bytes that a mail may have by this connection."""
    limit = connection.max_size_mb * MEGABYTE
    return min(limit, GRAPH_LIMIT) if connection.transport == "graph" else limit


def check_allowed(boxes: Iterable[Mailbox], connection: EmailConnection) -> None:
    """Raise :class:`GiveUp` when somebody is outside of the domains that may get mail."""
    if outside := explain_outside(boxes, connection):
        raise GiveUp(f"{outside}; nobody got it")


def explain_outside(boxes: Iterable[Mailbox], connection: EmailConnection) -> str:
    """Say who is outside of the domains that may get mail, "" when nobody is or a domain is still a reference."""
    allowed = {domain.lower().removeprefix("@") for domain in connection.allowed_domains}
    outside = [box.address for box in boxes if allowed and box.domain not in allowed]
    if not outside or any(map(has_reference, allowed)):
        return ""
    return f"{', '.join(outside)} may not get mail: the connection allows {', '.join(sorted(allowed))}"
