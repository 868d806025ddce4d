"""The sockets: one thread a connection, HTTP/1.1 with keep-alive, gzip and chunks, and the switches for faults."""

from __future__ import annotations

import os
import socket
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from threading import Lock, Thread
from types import TracebackType
from typing import Self

import msgspec

from mmflow.simulator.answer import Answer, make_json, refuse_path, write_date
from mmflow.simulator.faults import Fault
from mmflow.simulator.plant import Plant
from mmflow.simulator.profiles import PROFILES, Profile
from mmflow.simulator.routes import Access
from mmflow.simulator.service import GRAPHQL_PER_MINUTE, Request, Service

MAX_BODY = 1 << 20
GZIP_FROM = 1000
DRIPS_PER_SECOND = 10

Connection = socket.socket | tuple[bytes, socket.socket]


class Simulator:
    """A MachineMetrics that runs in this process and answers over HTTP on a port of its own.

    ``plants`` gives each key its plant, or an :class:`Access` with fewer scopes. ``now`` is an aware time, or a
    function that gives one, or the machine's clock. Use it as a context manager, or ``start`` and ``stop`` it.
    """

    def __init__(
        self,
        plants: Mapping[str, Plant | Access],
        *,
        now: datetime | Callable[[], datetime] | None = None,
        profile: str | Profile = "documented",
        host: str = "127.0.0.1",
        port: int = 0,
        graphql_limit: int = GRAPHQL_PER_MINUTE,
    ) -> None:
        keys = {key: plant if isinstance(plant, Access) else Access(plant) for key, plant in plants.items()}
        switches = PROFILES[profile] if isinstance(profile, str) else profile
        self.service = Service(keys, _make_clock(now), switches, graphql_limit=graphql_limit)
        self._server = _Server((host, port), self.service)
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,), name="simulator", daemon=True)

    @property
    def url(self) -> str:
        """The base address, without a slash at its end."""
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}"

    @property
    def requests(self) -> list[Request]:
        """The requests that came in so far, oldest first; those of the switches are not among them."""
        return list(self.service.requests)

    def faults(self, *faults: Mapping[str, object]) -> None:
        """Arm faults, each like one object of ``POST /_faults``: ``sim.faults({"kind": "status", "times": 2})``."""
        self.service.faults.add(msgspec.convert(faults, tuple[Fault, ...]))

    def clear_faults(self) -> None:
        """Disarm every fault."""
        self.service.faults.clear()

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Close every connection, also one that is being answered, and the port."""
        self.service.stopping.set()
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.hang_up()
        self._server.server_close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _make_clock(now: datetime | Callable[[], datetime] | None) -> Callable[[], datetime]:
    if now is None:
        return lambda: datetime.now(UTC)
    if not isinstance(now, datetime):
        return now
    if now.tzinfo is None:
        raise ValueError("found a time without a zone for 'now', expected an aware one")
    return lambda: now


class _Server(ThreadingHTTPServer):
    """Knows its open connections, so that stopping does not wait for clients that keep theirs alive."""

    daemon_threads = False
    request_queue_size = 128
    allow_reuse_address = os.name != "nt"  # on Windows it would let two servers share a port

    def __init__(self, address: tuple[str, int], service: Service) -> None:
        self.service = service
        self._open: set[socket.socket] = set()
        self._lock = Lock()
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Bind without asking a name server for the host's full name, as the parent does; that may take seconds."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def process_request(self, request: Connection, client_address: object) -> None:
        """Remember the connection."""
        assert isinstance(request, socket.socket)
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Connection) -> None:
        """Forget the connection."""
        assert isinstance(request, socket.socket)
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """End every connection; its thread notices and closes it."""
        with self._lock:
            for connection in self._open:
                with suppress(OSError):  # the client was faster
                    connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # The end of an answer waits in this buffer until the request is counted out: a client that asks again as soon as
    # it has an answer must not look like one that asks twice at once.
    wbufsize = 1 << 18
    disable_nagle_algorithm = True

    def handle(self) -> None:
        """Answer until the client goes away, which is its good right."""
        with suppress(ConnectionError):
            super().handle()

    def finish(self) -> None:
        """Close the streams; what still waits for a client that went away is lost."""
        with suppress(ConnectionError):
            super().finish()

    def do_GET(self) -> None:
        """Answer any method."""
        length = self.headers.get("Content-Length", "0")
        if not length.isdecimal() or int(length) > MAX_BODY or "Transfer-Encoding" in self.headers:
            self.close_connection = True
            self._send(make_json(413, {"code": "PayloadTooLarge", "message": "Payload Too Large", "errors": []}))
            return
        body = self.rfile.read(int(length))
        if self.path.startswith("/_"):
            self._send(self._turn_switch(body))
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        with self._service.receive(self.command, self.path, headers, body) as answer:
            self._send(answer)

    do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_GET  # noqa: N815 (the parent class looks these up)

    @property
    def _service(self) -> Service:
        assert isinstance(self.server, _Server)
        return self.server.service

    def _turn_switch(self, body: bytes) -> Answer:
        """Answer the switches, which need no key and are not part of the service."""
        faults = self._service.faults
        match self.command, self.path:
            case "POST", "/_faults":
                try:
                    faults.add(msgspec.json.decode(body, type=list[Fault]))
                except msgspec.MsgspecError as error:
                    return make_json(400, {"message": str(error)})
                return make_json(200, {"faults": len(faults)})
            case "DELETE", "/_faults":
                faults.clear()
                return make_json(200, {"faults": 0})
            case "GET", "/_requests":
                return make_json(200, list(self._service.requests))
            case _:
                return refuse_path(self.command, self.path)

    def _send(self, answer: Answer) -> None:
        if answer.status:
            answer = self._compress(answer)
            self._send_head(answer)
            for piece in self._pace(answer):
                self.wfile.write(piece)
        if answer.breaks_off:
            self.close_connection = True
        elif not isinstance(answer.chunks, tuple):
            self.wfile.write(b"0\r\n\r\n")

    def _send_head(self, answer: Answer) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if isinstance(answer.chunks, tuple):
            length = sum(map(len, answer.chunks)) if answer.promised is None else answer.promised
            self.send_header("Content-Length", str(length))
        else:
            self.send_header("Transfer-Encoding", "chunked")
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()

    def _compress(self, answer: Answer) -> Answer:
        """Compress what the client can unpack; a broken or dripping body stays as it is, byte for byte."""
        is_spoilt = answer.breaks_off or answer.bytes_per_second or "Content-Encoding" in answer.headers
        is_small = isinstance(answer.chunks, tuple) and sum(map(len, answer.chunks)) < GZIP_FROM
        if is_spoilt or is_small or "gzip" not in self.headers.get("Accept-Encoding", ""):
            return answer
        packed = _compress_chunks(answer.chunks)
        chunks = tuple(packed) if isinstance(answer.chunks, tuple) else packed
        return replace(answer, chunks=chunks, headers={**answer.headers, "Content-Encoding": "gzip"})

    def _pace(self, answer: Answer) -> Iterator[bytes]:
        """Give the body as it goes over the wire, in chunked coding where no length was promised."""
        is_whole = isinstance(answer.chunks, tuple)
        for chunk in answer.chunks:
            for piece in self._drip(chunk, answer.bytes_per_second):
                if piece:  # an empty chunk would end the body
                    yield piece if is_whole else b"%x\r\n%b\r\n" % (len(piece), piece)

    def _drip(self, chunk: bytes, bytes_per_second: int) -> Iterator[bytes]:
        if not bytes_per_second:
            yield chunk
            return
        size = max(1, bytes_per_second // DRIPS_PER_SECOND)
        for start in range(0, len(chunk), size):
            yield chunk[start : start + size]
            self.wfile.flush()
            if self._service.stopping.wait(size / bytes_per_second):
                raise ConnectionAbortedError

    def version_string(self) -> str:
        """Give the ``Server`` header."""
        return "mmflow-simulator"

    def date_time_string(self, timestamp: float | None = None) -> str:
        """Give the ``Date`` header by the simulated clock, so that dates in ``Retry-After`` agree with it."""
        return write_date(self._service.clock()) if timestamp is None else super().date_time_string(timestamp)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the parent class named it)
        """Stay silent; ``/_requests`` has it all."""


def _compress_chunks(chunks: Iterable[bytes]) -> Iterator[bytes]:
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    for chunk in chunks:
        yield packer.compress(chunk)
    yield packer.flush()
