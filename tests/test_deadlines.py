"""What is not delivered in time is said, by a watch that needs no planner."""

import os
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from mmflow.clock import FixedClock
from mmflow.deadlines import DeadlineWatch
from mmflow.deadlines.lateness import find_timetable
from mmflow.errors import StateError
from mmflow.job import Notify, Schedule
from mmflow.ledger import Ledger, NewSlot, PlanStep
from mmflow.notices.verdict import make_notices
from mmflow.plant import PlantCalendar
from mmflow.roster import JobPlan
from mmflow.settings import Site
from mmflow.sinks import NoticeItem
from tests.ends import HOOK, end_slot, skip_slot

MORNING = datetime(2026, 11, 3, 11, 40, tzinfo=UTC)  # 06:40 in Boston
LATE = datetime(2026, 11, 3, 11, 56, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def make_plan(job="daily", deadline="06:55", notify=None, **schedule):
    return JobPlan(
        job=job,
        file=f"jobs/{job}.yaml",
        digest="",
        owner="ann@example.com",
        sites=("boston",),
        machine_groups=(),
        schedule=Schedule(**(schedule or {"every": "day", "at": "06:40"})),
        window="yesterday",
        deadline=deadline,
        restate="",
        notify=notify or Notify(via=(HOOK,)),
        zone="America/New_York",
    )


@dataclass
class Jobs:
    """What is in force."""

    plans: dict = field(default_factory=dict)
    calendars: dict = field(default_factory=dict)
    refused: dict = field(default_factory=dict)


@pytest.fixture
def clock():
    return FixedClock(LATE)


@pytest.fixture
def ledger(tmp_path, clock):
    with Ledger.open(tmp_path / "ledger.sqlite", clock) as opened:
        yield opened


@pytest.fixture
def watch(tmp_path, clock):
    """A watch over jobs that were written long ago."""

    def make(*plans):
        site = Site(environment="demo", timezone="America/New_York", start_of_day="06:00")
        jobs = Jobs({plan.job: plan for plan in plans}, {"boston": PlantCalendar.from_site("boston", site, tmp_path)})
        for plan in plans:
            file = tmp_path / plan.file
            file.parent.mkdir(exist_ok=True)
            file.touch()
            os.utime(file, (0, 0))
        return DeadlineWatch(tmp_path, clock, jobs)

    return make


def reasons(ledger):
    return [msgspec.json.decode(row.content, type=NoticeItem).reason for row in ledger.notices.list_recent()]


def test_a_report_that_was_never_planned_is_late_without_any_planner(watch, ledger, clock):
    late = watch(make_plan())
    late.look(ledger)
    assert reasons(ledger) == ["not delivered by 06:55 (America/New_York): it was never planned; does the daemon run?"]
    row = ledger.notices.list_recent()[0]
    assert (row.job, row.kind, row.next_at) == ("daily", "late", LATE + MINUTE)


def test_it_is_told_once_also_by_a_watch_that_begins_anew(watch, ledger, clock):
    for _ in range(3):
        late = watch(make_plan())
        late.look(ledger)
        late.look(ledger)
        clock.sleep(60)
    assert len(reasons(ledger)) == 1


def test_each_day_is_told_by_itself(watch, ledger, clock):
    late = watch(make_plan())
    late.look(ledger)
    clock.sleep(86_400)
    late.look(ledger)
    assert len(reasons(ledger)) == 2


def test_nothing_is_late_before_its_deadline(watch, ledger, clock):
    clock.set(LATE - 2 * MINUTE)
    late = watch(make_plan())
    late.look(ledger)
    assert reasons(ledger) == []
    clock.sleep(60)
    late.look(ledger)
    assert len(reasons(ledger)) == 1


@pytest.mark.parametrize("state", ["ok", "degraded"])
def test_what_was_delivered_is_not_late(watch, ledger, state):
    end_slot(ledger, state, due=MORNING)
    watch(make_plan()).look(ledger)
    assert reasons(ledger) == []


def test_what_was_delivered_by_hand_is_not_late(watch, ledger):
    ledger.begin_run("r", "daily", MORNING, "manual")
    ledger.finish_run("r", "ok")
    watch(make_plan()).look(ledger)
    assert reasons(ledger) == []


def test_what_is_skipped_on_purpose_is_not_late(watch, ledger):
    skip_slot(ledger, "2026-11-03 is a holiday", due=MORNING)
    watch(make_plan()).look(ledger)
    assert reasons(ledger) == []


def test_days_that_the_calendar_skips_are_not_late_without_a_slot_either(watch, ledger):
    watch(make_plan(every="day", at="06:40", calendar=("2026-11-03",))).look(ledger)
    assert reasons(ledger) == []


def test_what_was_due_before_the_job_was_written_is_not_late(watch, ledger, tmp_path):
    late = watch(make_plan())
    os.utime(tmp_path / "jobs" / "daily.yaml", (LATE.timestamp(), LATE.timestamp()))
    late.look(ledger)
    assert reasons(ledger) == []


def test_what_the_planner_has_passed_over_is_not_late(watch, ledger):
    ledger.slots.plan([PlanStep(job="daily", cursor=LATE, timetable="t")])
    watch(make_plan()).look(ledger)
    assert reasons(ledger) == []


@pytest.mark.parametrize(
    "skipped",
    [
        "it was missed while nothing ran; the one of 2026-11-04 06:40 makes up for it",
        "the one of 2026-11-02 06:40 EST has been running since 2026-11-02 06:40 EST",
        "the one of 2026-11-02 06:40 EST has been waiting for a worker since 2026-11-02 06:40 EST",
    ],
)
def test_what_nobody_asked_to_be_skipped_is_late(watch, ledger, skipped):
    skip_slot(ledger, skipped, due=MORNING)
    watch(make_plan()).look(ledger)
    assert reasons(ledger) == [f"not delivered by 06:55 (America/New_York): {skipped}"]


def test_what_could_not_even_begin_is_late(watch, ledger):
    plan_slot(ledger)
    (slot,) = ledger.slots.take("me", LATE, 1)
    ledger.slots.close(slot, "skipped", "there is no usable job of that name any more")
    watch(make_plan()).look(ledger)
    assert reasons(ledger)[0].endswith(": there is no usable job of that name any more")


@pytest.mark.parametrize("ended", ["the window was idle", "cancelled by hand", "cancelled run"])
def test_what_a_run_or_somebody_skipped_is_not_late(watch, ledger, ended):
    plan_slot(ledger)
    (slot,) = ledger.slots.take("me", LATE, 1)
    if ended == "cancelled by hand":
        ledger.slots.close(slot, "skipped", ended)
    elif ended == "cancelled run":
        ledger.begin_run("r", "daily", MORNING, "schedule", slot.fence)
        ledger.finish_run("r", "failed", error="cancelled by hand")
    else:
        ledger.begin_run("r", "daily", MORNING, "schedule", slot.fence)
        ledger.finish_run("r", "ok", skipped=ended)
    watch(make_plan()).look(ledger)
    assert reasons(ledger) == []


def test_a_paused_job_is_not_late(watch, ledger):
    end_slot(ledger, "failed", error="gone", due=MORNING)
    ledger.slots.pause("daily", None, "no plant this week")
    watch(make_plan()).look(ledger)
    assert reasons(ledger) == []
    skip_slot(ledger, "paused: no plant this week", job="other", due=MORNING)
    watch(make_plan("other")).look(ledger)
    assert reasons(ledger) == [], "nor one that was"


def test_saving_the_file_of_a_known_job_hides_no_lateness(watch, ledger, tmp_path):
    late = watch(plan := make_plan())
    timetable = find_timetable(plan, late.jobs.plans, late.jobs.calendars, tmp_path)
    ledger.slots.plan([PlanStep(job="daily", cursor=MORNING - MINUTE, timetable=timetable.fingerprint)])
    os.utime(tmp_path / "jobs" / "daily.yaml", (LATE.timestamp(), LATE.timestamp()))
    late.look(ledger)
    assert len(reasons(ledger)) == 1


def plan_slot(ledger, **slot):
    new = NewSlot(due=MORNING, next_at=MORNING, **slot)
    ledger.slots.plan([PlanStep(job="daily", cursor=MORNING, timetable="t", slots=(new,))])


@pytest.mark.parametrize(
    ("state", "error", "said"),
    [
        ("failed", "the key is not known", "it failed: the key is not known"),
        ("held", "held: rows: found 0", "it was held back: rows: found 0"),
    ],
)
def test_what_ended_otherwise_says_how(watch, ledger, state, error, said):
    end_slot(ledger, state, error=error, due=MORNING)
    watch(make_plan()).look(ledger)
    assert reasons(ledger) == [f"not delivered by 06:55 (America/New_York): {said}"]


def test_what_waits_or_runs_says_so(watch, ledger):
    plan_slot(ledger)
    watch(make_plan()).look(ledger)
    assert reasons(ledger)[0].endswith("it waits to be run")


def test_what_runs_too_long_says_since_when(watch, ledger):
    plan_slot(ledger)
    ledger.slots.take("me", LATE + 60 * MINUTE, 1)
    watch(make_plan()).look(ledger)
    assert reasons(ledger)[0].endswith("it has been running since 2026-11-03 11:56 UTC")


def test_a_deadline_may_be_a_length(watch, ledger, clock):
    late = watch(make_plan(deadline="16 min"))
    clock.set(MORNING + 15 * MINUTE)
    late.look(ledger)
    before = len(reasons(ledger))
    clock.sleep(60)
    late.look(ledger)
    assert len(reasons(ledger)) == before + 1


def test_short_intervals_with_long_deadlines_are_each_watched(watch, ledger, clock):
    late = watch(make_plan(deadline="30 min", every="5 min"))
    late.look(ledger)
    for _ in range(12):
        clock.sleep(300)
        late.look(ledger)
    rows = ledger.notices.list_recent()
    assert len({row.about for row in rows}) == 13
    assert [row.state for row in reversed(rows)] == ["pending", *["muted"] * 11, "pending"]  # told once an hour


def test_what_is_late_again_after_it_came_is_told_when_the_hour_is_over(watch, ledger, clock):
    late = watch(make_plan(deadline="4 min", every="5 min"))
    late.look(ledger)
    clock.sleep(60)
    item = NoticeItem(kind="recovered", job="daily", reason="delivered again")
    ledger.notices.add(make_notices(item, "once", ["way"], clock.now(), MINUTE))
    for _ in range(2):
        clock.sleep(300)
        late.look(ledger)
    rows = [(row.state, row.next_at) for row in reversed(ledger.notices.list_recent()) if row.kind == "late"]
    assert rows[:2] == [("pending", LATE + MINUTE), ("pending", LATE + 60 * MINUTE)]
    assert rows[2][0] == "muted"


def test_a_job_that_follows_another_is_due_when_that_is(watch, ledger):
    first = make_plan(job="first", deadline="")
    watch(first, make_plan(after="first")).look(ledger)
    assert [row.job for row in ledger.notices.list_recent()] == ["daily"]


def look_at_second(watch, ledger):
    """Look at a job that follows another without a deadline."""
    watch(make_plan("first", deadline=""), make_plan("second", after="first")).look(ledger)
    return [reason.removeprefix("not delivered by 06:55 (America/New_York): ") for reason in reasons(ledger)]


@pytest.mark.parametrize(
    ("state", "said"),
    [("failed", ["first, which it follows, failed: gone"]), ("ok", ["it was never planned; does the daemon run?"])],
)
def test_a_job_that_follows_another_is_late_by_what_became_of_that(watch, ledger, state, said):
    end_slot(ledger, state, job="first", error="gone" if state == "failed" else "", due=MORNING)
    assert look_at_second(watch, ledger) == said


def test_a_job_that_follows_one_that_does_not_run_on_purpose_is_not_late(watch, ledger):
    skip_slot(ledger, "paused", job="first", due=MORNING)
    assert look_at_second(watch, ledger) == []


def test_a_job_that_follows_one_that_was_never_planned_says_that(watch, ledger):
    assert look_at_second(watch, ledger) == ["first, which it follows, was never planned; does the daemon run?"]


def test_who_does_not_want_to_hear_of_it_does_not(watch, ledger):
    watch(make_plan(notify=Notify(on=("failed",), via=(HOOK,)))).look(ledger)
    assert reasons(ledger) == []


def test_after_a_year_of_standing_still_only_the_latest_is_told(watch, ledger, clock):
    late = watch(make_plan(every="5 min", deadline="1 min"))
    late.look(ledger)
    clock.sleep(400 * 86_400)
    late.look(ledger)
    late.look(ledger)
    assert len(reasons(ledger)) <= 3


def test_jobs_that_change_are_watched_as_they_are_now(watch, ledger, clock):
    late = watch(make_plan(deadline="23:00"))
    late.look(ledger)
    late.jobs.plans = {"daily": make_plan()}
    before = len(reasons(ledger))
    late.look(ledger)
    assert len(reasons(ledger)) == before + 1


def test_trouble_with_the_ledger_in_the_middle_of_a_look_forgets_nothing(watch, ledger):
    late = watch(make_plan("a"), make_plan("b"), make_plan("c"))
    ledger._do("ALTER TABLE notice RENAME TO hidden")
    with pytest.raises(StateError):
        late.look(ledger)
    ledger._do("ALTER TABLE hidden RENAME TO notice")
    late.look(ledger)
    assert sorted(row.job for row in ledger.notices.list_recent()) == ["a", "b", "c"]


JOB = """
    job: daily
    report: {metrics: [goodParts], group_by: [machine]}
    window: yesterday
    schedule: {every: day, at: "05:00"}
    deadline: "05:15"
    sinks: [{type: console}]
"""


def test_the_command_says_what_is_late_by_its_exit_code(desk):
    os.utime(desk.job(JOB), (0, 0))
    done = desk.mmflow("watch", "--once")
    reason = "not delivered by 05:15 (America/New_York): it was never planned; does the daemon run?"
    due = "Sun 2026-11-22 05:00 America/New_York (10:00 UTC)"
    advice = "look whether the daemon runs, and start it: then the latest report is made up for: mmflow service status"
    assert (done.code, done.out) == (1, f"daily, due {due}: {reason}\n  {advice}\n")
    found = desk.mmflow("watch", "--once", "--json")
    assert (found.code, found.data) == (
        1,
        {"late": [{"job": "daily", "slot": "2026-11-22T10:00:00Z", "reason": reason}]},
    )


def test_the_command_is_content_when_nothing_is_late(desk):
    desk.job(JOB)
    done = desk.mmflow("watch", "--once")
    assert (done.code, done.out) == (0, "nothing is late\n")
    assert desk.mmflow("watch", "--once", "--json").data == {"late": []}


def test_what_came_too_early_by_a_clock_that_was_ahead_has_its_deadline_before_it_again(watch, ledger, clock):
    clock.set(LATE - 180 * MINUTE)
    late = watch(make_plan())
    late.look(ledger)
    yesterday = reasons(ledger)
    clock.set(LATE)
    end_slot(ledger, "ok", due=MORNING)
    late.look(ledger)
    clock.set(LATE - 179 * MINUTE)
    assert ledger.slots.take_back(clock.now()) == [("daily", MORNING)]
    late.look(ledger)
    assert reasons(ledger) == yesterday
    clock.set(LATE)
    late.look(ledger)
    told = "not delivered by 06:55 (America/New_York): the clock was ahead; it comes again at its time"
    assert reasons(ledger) == [told, *yesterday]
