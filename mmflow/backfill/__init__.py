"""Filling in the windows of past days: each once, in the order of time, however often it is begun anew.

The windows are slots of kind ``backfill`` in the ledger, so that one that was killed goes on where it was when it is
begun again. They go through the same leases, executor and workers as those of the daemon, which leaves them alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Final, Literal

from mmflow.backfill.windows import Window
from mmflow.check.uses import SinkUse
from mmflow.deliver.ending import find_required
from mmflow.deliver.told import delivery_key
from mmflow.errors import Busy
from mmflow.leases import Leases
from mmflow.ledger import Ledger, NewSlot, OsLock, Slot
from mmflow.ledger.driver import as_moment, as_text
from mmflow.tasks import Task

PATIENCE: Final = timedelta(minutes=15)  # for which a window that fails for a while is tried again
GLANCE: Final = 1.0  # seconds between two looks at what is due again
STOPPED: Final = "the backfill was stopped; the same command goes on with it"
REDO: Final = "redo of "  # with the job, the note of the ledger of when all its windows were begun again
GIVEN_UP: Final = "not filled in: a later backfill was about other days"

EndState = Literal["good", "done", "failed", "held", "skipped", "open"]


@dataclass(frozen=True, slots=True)
class Ended:
    """What has become of a window: ``good`` it was before, ``open`` it is still. ``run`` is "" when none began."""

    window: Window
    state: EndState
    run: str = ""
    reason: str = ""


class BackfillLock(OsLock):
    """Held while windows of a job are filled in on this machine."""

    def __init__(self, folder: Path, job: str) -> None:
        super().__init__(folder / f"{job}.backfill.lock")
        self._job = job

    def explain(self, owner: str) -> str:
        """Give the sentence for whoever wants to do the same."""
        return f"windows of job {self._job!r} are being filled in by {owner}; wait until that ends, or end it"


# -- what there is to do


def find_good(ledger: Ledger, job: str, uses: Sequence[SinkUse], windows: Sequence[Window]) -> dict[datetime, str]:
    """Give the windows, by slot, that need no work, each with the run that saw to it.

    A window is good when every required sink that can be replaced has it from a run that is ok or degraded. Of a job
    without such sinks it is one whose own slot is done.
    """
    found = {window.slot: find_run(ledger, job, uses, window) for window in windows}
    return {slot: run for slot, run in found.items() if run}


def find_run(ledger: Ledger, job: str, uses: Sequence[SinkUse], window: Window) -> str:
    """Give the run that makes a window good, "" when none does."""
    replaceable = [use for use in uses if use.type.semantics != "message"]
    if not replaceable:
        slot = ledger.slots.find(job, window.slot, "backfill")
        return slot.run if slot and slot.state == "done" else ""
    keys = {use.name: delivery_key(use, job, window.slot, window.spans) for use in replaceable}
    standing = {name: run for name, key in keys.items() if (run := ledger.standing_run(key))}
    needed = find_required(replaceable, standing) or keys.keys()
    runs = {standing.get(name, "") for name in needed}
    good = "" not in runs and all(ledger.read_run(run).state in ("ok", "degraded") for run in runs)
    return max(runs) if good else ""


def find_redone(ledger: Ledger, job: str, good: Mapping[datetime, str]) -> dict[datetime, str]:
    """Give those of the good windows that need no work when all are done again and that was stopped before its end.

    They are those whose own slot was done since it began, as long as one of the others has not ended.
    """
    begun = as_moment(ledger.noted(REDO + job))
    is_left = any(slot.kind == "backfill" and slot.due in good for slot in ledger.slots.list_open(job))
    if begun is None or not is_left:
        return {}
    found = {slot: ledger.slots.find(job, slot, "backfill") for slot in good}
    return {
        due: slot.run
        for due, slot in found.items()
        if slot and slot.state == "done" and slot.run == good[due] and slot.updated >= begun
    }


# -- doing it


@dataclass(slots=True, kw_only=True)
class Filling:
    """One backfill at work, under its :class:`BackfillLock`.

    ``make_task`` gives the task of a leased slot, that is tried again until an instant; ``tell`` hears of each window
    that has ended. ``leases`` wakes ``woken``, and no more than ``parallel`` of its tasks are under way. ``redo`` tells
    whether windows are done again that were good, None when that goes on which was stopped before its end.
    """

    ledger: Ledger
    job: str
    windows: Sequence[Window]
    leases: Leases
    woken: Event
    parallel: int
    make_task: Callable[[Slot, datetime], Task]
    tell: Callable[[Ended], None]
    redo: bool | None = False
    _until: dict[datetime, datetime] = field(default_factory=dict)

    def fill(self, *, send: bool) -> list[Ended]:
        """Fill in all windows and give what became of each; ``send`` says whether their messages go out.

        What waits to be tried again is waited for. On an interrupt what is under way is put back, and the same call
        goes on with it later. Raises :class:`~mmflow.errors.Busy` when another machine fills in windows of the job.
        """
        self._begin(send=send)
        waiting = {window.slot: window for window in self.windows}
        try:
            while waiting:
                for slot in self._step(list(waiting)):
                    ended = read_end(self.ledger, self.job, waiting[slot])
                    if ended.state != "open":
                        del waiting[slot]
                        self.tell(ended)
        finally:
            self.leases.executor.stop(0.0)
            self.leases.release(self.ledger)
        return [read_end(self.ledger, self.job, window) for window in self.windows]

    def _step(self, waiting: Sequence[datetime]) -> Sequence[datetime]:
        """Give out what is due, wait for a moment or until something has ended, and give the slots to look at."""
        self._give_out()
        if not self.leases.tasks:  # all that is left waits to be tried again, or was ended by hand
            self.leases.clock.sleep(GLANCE)
            self.leases.cancel_wished(self.ledger)
            return waiting
        self.woken.wait(GLANCE)
        self.woken.clear()
        self.leases.renew(self.ledger)
        self.leases.cancel_wished(self.ledger)
        return [task.slot.due for task, _ in self.leases.settle(self.ledger)]

    def _begin(self, *, send: bool) -> None:
        """Write the windows as slots; what an earlier backfill left of them is taken up, of others closed."""
        slots, wanted = self.ledger.slots, {window.slot for window in self.windows}
        for slot in slots.list_open(self.job):
            if slot.kind == "backfill":
                self._take_up(slot)
                if slot.due not in wanted:
                    self._give_up(slot)
        now = self.leases.clock.now()
        if self.redo is not None:
            self.ledger.note(REDO + self.job, as_text(now) if self.redo else "")
        slots.reopen(
            self.job, [NewSlot(due=window.slot, kind="backfill", send=send, next_at=now) for window in self.windows]
        )

    def _take_up(self, slot: Slot) -> None:
        """Put back what a backfill leased that is gone; one of this machine is, since it has not got the lock."""
        if slot.state != "running":
            return
        here = slot.owner.split(":")[0] == self.leases.owner.split(":")[0]
        if not here and slot.lease_until and slot.lease_until > self.ledger.slots.now():
            raise Busy(f"windows of job {self.job!r} are being filled in by {slot.owner}; wait until that ends")
        self.ledger.slots.put_back(slot, self.leases.clock.now(), STOPPED)

    def _give_up(self, slot: Slot) -> None:
        """End a slot that is not wanted any more, and the run that was under way or waited."""
        run = self.ledger.find_run(slot.run)
        if run and run.state in ("running", "retrying"):
            self.ledger.finish_run(run.id, "failed", error=GIVEN_UP, skipped=GIVEN_UP)
        else:
            self.ledger.slots.close(slot, "skipped", GIVEN_UP)

    def _give_out(self) -> None:
        room = self.parallel - len(self.leases.tasks)
        if room <= 0:
            return
        now = self.ledger.slots.now()
        for slot in self.ledger.slots.take_windows(self.job, self.leases.owner, self.leases.until(self.ledger), room):
            self.leases.give(self.make_task(slot, self._until.setdefault(slot.due, now + PATIENCE)))


def read_end(ledger: Ledger, job: str, window: Window) -> Ended:
    """Give what has become of a window, as the ledger has it."""
    slot = ledger.slots.read(job, window.slot, "backfill")
    if slot.state in ("due", "running"):
        return Ended(window, "open", slot.run, slot.reason)
    run = ledger.read_run(slot.run) if slot.run else None
    if slot.state == "done":
        state: EndState = "held" if run and run.state == "held" else "done"
    else:
        state = "skipped" if slot.state == "skipped" else "failed"
    return Ended(window, state, slot.run, (run.error if run else "") or slot.reason)
