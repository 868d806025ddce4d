"""What was planned before nothing ran and had not begun: it is chosen among like the times that came meanwhile."""

from datetime import timedelta

import pytest

from mmflow.job import Schedule
from mmflow.ledger import NewSlot, PlanStep
from mmflow.ledger.driver import as_text
from mmflow.notices import follow_ends
from mmflow.planner.choices import RESTORED, SILENT
from tests.ledgers import NOON, SLOT, plan
from tests.plans import START, make_plan, open_planner

desk = pytest.fixture(open_planner)
MISSED = "it was missed while nothing ran"


def schedule(cron="0 * * * *", **keys):
    return Schedule(cron=cron, **keys)


def queue(desk, count):
    """Let times come one by one that nobody works on."""
    for _ in range(count):
        desk.later(hours=1)


def away(desk, **length):
    """Let a time pass in which no daemon runs."""
    desk.clock.sleep(timedelta(**length).total_seconds())
    desk.restart()
    desk.look(tick=True)


def sent(desk):
    """Work on all that is due and give the local times of those that send messages."""
    zone = desk.calendars["boston"].zone
    return [f"{slot.due.astimezone(zone):%m-%d %H:%M}" for slot in desk.work() if slot.send]


@pytest.mark.parametrize("catch_up", ["latest", "all", "none"])
def test_a_line_that_waited_through_a_week_sends_no_more_than_the_latest(desk, catch_up):
    desk.adopt(make_plan(schedule=schedule(overlap="queue", catch_up=catch_up)))
    queue(desk, 7)
    away(desk, days=8, minutes=5)
    queued = desk.told()[:7]
    assert sent(desk) == ([] if catch_up == "none" else ["11-24 19:00"])
    why = {
        "latest": ("skipped", f"{MISSED}; the one of 2026-11-24 19:00 EST makes up for it"),
        "all": ("due", SILENT),
        "none": ("skipped", MISSED),
    }
    assert {told[1:] for told in queued} == {why[catch_up]}


@pytest.mark.parametrize(("catch_up", "left"), [("latest", ["11-17 06:40"]), ("all", ["11-17 06:40"]), ("none", [])])
def test_one_that_only_waited_for_its_own_moment_is_late_as_well_when_no_other_time_came(desk, catch_up, left):
    desk.adopt(make_plan(schedule=schedule("40 6 * * 2", jitter="30 min", catch_up=catch_up)))
    desk.later(hours=18, minutes=40)
    assert desk.take() == []
    away(desk, days=3)
    assert sent(desk) == left


def test_a_line_that_grew_while_a_daemon_was_at_work_stays_also_when_it_is_only_started_anew(desk):
    desk.adopt(make_plan(schedule=schedule(overlap="queue")))
    queue(desk, 5)
    away(desk, seconds=90)
    assert {state for _, state, _ in desk.told()} == {"due"}
    assert len(sent(desk)) == 5


@pytest.mark.parametrize(("looks", "made"), [(1, ["13:01"]), (59, ["13:00", "13:01"])])
def test_after_an_outage_the_latest_makes_up_for_one_of_the_minute_before_as_well(desk, looks, made):
    desk.adopt(make_plan(schedule=schedule("0,1 13 * * *")))
    for _ in range(looks):
        desk.later(minutes=1)
    away(desk, minutes=61 - looks)
    assert sent(desk) == [f"11-16 {at}" for at in made]


def test_a_machine_that_slept_chooses_among_what_waited_too(desk):
    desk.adopt(make_plan(schedule=schedule(overlap="queue")))
    queue(desk, 3)
    desk.later(hours=5, minutes=10)
    assert sent(desk) == ["11-16 20:00"]


def test_what_another_daemon_planned_meanwhile_was_not_missed(desk):
    desk.adopt(make_plan(schedule=schedule(overlap="queue")))
    queue(desk, 1)
    first = desk.planner
    desk.restart()
    desk.look(tick=True)
    queue(desk, 3)
    desk.planner = first
    desk.look(tick=True)
    assert len(sent(desk)) == 4


