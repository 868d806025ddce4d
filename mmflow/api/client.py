"""The door to the service: one client per address and key, which asks again by rule and never asks too much.

Only this module knows the HTTP library. It is imported by those who really ask, since the library is slow to load.

What a caller may rely on: no redirect is followed; a request with all its tries ends at the deadline, however slowly
bytes trickle; an answer is unpacked while it streams and never grows past the limit; at most ``in_flight`` requests
of a key are on their way; a wait that the service asks for holds every request of the key; no message holds the key.
"""

from __future__ import annotations

import logging
import math
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from mmap import ACCESS_READ, mmap
from pathlib import Path
from random import Random
from types import TracebackType
from typing import BinaryIO, Self, TypeVar

import httpx
import msgspec

from mmflow import __version__
from mmflow.api.answers import Bytes, NotAnAnswer, decode_answer
from mmflow.api.refusals import Refusal, explain_refusal
from mmflow.api.retry import TRIES, TRIES_WHEN_CUT, draw_wait, read_retry_after
from mmflow.api.traffic import Traffic
from mmflow.api.unpack import MEGABYTE, limit_size, unpack_chunks
from mmflow.api.wire import Timer, find_proxy, name_proxy, open_pool, trust_authorities
from mmflow.atomic import replace_file
from mmflow.budget import Budget
from mmflow.clock import Clock
from mmflow.durations import parse_duration
from mmflow.errors import BadResponse, GiveUp, RunError, TryLater
from mmflow.hosts import Host
from mmflow.refs import Redactor, Secret, check_key_characters
from mmflow.settings import Network

log = logging.getLogger(__name__)

T = TypeVar("T")

CONNECT_SECONDS = 10.0
# How long the service may be silent, as a share of the deadline: nobody says how long it takes over a large report,
# and a connection that has died without a word should leave time for another try.
SILENT_SHARE = 0.5
LONGEST_STEP = 0.5  # seconds of waiting after which a closed client is noticed
REFUSAL_BYTES = 1 << 16
SHORTEST_KEY = 16  # a shorter one may be a word, such as that of a simulated plant
TRANSIENT = frozenset({408, 425, 429})


class Cut(TryLater):
    """An answer without its end, which is asked for again a few times only."""


