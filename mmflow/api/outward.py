"""A way to the network for sinks: the proxy and the company's certificates of ``mmflow.yaml`` hold for them too."""

from __future__ import annotations

import httpx

from mmflow import __version__
from mmflow.api.wire import trust_authorities
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
