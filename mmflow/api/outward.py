"""A way to the network for sinks: the proxy and the company's certificates of ``mmflow.yaml`` hold for them too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

import httpx

from mmflow import __version__
from mmflow.api.wire import trust_authorities
from mmflow.errors import GiveUp, TryLater
from mmflow.settings import Network

CONNECT_SECONDS = 10.0
READ_SECONDS = 60.0  # for each read; whole deliveries are limited by the process that runs them
DIRECT = ("all://localhost", "all://127.0.0.1", "all://[::1]")


def open_client(network: Network) -> httpx.Client:
    """Open a client that follows no redirect; this machine is reached without a proxy. Close it when done.

    Without a proxy in the settings those of the environment hold. Raises :class:`UserError` for a CA file that is none.
    """
    proxy = network.proxy if "://" in network.proxy else f"http://{network.proxy}"  # a name and a port are enough
    return httpx.Client(
        verify=trust_authorities("https://", network.ca_bundle),
        proxy=proxy if network.proxy else None,
        mounts=dict.fromkeys(DIRECT),
        timeout=httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS),
        follow_redirects=False,
        headers={"User-Agent": f"mmflow/{__version__}"},
    )


PASSING: Final = frozenset({408, 425, 429})  # of the answers that begin with 4


def call_address(
    client: httpx.Client, method: str, url: str, *, content: bytes = b"", headers: Mapping[str, str] | None = None
) -> None:
    """Call an address whose answer is only yes (2xx) or no; what it says beyond that is not read.

    Raises :class:`TryLater` or :class:`GiveUp`, which name the host alone: the rest of an address may be a secret.
    """
    host = urlsplit(url).hostname
    try:
        with client.stream(method, url, content=content or None, headers=headers) as answer:
            status, wait = answer.status_code, answer.headers.get("Retry-After", "")
    except httpx.InvalidURL as error:
        raise GiveUp(f"the address at {host} cannot be called; check it") from error
    except httpx.HTTPError as error:
        raise TryLater(f"{host} cannot be reached ({type(error).__name__})") from error
    if status in PASSING or status >= 500:
        raise TryLater(f"{host} answered {status}", after=float(wait) if wait.isdecimal() else None)
    if not 200 <= status < 300:
        raise GiveUp(f"{host} answered {status}; check the address")