class Api:
    """The service behind one address and key. Threads may share it; close it when done.

    ``tell`` hears about waits, in sentences for people. ``tries`` are the most of one request. With a ``folder`` what
    the key may ask is shared by all processes that name the same one.
    ``traffic`` counts what is asked and answered.
    """

    def __init__(
        self,
        host: Host,
        network: Network,
        clock: Clock,
        *,
        rng: Random | None = None,
        tell: Callable[[str], None] = lambda _text: None,
        tries: int = TRIES,
        folder: Path | None = None,
        traffic: Traffic | None = None,
    ) -> None:
        self.host = host
        self.in_flight = network.in_flight
        self._clock = clock
        self._rng = rng or Random()  # noqa: S311  # spreads load, guards nothing
        self._tell = tell
        self._limit = network.max_answer_mb * MEGABYTE
        self._deadline = read_deadline(network)
        self._tries = tries
        self._traffic = traffic or Traffic()
        self._budget = Budget(host, network.in_flight, clock, folder)
        self._resume_at = -math.inf
        self._closed = threading.Event()
        self._redactor = Redactor()
        self._redactor.remember(host.key)
        self._timer = Timer(clock)
        self._proxy = name_proxy(find_proxy(host.base_url, network.proxy))
        self._client = open_client(host, network, self._timer)
        self._client.event_hooks = {"response": [self._refuse_redirect]}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection; what other threads are asking or waiting for ends with an error."""
        self._closed.set()
        self._client.close()

    def post(self, path: str, body: object, *, sink: Path, check: Callable[[Bytes], None]) -> int:
        """Ask, and write the unpacked answer to ``sink``, which appears only when it is whole and ``check`` is content.

        Gives the size of the file. ``check`` raises :class:`~mmflow.api.answers.NotAnAnswer`. Raises :class:`TryLater`
        when the service could not be reached or asked for patience to the end, :class:`~mmflow.errors.GiveUp` when
        asking again cannot help, :class:`~mmflow.errors.BadRequest` when the service refused what was asked, and
        :class:`OSError` of the disk.
        """

        def check_all(data: Bytes) -> None:
            check(data)
            refuse_echo(data, self.host.key)

        def save() -> int:
            with self._stream(path, body) as chunks, replace_file(sink) as file:
                return write_answer(chunks, file, check_all)

        return self._repeat(path, save)

    def json(self, path: str, body: object, kind: type[T]) -> T:
        """Ask for something small and give the answer decoded as ``kind``; raises the same errors."""

        def read() -> T:
            with self._stream(path, body) as chunks:
                data = b"".join(chunks)
                found = decode_answer(data, kind)
                refuse_echo(data, self.host.key)
                return found

        return self._repeat(path, read)

    @contextmanager
    def _stream(self, path: str, body: object) -> Iterator[Iterator[bytes]]:
        content = msgspec.json.encode(body)
        with self._client.stream("POST", self.host.base_url + path, content=content) as response:
            try:
                if response.status_code != 200:
                    raise self._refuse(response)
                yield limit_size(unpack_chunks(response.iter_raw(), packing_of(response)), self._limit)
            finally:
                self._traffic.count(received=response.num_bytes_downloaded)

    def _refuse_redirect(self, response: httpx.Response) -> None:
        """Refuse it before the library looks at where it leads, which may be no address at all."""
        if response.is_redirect:
            raise self._refuse(response)

    def _refuse(self, response: httpx.Response) -> RunError:
        where, status, headers = str(response.request.url), response.status_code, response.headers
        if status in TRANSIENT or status >= 500:
            after = read_retry_after(headers.get("retry-after", ""), headers.get("date", ""), self._clock.now())
            return TryLater(f"{where} answered {status}", after=after)
        refusal = Refusal(
            where, status, self._hide(read_start(response)), headers.get("location", ""), self.host.key_name
        )
        return explain_refusal(refusal)

    def _repeat(self, path: str, ask: Callable[[], T]) -> T:
        """Ask until there is an answer, the tries are used up or the deadline is too near for another wait.

        A request keeps its place in the budget while it waits: a service in trouble is asked less. The time spent on
        getting that place does not count.
        """
        with self._budget.take_place(self._check_open):
            started = self._clock.monotonic()
            self._traffic.count(requests=1)
            tries = 0
            while True:
                tries += 1
                try:
                    self._await_turn(started + self._deadline)
                    found = self._ask_once(ask, started + self._deadline)
                except TryLater as error:
                    self._pause(error, tries, started)
                else:
                    log.info("%s%s answered in %.1f s", self.host.base_url, path, self._clock.monotonic() - started)
                    return found

    def _ask_once(self, ask: Callable[[], T], end: float) -> T:
        self._check_open()
        self._traffic.count(tries=1)
        self._timer.end = end
        try:
            return ask()
        except NotAnAnswer as error:
            kind = Cut if error.cut else BadResponse
            found = error.describe(self._hide)
            raise kind(f"{self.host.base_url} sent something else: the answer {found}") from None
        except httpx.TransportError as error:
            self._check_open()
            raise self._explain(error) from error

    def _check_open(self) -> None:
        if self._closed.is_set():
            raise GiveUp(f"asking {self.host.base_url} was stopped")

    def _await_turn(self, end: float) -> None:
        """Wait as long as the service has asked anybody who uses this key to wait."""
        now = self._clock.monotonic()
        wait = max(self._resume_at - now, self._budget.rest())
        if now + wait >= end:
            raise TryLater(f"{self.host.base_url} asked for patience", after=wait)
        self._sleep(wait)

    def _pause(self, error: TryLater, tries: int, started: float) -> None:
        """Wait before the next try, or raise the error when there should be none."""
        now = self._clock.monotonic()
        wait = draw_wait(tries, self._rng) if error.after is None else error.after
        if error.after is not None:
            self._resume_at = max(self._resume_at, now + wait)  # holds every request of the key, also later ones
            self._budget.hold(wait)
        most = min(self._tries, TRIES_WHEN_CUT) if isinstance(error, Cut) else self._tries
        if tries >= most or now + wait >= started + self._deadline:
            text = f"{error}; gave up after {tries} {'try' if tries == 1 else 'tries'} in {now - started:.0f} s"
            if error.after is not None and tries < most:
                text += f", since it asks to wait for {wait:.0f} s and network.deadline is {self._deadline:.0f} s"
            raise (BadResponse(text) if isinstance(error, Cut) else TryLater(text, after=error.after)) from error
        self._tell(f"{error}; asking again in {wait:.1f} s")
        self._sleep(wait)

    def _sleep(self, seconds: float) -> None:
        """Wait, in steps short enough to notice that somebody closed the client."""
        end = self._clock.monotonic() + seconds
        while (rest := end - self._clock.monotonic()) > 0 and not self._closed.is_set():
            self._clock.sleep(min(rest, LONGEST_STEP))

    def _explain(self, error: httpx.TransportError) -> RunError:
        """Say what a failed connection means: most of them may work later, a bad certificate will not."""
        where = self.host.base_url
        if self._timer.left() <= 0:
            return TryLater(f"{where} gave no whole answer in {self._deadline:.0f} s (network.deadline)")
        if fault := find_tls_fault(error):
            return GiveUp(f"{where} cannot be trusted: {fault}; mend its certificate, or set network.ca_bundle")
        reason = self._hide(str(error) or type(error).__name__)
        if isinstance(error, httpx.ProxyError) and reason.startswith("4"):
            return GiveUp(f"the proxy on the way to {where} refused: {reason}; check network.proxy")
        way = f" by way of the proxy {self._proxy}" if self._proxy else ""
        return TryLater(f"{where} cannot be reached{way}: {reason}")

    def _hide(self, text: str) -> str:
        return self._redactor.redact(text)


class TimedTransport(httpx.HTTPTransport):
    """The library's transport over connections that end at a deadline, which it has no option for."""

    def __init__(self, base_url: str, network: Network, timer: Timer) -> None:
        context = trust_authorities(base_url, network.ca_bundle)
        super().__init__(verify=context, trust_env=False)
        self._pool = open_pool(base_url, network, context, timer)


