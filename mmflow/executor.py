"""Leased slots are done in worker processes, which can be ended: a run that hangs, crashes or leaks harms no other.

Each lane holds a pool of one process, so that ending one task touches no other. Pebble starts the process and carries
tasks and answers; time is measured here, by a clock that does not jump, and what is ended is the whole process group.
A process that ended is never trusted to have left its pool in order: the lane opens a new one.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, wait
from contextlib import suppress
from typing import Final

from pebble import ProcessPool
from pebble.pool.process import WorkerManager

from mmflow.clock import Clock
from mmflow.durations import parse_duration
from mmflow.logs import bind
from mmflow.settings import Daemon
from mmflow.stops import holding_stops
from mmflow.tasks import Outcome, Task
from mmflow.worker import begin_worker, execute_task

Key = tuple[str, object, str]
Done = Callable[[Task, Outcome], None]

STEP: Final = 0.2  # seconds between two looks at a task that runs
START_SECONDS: Final = 120.0  # a process that has not begun by then will not
SPENT: Final = frozenset({"died", "timeout", "cancelled", "lost"})  # after these a process does nothing more
TASKS_OF_ONE: Final = 200  # then its process is replaced, whatever has leaked in it

log = logging.getLogger(__name__)


class Executor:
    """Does tasks side by side, as many as ``rules.workers``; the others wait in line. Close it with :meth:`stop`.

    ``clock`` and ``environ`` are those of the worker processes too: the clock goes there by pickling, the environment
    holds what references stand for. ``warm`` starts them before there is anything to do.
    """

    def __init__(self, rules: Daemon, clock: Clock, environ: Mapping[str, str], *, warm: bool = True) -> None:
        self._warm = warm
        self._change = threading.Condition()
        self._waiting: deque[tuple[Task, Done]] = deque()
        self._running: dict[Key, tuple[Task, Lane]] = {}
        self._stopping = False
        seconds = parse_duration(rules.run_time).total_seconds()
        self._lanes = [Lane(clock, environ, rules.run_memory_mb, seconds) for _ in range(rules.workers)]
        self._threads = [
            threading.Thread(target=self._serve, args=(lane,), name=f"mmflow-lane-{at}", daemon=True)
            for at, lane in enumerate(self._lanes)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, task: Task, done: Done) -> None:
        """Have a task done; ``done`` is then called once, from another thread."""
        with self._change:
            if not self._stopping:
                self._waiting.append((task, done))
                self._change.notify()
                return
        report(task, Outcome(state="cancelled", error="not begun: the daemon stops"), done)

    def cancel(self, key: Key) -> bool:
        """End what is done for a slot, or take it out of the line; False when it is neither."""
        with self._change:
            if found := self._running.get(key):
                found[1].end("cancelled")
                return True
            line = [pair for pair in self._waiting if pair[0].key == key]
            self._waiting = deque(pair for pair in self._waiting if pair[0].key != key)
        for task, done in line:
            report(task, Outcome(state="cancelled", error="not begun"), done)
        return bool(line)

    def running(self) -> Sequence[Task]:
        """Give the tasks that are being done or wait in line."""
        with self._change:
            return [*(task for task, _ in self._running.values()), *(task for task, _ in self._waiting)]

    def stop(self, grace: float) -> None:
        """Begin nothing more, give what runs so many seconds, then end it; returns within a few seconds after that."""
        with self._change:
            self._stopping = True
            line = list(self._waiting)
            self._waiting.clear()
            self._change.notify_all()
        for task, done in line:
            report(task, Outcome(state="cancelled", error="not begun: the daemon stops"), done)
        end = time.monotonic() + grace
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
        for lane in self._lanes:
            lane.end("cancelled")
        end = time.monotonic() + 5.0
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))

    def _serve(self, lane: Lane) -> None:
        if self._warm:
            lane.warm()
        while pair := self._next(lane):
            task, done = pair
            outcome = lane.run(task)
            with self._change:
                self._running.pop(task.key, None)
            report(task, outcome, done)
            if self._warm and not self._stopping:
                lane.warm()  # the next task need not wait for it, nor one that another lane can do meanwhile
        lane.close()

    def _next(self, lane: Lane) -> tuple[Task, Done] | None:
        with self._change:
            while not self._waiting:
                if self._stopping:
                    return None
                self._change.wait()
            task, done = self._waiting.popleft()
            lane.begin()
            self._running[task.key] = task, lane
            return task, done


def report(task: Task, outcome: Outcome, done: Done) -> None:
    """Tell whoever gave the task; what goes wrong there is no reason to do no more tasks."""
    try:
        done(task, outcome)
    except Exception:
        log.exception("what came of %s could not be told", task.slot.job)


class Lane:
    """One worker process after the other, with one task at a time."""

    def __init__(self, clock: Clock, environ: Mapping[str, str], memory_mb: int, seconds: float) -> None:
        self._given = (clock, dict(environ), memory_mb)
        self._seconds = seconds
        self._pool: ProcessPool | None = None
        self._pid = 0
        self._tasks = 0
        self._wish = ""  # how the task is to be ended

    def begin(self) -> None:
        """Take a new task; a wish to end the one before is none to end this."""
        self._wish = ""

    def end(self, wish: str) -> None:
        """Have the task that runs ended; from any thread."""
        self._wish = self._wish or wish

    def warm(self) -> None:
        """Start the process before there is anything to do, since it has much to import."""
        try:
            self._open()
        except Exception:
            log.exception("a worker process cannot be started; it is tried again with the next run")
            self.close()

    def run(self, task: Task) -> Outcome:
        """Do a task and say what came of it; never raises."""
        started = time.monotonic()
        try:
            pool = self._open()
        except Exception as error:  # such as EAGAIN or EMFILE: it passes, and is no doing of this task
            log.exception("a worker process cannot be started")
            self.close()
            return Outcome(state="lost", error=f"a worker process cannot be started: {error}")
        try:
            outcome = self._run(pool, task, started)
        except Exception as error:
            log.exception("a worker process could not be used")
            outcome = Outcome(state="died", error=f"a worker process could not be used: {error}")
        if outcome.worn:
            with bind(job=task.slot.job, slot=task.slot.due):
                log.warning("the worker process is replaced after this run: %s", outcome.worn)
        if self._pid and outcome.state in SPENT:
            end_group(self._pid)  # also when it is dead: what it has started may be there
        if outcome.worn or outcome.state in SPENT or self._tasks >= TASKS_OF_ONE:
            self.close()
        return outcome

    def _run(self, pool: ProcessPool, task: Task, started: float) -> Outcome:
        self._tasks += 1
        future: Future[Outcome] = pool.schedule(execute_task, args=(task,))
        while not future.done():
            wait([future], timeout=STEP)
            seconds = time.monotonic() - started
            if self._wish:
                return Outcome(state="cancelled", error="ended by hand, or by the end of the daemon", seconds=seconds)
            if seconds > self._seconds:
                text = f"ended after {seconds:.0f} s; daemon.run_time allows {self._seconds:.0f} s"
                return Outcome(state="timeout", error=text, seconds=seconds)
            if not future.done() and not is_alive(self._pid):
                break
        wait([future], timeout=STEP)  # an answer may have come just before the end
        if future.done() and future.exception() is None:
            return future.result()
        return Outcome(state="died", error="its process ended without a word", seconds=time.monotonic() - started)

    def _open(self) -> ProcessPool:
        if self._pool and not is_alive(self._pid):
            self.close()
        if self._pool is None:
            self._pool = ProcessPool(
                max_workers=1,
                initializer=begin_worker,
                initargs=self._given,
                context=multiprocessing.get_context("spawn"),
            )
            with holding_stops():
                began = self._pool.schedule(os.getpid)
            self._pid = wait_for_start(keep_to_one(self._pool), began)
            self._tasks = 0
        return self._pool

    def close(self) -> None:
        """End the process and all that it has started; never raises.

        The number of one that died while it had nothing to do may be a stranger's by now.
        """
        (pool, self._pool), (pid, self._pid) = (self._pool, None), (self._pid, 0)
        if pool is None:
            return
        try:
            if is_alive(pid):
                end_group(pid)  # first: Pebble asks it to end, and waits seconds for that
            pool.stop()  # type: ignore[no-untyped-call]  # Pebble says no type here
            pool.join()
        except Exception:  # such as one that the system does not end: its lane goes on with another
            log.exception("a worker process could not be ended in order")


def keep_to_one(pool: ProcessPool) -> WorkerManager:
    """Have a pool that has started its process start no other, and give what holds it.

    Pebble replaces a process that has ended at once, here in a pool that is being closed: the new one finds nothing of
    what it was promised any more, and says so on stderr.
    """
    manager = pool._pool_manager.worker_manager  # noqa: SLF001  it has no switch for that
    manager.workers_number = 0
    return manager


def wait_for_start(manager: WorkerManager, began: Future[int]) -> int:
    """Give the number of a process as soon as it works."""
    end = time.monotonic() + START_SECONDS
    while not began.done() and manager.workers and time.monotonic() < end:
        wait([began], timeout=STEP)
    return began.result(timeout=STEP)


def is_alive(pid: int) -> bool:
    """Tell whether a process that this one has started is there."""
    return any(child.pid == pid for child in multiprocessing.active_children())


def end_group(pid: int) -> None:
    """End a worker process and those it has started, at once, as far as the system does it."""
    with suppress(OSError):
        if sys.platform == "win32":
            # Windows knows no groups that are ended together; this tool walks the tree.
            subprocess.run(["taskkill", "/F", "/T", "/PID", str(pid)], check=False, capture_output=True)  # noqa: S603, S607  found as Windows finds it
        else:
            os.killpg(pid, signal.SIGKILL)
