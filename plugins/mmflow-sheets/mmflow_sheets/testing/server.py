"""The sockets: HTTP/1.1 on a port of this machine, with keep-alive, gzip, and the faults."""

from __future__ import annotations

import gzip
import socket
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from types import TracebackType
from typing import Final, Self

import msgspec

from mmflow_sheets.testing.access import SERVICE_ACCOUNT, Access
from mmflow_sheets.testing.document import load_document
from mmflow_sheets.testing.envelope import STATUS, ApiError, Json
from mmflow_sheets.testing.faults import ANSWERS, Fault, Faults, Quota
from mmflow_sheets.testing.handle import Spreadsheet
from mmflow_sheets.testing.service import Service

TOKEN_PATH: Final = "/token"  # noqa: S105  # a path
PAGE: Final = b"<!DOCTYPE html>\n<html><head><title>Error 502 (Server Error)!!1</title></head></html>\n"
GZIP_FROM: Final = 1000
JSON_TYPE: Final = "application/json; charset=UTF-8"


@dataclass(frozen=True, slots=True)
class Request:
    """A call that came in, and how it was answered: ``status`` is 0 when the server hung up."""

    http: str
    path: str
    query: str
    body: Json | None  # as it was understood; None when it has none, or was refused before it was read
    status: int
    email: str = ""
    size: int = 0  # bytes of the body as sent, packed when it was


class HangUp(Exception):  # noqa: N818  # named for what it is
    """The connection ends here without an answer."""


