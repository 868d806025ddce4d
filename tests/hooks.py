"""An address on this machine that notices are posted to, and that remembers each of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any


class Hook:
    """What came, the oldest first; ``answers`` are used up one by one, then it says 204. It hangs while it is told."""

    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.bodies: list[bytes] = []
        self.answers: list[int] = []
        self.free = Event()
        self.free.set()
        self.url = ""

    def answer(self, headers: dict[str, str], body: bytes) -> int:
        self.headers.append(headers)
        self.bodies.append(body)
        self.heard.append(json.loads(body or b"{}"))
        self.free.wait(30)
        return self.answers.pop(0) if self.answers else 204


@contextmanager
def open_hook() -> Iterator[Hook]:
    """Listen until the block ends."""
    hook = Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(hook.answer(dict(self.headers), body))
            self.end_headers()

        do_GET = do_POST  # noqa: N815  # a name of the standard library

        def log_message(self, *_words: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    hook.url = f"http://127.0.0.1:{server.server_port}/ops?token=t0ken-of-the-hook"
    Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield hook
    finally:
        hook.free.set()
        server.shutdown()
        server.server_close()
