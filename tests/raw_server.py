"""Servers whose answers are written by hand, for what a faithful service never does."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Self


class RawServer:
    """A TCP server whose answers are written by hand; closes everything at the end."""

    def __init__(
        self, answer: Callable[[socket.socket], None], context: ssl.SSLContext | None = None, scheme: str = ""
    ) -> None:
        self.answer = answer
        self.context = context
        self.connections: list[socket.socket] = []
        self.threads: list[threading.Thread] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"{scheme or ('https' if context else 'http')}://127.0.0.1:{self.listener.getsockname()[1]}"
        self.taken: list[bytes] = []

    @property
    def received(self) -> bytes:
        """What came in, before any TLS of ours."""
        return b"".join(self.taken)

    def __enter__(self) -> Self:
        self.threads.append(threading.Thread(target=self.accept))
        self.threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for conn in self.connections:
            with suppress(OSError):
                conn.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join(10)
        for conn in self.connections:
            conn.close()

    def accept(self) -> None:
        with suppress(OSError):
            while True:
                conn, _ = self.listener.accept()
                thread = threading.Thread(target=self.serve, args=(conn,))
                self.connections.append(conn)
                self.threads.append(thread)
                thread.start()

    def serve(self, conn: socket.socket) -> None:
        """Answer one connection until it breaks, and close it."""
        with suppress(OSError, ssl.SSLError, threading.BrokenBarrierError):
            if self.context:
                conn = self.context.wrap_socket(conn, server_side=True)
                self.connections.append(conn)
            wrapped = Recording(conn, self.taken)
            self.answer(wrapped)  # type: ignore[arg-type]
        with suppress(OSError):
            conn.shutdown(socket.SHUT_RDWR)
        conn.close()


class Recording:
    """A socket that keeps what it received."""

    def __init__(self, conn: socket.socket, taken: list[bytes]) -> None:
        self.conn = conn
        self.taken = taken

    def recv(self, size: int) -> bytes:
        data = self.conn.recv(size)
        self.taken.append(data)
        return data

    def sendall(self, data: bytes) -> None:
        self.conn.sendall(data)

    def settimeout(self, seconds: float) -> None:
        self.conn.settimeout(seconds)


def read_request(conn: socket.socket) -> bytes:
    """Read one request with its body; empty when the client has gone."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = conn.recv(65536)
        if not piece:
            return b""
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = next((int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
    while len(body) < length:
        body += conn.recv(65536)
    return head + b"\r\n\r\n" + body


def send_json(conn: socket.socket, body: bytes) -> None:
    conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


def trickle(conn: socket.socket, start: bytes, piece: bytes) -> None:
    """Send a start, then a piece every 50 ms until the client hangs up."""
    read_request(conn)
    conn.sendall(start)
    conn.settimeout(0.05)
    while True:
        try:
            if not conn.recv(1):
                return
        except TimeoutError:
            conn.sendall(piece)
