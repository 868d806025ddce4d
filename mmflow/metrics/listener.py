"""Answers those who watch the daemon, over HTTP on one address."""

from __future__ import annotations

import logging
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import AF_INET, AF_INET6, socket
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import msgspec

from mmflow import __version__
from mmflow.errors import UserError
from mmflow.metrics import Health
from mmflow.metrics.meters import Meters

log = logging.getLogger(__name__)


class Listener:
    """Answers ``/health`` and ``/metrics`` on one address, and nothing else, while it is open.

    Raises :class:`UserError` for an address that cannot be listened on.
    """

    def __init__(self, address: str, health: Health, meters: Meters) -> None:
        host, port = read_address(address)
        try:
            self._server = Server((host, port), health, meters)
        except OSError as error:
            raise UserError(f"nothing can listen on {address} ({error.strerror or error}); choose another") from error
        self._thread = threading.Thread(target=self._server.serve_forever, name="mmflow-metrics", daemon=True)

    @property
    def url(self) -> str:
        """Where it answers."""
        host, port = self._server.server_address[:2]
        return f"http://[{host!s}]:{port}" if ":" in str(host) else f"http://{host!s}:{port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


def read_address(text: str) -> tuple[str, int]:
    """Read ``127.0.0.1:9464`` or ``[::1]:9464``; raises :class:`UserError`."""
    try:
        parts = urlsplit(f"//{text}")
        if parts.hostname and parts.port is not None and parts.netloc == text and "@" not in text:
            return parts.hostname, parts.port
    except ValueError:
        pass
    raise UserError(f"{text!r} is not an address to listen on; write HOST:PORT, such as 127.0.0.1:9464")


class Server(ThreadingHTTPServer):
    """The server of a :class:`Listener`."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], health: Health, meters: Meters) -> None:
        self.address_family = AF_INET6 if ":" in address[0] else AF_INET
        self.health, self.meters = health, meters
        super().__init__(address, Answers)

    def get_request(self) -> tuple[socket, Any]:
        """Take the next connection; without a handle left for it, rest a while instead of trying at full speed."""
        try:
            return super().get_request()
        except OSError:
            time.sleep(0.5)
            raise

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002  # names of the library
        """Say nothing of callers who hang up."""
        log.debug("a call of %s ended early", client_address, exc_info=True)


class Answers(BaseHTTPRequestHandler):
    """Answers one call."""

    server: Server
    server_version, sys_version = "mmflow", ""
    timeout = 10  # seconds for a caller to say what he wants

    def do_GET(self) -> None:
        """Answer."""
        path = urlsplit(self.path).path
        try:
            answer = self._find_answer(path)
        except Exception:
            log.warning("%s cannot be answered", path, exc_info=True)
            answer = 500, "text/plain", b"this is a bug; the log of the daemon has it\n"
        self._answer(*answer)

    do_HEAD = do_GET  # noqa: N815  # a name of the standard library

    def _find_answer(self, path: str) -> tuple[int, str, bytes]:
        if path == "/health":
            reasons = self.server.health.reasons
            document = {"status": "trouble" if reasons else "ok", "reasons": reasons, "version": __version__}
            return 503 if reasons else 200, "application/json", msgspec.json.encode(document)
        if path == "/metrics":
            return 200, "text/plain; version=0.0.4; charset=utf-8", self.server.meters.show()
        return 404, "text/plain", b"there are /health and /metrics\n"

    def _answer(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # a name of the standard library
        """Say nothing of calls."""
