"""What has waited since before nothing ran: it is chosen among like the times that came meanwhile."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from mmflow.ledger import Ledger, Slot
from mmflow.ledger.driver import as_moment, as_text
from mmflow.planner.choices import LATE
from mmflow.planner.clock_rule import STEP

PLANNED: Final = "planned_at"  # the ledger's note of when a planner looked last
RESTORED_AT: Final = "restored_at"  # and of when an older copy took its place


@dataclass(slots=True)
class Outage:
    """Finds that nobody has planned for a while, and keeps what waited then until it has been chosen among.

    A line that grew while somebody planned all the time is left as it is. ``absent`` tells that this planner is new,
    and did not merely stand still for a while, as that of a machine that sleeps.
    """

    waiting: Mapping[str, Sequence[Slot]] = field(default_factory=dict)
    absent: bool = False
    _looked: datetime | None = None

    def look(self, ledger: Ledger, now: datetime) -> bool:
        """Look whether there was one before now; tell whether the clock went back instead."""
        back = self._looked is not None and self._looked - now > STEP
        if self._looked is None or now - self._looked > LATE:
            last = as_moment(ledger.noted(PLANNED))
            if last and now - last > LATE:
                self.waiting, self.absent = ledger.slots.list_waiting(), self._looked is None
        self._looked = now
        return back

    def of(self, job: str) -> Sequence[Slot]:
        """Give what waited of a job."""
        return self.waiting.get(job, ())

    def end(self, ledger: Ledger, now: datetime) -> None:
        """Note that all is planned up to now."""
        ledger.note(PLANNED, as_text(now))

    def forget(self, left: Collection[str]) -> None:
        """Keep it only for jobs that are looked at later."""
        self.waiting = {job: slots for job, slots in self.waiting.items() if job in left}
        self.absent = self.absent and bool(left)


def read_restore(ledger: Ledger) -> datetime | None:
    """Give up to when messages may have been sent of which the ledger knows nothing, None when it knows of all."""
    return as_moment(ledger.noted(RESTORED_AT))
