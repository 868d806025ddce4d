"""What is handed to a worker process and what comes back: plain data, so that any queue could carry it.

And how a leased slot is given up, which both sides may do.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from mmflow.ledger import Ledger, RunState, Slot, SlotState


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """One leased slot to be worked on, with the job and ``mmflow.yaml`` as they were when it was given out.

    Both are YAML texts with references unresolved, so that no secret travels. ``until`` ends the trying again: what
    fails for a while is put back into the ledger as long as it is before that. ``sinks`` are those that get the table,
    by name; all of the job unless given. ``references`` are those of other jobs, whose secrets are hidden too.
    """

    root: str
    file: str  # of the job, from the root
    text: str
    settings: str
    slot: Slot
    until: datetime
    sinks: tuple[str, ...] | None = None
    references: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, datetime, str]:
        """What names the slot."""
        return self.slot.job, self.slot.due, self.slot.kind


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a task, for logs and counters: the ledger knows it already, unless the process died.

    ``done``: the slot has ended. ``again``: it is due again at ``next_at``. ``lost``: the lease was taken over, the
    ledger could not be used, or no process could be started, so nothing is known of it. ``died``: the process ended
    without a word, ``timeout`` and ``cancelled``: it was ended. ``requests``, ``tries`` and ``received`` bytes are
    those of a run that began this time. ``worn`` is why its process is to do nothing more, "" when it may go on.
    """

    state: Literal["done", "again", "lost", "died", "timeout", "cancelled"]
    run: str = ""
    run_state: RunState | Literal[""] = ""
    error: str = ""
    next_at: datetime | None = None
    seconds: float = 0.0
    requests: int = 0
    tries: int = 0
    received: int = 0
    worn: str = ""


def find_open(ledger: Ledger, slot: Slot) -> str:
    """Give the run of a slot that has not ended, "" when there is none."""
    run = ledger.find_run(slot.run)
    return run.id if run and run.state in ("running", "retrying") else ""


def give_up(ledger: Ledger, slot: Slot, reason: str, state: SlotState = "failed") -> None:
    """End a leased slot, by ``state`` or as failed with the run that its process left, if it began one."""
    if run := find_open(ledger, slot):
        ledger.finish_run(run, "failed", error=reason, lease=slot)
    else:
        ledger.slots.close(slot, state, reason)
