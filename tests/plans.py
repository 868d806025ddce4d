"""Plans of jobs and a planner with a ledger, for tests of what is due."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from msgspec.structs import replace

from mmflow.clock import FixedClock
from mmflow.job import Notify, Schedule
from mmflow.ledger import Ledger, Slot
from mmflow.planner import Planner
from mmflow.plant import PlantCalendar
from mmflow.roster import JobPlan
from mmflow.settings import Shift, Site

START = datetime(2026, 11, 16, 17, 0, tzinfo=UTC)  # a Monday, noon in Boston
SITE = Site(
    timezone="America/New_York",
    shifts=(Shift(name="First", days="mon-fri", from_="06:00", to="14:00"),),
    holidays=("2026-11-26",),
)
MORNING = Schedule(cron="40 6 * * *")


def make_plan(job: str = "daily", schedule: Schedule | None = MORNING, **keys: str) -> JobPlan:
    """Give the plan of a job at one site."""
    plan = JobPlan(
        job=job,
        file=f"jobs/{job}.yaml",
        digest="",
        owner="",
        sites=("boston",),
        machine_groups=(),
        schedule=schedule,
        window="yesterday",
        deadline="",
        restate="",
        notify=Notify(),
    )
    return replace(plan, **keys)


def open_planner(tmp_path: Path) -> Iterator[Desk]:
    """Give a planner at work, for a fixture."""
    clock = FixedClock(START)
    with Ledger.open(tmp_path / "ledger.sqlite", clock) as ledger:
        yield Desk(tmp_path, clock, ledger)


class Desk:
    """A planner at work: a clock that stands, a ledger, and jobs that may change."""

    def __init__(self, root: Path, clock: FixedClock, ledger: Ledger) -> None:
        self.root, self.clock, self.ledger = root, clock, ledger
        self.calendars = {"boston": PlantCalendar.from_site("boston", SITE, root)}
        self.plans: dict[str, JobPlan] = {}
        self.restart()

    def restart(self) -> None:
        """Lose all that is in memory."""
        self.planner = Planner(self.root, self.clock)
        self.planner.adopt(self.plans, self.calendars)

    def adopt(self, *plans: JobPlan) -> None:
        """Have these jobs and no others."""
        self.plans = {plan.job: plan for plan in plans}
        self.planner.adopt(self.plans, self.calendars)
        self.look()

    def look(self, *, tick: bool = False) -> int:
        """Look at the clock once."""
        return self.planner.plan(self.ledger, tick=tick)

    def later(self, **length: float) -> list[Slot]:
        """Let time pass, look at the clock, and give the slots of all jobs, the oldest first."""
        self.clock.sleep(timedelta(**length).total_seconds())
        self.look(tick=True)
        return self.slots()

    def slots(self, job: str = "daily") -> list[Slot]:
        """Give the slots of a job, the oldest first."""
        return self.ledger.slots.list_recent(job, 10_000)[::-1]

    def told(self, job: str = "daily") -> list[tuple[str, str, str]]:
        """Give local time, state and reason of the slots of a job, the oldest first."""
        zone = self.calendars["boston"].zone
        return [(f"{one.due.astimezone(zone):%m-%d %H:%M}", one.state, one.reason) for one in self.slots(job)]

    def take(self) -> list[Slot]:
        """Lease what is due now, at most one slot of a job."""
        return self.ledger.slots.take("tests", self.ledger.slots.now() + timedelta(minutes=1), 1000)

    def finish(self, taken: list[Slot], state: str = "ok") -> None:
        """Run leased slots to their end."""
        for slot in taken:
            run = f"r{len(self.ledger.runs(limit=10_000))}"
            self.ledger.begin_run(run, slot.job, slot.due, slot.kind, slot.fence)
            self.ledger.finish_run(run, state)

    def work(self, state: str = "ok") -> list[Slot]:
        """Do all that is due, as workers would, and give it in the order in which it was taken."""
        done: list[Slot] = []
        while taken := self.take():
            self.finish(taken, state)
            done += taken
        return done
