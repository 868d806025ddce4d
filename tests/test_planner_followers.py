"""Jobs that follow others, windows that are looked at again, and how long something is tried."""

from datetime import UTC, datetime, timedelta

import pytest

from mmflow.errors import StateError
from mmflow.job import Schedule
from mmflow.ledger import Ledger, NewSlot, PlanStep
from tests.plans import START, make_plan, open_planner

MORNING = Schedule(cron="40 6 * * *")
AFTER = Schedule(after="daily")


desk = pytest.fixture(open_planner)


def follow(desk):
    """Tell the planner of an end, and look."""
    desk.planner.note_end("daily")
    desk.look()


def test_a_job_follows_each_slot_that_another_has_delivered_with_the_same_due_instant(desk):
    desk.adopt(make_plan(), make_plan("next", AFTER))
    desk.later(hours=19)
    follow(desk)
    assert desk.slots("next") == [], "nothing is delivered yet"
    desk.work()
    follow(desk)
    follow(desk)
    assert [slot.due for slot in desk.slots("next")] == [slot.due for slot in desk.slots()]
    assert [slot.state for slot in desk.slots("next")] == ["due"]


def test_a_chain_of_followers_each_waits_for_the_one_before(desk):
    desk.adopt(make_plan(), make_plan("second", AFTER), make_plan("third", Schedule(after="second")))
    desk.later(hours=19)
    for job in ("daily", "second", "third"):
        assert [slot.job for slot in desk.work()] == [job]
        desk.planner.note_end(job)
        desk.look()


def test_nothing_follows_what_failed_or_was_done_before_the_follower_was_there(desk):
    desk.adopt(make_plan())
    desk.later(hours=19)
    desk.work()
    desk.clock.sleep(60)
    desk.adopt(make_plan(), make_plan("next", AFTER))
    follow(desk)
    desk.later(days=1)
    desk.work("failed")
    follow(desk)
    assert desk.slots("next") == []


def test_an_end_that_nobody_was_told_of_is_found_at_the_next_tick_also_after_a_restart(desk):
    desk.adopt(make_plan(), make_plan("next", AFTER))
    desk.later(hours=19)
    desk.work()
    desk.restart()
    desk.look(tick=True)
    assert len(desk.slots("next")) == 1


def test_an_end_that_is_seen_late_is_followed_too(desk):
    """Another daemon's clock was behind: what it ended stands before what was followed already."""
    desk.adopt(make_plan(), make_plan("next", AFTER))
    desk.later(hours=19)
    desk.work()
    seen = desk.clock.now()
    follow(desk)
    desk.later(days=1)
    now = desk.clock.now()
    taken = desk.take()
    desk.clock.set(seen - timedelta(minutes=30))
    desk.finish(taken)
    desk.clock.set(now)
    follow(desk)
    assert [slot.due for slot in desk.slots("next")] == [slot.due for slot in desk.slots()]


def test_what_was_made_up_for_without_messages_is_followed_without_messages(desk):
    desk.adopt(make_plan(schedule=Schedule(cron="40 6 * * *", catch_up="all")), make_plan("next", AFTER))
    desk.later(days=2)
    desk.work()
    follow(desk)
    assert [slot.send for slot in desk.slots("next")] == [False, True]


def test_an_end_is_not_forgotten_when_the_ledger_cannot_be_used_just_then(desk):
    desk.adopt(make_plan(), make_plan("next", AFTER))
    desk.later(hours=19)
    desk.work()
    desk.planner.note_end("daily")
    with Ledger.open(desk.root / "other.sqlite", desk.clock) as closed:
        pass
    with pytest.raises(StateError):
        desk.planner.plan(closed)
    assert desk.look() == 1
    assert len(desk.slots("next")) == 1


