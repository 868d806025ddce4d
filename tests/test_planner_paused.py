"""A job that is paused: what was planned before ends, what is under way goes on, and nothing else begins."""

from datetime import timedelta

import pytest

from mmflow.job import Schedule
from mmflow.notices import follow_ends
from tests.plans import START, make_plan, open_planner

HOURLY = Schedule(cron="0 * * * *", overlap="queue")
WEEK = timedelta(days=9)


@pytest.fixture
def desk(tmp_path):
    for desk in open_planner(tmp_path):
        desk.adopt(make_plan(schedule=HOURLY))
        yield desk


def queue(desk, count=3):
    """Let times come one by one that nobody works on."""
    for _ in range(count):
        desk.later(hours=1)


def test_what_waits_when_a_job_is_paused_is_skipped_with_the_reason(desk):
    queue(desk)
    until = (START + WEEK).astimezone(desk.calendars["boston"].zone)
    desk.ledger.slots.pause("daily", until, "line 3 is being rebuilt")
    why = "paused until 2026-11-25 12:00 EST: line 3 is being rebuilt"
    assert [told[1:] for told in desk.told()] == [("skipped", why)] * 3
    assert desk.take() == []
    desk.later(days=4)
    assert {told[1:] for told in desk.told()} == {("skipped", why)}
    assert desk.take() == []


def test_what_runs_and_what_is_left_of_a_run_go_on_while_the_job_is_paused(desk):
    queue(desk, 2)
    (slot,) = desk.take()
    desk.ledger.begin_run("r1", slot.job, slot.due, slot.kind, slot.fence)
    desk.ledger.slots.pause("daily", None, "")
    assert [told[1] for told in desk.told()] == ["running", "skipped"]
    desk.ledger.postpone_run("r1", slot, desk.clock.now(), "the share is away")
    assert [one.resume for one in desk.take()] == ["r1"]
    assert desk.ledger.slots.skip_paused() == 0


def test_what_is_put_back_while_its_job_is_paused_is_not_begun_anew_nor_made_up_for_later(desk):
    queue(desk, 1)
    (slot,) = desk.take()
    desk.ledger.begin_run("r1", slot.job, slot.due, slot.kind, slot.fence)
    desk.ledger.slots.pause("daily", None, "")
    desk.ledger.repeat_run("r1", slot, "failed", "the service is down", desk.clock.now())
    assert desk.take() == []
    desk.later(minutes=1)
    assert desk.told() == [("11-16 13:00", "skipped", "paused")]


def test_what_waited_is_not_made_up_for_when_the_job_goes_on(desk):
    queue(desk, 1)
    (slot,) = desk.take()
    desk.ledger.slots.pause("daily", START + WEEK, "")
    desk.ledger.slots.put_back(slot, desk.clock.now(), "the service is down")
    desk.ledger.slots.resume("daily")
    assert desk.told() == [("11-16 13:00", "skipped", "paused until 2026-11-25 17:00 UTC")]
    queue(desk, 1)
    assert [one.due for one in desk.take()] == [START + timedelta(hours=2)]


def test_what_is_made_up_for_ends_when_the_job_has_failed_too_often(desk):
    plan = make_plan(schedule=Schedule(cron="0 * * * *", catch_up="all", pause_on_failure=3))
    desk.adopt(plan)
    desk.later(hours=30)
    for _ in range(3):
        desk.finish(desk.take(), "failed")
        follow_ends(desk.ledger, desk.plans, desk.clock.now())
    assert desk.take() == []
    told = desk.told()
    assert [state for _, state, _ in told] == ["failed"] * 3 + ["skipped"] * 27
    assert told[-1][2].startswith("paused: 3 failures in a row; the last: ")
    assert desk.ledger.slots.resume("daily")
    assert desk.work() == []


def test_a_pause_that_is_over_keeps_nothing(desk):
    desk.ledger.slots.pause("daily", START + timedelta(minutes=30), "")
    queue(desk, 1)
    assert len(desk.take()) == 1


def test_of_very_many_times_the_oldest_one_says_that_the_job_was_paused_as_well(desk):
    desk.ledger.slots.pause("daily", None, "")
    desk.later(days=7)
    assert desk.told()[0][1:] == (
        "skipped",
        "paused, as were 67 more times since 2026-11-16 13:00 EST; at most 100 are made up for",
    )
