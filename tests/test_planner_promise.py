"""The promise of the planner under kills, clock steps and outages: each due instant has one slot, or is spoken for."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import mkdtemp

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from mmflow.clock import FixedClock
from mmflow.job import Schedule
from mmflow.ledger import Ledger
from mmflow.ledger.sqlite import open_memory
from tests.plans import Desk, make_plan

START = datetime(2026, 10, 30, 16, 3, tzinfo=UTC)  # the clocks of Boston go back on Sunday
CRONS = ("* * * * *", "*/17 * * * *", "0 * * * *", "30 1 * * *", "40 6 * * mon-fri", "0 6,14,22 * * *")


class Killed(BaseException):
    """The process is gone."""


class Promise(RuleBasedStateMachine):
    """A daemon's life; what is remembered here is what a brute-force list of the instants says."""

    def __init__(self):
        super().__init__()
        self.root = Path(mkdtemp())
        self.clock = FixedClock(START)
        self.ledger = Ledger(open_memory("ledger", self.clock), self.clock)
        self.desk = Desk(self.root, self.clock, self.ledger)
        self.ended = {}  # due instants of slots that were done

    def teardown(self):
        self.ledger.close()
        self.root.rmdir()

    @initialize(
        cron=st.sampled_from(CRONS),
        catch_up=st.sampled_from(["latest", "all", "none"]),
        overlap=st.sampled_from(["skip", "queue"]),
        expires=st.sampled_from(["", "30 min"]),
    )
    def begin(self, cron, catch_up, overlap, expires):
        schedule = Schedule(cron=cron, catch_up=catch_up, overlap=overlap, expires=expires)
        self.desk.adopt(make_plan(schedule=schedule))
        self.timetable = self.desk.planner._entries["daily"].timetable
        self.farthest = START

    @rule(seconds=st.integers(1, 3 * 86400) | st.integers(1, 180))
    def wait(self, seconds):
        self.clock.sleep(seconds)

    @rule(seconds=st.integers(-86400, 86400))
    def set_clock(self, seconds):
        self.clock.set(self.clock.now() + timedelta(seconds=seconds))

    @rule()
    def look(self):
        self.desk.look()
        self.farthest = max(self.farthest, self.clock.now())

    @rule()
    def lose_memory(self):
        self.desk.restart()

    @rule()
    def die_in_the_transaction(self):
        plan = self.ledger.slots.plan

        def plan_and_die(steps):
            with self.ledger._transaction():
                for step in steps:
                    self.ledger.slots._take_step(step, "now")
                raise Killed

        self.ledger.slots.plan = plan_and_die
        try:
            self.desk.look()
            self.farthest = max(self.farthest, self.clock.now())  # there was nothing to plan
        except Killed:
            pass
        self.ledger.slots.plan = plan
        self.desk.restart()

    @rule()
    def work(self):
        for slot in self.desk.work():
            assert slot.due not in self.ended, "worked on twice"
            self.ended[slot.due] = slot

    @invariant()
    def each_instant_has_a_slot_or_is_spoken_for(self):
        slots = {slot.due: slot for slot in self.desk.slots()}
        cursor = self.ledger.slots.read_job("daily")
        if cursor is None:
            return
        spoken = [slot for slot in slots.values() if "at most 100 are made up for" in slot.reason]
        due = set(self.timetable.between(START, cursor.cursor))
        assert slots.keys() <= due, "nothing is planned that is not due"
        last_spoken = max((slot.due for slot in spoken), default=START)
        unplanned = {at for at in due - slots.keys() if at > last_spoken}
        assert not unplanned
        assert cursor.cursor <= self.farthest
        assert all(slot.reason or slot.state in ("due", "done") for slot in slots.values()), "every end has a reason"


Promise.TestCase.settings = settings(
    max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestPromise = Promise.TestCase