def test_a_follower_that_still_runs_has_the_next_wait_in_line_so_that_a_catch_up_loses_none(desk):
    desk.adopt(make_plan(schedule=Schedule(cron="0 * * * *")), make_plan("next", AFTER))
    for _ in range(2):
        desk.later(hours=1)
        desk.finish([slot for slot in desk.take() if slot.job == "daily"])
        desk.clock.sleep(600)
        follow(desk)
    assert [slot.state for slot in desk.slots("next")] == ["running", "due"]
    assert desk.take() == []
    desk.finish([desk.slots("next")[0]])
    assert [slot.job for slot in desk.take()] == ["next"]


def test_a_follower_that_is_paused_skips_with_the_reason(desk):
    desk.adopt(make_plan(), make_plan("next", AFTER))
    desk.ledger.slots.pause("next", None, "not needed now")
    desk.later(hours=19)
    desk.work()
    follow(desk)
    assert desk.told("next") == [("11-17 06:40", "skipped", "paused: not needed now")]


def test_a_run_looks_again_at_the_windows_of_the_last_days_that_are_done(desk):
    desk.adopt(make_plan(restate="3 days"))
    for _ in range(5):
        desk.later(days=1)
        desk.clock.set(desk.clock.now().replace(hour=11, minute=40))
        desk.look()
        desk.work()
    desk.later(days=1)
    again = [slot for slot in desk.slots() if slot.kind == "restate" and slot.state == "due"]
    newest = desk.slots()[-1]
    assert [newest.due - slot.due for slot in again] == [timedelta(days=3), timedelta(days=2), timedelta(days=1)]
    assert {slot.send for slot in again} == {False}
    assert [slot.kind for slot in desk.work()] == ["schedule", "restate", "restate", "restate"], "the new one first"


def test_of_two_daemons_that_plan_the_same_only_one_has_windows_looked_at_again(desk):
    desk.adopt(make_plan(restate="3 days"))
    desk.later(hours=19)
    desk.work()
    desk.clock.set(desk.slots()[-1].due + timedelta(days=1))
    step = PlanStep(
        job="daily",
        cursor=desk.clock.now(),
        timetable=desk.ledger.slots.read_job("daily").timetable,
        slots=(NewSlot(due=desk.clock.now()),),
        again=(NewSlot(due=desk.slots()[-1].due, kind="restate", send=False),),
    )
    assert desk.ledger.slots.plan([step]) == 2
    desk.work()
    assert desk.ledger.slots.plan([step]) == 0, "the other one looked at the clock before this one had planned"
    assert desk.ledger.slots.list_open() == []


def test_what_does_not_run_looks_at_nothing_again(desk):
    desk.adopt(make_plan(restate="3 days", schedule=Schedule(cron="40 6 * * *", catch_up="none")))
    desk.later(hours=18, minutes=41)
    desk.work()
    desk.later(days=1, hours=1)
    assert [slot.kind for slot in desk.slots()] == ["schedule", "schedule"]


def test_something_is_tried_until_its_job_is_due_again_or_for_a_day_or_until_it_expires(desk):
    hourly, weekly = Schedule(cron="0 * * * *"), Schedule(cron="0 13 * * mon")
    expiring = Schedule(cron="0 13 * * *", expires="2 hours")
    desk.adopt(make_plan("hourly", hourly), make_plan("weekly", weekly), make_plan("expiring", expiring))
    desk.later(minutes=61)
    due = START + timedelta(hours=1)
    until = {slot.job: desk.planner.until(slot) for slot in desk.ledger.slots.list_open()}
    assert until == {
        "hourly": due + timedelta(hours=1),
        "weekly": due + timedelta(minutes=1, days=1),
        "expiring": due + timedelta(hours=2),
    }


def test_what_is_made_up_for_is_tried_as_long_as_what_is_due_now(desk):
    desk.adopt(make_plan())
    desk.later(days=2, hours=1)
    (slot,) = desk.ledger.slots.list_open()
    assert desk.planner.until(slot) == datetime(2026, 11, 19, 11, 40, tzinfo=UTC)
