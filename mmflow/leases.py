"""Leased slots at work: given to the executor, renewed while they last, and put right when they end without a word.

The daemon and a backfill both go by it; they differ in which slots they lease.
"""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Final, Protocol

from msgspec.structs import replace

from mmflow.clock import Clock
from mmflow.errors import Busy
from mmflow.ledger import Ledger, Slot
from mmflow.logs import bind
from mmflow.tasks import Outcome, Task, find_open, give_up

log = logging.getLogger(__name__)

LEASE: Final = timedelta(seconds=60)
MOST_DEATHS: Final = 3
FIRST_PAUSE: Final = timedelta(seconds=10)  # after a death; six times as long after the next
LOST_PAUSE: Final = timedelta(seconds=30)
LEAST_ROOM: Final = 16 << 20  # bytes; with less, a ledger may fail at any time, whoever writes
CANCELLED: Final = "cancelled by hand"
BY_ITSELF: Final = frozenset({"done", "again"})  # the worker has written down what came of it

Key = tuple[str, datetime, str]


class Executor(Protocol):
    """Where work is done: worker processes of this machine, or whatever takes a task and reports an outcome."""

    def submit(self, task: Task, done: Callable[[Task, Outcome], None]) -> None:
        """Have a task done; ``done`` is called once, from any thread."""
        ...

    def cancel(self, key: Key) -> bool:
        """End what is done for a slot; False when nothing is."""
        ...

    def running(self) -> Sequence[Task]:
        """Give the tasks that are being done or wait in line."""
        ...

    def stop(self, grace: float) -> None:
        """Begin nothing more, and end within so many seconds what is under way."""
        ...


