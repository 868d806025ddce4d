"""Times of one job are worked on in their order, so that no older report is written over a newer one."""

from datetime import timedelta

import pytest

from mmflow.job import Schedule
from mmflow.leases import Leases
from mmflow.ledger import NewSlot
from tests.plans import START, make_plan, open_planner

HOUR = timedelta(hours=1)


desk = pytest.fixture(open_planner)


def hourly(**keys):
    return make_plan(schedule=Schedule(cron="0 * * * *", **keys))


def lose(desk, begun=True):
    """Have the first hour's slot at work, and its process die; give the slot."""
    desk.later(hours=1)
    (slot,) = desk.take()
    if begun:
        desk.ledger.begin_run("lost", slot.job, slot.due, slot.kind, slot.fence)
    return slot


def bury(desk, slot):
    """Count the death as the daemon does."""
    leases = Leases(
        clock=desk.clock,
        executor=None,
        stopped="",
        wake=lambda: None,
        replaced=desk.planner.find_replacement,
    )
    leases.take_up(desk.ledger, desk.ledger.slots.read(slot.job, slot.due, slot.kind), "its owner is gone")


def test_a_time_waits_for_the_one_before_it_though_that_is_tried_again_later(desk):
    desk.adopt(hourly())
    slot = lose(desk)
    desk.ledger.leave_run(slot, desk.clock.now() + HOUR * 1.1, "the service is down")
    desk.later(hours=1)
    assert [slot.state for slot in desk.slots()] == ["due", "due"]
    assert desk.take() == []
    assert not desk.ledger.slots.any_due()
    desk.later(minutes=10)
    assert desk.ledger.slots.any_due()
    assert [found.due for found in desk.work()] == [slot.due, slot.due + HOUR]


@pytest.mark.parametrize("kind", ["restate", "manual", "backfill"])
def test_a_time_waits_for_no_window_of_another_kind_and_they_for_none(desk, kind):
    desk.adopt(hourly())
    desk.ledger.slots.reopen("daily", [NewSlot(due=START - HOUR, kind=kind, next_at=START + 9 * HOUR)])
    desk.later(hours=1)
    (taken,) = desk.take()
    assert taken.kind == "schedule"
    desk.ledger.slots.put_back(taken, START + 9 * HOUR, "later")
    desk.ledger.slots.reopen("daily", [NewSlot(due=START + HOUR, kind="restate", next_at=START)])
    assert [slot.kind for slot in desk.take()] == ["restate"]


@pytest.mark.parametrize(
    ("begun", "state", "what"),
    [(True, "failed", "its process died"), (False, "skipped", "it was missed while nothing ran")],
)
def test_what_a_kill_interrupted_is_not_begun_anew_when_a_later_time_makes_up_for_it(desk, begun, state, what):
    desk.adopt(hourly())
    slot = lose(desk, begun)
    desk.restart()
    desk.later(hours=3, minutes=10)
    bury(desk, slot)
    why = f"{what}; the one of 2026-11-16 16:00 EST makes up for it"
    assert desk.told()[0] == ("11-16 13:00", state, why)
    assert [(run.state, run.error) for run in desk.ledger.runs()] == [("failed", why)] * begun
    assert [slot.due for slot in desk.work()] == [START + 4 * HOUR]


def test_what_a_kill_interrupted_goes_on_while_no_later_time_is_there_or_each_counts(desk):
    desk.adopt(hourly())
    slot = lose(desk)
    desk.clock.sleep(3 * 3600)
    bury(desk, slot)
    assert desk.told()[0][1] == "due", "nothing was planned that could make up for it"
    desk.adopt(hourly(catch_up="all"))
    (slot,) = desk.take()
    desk.later(hours=1)
    bury(desk, slot)
    assert desk.told()[0][1] == "due"


def test_what_a_kill_interrupted_goes_on_when_its_time_is_not_up(desk):
    desk.adopt(make_plan(schedule=Schedule(cron="0 * * * *", expires="1 day", catch_up="latest")))
    slot = lose(desk)
    desk.later(hours=2)
    bury(desk, slot)
    assert desk.told()[0][1] == "due"


def test_what_a_kill_interrupted_keeps_no_later_time_from_being_due(desk):
    desk.adopt(hourly())
    slot = lose(desk, begun=False)
    desk.restart()
    desk.later(hours=1)
    assert desk.told()[1] == ("11-16 14:00", "due", "")
    bury(desk, slot)
    assert [(at, state) for at, state, _ in desk.told()] == [("11-16 13:00", "skipped"), ("11-16 14:00", "due")]


def test_what_only_waited_in_line_is_chosen_among_with_the_times_that_came_meanwhile(desk):
    desk.adopt(hourly())
    lose(desk, begun=False)
    desk.clock.sleep(3 * 3600 + 600)
    desk.ledger.slots.drop_leases("another")
    desk.restart()
    desk.look(tick=True)
    why = "it was missed while nothing ran; the one of 2026-11-16 16:00 EST makes up for it"
    assert desk.told()[:3] == [(f"11-16 {hour}:00", "skipped", why) for hour in (13, 14, 15)]
    assert len({slot.planned for slot in desk.slots()[:3]}) == 1, "and told with them"
