"""A worker process, from inside: it does one leased slot after the other, and its own end is nobody else's trouble."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import sys
import threading
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from multiprocessing import connection, parent_process
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from mmflow.atomic import STATE
from mmflow.check import CheckedJob, check_job
from mmflow.clock import Clock
from mmflow.document import read_text
from mmflow.errors import Busy, MmflowError, StateError, UserError
from mmflow.hosts import Host
from mmflow.leaks import learn_secrets
from mmflow.ledger import Ledger, Place, Slot, find_place
from mmflow.logs import bind, open_logs
from mmflow.plants import find_hosts, open_simulated
from mmflow.printed import Printed
from mmflow.refs import Redactor, Resolver
from mmflow.resolve import resolve_job, resolve_settings, resolve_state
from mmflow.run import Engine, Order, run_slot
from mmflow.run.ending import name_cause, record_refusal
from mmflow.settings import Settings, State
from mmflow.stops import ending_copies, ignore_stops
from mmflow.table import share_database
from mmflow.tasks import Outcome, Task, give_up
from mmflow.text import is_interrupt
from mmflow.worker.traces import Traces, ran_short
from mmflow.workspace import Workspace, read_workspace

log = logging.getLogger(__name__)

BUSY_WAIT: Final = timedelta(seconds=30)  # until a job that somebody runs by hand is looked at again
MOST_JOBS: Final = 256  # that are kept checked
TIDY_EVERY: Final = 600.0  # seconds
M_ARENA_MAX: Final = -8  # of glibc's mallopt


@dataclass(slots=True)
class OpenLedger:
    """A ledger that stays open from task to task, since opening looks at all of it."""

    _ledger: Ledger | None = None
    _key: tuple[Path, str] | None = None
    _found: tuple[Path, State, Place] | None = None  # to look for drives of the network takes a while
    _tidied: float | None = None

    def open(self, workspace: Workspace, resolver: Resolver, clock: Clock) -> Ledger:
        """Give the ledger of a workspace."""
        place = self._find_place(workspace.root, resolve_state(workspace.checked, resolver))
        key = workspace.root, repr(place)
        if self._ledger is None or self._key != key or (isinstance(place, Path) and not place.exists()):
            self.close()
            self._ledger, self._key = Ledger.open(place, clock, known=""), key  # its task comes from one
        return self._ledger

    def _find_place(self, root: Path, state: State) -> Place:
        if self._found is None or self._found[:2] != (root, state):
            self._found = root, state, find_place(state, root / STATE)
        return self._found[2]

    def close(self) -> None:
        """Let it go."""
        ledger, self._ledger = self._ledger, None
        if ledger:
            ledger.close()

    def is_tidy_time(self, now: float) -> bool:
        """Tell whether old things are to be dropped, which takes a look at all files; ``now`` is monotonic."""
        if self._tidied is not None and now - self._tidied < TIDY_EVERY:
            return False
        self._tidied = now
        return True


@dataclass(frozen=True, slots=True)
class Worker:
    """What a worker process keeps from task to task: what it has checked already. Secrets are read anew each time."""

    clock: Clock
    environ: Mapping[str, str] = field(repr=False)
    redactor: Redactor = field(default_factory=Redactor)
    _workspaces: dict[tuple[str, str], Workspace] = field(default_factory=dict, repr=False)
    _plants: dict[tuple[str, str, str], dict[str, Host]] = field(default_factory=dict, repr=False)
    _logged: set[Path] = field(default_factory=set, repr=False)
    _open: ExitStack = field(default_factory=ExitStack, repr=False)  # what lives as long as this process
    _ledgers: OpenLedger = field(default_factory=OpenLedger, repr=False)
    _jobs: dict[tuple[str, str, str, str], CheckedJob] = field(default_factory=dict, repr=False)

    def log_to(self, folder: Path) -> None:
        """Have what is logged from now on written to the day files of a folder."""
        if folder not in self._logged:
            self._logged.add(folder)
            self._open.enter_context(open_logs(folder, self.redactor, clock=self.clock))

    def share_database(self) -> None:
        """Have this thread read the snapshots of all its tasks by one database, which takes a while to start."""
        self._open.enter_context(share_database())

    def close(self) -> None:
        """Let go of what was kept; a process that is ended needs nothing of the kind."""
        self._open.close()
        self._ledgers.close()

    def execute(self, task: Task) -> Outcome:
        """Do one leased slot and give what came of it; whatever happens is in the outcome, nothing is raised.

        How the slot ends is written to the ledger in the transaction that ends its run.
        """
        started = self.clock.monotonic()
        with bind(job=task.slot.job, slot=task.slot.due):
            try:
                outcome = self._work(task)
            except Exception as error:
                self._ledgers.close()  # it may be what is broken; the next task opens it anew
                log.warning("what came of the slot is not known", exc_info=not isinstance(error, MmflowError))
                outcome = Outcome(state="lost", error=self.redactor.shorten(name_cause(error)))
        return replace(outcome, seconds=self.clock.monotonic() - started)

    def _work(self, task: Task) -> Outcome:
        workspace = self._read_workspace(task)
        resolver = Resolver(self.environ, workspace.root, self.redactor)
        learn_secrets(workspace.checked, workspace.registry, resolver, task.references)
        ledger = self._ledgers.open(workspace, resolver, self.clock)
        try:
            self._run(task, workspace, resolver, ledger)
        except Busy as busy:
            if (now := self.clock.now()) < task.until:
                ledger.slots.put_back(task.slot, now + BUSY_WAIT, str(busy), task.slot.resume)
            else:
                give_up(ledger, task.slot, f"its time is up, and {busy}")
        except StateError:
            raise
        except BaseException as error:  # our bug, or a stranger's: trying again would not help
            if is_interrupt(error):
                raise
            if not isinstance(error, UserError):
                log.exception("the slot ended by a bug")
            refuse(ledger, task.slot, self.redactor.shorten(name_cause(error)), self.clock.now())
        return read_outcome(ledger, task.slot)

    def _run(self, task: Task, workspace: Workspace, resolver: Resolver, ledger: Ledger) -> None:
        job = resolve_job(self._read_job(task), workspace.checked, workspace.registry, resolver)
        settings = resolve_settings(workspace.checked, resolver, job.job.sites)
        engine = Engine(
            root=workspace.root,
            settings=settings,
            clock=self.clock,
            redactor=self.redactor,
            hosts=find_hosts(workspace.checked, settings, job.job.sites) | self._simulate(task, settings),
            ledger=ledger,
            tidy=self._ledgers.is_tidy_time(self.clock.monotonic()),
        )
        run_slot(engine, job, Order.of_slot(task.slot, task.until, task.sinks))

    def _read_workspace(self, task: Task) -> Workspace:
        key = task.root, task.settings
        if key in self._workspaces:
            return self._workspaces[key]
        workspace = read_workspace(task.settings, Path(task.root), self.clock.now())
        self._workspaces.clear()  # an older version is not asked for again
        if not any(problem.severity == "error" for problem in workspace.checked.problems):
            self._workspaces[key] = workspace  # else a file that it names is wrong just now
        return workspace

    def _simulate(self, task: Task, settings: Settings) -> dict[str, Host]:
        """Give the simulated plants, which are started once and run as long as this process."""
        key = task.root, task.settings, ",".join(settings.sites)
        if key not in self._plants:
            self._plants[key] = self._open.enter_context(open_simulated(settings, settings.sites, self.clock))
        return self._plants[key]

    def _read_job(self, task: Task) -> CheckedJob:
        key = task.root, task.settings, task.file, task.text
        if key not in self._jobs:
            if len(self._jobs) >= MOST_JOBS:
                self._jobs.clear()
            workspace = self._read_workspace(task)
            self._jobs[key] = check_job(read_text(task.text, task.file), workspace.checked, workspace.registry)
        return self._jobs[key]


def refuse(ledger: Ledger, lease: Slot, error: str, now: datetime) -> None:
    """Record that a leased slot has failed, unless its run has recorded that already."""
    slot = ledger.slots.read(lease.job, lease.due, lease.kind)
    if (slot.state, slot.fence) == ("running", lease.fence):
        record_refusal(ledger, lease, error, now)


def read_outcome(ledger: Ledger, given: Slot) -> Outcome:
    """Give what the ledger says has come of a slot, and the run in which it did, when there was one this time."""
    slot = ledger.slots.read(given.job, given.due, given.kind)
    run = ledger.read_run(slot.run) if slot.run and (given.resume or slot.run != given.run) else None
    asked = run if run and slot.run != given.run else None  # one that goes on was counted when it began
    again = slot.state == "due"
    return Outcome(
        state="again" if again else "done",
        run=run.id if run else "",
        run_state=run.state if run else "",
        error=(run.error if run else "") or slot.reason,
        next_at=slot.next_at if again else None,
        requests=asked.requests if asked else 0,
        tries=asked.tries if asked else 0,
        received=asked.received if asked else 0,
    )


# -- the process

_worker: list[tuple[Worker, Printed, Traces]] = []  # those of this process, which have no other place between two tasks


def begin_worker(clock: Clock, environ: Mapping[str, str], memory_mb: int) -> None:
    """Make this process one that can be ended with all that it starts, that is bounded, and that outlives no parent."""
    ignore_stops()
    if sys.platform != "win32":
        os.setsid()
        limit_memory(memory_mb)
    threading.Thread(target=follow_parent, name="mmflow-parent", daemon=True).start()
    worker = Worker(clock, environ)
    worker.share_database()
    _worker[:] = [(worker, Printed(), Traces())]


def execute_task(task: Task) -> Outcome:
    """Do a task in the process that :func:`begin_worker` has prepared; what it logs goes to the daemon's files."""
    worker, printed, traces = _worker[0]
    worker.log_to(Path(task.root) / STATE / "logs")
    with printed.belong_to(task.slot.job, task.slot.due), ending_copies():
        outcome = worker.execute(task)
        with bind(job=task.slot.job, slot=task.slot.due):
            return replace(outcome, worn=look_back(traces, outcome))


