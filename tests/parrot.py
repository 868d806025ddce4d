"""A server that repeats the key it was sent, in every place where a careless service, proxy or portal might."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import quote

Reply = tuple[int, dict[str, str], str]

REFUSED = {"code": "BadRequest", "message": "no", "errors": []}
# What it answers to a request with that key: status, headers, body.
REPLIES: dict[str, Callable[[str], Reply]] = {
    "401 quoting the key": lambda key: (401, {}, json.dumps({"message": f"{key} is unknown"})),
    "403 with the header": lambda key: (403, {}, f"forbidden: Authorization: Bearer {key}"),
    "400 that blames the key": lambda key: (
        400,
        {},
        json.dumps(REFUSED | {"errors": [{"field": "data", "code": "bad", "message": f"Metric '{key}' is not valid"}]}),
    ),
    "400 in another form": lambda key: (400, {}, f"<p>{html.escape(key)} {base64.b64encode(key.encode()).decode()}"),
    "500 with a trace": lambda key: (500, {"Retry-After": "0"}, f"at login({key!r})"),
    "429 with the key": lambda key: (429, {"Retry-After": key.encode().hex()}, key),
    "200 with a page": lambda key: (200, {"Content-Type": "text/html"}, f"<html>Bearer {html.escape(key)}</html>"),
    "200 that is an error": lambda key: (200, {}, json.dumps({"error": f"key {key} has expired"})),
    "200 that breaks off": lambda key: (200, {}, f'{{"aggregate": {{}}, "items": [{{"machine": {json.dumps(key)}'),
    "200 with a column": lambda key: (200, {}, json.dumps({"aggregate": {}, "items": [{"machine": "M", key: 1}]})),
    "200 with text for a number": lambda key: (
        200,
        {},
        json.dumps({"aggregate": {}, "items": [{"machine": "M", "day": "2026-11-21", "goodParts": key}]}),
    ),
    "redirect with the key": lambda key: (302, {"Location": f"https://{key[-8:]}.invalid/?key={quote(key)}"}, ""),
    "redirect without a host": lambda key: (307, {"Location": quote(key)}, ""),
}


class Parrot(ThreadingHTTPServer):
    """Answers every request with one of ``REPLIES``; use it in :func:`open_parrot`."""

    daemon_threads = False
    reply: Callable[[str], Reply]

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        assert isinstance(self.server, Parrot)
        status, headers, text = self.server.reply(self.headers.get("Authorization", "").removeprefix("Bearer "))
        body = text.encode()
        self.send_response(status)
        for name, value in ({"Content-Type": "application/json"} | headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST  # noqa: N815 (the parent class looks it up)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def open_parrot() -> Iterator[Parrot]:
    """Serve until the block ends."""
    with Parrot(("127.0.0.1", 0), _Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