def name_owner() -> str:
    """Give a name that no other process has, nor this one after it was started again."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"


@dataclass(slots=True, kw_only=True)
class Leases:
    """The slots that ``owner`` has leased and given out.

    A lease lasts ``length`` unless it is renewed. ``wake`` is called from other threads when something has ended;
    ``stopped`` is why a slot is put back whose work was ended with this process; ``replaced`` says of one whose owner
    is gone why it need not begin anew, "" when it has to.
    """

    clock: Clock
    executor: Executor
    stopped: str
    wake: Callable[[], None]
    length: timedelta = LEASE
    replaced: Callable[[Ledger, Slot], str] = lambda _ledger, _slot: ""
    owner: str = field(default_factory=name_owner)
    _tasks: dict[Key, Task] = field(default_factory=dict)
    _ended: SimpleQueue[tuple[Task, Outcome]] = field(default_factory=SimpleQueue)
    _cancelled: set[Key] = field(default_factory=set)
    _lost: set[Key] = field(default_factory=set)  # slots of which nothing more was known the last time

    def until(self, ledger: Ledger) -> datetime:
        """Give when a lease ends that begins now."""
        return ledger.slots.now() + self.length

    @property
    def tasks(self) -> Mapping[Key, Task]:
        """What was given out and has not been settled yet."""
        return self._tasks

    def give(self, task: Task) -> None:
        """Hand the task of a leased slot to the executor."""
        self._tasks[task.key] = task
        try:
            self.executor.submit(task, self._note_end)
        except BaseException:
            del self._tasks[task.key]  # it is leased and not begun, which is found out
            raise

    def _note_end(self, task: Task, outcome: Outcome) -> None:
        self._ended.put((task, outcome))
        self.wake()

    def settle(self, ledger: Ledger) -> list[tuple[Task, Outcome]]:
        """Take in what has ended since the last time, and put right what did not end by itself."""
        settled = []
        while pair := self._next_ended():
            task, outcome = pair
            try:
                self._settle(ledger, task, outcome)
            except BaseException:
                self._ended.put(pair)
                self._lost.clear()  # the ledger is ill for all
                raise
            if outcome.state in BY_ITSELF:
                self._lost.discard(task.key)
            if (held := self._tasks.get(task.key)) and held.slot.fence == task.slot.fence:
                del self._tasks[task.key]  # and not that of a later lease, when this one had run out
                self._cancelled.discard(task.key)
            settled.append(pair)
        return settled

    def _next_ended(self) -> tuple[Task, Outcome] | None:
        try:
            return self._ended.get_nowait()
        except Empty:
            return None

    def _settle(self, ledger: Ledger, task: Task, outcome: Outcome) -> None:
        slot = task.slot
        with bind(job=slot.job, slot=slot.due, run=outcome.run or find_begun(ledger, slot)), ignore_taken():
            log.info("%s", tell_outcome(outcome))
            if outcome.state == "cancelled":
                self._end_cancelled(ledger, task)
            elif outcome.state == "lost":
                self._settle_lost(ledger, task, outcome.error)
            elif outcome.state not in BY_ITSELF:
                self.count_death(ledger, slot, outcome.error)

    def _settle_lost(self, ledger: Ledger, task: Task, why: str) -> None:
        """Put back what was lost; what was before, though the ledger is well here, not without end.

        When a run has begun it keeps its process from writing, and would for ever: that is a death. What cannot even
        begin, as no process starts, has failed when its time is up. On a full disk all are lost.
        """
        slot, now = ledger.slots.read(task.slot.job, task.slot.due, task.slot.kind), self.clock.now()
        ours = (slot.state, slot.fence) == ("running", task.slot.fence)
        again = ours and task.key in self._lost and has_room(Path(task.root))
        if again and slot.begun:
            self.count_death(ledger, slot, why, what="its run was lost")
        elif again and now >= task.until:
            give_up(ledger, slot, why)
        else:
            put_back_lost(ledger, task.slot, why, now)
            self._lost |= {task.key} if ours else set()

    def _end_cancelled(self, ledger: Ledger, task: Task) -> None:
        slot = ledger.slots.read(task.slot.job, task.slot.due, task.slot.kind)
        if task.key not in self._cancelled:
            ledger.leave_run(replace(slot, fence=task.slot.fence), self.clock.now(), self.stopped)
        elif run := slot.run if slot.begun else slot.resume:
            # Only under the lease: it may have ended by itself just before.
            ledger.finish_run(run, "failed", error=CANCELLED, lease=task.slot)
        else:
            ledger.slots.close(task.slot, "skipped", CANCELLED)

    def count_death(
        self, ledger: Ledger, slot: Slot, why: str, *, all_died: bool = False, what: str = "its process died"
    ) -> None:
        """Have a slot whose process died tried again, a little later each time, until it has died too often.

        When ``all_died`` around it as well, that was hardly its doing: it goes on at once the first time.
        """
        slot = ledger.slots.count_death(slot)
        if slot.deaths >= MOST_DEATHS:
            reason = f"quarantined: {what} {slot.deaths} times; the last time {why}"
            log.error("%s", reason)
            ledger.quarantine(slot, reason) if find_open(ledger, slot) else give_up(ledger, slot, reason)
            return
        pause = FIRST_PAUSE * 6 ** (slot.deaths - 1) if slot.deaths > all_died else timedelta()
        log.warning("%s; tried again in %s", why, pause)
        ledger.leave_run(slot, self.clock.now() + pause, why)

    def take_up(self, ledger: Ledger, slot: Slot, why: str) -> None:
        """Have a slot go on whose owner is gone; one that only waited in its line has died no death.

        ``slot`` is as the ledger has it now.
        """
        if reason := self.replaced(ledger, slot):
            log.warning("%s", reason)
            give_up(ledger, slot, reason, "failed" if slot.tries else "skipped")
        elif slot.begun:
            self.count_death(ledger, slot, why, all_died=True)
        else:
            ledger.leave_run(slot, self.clock.now(), why)

    def renew(self, ledger: Ledger) -> None:
        """Prolong the leases of all that is held."""
        if self._tasks:
            ledger.slots.renew(self.owner, self.until(ledger))

    def cancel_wished(self, ledger: Ledger) -> None:
        """End the runs that somebody wants to end."""
        for slot in ledger.slots.list_wished("cancel"):
            key = (slot.job, slot.due, slot.kind)
            with bind(job=slot.job, slot=slot.due, run=slot.run):
                if key in self._tasks and key not in self._cancelled:
                    log.warning("is being ended: %s", CANCELLED)
                    self._cancelled.add(key)
                    self.executor.cancel(key)
                elif slot.state == "due":
                    ledger.finish_run(slot.run, "failed", error=CANCELLED)

    def release(self, ledger: Ledger) -> int:
        """Put back all that is held, at the end, to go on from where it is; give how many slots."""
        self._tasks.clear()
        held = ledger.slots.list_owned(self.owner)
        for slot in held:
            with ignore_taken():
                ledger.leave_run(slot, self.clock.now(), self.stopped)
        return len(held)


@contextmanager
def ignore_taken() -> Iterator[None]:
    """Leave a slot alone that somebody else has taken over: it is theirs now."""
    try:
        yield
    except Busy as error:
        log.warning("%s", error)


def find_begun(ledger: Ledger, lease: Slot) -> str:
    """Give the run that has begun or goes on under a lease, "" when none does."""
    slot = ledger.slots.read(lease.job, lease.due, lease.kind)
    return slot.run if slot.begun and slot.fence == lease.fence else lease.resume


def put_back_lost(ledger: Ledger, slot: Slot, why: str, now: datetime) -> None:
    """Put back a slot of which nothing is known, unless it has ended or is another's by now."""
    found = ledger.slots.read(slot.job, slot.due, slot.kind)
    if (found.state, found.fence) == ("running", slot.fence):
        with ignore_taken():
            ledger.leave_run(found, now + LOST_PAUSE, why)


def has_room(folder: Path) -> bool:
    """Tell whether the disk of a folder is not about full."""
    try:
        return shutil.disk_usage(folder).free > LEAST_ROOM
    except OSError:
        return False


def tell_outcome(outcome: Outcome) -> str:
    """Say what came of a slot, for the log."""
    what = {"done": outcome.run_state or "done", "again": "is tried again"}.get(outcome.state, outcome.state)
    when = f" at {outcome.next_at:%H:%M:%S} UTC" if outcome.next_at else ""
    why = f": {outcome.error}" if outcome.error else ""
    return f"{what}{when}, {outcome.seconds:.1f} s{why}"
