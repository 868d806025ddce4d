"""When a delivery that did not work is tried again, and that nobody else delivers to the same place meanwhile.

By hand the tries follow each other in this process. Under a lease there is one try for each, and the ledger knows when
the next is due: no process waits, and a restart loses nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Final

from mmflow.check.uses import SinkUse, waits_for
from mmflow.ledger import Delivery, OsLock

ATTEMPTS: Final = 3  # by hand
LONGEST_WAIT: Final = 60.0  # seconds, by hand
FIRST_PAUSE: Final = 1.0  # seconds, doubling with each try, under a lease
LONGEST_PAUSE: Final = 900.0
LONGEST_ASKED: Final = 3600.0  # that a sink may ask for, under a lease
LOCK_PATIENCE: Final = 600.0  # seconds for which another run of the job may write to the same destination

OPEN: Final = frozenset({"pending", "running", "retrying"})  # what a run that goes on has still to do
WAITING: Final = frozenset({"pending", "retrying"})


class SinkLock(OsLock):
    """Held while one sink of a job is delivered to: runs of one job may go side by side, their deliveries may not."""

    def __init__(self, state: Path, job: str, sink: str) -> None:
        super().__init__(state / "locks" / "sinks" / f"{job}@{sink}.lock", LOCK_PATIENCE)
        self._what = f"sink {sink!r} of job {job!r}"

    def explain(self, owner: str) -> str:
        """Give the sentence for a run that comes second."""
        return f"{self._what} is being delivered to by {owner}"


def pause_by_hand(after: float | None, attempt: int) -> float | None:
    """Give the seconds until the next try in this process, None when there is none; ``attempt`` counts from 1."""
    if attempt >= ATTEMPTS or not (after or 0.0) <= LONGEST_WAIT:
        return None
    return max(after or 2.0**attempt, 0.0)


def pause_later(after: float | None, attempts: int, rng: Random) -> float:
    """Give the seconds until a delivery is due again, after so many attempts: as the sink said, else by chance.

    Full jitter, so that many deliveries to one place spread out. Who says "at once" says nothing: it would be asked
    without end.
    """
    if after is not None and after >= FIRST_PAUSE:
        return min(after, LONGEST_ASKED)
    return rng.uniform(0, min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(attempts, 30)))


def may_deliver(use: SinkUse, uses: Sequence[SinkUse], known: Mapping[str, Delivery], now: datetime) -> bool:
    """Tell whether a sink has its turn in this part of a run: it is open and due, and those it waits for have ended."""
    delivery = known[use.name]
    if delivery.state not in OPEN or (delivery.next_at and delivery.next_at > now):
        return False
    return not any(known[name].state in WAITING for name in waits_for(use, uses) if name in known)


def next_due(deliveries: Sequence[Delivery]) -> datetime | None:
    """Give when the first of those that are tried again is due, None when all have ended."""
    return min((one.next_at for one in deliveries if one.state == "retrying" and one.next_at), default=None)


def later(now: datetime, seconds: float, until: datetime) -> datetime | None:
    """Give the instant of the next try, None when there is no time left for one."""
    at = now + timedelta(seconds=seconds)
    return at if at < until else None
