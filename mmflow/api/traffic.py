"""How much a run has asked of the service, and how much came back."""

from __future__ import annotations

import threading


class Traffic:
    """Counts, for many threads: ``requests``, their ``tries``, and the bytes ``received`` as they came over the wire.

    What was tried again and what was refused counts like the rest; headers do not.
    """

    def __init__(self) -> None:
        self.requests = self.tries = self.received = 0
        self._lock = threading.Lock()

    def count(self, *, requests: int = 0, tries: int = 0, received: int = 0) -> None:
        """Add to it."""
        with self._lock:
            self.requests += requests
            self.tries += tries
            self.received += received
