"""Trouble with the ledger: said when it begins, and over only when the ledger has worked for a while."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from mmflow.clock import Clock

SETTLED: Final = 60.0  # seconds in which it works before people believe it: a full disk has room for a row or two

MOST: Final = 5  # of different words that are said of one trouble


@dataclass(slots=True)
class Trouble:
    """What is wrong with the ledger ``now``, "" while it works; and what was, until it has worked for a minute."""

    clock: Clock
    now: str = field(default="", init=False)
    _last: str = field(default="", init=False)
    _well: float = field(default=0.0, init=False)  # since when it works again
    _said: set[str] = field(default_factory=set, init=False)

    def meet(self, text: str) -> bool:
        """Take in that it cannot be used, and tell whether this has not been said yet."""
        self.now = self._last = text
        new = text not in self._said and len(self._said) < MOST
        if new:
            self._said.add(text)
        return new

    @property
    def lasts(self) -> bool:
        """Whether it has begun before now, and is not over."""
        return len(self._said) > 1

    def mend(self) -> None:
        """Take in that it works."""
        self.now, self._well = "", self.clock.monotonic()

    @property
    def past(self) -> str:
        """What was wrong, once it has worked for a while since; else ""."""
        return "" if self.now or self.clock.monotonic() - self._well < SETTLED else self._last

    def end(self) -> None:
        """Forget it."""
        self._last = ""
        self._said.clear()
