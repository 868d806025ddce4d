"""What of a changed ``mmflow.yaml`` a daemon takes in only when it starts anew, which it has to say."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any, Final

from mmflow.check import CheckedSettings
from mmflow.check.layers import get

log = logging.getLogger(__name__)

LEDGER: Final = ("state",)  # runs and every command go by the new one, what is leased stands in the old one
LATER: Final = (LEDGER, *(("daemon", name) for name in ("workers", "run_time", "run_memory_mb", "lease")))
ELSEWHERE: Final = "mmflow.yaml names another place for the ledger: nothing is begun until the daemon is started anew"


@dataclass(slots=True)
class Later:
    """Compares ``mmflow.yaml`` with what it was when the daemon began."""

    _began: tuple[Any, ...]
    _told: list[str] = field(default_factory=list)
    moved: bool = False  # whether it names another ledger now

    @classmethod
    def since(cls, settings: CheckedSettings) -> Later:
        """Take these as those with which the daemon begins."""
        return cls(read_later(settings))

    def look(self, settings: CheckedSettings) -> None:
        """Log which keys wait for the next start, whenever those are others than before."""
        found = zip(LATER, self._began, read_later(settings), strict=True)
        waiting = [".".join(path) for path, before, now in found if now != before]
        if waiting != self._told:
            log.warning("%s", tell_waiting(waiting))
        self._told, self.moved = waiting, ".".join(LEDGER) in waiting


def read_later(settings: CheckedSettings) -> tuple[Any, ...]:
    """Give what is written under each of the keys, None where nothing is."""
    return tuple(get(settings.document.values, path) for path in LATER)


def tell_waiting(keys: list[str]) -> str:
    """Say which keys wait."""
    if not keys:
        return "mmflow.yaml: nothing waits for the next start of the daemon any more"
    return f"mmflow.yaml: {', '.join(keys)} changed, which takes effect when the daemon is started anew"