def test_one_that_was_tried_and_whose_time_is_up_has_failed(desk):
    desk.adopt(make_plan(schedule=schedule()))
    queue(desk, 1)
    (slot,) = desk.take()
    desk.ledger.begin_run("first", slot.job, slot.due, slot.kind, slot.fence)
    desk.ledger.repeat_run("first", slot, "failed", "the service is down", desk.clock.now())
    away(desk, days=1, minutes=10)
    assert desk.told()[0][1] == "failed"
    assert "makes up for it" in desk.told()[0][2]
    assert sent(desk) == ["11-17 13:00"]


def test_what_is_left_of_a_run_goes_on(desk):
    desk.adopt(make_plan(schedule=schedule(catch_up="none")))
    queue(desk, 1)
    (slot,) = desk.take()
    desk.ledger.begin_run("first", slot.job, slot.due, slot.kind, slot.fence)
    desk.ledger.postpone_run("first", slot, desk.clock.now(), "the share is away")
    away(desk, days=1, minutes=10)
    assert [one.resume for one in desk.take()] == ["first"]


def test_what_died_with_the_daemon_is_not_begun_anew_by_a_job_that_makes_up_for_nothing(desk):
    desk.adopt(make_plan(schedule=schedule(catch_up="none")))
    queue(desk, 1)
    (slot,) = desk.take()
    away(desk, minutes=30)
    assert desk.planner.find_replacement(desk.ledger, slot) == ""
    away(desk, minutes=40)
    assert desk.planner.find_replacement(desk.ledger, slot) == f"{MISSED}, and nothing is made up for"
    desk.ledger.begin_run("first", slot.job, slot.due, slot.kind, slot.fence)
    begun = desk.ledger.slots.read(slot.job, slot.due, slot.kind)
    assert desk.planner.find_replacement(desk.ledger, begun) == "its process died, and nothing is made up for"


def test_those_that_are_not_made_up_for_are_told_with_the_times_that_came_meanwhile(desk):
    desk.adopt(make_plan(schedule=schedule("0 */6 * * *", overlap="queue")))
    queue(desk, 7)
    follow_ends(desk.ledger, desk.plans, desk.clock.now())
    away(desk, days=1, minutes=10)
    follow_ends(desk.ledger, desk.plans, desk.clock.now())
    (notice,) = desk.ledger.notices.list_recent()
    assert "4 times were missed" in notice.content


def test_many_jobs_are_chosen_among_in_several_looks(desk):
    jobs = [f"job{number}" for number in range(4)]
    desk.adopt(*(make_plan(job, schedule(overlap="queue")) for job in jobs))
    queue(desk, 2)
    desk.clock.sleep(86400)
    desk.restart()
    desk.planner._most = 20
    desk.look(tick=True)
    assert desk.planner.behind
    while desk.planner.behind:
        desk.look()
    assert len(sent(desk)) == 4


def test_nothing_that_was_due_before_a_restore_sends_messages(desk):
    desk.adopt(make_plan(schedule=schedule(catch_up="all")))
    desk.clock.sleep(3 * 3600)
    desk.ledger.note("restored_at", as_text(START + timedelta(hours=2)))
    desk.look()
    assert desk.told() == [
        ("11-16 13:00", "due", RESTORED),
        ("11-16 14:00", "due", RESTORED),
        ("11-16 15:00", "due", ""),
    ]
    assert sent(desk) == ["11-16 15:00"]


def test_what_becomes_of_it_is_written_into_either_ledger(ledger):
    plan(ledger, "one", "two", "three")
    turned = {
        "one": NewSlot(due=SLOT, state="skipped", reason=MISSED),
        "two": NewSlot(due=SLOT, send=False, reason=SILENT),
    }
    steps = [PlanStep(job=job, cursor=NOON, timetable="t", turned=(slot,)) for job, slot in turned.items()]
    assert ledger.slots.plan(steps) == 0
    ledger.slots.pause("three", None, "")
    found = [ledger.slots.find(job, SLOT, "schedule") for job in ("one", "two", "three")]
    assert [(one.state, one.send, one.reason) for one in found] == [
        ("skipped", True, MISSED),
        ("due", False, SILENT),
        ("skipped", True, "paused"),
    ]
    assert [slot.due for slot in ledger.slots.list_waiting()["two"]] == [SLOT]
    assert ledger.slots.skip_paused() == 0