def open_client(host: Host, network: Network, timer: Timer) -> httpx.Client:
    """Make the client of one key; raises :class:`~mmflow.errors.UserError` for a key that no header can hold."""
    key = host.key.reveal()
    check_key_characters(key, host.key_name)
    return httpx.Client(
        headers={
            "Authorization": f"Bearer {key}",
            "Content-Type": "application/json",
            "Accept": "application/json",
            "Accept-Encoding": "gzip",
            "User-Agent": f"mmflow/{__version__}",
        },
        timeout=httpx.Timeout(read_deadline(network) * SILENT_SHARE, connect=CONNECT_SECONDS),
        transport=TimedTransport(host.base_url, network, timer),
        follow_redirects=False,
        trust_env=False,
    )


def read_deadline(network: Network) -> float:
    """Give the seconds that one request may take with all its tries."""
    return parse_duration(network.deadline).total_seconds()


def find_tls_fault(error: httpx.TransportError) -> str:
    """Give what is wrong with the server's certificate or protocol, "" when it is something else.

    A connection that merely breaks while hands are shaken is something else.
    """
    cause: BaseException | None = error if isinstance(error, httpx.ConnectError) else None
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return cause.verify_message
        if isinstance(cause, ssl.SSLError) and not isinstance(cause, ssl.SSLEOFError):
            return cause.reason
        cause = cause.__cause__ or cause.__context__
    return ""


def write_answer(chunks: Iterator[bytes], file: BinaryIO, check: Callable[[Bytes], None]) -> int:
    """Write an answer as it comes, then check it where it lies, without reading it into memory; give its size."""
    size = 0
    for chunk in chunks:
        file.write(chunk)
        size += len(chunk)
    file.flush()
    if size == 0:
        check(b"")
    else:
        with mmap(file.fileno(), 0, access=ACCESS_READ) as data:
            check(data)
    return size


def packing_of(response: httpx.Response) -> str:
    """Give how the body is packed, "identity" for not at all."""
    return str(response.headers.get("content-encoding", "identity")).lower()


def refuse_echo(data: Bytes, key: Secret) -> None:
    """Raise :class:`NotAnAnswer` for an answer that repeats the key: it would lie on the disk and in the report."""
    text = key.reveal()
    forms = {text.encode(), msgspec.json.encode(text)[1:-1]}
    if len(text) >= SHORTEST_KEY and any(data.find(form) >= 0 for form in forms):
        raise NotAnAnswer("repeats the key that it was asked with, which no report does")


def read_start(response: httpx.Response) -> str:
    """Give the first part of the body of an error, as far as it can be read: what counts is its status."""
    found = bytearray()
    with suppress(NotAnAnswer):
        for chunk in unpack_chunks(response.iter_raw(), packing_of(response)):
            found += chunk
            if len(found) > REFUSAL_BYTES:
                break
    return found[:REFUSAL_BYTES].decode("utf-8", "replace")
