"""What was planned by a clock that was ahead is planned again when its time comes."""

from datetime import timedelta

import pytest

from mmflow.job import Schedule
from mmflow.planner.clock_rule import ClockRule
from tests.plans import START, make_plan, open_planner

AGAIN = "the clock was ahead; it comes again at its time"


@pytest.fixture
def desk(tmp_path):
    for desk in open_planner(tmp_path):
        desk.rule = ClockRule(desk.clock)
        yield desk


def step(desk, **length):
    """Set the wall, as the daemon finds it."""
    desk.clock.set(desk.clock.now() + timedelta(**length))
    tick(desk)


def tick(desk, **length):
    """Let time pass, and have a daemon's look."""
    desk.clock.sleep(timedelta(**length).total_seconds())
    desk.rule.look(desk.ledger)
    desk.look(tick=True)


def test_the_report_of_tomorrow_that_ran_today_runs_again_tomorrow(desk):
    desk.adopt(make_plan())
    tick(desk, hours=12)  # midnight
    step(desk, hours=8)
    assert len(desk.work()) == 1
    tick(desk, seconds=10)
    step(desk, hours=-8)
    assert desk.told() == [("11-17 06:40", "skipped", AGAIN)]
    for _ in range(6):
        tick(desk, hours=1)
        assert desk.work() == []
    tick(desk, minutes=40)
    (slot,) = desk.work()
    assert (slot.due, slot.send, slot.tries, slot.told) == (START + timedelta(hours=18, minutes=40), True, 0, False)
    assert desk.told() == [("11-17 06:40", "done", "")]


def test_a_job_of_every_hour_goes_on_at_once(desk):
    desk.adopt(make_plan(schedule=Schedule(cron="0 * * * *")))
    tick(desk, minutes=30)
    step(desk, hours=3)
    desk.work()
    step(desk, hours=-3)
    for hour in (13, 14, 15, 16):
        tick(desk, minutes=30)
        assert [f"{slot.due:%H}" for slot in desk.work()] == [f"{hour + 5}"]
        tick(desk, minutes=30)


def test_what_was_missed_by_a_clock_that_was_ahead_was_not(desk):
    desk.adopt(make_plan(schedule=Schedule(cron="0 * * * *")))
    tick(desk, minutes=30)
    step(desk, hours=3)
    step(desk, hours=-3)
    tick(desk, minutes=30)
    assert desk.told()[0] == ("11-16 13:00", "due", "")


def test_a_job_that_follows_comes_again_after_the_one_that_it_follows(desk):
    desk.adopt(make_plan(), make_plan("second", Schedule(after="daily")))
    step(desk, hours=20)
    desk.work()
    tick(desk)
    assert [slot.job for slot in desk.work()] == ["second"]
    step(desk, hours=-20)
    assert desk.told("second") == [("11-17 06:40", "skipped", AGAIN)]
    tick(desk, hours=18, minutes=40)
    assert [slot.job for slot in desk.work()] == ["daily"]
    tick(desk, minutes=1)
    assert [slot.job for slot in desk.work()] == ["second"]
    tick(desk, minutes=1)
    assert desk.work() == []


def test_a_pause_that_began_meanwhile_counts_when_the_time_comes(desk):
    desk.adopt(make_plan())
    step(desk, hours=20)
    desk.work()
    step(desk, hours=-20)
    desk.ledger.slots.pause("daily", None, "")
    tick(desk, hours=18, minutes=40)
    assert desk.told() == [("11-17 06:40", "skipped", "paused")]
