"""Bytes to a server and back, where every wait ends at a deadline.

The HTTP library's own time limits are for each read, so that a server that sends a byte now and then, in its headers
or in its body, could hold a request for ever. Here each read, write and handshake gets no more than what is left.
"""

from __future__ import annotations

import math
import socket
import ssl
import threading
import urllib.request
from collections.abc import Iterable
from contextlib import suppress
from typing import Any
from urllib.parse import unquote, urlsplit

import httpcore

from mmflow.clock import Clock
from mmflow.errors import UserError
from mmflow.hosts import check_proxy, is_loopback
from mmflow.settings import Network


class Timer(threading.local):
    """Until when the request of this thread may last, in seconds of the clock's monotonic time."""

    end = math.inf

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def left(self) -> float:
        """Give the seconds left, negative when it is too late."""
        return self.end - self._clock.monotonic()

    def clip(self, timeout: float | None) -> float:
        """Give the shorter of a time limit and the time left; raises when there is none."""
        left = self.left()
        if left <= 0:
            raise httpcore.ReadTimeout("the deadline has passed")
        return left if timeout is None else min(left, timeout)


class TimedStream(httpcore.NetworkStream):
    """A connection that looks at the timer of whoever uses it."""

    def __init__(self, stream: httpcore.NetworkStream, timer: Timer) -> None:
        self._stream = stream
        self._timer = timer

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read what is there, at most ``max_bytes``."""
        return self._stream.read(max_bytes, self._timer.clip(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write all of it."""
        self._stream.write(buffer, self._timer.clip(timeout))

    def close(self) -> None:
        """Close the socket, also under a thread that is waiting for it."""
        with suppress(OSError):
            self._stream.get_extra_info("socket").shutdown(socket.SHUT_RDWR)
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """Shake hands."""
        return TimedStream(self._stream.start_tls(ssl_context, server_hostname, self._timer.clip(timeout)), self._timer)

    def get_extra_info(self, info: str) -> Any:  # as the library has it
        """Tell about the socket."""
        return self._stream.get_extra_info(info)


class TimedBackend(httpcore.SyncBackend):
    """Opens connections that look at the timer."""

    def __init__(self, timer: Timer) -> None:
        self._timer = timer

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to a host by name."""
        opened = super().connect_tcp(host, port, self._timer.clip(timeout), local_address, socket_options)
        return TimedStream(opened, self._timer)


def open_pool(base_url: str, network: Network, context: ssl.SSLContext, timer: Timer) -> httpcore.ConnectionPool:
    """Make the connections of one client: kept alive, one for each request in flight, by proxy where there is one."""
    return httpcore.ConnectionPool(
        ssl_context=context,
        proxy=read_proxy(find_proxy(base_url, network.proxy)),
        max_connections=network.in_flight,
        keepalive_expiry=30.0,
        network_backend=TimedBackend(timer),
    )


def trust_authorities(base_url: str, ca_bundle: str) -> ssl.SSLContext:
    """Trust what the operating system trusts, and the company's own authority when its file is given.

    For http, which is for this machine only, nobody is trusted: reading all certificates takes a while.
    """
    if urlsplit(base_url).scheme == "http":
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context = ssl.create_default_context()
    if ca_bundle:
        try:
            context.load_verify_locations(ca_bundle)
        except OSError as error:
            reason = "is not a file of PEM certificates" if isinstance(error, ssl.SSLError) else "cannot be read"
            raise UserError(f"network.ca_bundle: {ca_bundle} {reason}; give the company CA as a PEM file") from error
    return context


def find_proxy(base_url: str, given: str) -> str:
    """Give the proxy for an address, "" for none: the one in the settings, else what environment or system say.

    This machine is always reached directly; ``NO_PROXY`` and the system's exceptions hold for the environment's proxy.
    """
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    if is_loopback(host):
        return ""
    if given or urllib.request.proxy_bypass(host):
        return given
    found = urllib.request.getproxies()
    return found.get(parts.scheme) or found.get("all", "")


def name_proxy(url: str) -> str:
    """Give a proxy's host and port, without the user name and password that may stand in its address."""
    return url.rpartition("@")[2].rpartition("://")[2].rstrip("/")


def read_proxy(url: str) -> httpcore.Proxy | None:
    """Give a proxy from its address, with the user name and password that stand in it."""
    if not url:
        return None
    if fault := check_proxy(url):
        raise UserError(f"the proxy's address {fault}")
    parts = urlsplit(url if "://" in url else f"http://{url}")
    auth = (unquote(parts.username), unquote(parts.password or "")) if parts.username else None
    address = httpcore.URL(scheme=parts.scheme, host=parts.hostname or "", port=parts.port, target="/")
    return httpcore.Proxy(address, auth=auth)
