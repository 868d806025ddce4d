"""Ends a mail session that takes too long: a byte now and then is enough to outlive every limit on one answer."""

from __future__ import annotations

import smtplib
import socket
from contextlib import suppress
from threading import Event, Thread
from types import TracebackType
from typing import Any, Self


class Deadline:
    """Cuts the connection of what it watches when the time is over; ``passed`` tells that it did."""

    def __init__(self, seconds: float) -> None:
        self.passed = False
        self._seconds = seconds
        self._watched: smtplib.SMTP | None = None
        self._over = Event()
        self._thread = Thread(target=self._wait, name="mail session", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def watch(self, smtp: smtplib.SMTP) -> None:
        """Begin with a session that may not be connected yet."""
        self._watched = smtp

    def _wait(self) -> None:
        pause = self._seconds
        while not self._over.wait(pause):  # again and again: the connection may just be in the making
            self.passed, pause = True, 0.2
            self._cut()

    def _cut(self) -> None:
        """Shut the socket itself; a TLS socket's own shutdown would first drop its protection, and then end."""
        sock = getattr(self._watched, "sock", None)
        if sock:
            with suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)


class LimitedSMTP(smtplib.SMTP):
    """A session that is watched before it hears the greeting."""

    def __init__(self, deadline: Deadline, host: str, port: int, **more: Any) -> None:
        deadline.watch(self)
        super().__init__(host, port, **more)


class LimitedTLS(smtplib.SMTP_SSL):
    """The same with TLS from the first byte."""

    def __init__(self, deadline: Deadline, host: str, port: int, **more: Any) -> None:
        deadline.watch(self)
        super().__init__(host, port, **more)
