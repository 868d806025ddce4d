"""From when on a new job counts: what comes due while the daemon still loads is run, and what was before is said."""

from datetime import timedelta

import pytest

from mmflow.job import Schedule
from tests.plans import START, make_plan, open_planner

ONCE = Schedule(at="2026-11-16 12:00:30")
HOURLY = Schedule(cron="0 * * * *")


desk = pytest.fixture(open_planner)


def load(desk, plan, seconds):
    """Look at the files, be busy with them for so long, and plan."""
    seen = desk.clock.monotonic()
    desk.clock.sleep(seconds)
    desk.planner.adopt({plan.job: plan}, desk.calendars, seen=seen)
    return desk.look()


def test_what_comes_due_while_the_files_are_read_is_run(desk, caplog):
    assert load(desk, make_plan(schedule=ONCE), 45) == 1
    assert desk.told() == [("11-16 12:00", "due", "")]
    assert desk.ledger.slots.read_job("daily").cursor == START + timedelta(seconds=45)
    assert desk.look() == 0
    assert "before it was first seen" not in caplog.text


def test_what_was_due_before_is_not_made_up_for(desk):
    desk.clock.set(START - timedelta(seconds=1))
    load(desk, make_plan(schedule=HOURLY), 3602)
    assert [slot.due for slot in desk.slots()] == [START, START + timedelta(hours=1)]
    desk.restart()
    desk.clock.sleep(600)
    load(desk, make_plan("other", schedule=HOURLY), 5)
    assert desk.slots("other") == []


def test_a_changed_schedule_counts_from_when_the_change_was_seen(desk):
    desk.adopt(make_plan(schedule=Schedule(cron="0 6 * * *")))
    desk.clock.sleep(86_400)
    load(desk, make_plan(schedule=Schedule(cron="* * * * *")), 90)
    assert [slot.due - START for slot in desk.slots()] == [timedelta(days=1, minutes=1)]


def test_a_job_that_could_not_be_planned_yet_still_counts_from_when_it_was_seen_first(desk):
    """Such as while the clock is not believed; meanwhile other files change, and all jobs are taken in again."""
    plans = {"daily": make_plan(schedule=HOURLY)}
    desk.planner.adopt(plans, desk.calendars)
    desk.clock.sleep(3700)
    desk.planner.adopt({"daily": make_plan(schedule=HOURLY, owner="other@example.com")}, dict(desk.calendars))
    assert desk.look() == 1
    desk.clock.sleep(3700)
    desk.planner.adopt({"daily": make_plan(schedule=Schedule(cron="30 * * * *"))}, desk.calendars)
    assert desk.look() == 0, "another schedule counts from now on"


def test_a_clock_that_is_set_before_a_job_is_planned_makes_up_for_nothing(desk):
    desk.planner.adopt({"daily": make_plan(schedule=HOURLY)}, desk.calendars)
    desk.clock.set(START + timedelta(days=9))
    assert desk.look() == 0


def test_a_job_whose_only_time_has_passed_is_warned_of_once(desk, caplog):
    desk.clock.sleep(60)
    desk.adopt(make_plan(schedule=ONCE))
    text = "daily: was due 2026-11-16 12:00 EST, before it was first seen; run it by hand: mmflow run daily --at 2026"
    assert text in caplog.text
    assert {record.levelname for record in caplog.records if "first seen" in record.message} == {"WARNING"}
    caplog.clear()
    desk.restart()
    desk.look()
    assert "first seen" not in caplog.text


def test_a_job_that_is_due_again_is_not_warned_of(desk, caplog):
    desk.adopt(make_plan(schedule=Schedule(every="weekday", at="06:40")))
    assert "first seen" not in caplog.text


def test_a_job_that_comes_back_after_its_only_time_was_run_is_not_warned_of(desk, caplog):
    desk.adopt(make_plan(schedule=ONCE))
    desk.later(seconds=30)
    desk.work()
    desk.adopt()
    desk.adopt(make_plan(schedule=ONCE))
    assert "first seen" not in caplog.text