def look_back(traces: Traces, outcome: Outcome) -> str:
    """Clear up after a task; where not even that can be done, another process is needed."""
    try:
        return clear_up(traces, outcome)
    except Exception as error:  # noqa: BLE001  such as EMFILE: to look at what is open takes a handle
        return f"nobody can tell what the run has left: {name_cause(error)}"


def clear_up(traces: Traces, outcome: Outcome) -> str:
    """Put back what a task has changed in this process; give why the next one needs another, "" when it does not."""
    rest = ""
    if changed := traces.put_back():
        log.warning("changed by the run, and put back as it was: %s", ", ".join(changed))
        rest = traces.find_rest()
    return rest or traces.find_wear() or (f"it ran short: {outcome.error}" if ran_short(outcome.error) else "")


def limit_memory(megabytes: int) -> None:
    """Let this process have no more memory than that; Windows has no such limit for one that runs already."""
    if sys.platform != "win32":
        import resource

        # glibc reserves addresses for each thread, which would count: 0.9 GB of the 1.4 GB of a small run (measured).
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).mallopt(M_ARENA_MAX, 2)
        size = megabytes << 20
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        most = size if hard == resource.RLIM_INFINITY else min(size, hard)
        resource.setrlimit(resource.RLIMIT_AS, (most, hard))


def follow_parent() -> None:
    """End this process and what it has started as soon as its parent is gone, so that nobody works on unseen."""
    parent = parent_process()
    if parent is None:
        return
    connection.wait([parent.sentinel])
    if sys.platform != "win32":
        os.killpg(0, signal.SIGKILL)
    os._exit(1)
