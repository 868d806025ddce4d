"""What a storm does, by its seed alone: the blows that daemons, workers, the service and the machine are dealt."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")

TROUBLE = ("disturb_service", "restart_database", "fill_disk")


@dataclass(frozen=True)
class Blow:
    """What is done after a pause, to which of those that are there (0 to 1), and for how long (0 to 1)."""

    pause: float
    act: str
    victim: float
    length: float

    def choose(self, ones: Sequence[T]) -> T:
        """Give the one of several that it strikes."""
        return ones[int(self.victim * len(ones))]


def plan_blows(seed: int) -> Iterator[Blow]:
    """Give the blows of a storm, without end; of one seed always the same."""
    rng = random.Random(seed)
    while True:
        kind, which = rng.random(), rng.random()
        kill = "kill_daemon" if which < 0.4 else "kill_worker"
        act = TROUBLE[int(which * len(TROUBLE))] if kind < 0.3 else kill
        yield Blow(rng.uniform(0.2, 2.0), act, rng.random(), rng.random())
