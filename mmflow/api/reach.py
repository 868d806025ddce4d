"""Is there anybody? One question without a key, to see whether an address answers, and by what clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime

import httpx

from mmflow import __version__
from mmflow.api.client import TimedTransport, find_tls_fault
from mmflow.api.wire import Timer, find_proxy, name_proxy
from mmflow.clock import Clock
from mmflow.errors import GiveUp, TryLater
from mmflow.settings import Network

PATIENCE = 15.0  # seconds for all of it
MOST_TEXT = 4096  # bytes of an answer that are read


@dataclass(frozen=True, slots=True)
class Reached:
    """What an address answered: status, the time by its clock (None when it told none), how an answer begins.

    ``proxy`` is the host and port of the one on the way, "" for none.
    """

    status: int
    date: datetime | None
    text: str
    proxy: str


def reach(url: str, network: Network, clock: Clock) -> Reached:
    """Ask an address as runs do, by the same proxy and with the same certificates, whatever it answers.

    Raises :class:`TryLater` when nobody answers, :class:`GiveUp` when who answers cannot be trusted, and
    :class:`UserError` for a proxy or a file of certificates that is none.
    """
    timer = Timer(clock)
    timer.end = clock.monotonic() + PATIENCE
    proxy = name_proxy(find_proxy(url, network.proxy))
    agent = {"User-Agent": f"mmflow/{__version__}", "Accept-Encoding": "identity"}
    transport = TimedTransport(url, network, timer)
    try:
        with (
            httpx.Client(transport=transport, headers=agent, timeout=PATIENCE, trust_env=False) as client,
            client.stream("GET", url) as answer,
        ):
            start = next(answer.iter_raw(MOST_TEXT), b"")
            date = read_date(answer.headers.get("Date", ""))
            return Reached(answer.status_code, date, start.decode("utf-8", "replace"), proxy)
    except httpx.InvalidURL as error:
        raise GiveUp(f"{url} is no address: {error}") from error
    except httpx.TransportError as error:
        if fault := find_tls_fault(error):
            raise GiveUp(f"{url} cannot be trusted: {fault}") from error
        way = f" by way of the proxy {proxy}" if proxy else ""
        raise TryLater(f"{url} cannot be reached{way}: {error or type(error).__name__}") from error


def read_date(text: str) -> datetime | None:
    """Read the time of an HTTP header, None when it is none."""
    try:
        found = parsedate_to_datetime(text)
    except ValueError:
        return None
    return found if found.tzinfo else None
