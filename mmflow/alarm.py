"""The alarm clock: wakes the loop at an instant and every half minute, and decides nothing. The door of APScheduler.

Its jobs are two, in memory: the instant that is next, and the tick. What is due stands in the ledger, so an alarm that
comes late, twice or not at all changes nothing but when it is looked for.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from mmflow.clock import Clock

if TYPE_CHECKING:
    from apscheduler.schedulers.background import BackgroundScheduler

TICK: Final = 30.0  # seconds
FARTHEST: Final = 86_400.0  # seconds; what comes later is set again by then
STEP: Final = timedelta(seconds=1)  # what the machine's clock may go astray before it counts as set
MOST_RINGS: Final = 1000  # that wait for their turn: one that comes too soon is not dropped, with a warning
DUE, TICKING = "due", "tick"  # the two jobs


class Alarm:
    """Calls ``wake`` from a thread of its own. Use it as a context manager.

    ``ticks`` counts; a count that stands still for longer than a tick tells that the thread is dead.
    """

    def __init__(self, wake: Callable[[], None], clock: Clock, tick: float = TICK) -> None:
        self._wake = wake
        self._clock = clock
        self._set: datetime | None = None
        self._tick = timedelta(seconds=tick)
        self._booted = find_boot()
        self._scheduler = make_scheduler()
        self.ticks = 0
        self._add(self._count, tick, TICKING)
        # A date that is over would be removed by its thread, which ends by an error when it is just being closed. This
        # one is moved instead, and rings once a day for nothing.
        self._add(self._ring, FARTHEST, DUE)

    def _add(self, call: Callable[[], None], seconds: float, name: str) -> None:
        from apscheduler.triggers.interval import IntervalTrigger

        self._scheduler.add_job(call, IntervalTrigger(seconds=seconds, timezone=UTC), id=name)

    def __enter__(self) -> Self:
        self._scheduler.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._scheduler.shutdown(wait=False)  # to wait has no deadline

    def set(self, instant: datetime | None) -> None:
        """Wake at this instant of the daemon's clock instead of the one set before; None: only at the ticks.

        Called again and again, it also notices that the machine's clock was set. The scheduler would wait for the
        times that it had noted: after a step back for as long as that was, without a tick.
        """
        stepped = abs(find_boot() - self._booted) > STEP
        if stepped:
            self._booted = find_boot()
            self._scheduler.modify_job(TICKING, next_run_time=datetime.now(UTC) + self._tick)
        if instant == self._set and not stepped:
            return
        self._set = instant
        # The scheduler goes by the machine's clock, which is not the daemon's in rehearsals.
        wait = (instant - self._clock.now()).total_seconds() if instant else FARTHEST
        at = datetime.now(UTC) + timedelta(seconds=min(max(wait, 0.0), FARTHEST))
        self._scheduler.modify_job(DUE, next_run_time=at)

    def _ring(self) -> None:
        self._set = None
        self._wake()

    def _count(self) -> None:
        self.ticks += 1
        self._wake()


def find_boot() -> datetime:
    """Give the instant at which the monotonic clock began, which moves only when the machine's clock is set."""
    return datetime.now(UTC) - timedelta(seconds=time.monotonic())


def make_scheduler() -> BackgroundScheduler:
    """Make a scheduler that drops nothing: by itself it forgets what is a second late."""
    from apscheduler.executors.pool import ThreadPoolExecutor
    from apscheduler.jobstores.memory import MemoryJobStore
    from apscheduler.schedulers.background import BackgroundScheduler

    defaults: dict[str, Any] = {"misfire_grace_time": None, "coalesce": True, "max_instances": MOST_RINGS}
    return BackgroundScheduler(
        jobstores={"default": MemoryJobStore()},
        executors={"default": ThreadPoolExecutor(1)},
        job_defaults=defaults,
        timezone=UTC,
        daemon=True,
    )
