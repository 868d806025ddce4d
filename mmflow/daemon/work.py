"""The daemon's leased work: what is due goes out, and what others left behind is taken up."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from mmflow.clock import Clock
from mmflow.leases import Leases, ignore_taken, put_back_lost
from mmflow.ledger import Ledger, Slot
from mmflow.logs import bind
from mmflow.planner import Planner
from mmflow.roster import Roster
from mmflow.tasks import Task

log = logging.getLogger(__name__)

MOST_LEASED: Final = 1000  # slots that a daemon holds at a time; those that wait in line are leased too
UNUSABLE_PAUSE: Final = timedelta(minutes=1)  # until a slot whose job cannot run now is looked at again
STOPPED: Final = "the daemon was stopped; it goes on when one runs again"


@dataclass(frozen=True, slots=True)
class Work:
    """Gives out what is due, by the jobs of the roster, and holds ``most`` slots at a time."""

    root: Path
    clock: Clock
    roster: Roster
    planner: Planner
    leases: Leases
    most: int = MOST_LEASED

    def give_out(self, ledger: Ledger) -> int:
        """Lease what is due and hand it to the executor, the urgent first; give how many slots were leased."""
        room = self.most - len(self.leases.tasks)
        slots = ledger.slots.take(self.leases.owner, self.leases.until(ledger), room) if room > 0 else []
        for slot in slots:
            if slot.job in self.roster.plans:
                self.leases.give(self._make_task(slot))
            else:
                self._refuse(ledger, slot)
        return len(slots)

    def _make_task(self, slot: Slot) -> Task:
        return Task(
            root=str(self.root),
            file=self.roster.plans[slot.job].file,
            text=self.roster.text(slot.job),
            settings=self.roster.settings_text,
            slot=slot,
            until=self.planner.until(slot),
            references=self.roster.references,
        )

    def _refuse(self, ledger: Ledger, slot: Slot) -> None:
        """Put off a slot whose job has no usable file now, and end it when that lasts."""
        reason = self.roster.blocked.get(slot.job, "there is no usable job of that name any more")
        if self.clock.now() < self.planner.until(slot):
            ledger.slots.put_back(slot, self.clock.now() + UNUSABLE_PAUSE, reason, slot.resume)
        else:
            ledger.slots.close(slot, "skipped", reason)

    def recover(self, ledger: Ledger) -> None:
        """Take up what other daemons, or this one before a mishap, have leased and do not work on any more."""
        for slot in ledger.slots.list_lost():
            if slot.owner != self.leases.owner and slot.kind != "backfill":
                run = slot.run if slot.begun else slot.resume
                with bind(job=slot.job, slot=slot.due, run=run), ignore_taken():
                    self.leases.take_up(ledger, slot, f"whoever worked on it ({slot.owner}) is gone")
        for slot in ledger.slots.list_owned(self.leases.owner):
            if (slot.job, slot.due, slot.kind) not in self.leases.tasks:
                put_back_lost(ledger, slot, "it was leased and not begun", self.clock.now())
