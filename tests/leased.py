"""Leased slots as a daemon gives them out, worked on in this process or in worker processes, and a sink that obeys."""

from __future__ import annotations

import threading
from datetime import timedelta

from mmflow.clock import SystemClock
from mmflow.ledger import Ledger, NewSlot, PlanStep
from mmflow.tasks import Task
from mmflow.worker import Worker
from tests.desk import NOW

CSV = """
    job: daily
    report: {metrics: [goodParts], group_by: [machine]}
    window: yesterday
    sinks: [{type: csv, path: daily.csv}]
"""

# A package whose sinks do what the next line of ROOT/NAME.orders says, and write down that they were asked.
OBEYING = """
    import ctypes
    import os
    import signal
    import subprocess
    import sys
    import threading
    import time

    from mmflow import GiveUp, Options, Partial, Receipt, SinkType, TryLater, Unknown, hookimpl
    from mmflow.settings import ConnectionKeys


    class ObeyOptions(Options):
        attach: tuple[str, ...] = ()


    class PageOptions(Options):
        path: str = "page.txt"


    class ObeyConnection(Options):
        host: str = ""


    KEPT = []


    class Odd(Exception):
        def __init__(self, one, two):  # cannot be pickled back
            super().__init__(one)


    def obey(table, options, run):
        orders = run.root / f"{run.sink}.orders"
        lines = orders.read_text().splitlines() if orders.exists() else []
        word, _, rest = (lines[0] if lines else "ok").partition(" ")
        if len(lines) > 1:
            orders.write_text("\\n".join(lines[1:]))
        with (run.root / f"{run.sink}.heard").open("a") as heard:
            heard.write(f"{run.fence} {word}\\n")
        if word == "later":
            raise TryLater("it is busy", after=float(rest) if rest else None)
        if word == "never":
            raise GiveUp("no right to write")
        if word == "doubt":
            raise Unknown("the line broke")
        if word == "part":
            raise Partial(Receipt(rows=1), retry=("the rest",))
        if word == "odd":
            raise Odd("one", "two")
        if word == "spin":
            while True:
                pass
        if word == "sleep":
            ctypes.CDLL(None).sleep(600)
        if word == "child":
            child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
            (run.root / "child.pid").write_text(str(child.pid))
            if rest == "and die":
                os._exit(1)
            time.sleep(600)
        if word == "print":
            print("by Python:", rest)
            os.write(2, b"by the system: \\xff\\n")
            subprocess.run([sys.executable, "-c", "print('by a child')"])
            print("and more\\n" * 300 + "x" * 100_000, end="")
        if word == "exit":
            os._exit(int(rest))
        if word == "crash":
            ctypes.string_at(0)
        if word == "eat":
            bytearray(int(rest) << 20)
        if word == "do":
            exec(rest, globals() | {"root": run.root})
        return Receipt(rows=len(table))


    @hookimpl
    def mmflow_sinks():
        yield SinkType(name="obey", summary="Obeys.", options=ObeyOptions, deliver=obey)
        yield SinkType(name="page", summary="Obeys.", options=PageOptions, deliver=obey)
        yield SinkType(name="link", summary="Obeys.", options=ObeyOptions, deliver=obey, connection=ObeyConnection)
        yield SinkType(name="tell", summary="Obeys.", options=ObeyOptions, deliver=obey, semantics="message")
"""


def write_job(desk, *sinks, name="daily", more=""):
    """Write a job with these sinks, each a flow mapping."""
    lines = "\n".join(f"      - {{{sink}}}" for sink in sinks)
    head = f"    job: {name}\n    report: {{metrics: [goodParts], group_by: [machine]}}\n    window: yesterday\n"
    desk.job(f"{head}{more}    sinks:\n{lines}\n", name)


def write_jobs(desk, *names):
    """Write jobs that are all alike."""
    for name in names:
        desk.job(CSV.replace("daily", name), name)


def order(desk, sink, *lines):
    """Say what a sink does from now on, one line for each time; the last one stays."""
    (desk.root / f"{sink}.orders").write_text("\n".join(lines), encoding="utf-8")


def heard(desk, sink):
    """What a sink was told, one word for each time."""
    path = desk.root / f"{sink}.heard"
    return [line.split()[1] for line in path.read_text().splitlines()] if path.exists() else []


def open_ledger(desk, clock=None):
    return Ledger.open(desk.root / ".mmflow" / "ledger.sqlite", clock or desk.clock)


def plan(desk, *jobs, clock=None, due=NOW, **keys):
    """Write a slot of each job that may be worked on now."""
    with open_ledger(desk, clock) as ledger:
        slot = NewSlot(due=due, next_at=due, **keys)
        ledger.slots.plan([PlanStep(job=job, cursor=due, timetable="", slots=(slot,)) for job in jobs])


def take(desk, *, clock=None, limit=100, until=timedelta(hours=3)):
    """Lease what is due and give a task for each slot, which may go on until so long after it was due."""
    clock = clock or desk.clock
    with open_ledger(desk, clock) as ledger:
        slots = ledger.slots.take("test", clock.now() + timedelta(minutes=5), limit)
    return [make_task(desk, slot, slot.due + until) for slot in slots]


def make_task(desk, slot, until):
    file = f"jobs/{slot.job}.yaml"
    settings = desk.text("mmflow.yaml")
    return Task(root=str(desk.root), file=file, text=desk.text(file), settings=settings, slot=slot, until=until)


def read_slot(desk, job="daily", due=NOW, kind="schedule"):
    with open_ledger(desk) as ledger:
        return ledger.slots.read(job, due, kind)


def read_deliveries(desk, run):
    with open_ledger(desk) as ledger:
        return {one.sink: one for one in ledger.deliveries(run)}


class Bench:
    """Works on leased slots in this process, by the desk's clock."""

    def __init__(self, desk):
        self.desk = desk
        self.worker = Worker(desk.clock, desk.environ)

    def work(self, **keys):
        """Do all that is due, once; give the outcomes."""
        return [self.worker.execute(task) for task in take(self.desk, **keys)]

    def work_on(self, most=20, **keys):
        """Go on whenever something is due until the slot of the daily job has ended; give the waits between."""
        waits = []
        for _ in range(most):
            self.work(**keys)
            slot = read_slot(self.desk)
            if slot.state != "due":
                return waits
            waits.append((slot.next_at - self.desk.clock.now()).total_seconds())
            self.desk.clock.set(max(slot.next_at, self.desk.clock.now()))
        raise AssertionError(f"it goes on for ever: {slot}")


class Ends:
    """Waits for what comes of tasks in worker processes."""

    def __init__(self):
        self.found = {}
        self._change = threading.Condition()

    def __call__(self, task, outcome):
        with self._change:
            self.found[task.key] = outcome
            self._change.notify_all()

    def wait(self, task, seconds=60):
        with self._change:
            assert self._change.wait_for(lambda: task.key in self.found, seconds), "nothing came of it"
            return self.found[task.key]


def system_lease(desk, job="daily"):
    """Plan and lease one slot by the machine's own clock, for worker processes; others may be due again by now."""
    clock = SystemClock()
    plan(desk, job, clock=clock)
    leased = take(desk, clock=clock, until=timedelta(days=36500) - timedelta(days=1))
    (task,) = [task for task in leased if task.slot.job == job]
    return task
