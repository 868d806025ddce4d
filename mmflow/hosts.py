"""Where a site's service answers and with which key: the known environments, and which other addresses may be used."""

from __future__ import annotations

import ipaddress
import re
import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

from mmflow.errors import UserError
from mmflow.refs import Secret
from mmflow.settings import Site

# The service's partitions know nothing of each other: there is no falling back from one to another, and no host is
# ever made from a name. (Addresses: the vendor's integration guide and developer overview.)
ENVIRONMENTS: Mapping[str, str] = {
    "standard": "https://api.machinemetrics.com",
    "govcloud": "https://api.machinemetrics-us-gov.com",
    "demo": "https://api-demo.machinemetrics.com",
}
# Those of RFC 3986. Others, such as a backslash, are read as different hosts by different programs.
ADDRESS_CHARACTERS = frozenset(string.ascii_letters + string.digits + "-._~:/?#[]@!$&'()*+,;=%")


NUMBER = re.compile("[0-9]+|0[xX][0-9a-fA-F]*")


@dataclass(frozen=True, slots=True)
class Host:
    """Where to ask and with which key; two sites of one address and key are one host.

    ``key_name`` is what messages call the key, never the key itself.
    """

    base_url: str
    key: Secret
    key_name: str = field(default="the key", compare=False)


def find_host(name: str, site: Site, *, simulator: str = "", reference: str = "") -> Host:
    """Give the host of a site whose settings are resolved.

    ``simulator`` is the address of a running simulated plant, for ``environment: simulator``; ``reference`` is the
    key as written in the settings (``${env:MM_BOSTON_KEY}``), for messages. Raises :class:`UserError`.
    """
    if site.api_key is None:
        raise UserError(f"site {name} has no api_key; give a reference such as ${{env:MM_{name.upper()}_KEY}}")
    key_name = f"the api_key of site {name}" + (f" ({reference})" if reference else "")
    return Host(find_address(name, site, simulator), site.api_key, key_name)


def find_address(name: str, site: Site, simulator: str) -> str:
    """Give the base address of a site, without a trailing slash."""
    if site.base_url:
        if fault := check_address(site.base_url):
            raise UserError(f"the base_url of site {name} {fault}")
        return site.base_url.rstrip("/")
    if site.environment == "simulator":
        if not simulator:
            raise UserError(f"site {name} is a simulated plant and none runs; start one with 'mmflow simulate'")
        return simulator.rstrip("/")
    return ENVIRONMENTS[site.environment or "standard"]


def check_address(url: str) -> str | None:
    """Say in one phrase why an address cannot be asked, or None when it can.

    Only https, or http to this very machine. Private addresses are fine, since the settings are written by the
    people who run mmflow; link-local ones are not, because clouds hand out credentials there.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "is not an address; expected something like https://api.example.com"
    return next((fault for broken, fault in list_rules(url, parts, port) if broken), None)


def check_hook(url: str) -> str | None:
    """Do as :func:`check_address` for an address that is called as it stands: it may have a query."""
    address, _, query = url.partition("?")
    odd = None if set(query) <= ADDRESS_CHARACTERS - {"#"} else "holds a character that no address has"
    return check_address(address) or odd


def check_proxy(url: str) -> str | None:
    """Say in one phrase why an address cannot be a proxy's, or None when it can; a name and a port are enough."""
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        fits = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fits = False
    return None if fits else "must be like http://proxy.example.com:3128"


def list_rules(url: str, parts: SplitResult, port: int | None) -> tuple[tuple[bool, str], ...]:
    """Give every rule of an address: whether it is broken, and how to say so."""
    host = parts.hostname or ""
    return (
        (not set(url) <= ADDRESS_CHARACTERS, "holds a character that no address has"),
        (parts.scheme not in {"https", "http"}, "must begin with https:// (or http:// for this very machine)"),
        (not host, "names no host; expected something like https://api.example.com"),
        ("@" in parts.netloc, "must not hold a user name or password; the key belongs in api_key"),
        (bool(parts.query or parts.fragment or url.endswith(("?", "#"))), "must not have a query or a fragment"),
        (
            parts.scheme == "http" and not is_loopback(host),
            "must begin with https://, as the key would travel in clear",
        ),
        (port == 0, "has port 0, which nothing listens on"),
        (is_odd_ip(host), "is a number that programs read as different hosts; write it as four numbers with dots"),
        (is_link_local(host), "is a link-local address, where no service of a plant is"),
    )


def is_loopback(host: str) -> bool:
    """Say whether a host is this very machine, without asking a name server."""
    address = read_ip(host)
    return host == "localhost" if address is None else address.is_loopback


def is_link_local(host: str) -> bool:
    """Say whether a host is an address such as 169.254.169.254."""
    address = read_ip(host)
    return address is not None and address.is_link_local


def is_odd_ip(host: str) -> bool:
    """Say whether a host is a number, which is an IPv4 address to most programs, in any but its usual form."""
    return read_ip(host) is None and NUMBER.fullmatch(host.rstrip(".").rpartition(".")[2]) is not None


def read_ip(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Give the address that a host text is, an IPv4 address inside an IPv6 one unwrapped; None for a name."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