class SheetsServer:
    """A Google Sheets that runs in this process and answers over HTTP on a port of its own.

    Every call is checked by Google's own description of the API, which google-api-python-client ships; without that
    package this raises an error. ``now`` gives the time for tokens and quotas (the machine's clock unless given),
    ``max_body`` is the largest request in bytes, unpacked: Google documents no limit, and has answered 10,485,760.

    >>> with SheetsServer() as server:
    ...     report = server.spreadsheet("Morning report", tabs=("Data",))
    ...     deliver(server.url, server.service_account(), report.id)
    ...     report.tab("Data").values()
    """

    def __init__(self, *, now: Callable[[], datetime] | None = None, max_body: int | None = None) -> None:
        load_document()  # before a port is opened
        self.now = now or (lambda: datetime.now(UTC))
        self.max_body = max_body
        self.stopping = Event()
        self.armed = Faults()
        self.log: list[Request] = []
        self._server = _Server(("127.0.0.1", 0), self)
        self.access = Access(self.url + TOKEN_PATH, self._tell_time)
        self.quota = Quota(self._tell_time)
        self.service = Service(self.access, self.quota)
        self._thread = Thread(target=self._server.serve_forever, args=(0.02,), name="sheets", daemon=True)

    def _tell_time(self) -> datetime:
        return self.now()

    @property
    def url(self) -> str:
        """The base address, without a slash at its end."""
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}"

    @property
    def requests(self) -> list[Request]:
        """The calls that came in so far, oldest first, with those of the token endpoint."""
        return list(self.log)

    @property
    def calls(self) -> list[str]:
        """The calls of the API alone, as ``"POST /v4/spreadsheets/…:batchUpdate"``."""
        return [f"{one.http} {one.path}" for one in self.log if one.path != TOKEN_PATH]

    def spreadsheet(
        self, title: str = "Report", *, tabs: tuple[str, ...] = ("Sheet1",), share: str = "writer"
    ) -> Spreadsheet:
        """Make a spreadsheet; the service account is a ``writer``, a ``reader``, or not let in when ``share`` is ""."""
        with self.service.lock:
            book = self.service.open_new(title, [{"title": tab} for tab in tabs])
            book.shared |= {SERVICE_ACCOUNT: share} if share else {}
            return Spreadsheet(self.service, book)

    def open(self, spreadsheet_id: str) -> Spreadsheet:
        """Give a spreadsheet by its id, such as one that a program created."""
        return Spreadsheet(self.service, self.service.books[spreadsheet_id])

    def service_account(self) -> Json:
        """Give the credentials file of the service account; its token endpoint is here."""
        return self.access.service_account()

    def authorized_user(self) -> Json:
        """Give the credentials of a person."""
        return self.access.authorized_user()

    def give_token(self, email: str = SERVICE_ACCOUNT) -> str:
        """Give an access token without asking the token endpoint."""
        return str(self.access.give_token(email)["access_token"])

    def revoke_tokens(self) -> None:
        """Make all tokens unknown, so that the next call is answered by 401."""
        self.access.tokens.clear()

    def faults(self, *faults: Fault) -> None:
        """Arm faults: ``server.faults(Fault("unavailable", times=2))``."""
        self.armed.add(*faults)

    def clear_faults(self) -> None:
        """Disarm every fault."""
        self.armed.clear()

    def limit(self, *, reads: int | None = 60, writes: int | None = 60) -> None:
        """Allow each caller so many reads and writes in a minute of the clock; Google's own numbers unless given."""
        self.quota.reads, self.quota.writes = reads, writes

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """End it, and close its port."""
        self.stopping.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], owner: SheetsServer) -> None:
        self.owner = owner
        super().__init__(address, _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Stay silent about clients that go away."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    timeout = 30

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def handle_any(self) -> None:
        """Answer one call, or hang up."""
        with suppress(HangUp, ConnectionError, TimeoutError):
            self._answer()
            return
        self._hang_up()

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = handle_any  # noqa: N815  # named by the parent class

    def _answer(self) -> None:
        owner = self.server.owner
        path, _, query = self.path.partition("?")
        sent = self._read_body()
        body = zlib.decompress(sent, 31) if self.headers.get("Content-Encoding") == "gzip" else sent
        fault = owner.armed.pick(f"{self.command} {path}")
        if fault and fault.kind == "slow":
            owner.stopping.wait(fault.seconds)
        if fault and fault.kind in {"drop_before", "bad_gateway"}:
            owner.log.append(
                Request(self.command, path, query, None, 0 if fault.kind == "drop_before" else 502, size=len(sent))
            )
            if fault.kind == "drop_before":
                raise HangUp
            self._send(502, PAGE, "text/html; charset=UTF-8")
            return
        status, document, request = self._decide(path, query, body, fault)
        is_lost = fault is not None and fault.kind == "drop_after"
        owner.log.append(
            Request(self.command, path, query, request[0], 0 if is_lost else status, request[1], len(sent))
        )
        if is_lost:
            raise HangUp
        self._send(status, msgspec.json.encode(document), JSON_TYPE, is_cut=fault is not None and fault.kind == "cut")

    def _decide(
        self, path: str, query: str, body: bytes, fault: Fault | None
    ) -> tuple[int, Json, tuple[Json | None, str]]:
        owner = self.server.owner
        try:
            _fail_by(fault)
            if path == TOKEN_PATH and self.command == "POST":
                return *owner.access.answer(body), (None, "")
            _check_length(body, owner.max_body)
            authorization = self.headers.get("Authorization", "")
            document, understood, email = owner.service.answer(self.command, path, query, authorization, body)
        except ApiError as error:
            return error.code, error.document, (None, "")
        return 200, document, (understood, email)

    def _read_body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            return b"".join(iter(self._read_chunk, b""))
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _read_chunk(self) -> bytes:
        size = int(self.rfile.readline().split(b";")[0] or b"0", 16)
        chunk = self.rfile.read(size)
        self.rfile.readline()
        return chunk

    def _send(self, status: int, body: bytes, kind: str, *, is_cut: bool = False) -> None:
        is_packed = len(body) >= GZIP_FROM and "gzip" in self.headers.get("Accept-Encoding", "")
        if is_packed:
            body = gzip.compress(body, 1)
        self.send_response(status, STATUS.get(status, "OK"))
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if is_packed:
            self.send_header("Content-Encoding", "gzip")
        if status == 401:
            self.send_header("WWW-Authenticate", 'Bearer realm="https://accounts.google.com/"')
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if is_cut else body)
        if is_cut:
            raise HangUp

    def _hang_up(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)

    def version_string(self) -> str:
        """Give the ``Server`` header."""
        return "ESF"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # named by the parent class
        """Stay silent; ``server.requests`` has it all."""


def _fail_by(fault: Fault | None) -> None:
    if fault and fault.kind in ANSWERS:
        raise ANSWERS[fault.kind]()


def _check_length(body: bytes, limit: int | None) -> None:
    if limit is not None and len(body) > limit:
        raise ApiError(400, f"Request payload size exceeds the limit: {limit} bytes.")
