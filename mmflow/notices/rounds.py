"""Threads that look after something again and again beside the daemon's loop, each with a ledger of its own."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from mmflow.errors import MmflowError, StateError
from mmflow.ledger import Ledger

log = logging.getLogger(__name__)

LOG_AGAIN: Final = 3600.0  # seconds until trouble that lasts is logged once more
SOON: Final = 15.0  # seconds at most until the next look after one that failed


class Rounds:
    """Calls ``look(ledger)`` every so many real seconds in a thread of its own, from the block's begin to its end.

    The first time is after as long, or ``at_once``.

    The ledger is opened by that thread, and anew after trouble with it; ``blind`` is called instead of a look that it
    made impossible. What a look raises is logged, once an hour for the same words, and told to ``trouble`` ("" when all
    is well again); the next look comes all the same, and soon. ``looked`` is called after each.
    """

    def __init__(
        self,
        name: str,
        look: Callable[[Ledger], None],
        open_ledger: Callable[[], Ledger],
        every: float,
        trouble: Callable[[str], None] = lambda _text: None,
        *,
        at_once: bool = False,
        blind: Callable[[StateError], None] = lambda _error: None,
        looked: Callable[[], None] = lambda: None,
    ) -> None:
        self._name, self._look, self._open_ledger, self._every = name, look, open_ledger, every
        self._tell, self._blind, self._looked = trouble, blind, looked
        self._first = 0.0 if at_once else every
        self._trouble, self._again = "", 0.0
        self._ledger: Ledger | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, name=f"mmflow-{name}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self, patience: float = 5.0) -> None:
        """Look no more; a look that takes longer than ``patience`` seconds is left behind."""
        self._ended.set()
        self._thread.join(patience)

    def _work(self) -> None:
        wait = self._first
        while not self._ended.wait(wait):
            try:
                self._look_once()
                self._note("")
            except MmflowError as error:
                self._note(str(error))
            except Exception as error:
                log.exception("%s failed; it goes on", self._name)
                self._note(f"{type(error).__name__}; the log has the rest")
            self._looked()
            wait = min(self._every, SOON) if self._trouble else self._every
        self._close_ledger()

    def _look_once(self) -> None:
        try:
            self._ledger = self._ledger or self._open_ledger()
            self._look(self._ledger)
        except StateError as error:
            self._close_ledger()
            self._blind(error)
            raise

    def _note(self, trouble: str) -> None:
        other = trouble != self._trouble
        if other or (trouble and time.monotonic() >= self._again):
            self._trouble, self._again = trouble, time.monotonic() + LOG_AGAIN
            log.warning("%s: %s", self._name, trouble or "all is well again")
        if other:
            self._tell(trouble)

    def _close_ledger(self) -> None:
        ledger, self._ledger = self._ledger, None
        if ledger:
            try:
                ledger.close()
            except StateError as error:
                log.warning("%s: %s", self._name, error)
