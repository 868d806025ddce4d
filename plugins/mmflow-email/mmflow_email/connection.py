"""What a connection must say before anything is sent through it, and who may get mail by it."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import urlsplit

from mmflow import GiveUp, RunInfo, parse_duration
from mmflow_email.addresses import Mailbox, read_mailbox
from mmflow_email.options import EmailConnection

MEGABYTE: Final = 1_000_000
# A request of Graph may have 4 MB; a mail grows by a third in it.
GRAPH_LIMIT: Final = 3 * MEGABYTE
PORTS: Final = {"starttls": 587, "tls": 465, "none": 25, "cleartext": 25}
APPLICATION: Final = ("tenant", "client_id", "client_secret")


def find_connection(run: RunInfo) -> EmailConnection:
    """Give the connection of a delivery; :class:`GiveUp` says everything that is wrong with it."""
    connection = run.connection
    if not isinstance(connection, EmailConnection):
        raise GiveUp("there is no mail connection; name one of mmflow.yaml with the option connection")
    if faults := list(check_connection(connection)):
        raise GiveUp("the mail connection cannot be used: " + "; ".join(faults))
    return connection


def check_connection(connection: EmailConnection) -> Iterator[str]:
    """Say what is missing or contradicts itself."""
    try:
        read_mailbox(connection.from_)
    except ValueError as error:
        yield f"from {error}"
    yield from check_graph(connection) if connection.transport == "graph" else check_smtp(connection)


def check_smtp(connection: EmailConnection) -> Iterator[str]:
    """Say what is wrong with the keys of a mail server."""
    if not connection.host:
        yield "host is missing; give the name of the mail server"
    if connection.security == "none" and not is_loopback(connection.host):
        yield "security: none is for a server on this machine; use starttls, tls, or cleartext if there is no other way"
    yield from check_login(connection)
    if connection.username and connection.security in ("none", "cleartext"):
        yield f"a login with security: {connection.security} would show the password to others; use starttls or tls"
    try:
        parse_duration(connection.timeout)
    except ValueError as error:
        yield f"timeout: {error}"


def check_login(connection: EmailConnection) -> Iterator[str]:
    """Say what is missing for the login to a mail server."""
    if connection.login == "xoauth2":
        if not connection.username:
            yield "xoauth2 needs username, the mailbox that sends"
        yield from check_application(connection, "xoauth2")
    elif bool(connection.username) != bool(connection.password and connection.password.reveal()):
        yield "a login needs both username and password"


def check_graph(connection: EmailConnection) -> Iterator[str]:
    """Say what is wrong with the keys of Microsoft Graph."""
    yield from check_application(connection, "graph")
    if connection.sender:
        try:
            read_mailbox(connection.sender)
        except ValueError as error:
            yield f"sender {error}"


def check_application(connection: EmailConnection, what: str) -> Iterator[str]:
    """Say what is missing for a token of Microsoft."""
    missing = [name for name in APPLICATION if not getattr(connection, name)]
    if missing:
        yield f"{what} needs {', '.join(missing)}"
    for name in ("base_url", "login_url"):
        address = getattr(connection, name)
        if not is_web_address(address):
            yield f"{name} is {address!r}, expected an address that begins with https://"


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


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
    allowed = {domain.lower().lstrip("@") for domain in connection.allowed_domains}
    outside = [box.address for box in boxes if allowed and box.domain not in allowed]
    if outside:
        who = ", ".join(outside)
        raise GiveUp(f"{who} may not get mail: the connection allows {', '.join(sorted(allowed))}; nobody got it")
