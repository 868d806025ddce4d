"""What one key may ask at a time, shared by all runs and processes of a machine that have one root.

A place in the budget is a file that is locked while a request is on its way, so that a process that dies gives it back.
A wait that the service asks for is a file that holds the instant until which nobody asks.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from mmflow.atomic import make_private, replace_file
from mmflow.clock import Clock
from mmflow.hosts import Host
from mmflow.ledger import OsLock

PAUSE: Final = 0.02  # seconds between two looks for a free place
LONGEST_WAIT: Final = timedelta(hours=1)  # a longer one was written by a clock that was wrong


class Budget:
    """The places of one address and key: ``most`` at a time, in this process and, with a ``folder``, in all of them."""

    def __init__(self, host: Host, most: int, clock: Clock, folder: Path | None = None) -> None:
        self._here = threading.BoundedSemaphore(most)
        self._clock = clock
        self._most = most
        self._stem = folder / name_credential(host) if folder else None

    @contextmanager
    def take_place(self, check: Callable[[], None]) -> Iterator[None]:
        """Hold a place for a request; ``check`` is called while none is free, and may raise to end the waiting."""
        with self._here:
            if self._stem is None:
                yield
                return
            places = [OsLock(self._stem.with_suffix(f".{at}.lock")) for at in range(self._most)]
            held = self._find_free(places, check)
            try:
                yield
            finally:
                held.release()

    def _find_free(self, places: list[OsLock], check: Callable[[], None]) -> OsLock:
        while True:
            for place in places:
                if place.take():
                    return place
            check()
            time.sleep(PAUSE)  # not by a clock that is handed in: what is waited for is a real process

    def hold(self, seconds: float) -> None:
        """Have nobody ask for so long, in any process."""
        if self._stem is None:
            return
        until = self._clock.now() + timedelta(seconds=seconds)
        if seconds > self.rest():
            with suppress(OSError):  # without room on the disk each process learns it by itself
                make_private(self._stem.parent)
                with replace_file(self._stem.with_suffix(".until")) as file:
                    file.write(until.isoformat().encode())

    def rest(self) -> float:
        """Give the seconds for which nobody may ask, as far as other processes know."""
        if self._stem is None:
            return 0.0
        try:
            until = datetime.fromisoformat(self._stem.with_suffix(".until").read_text())
            rest = until - self._clock.now()
        except (OSError, ValueError, TypeError):
            return 0.0
        return rest.total_seconds() if timedelta() < rest <= LONGEST_WAIT else 0.0


def name_credential(host: Host) -> str:
    """Give a name for an address and a key that does not tell what they are."""
    return hashlib.sha256(f"{host.base_url}\n{host.key.reveal()}".encode()).hexdigest()[:24]
