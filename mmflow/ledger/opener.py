"""Opening the same ledger again and again, as a daemon does with all its threads."""

from __future__ import annotations

from contextlib import nullcontext
from threading import Lock

from mmflow.clock import Clock
from mmflow.ledger.place import Place
from mmflow.ledger.store import Ledger


class Opener:
    """Opens one ledger: the first time it may be made, later it is there and is the same one, or refused.

    A ledger that is lost under a daemon is thus never made anew: it would know nothing of what was sent.
    """

    def __init__(self, place: Place, clock: Clock) -> None:
        self._place, self._clock = place, clock
        self._known: str | None = None
        self._first = Lock()

    def __call__(self) -> Ledger:
        """Open it; raises :class:`StateError`."""
        with self._first if self._known is None else nullcontext():
            ledger = Ledger.open(self._place, self._clock, known=self._known)
            self._known = ledger.identity
        return ledger
