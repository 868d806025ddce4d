"""A daemon whose loop is turned by hand, with an executor whose work is done at once."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime

from mmflow.clock import FixedClock
from mmflow.daemon import Daemon
from mmflow.errors import StateError
from mmflow.ledger import Ledger, Opener
from mmflow.metrics import Health
from mmflow.roster import Roster
from mmflow.tasks import Outcome
from tests.daemons import slots
from tests.desk import KEY

MONDAY = datetime(2026, 11, 16, 17, 0, tzinfo=UTC)
JOB = """
    job: {name}
    report: {{metrics: [goodParts]}}
    window: yesterday
    schedule: {{cron: "* * * * *"}}
    sinks: [{{type: csv}}]
"""


class Hands:
    """An executor whose work is done at once by a function, or not at all; see the protocol of the daemon."""

    def __init__(self, root, clock, work):
        self.root, self.clock, self.work, self.given, self.cancelled = root, clock, work, [], []

    def submit(self, task, done):
        self.given.append(task)
        with closing(Ledger.open(self.root / ".mmflow" / "ledger.sqlite", self.clock)) as ledger:
            outcome = self.work(ledger, task)
        if outcome:
            done(task, outcome)

    def cancel(self, key):
        self.cancelled.append(key)
        return True

    def running(self):
        return []

    def stop(self, grace):
        pass


def do_it(ledger, task):
    run = f"r{task.slot.job}{task.slot.due:%H%M}"
    ledger.begin_run(run, task.slot.job, task.slot.due, task.slot.kind, task.slot.fence)
    ledger.finish_run(run, "ok")
    return Outcome(state="done", run=run, run_state="ok")


def begin_nothing(_ledger, _task):
    """Hold the task for ever."""


class Case:
    """A daemon whose loop is turned by hand."""

    def __init__(self, desk, work=do_it, jobs=("daily",), roster=Roster, alone=True):
        for name in jobs:
            desk.job(JOB.format(name=name), name)
        self.root, self.clock = desk.root, FixedClock(MONDAY)
        self.roster = roster(desk.root, self.clock, {"MM_BOSTON_KEY": KEY})
        self.roster.refresh()
        self.hands = Hands(desk.root, self.clock, work)
        self.health = Health(self.clock.monotonic)
        self.opener = Opener(desk.root / ".mmflow" / "ledger.sqlite", self.clock)
        self.refusal = ""  # why the ledger cannot be opened
        self.daemon = Daemon(
            root=desk.root,
            clock=self.clock,
            environ={},
            roster=self.roster,
            executor=self.hands,
            open_ledger=self.open_ledger,
            alone=alone,
            health=self.health,
        )
        self.daemon.begin()

    def open_ledger(self):
        if self.refusal:
            raise StateError(self.refusal)
        return self.opener()

    def change(self, file, text):
        """Write a file, and have the daemon look until it counts."""
        (self.root / file).write_text(text, encoding="utf-8")
        for _ in range(3):
            self.daemon._note_files()
            self.turn(1)

    def turn(self, seconds=0):
        """Let time pass and turn the loop once."""
        self.clock.sleep(seconds)
        self.daemon.look()
        if self.daemon._reading.busy:  # it goes on beside the loop, which the clock of this case does not know
            self.daemon._reading.wait(60)
            self.daemon.look()

    @property
    def reasons(self):
        """Why it is not well, but for the alarm, which stands still here."""
        return [reason for reason in self.health.reasons if not reason.startswith("alarm")]

    def states(self, job="daily"):
        return [(due[11:16], state) for due, state, _ in slots(self.root, job)]


def give_cases(desk):
    """Give a function that makes such daemons, which end with the test."""
    cases = []

    def make(work=do_it, jobs=("daily",), **options):
        cases.append(Case(desk, work, jobs, **options))
        return cases[-1]

    yield make
    for case in cases:
        case.daemon.end()
