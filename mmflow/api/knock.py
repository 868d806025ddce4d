"""Connects to a web address and hangs up: whether somebody is there shows, and nobody is told or asked anything."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

import httpx

from mmflow.api.client import find_tls_fault
from mmflow.errors import GiveUp, TryLater

ASKS = "send_request_headers.started"  # how the name of the event ends that comes before the first byte of a request


class Connected(Exception):  # noqa: N818  # no error: it ends a call before it says anything
    """There is somebody."""


def knock(client: httpx.Client, url: str) -> None:
    """Connect as a call would, by the same proxy and with the same certificates, and send nothing.

    Raises :class:`TryLater` or :class:`GiveUp`, which name the host alone: the rest of an address may be a secret.
    """
    host = urlsplit(url).hostname
    try:
        with client.stream("GET", url, extensions={"trace": hang_up}):
            pass
    except Connected:
        return
    except httpx.InvalidURL as error:
        raise GiveUp(f"the address at {host} cannot be called; check it") from error
    except httpx.TransportError as error:
        if fault := find_tls_fault(error):
            raise GiveUp(f"{host} cannot be trusted: {fault}") from error
        raise TryLater(f"{host} cannot be reached ({type(error).__name__})") from error


def hang_up(event: str, info: Mapping[str, object]) -> None:
    """End a call as soon as it is connected; a proxy is still asked for the way."""
    if event.endswith(ASKS) and getattr(info.get("request"), "method", b"") != b"CONNECT":
        raise Connected
