"""A time that comes while the one before is under way: what counts as that, and what is said about it."""

from datetime import timedelta

import pytest

from mmflow.job import Schedule
from tests.ledgers import NOON, SLOT, plan
from tests.plans import START, make_plan, open_planner


@pytest.fixture
def desk(tmp_path):
    for desk in open_planner(tmp_path):
        desk.adopt(make_plan(schedule=Schedule(cron="0 * * * *")))
        desk.later(hours=1)
        yield desk


def begin(desk, run):
    """Lease the slot of 13:00 and begin its run."""
    (slot,) = desk.ledger.slots.take("worker", START + timedelta(days=9), 10)
    if slot.resume:
        desk.ledger.begin_resume(slot.resume, slot)
    else:
        desk.ledger.begin_run(run, slot.job, slot.due, slot.kind, slot.fence)
    return slot


def test_the_reason_says_since_when_the_present_run_is_running(desk):
    desk.clock.sleep(20 * 60)
    begin(desk, "r1")
    desk.later(minutes=40)
    (_, state, reason) = desk.told()[-1]
    assert (state, "13:00" in reason, "has been running since 2026-11-16 13:20" in reason) == ("skipped", True, True)


def test_one_that_is_next_in_line_is_not_said_to_run(desk):
    desk.clock.sleep(20 * 60)
    desk.ledger.slots.take("worker", START + timedelta(days=9), 10)
    desk.later(minutes=40)
    (_, state, reason) = desk.told()[-1]
    assert (state, "has been waiting for a worker since 2026-11-16 13:20" in reason) == ("skipped", True)


@pytest.mark.parametrize("resume", ["r1", ""])
@pytest.mark.parametrize("begun", [True, False])
def test_one_that_is_only_tried_again_keeps_the_next_from_nothing(desk, resume, begun):
    """Its time is up: the next is due at once, and begins as soon as that try has ended."""
    first = begin(desk, "r1")
    if resume:
        desk.ledger.postpone_run("r1", first, desk.clock.now(), "the share is away")
    else:
        desk.ledger.repeat_run("r1", first, "failed", "the service is down", desk.clock.now())
    desk.clock.sleep(58 * 60)
    (again,) = [begin(desk, "r2")] if begun else desk.take()
    desk.later(minutes=2)
    assert [(at, state) for at, state, _ in desk.told()] == [("11-16 13:00", "running"), ("11-16 14:00", "due")]
    assert desk.take() == [], "one at a time"
    desk.ledger.slots.close(again, "failed", "its time is up")
    assert [slot.due for slot in desk.take()] == [START + timedelta(hours=2)]


def stay(desk, minutes):
    """Let time pass while the planner looks each minute."""
    for _ in range(minutes):
        desk.later(minutes=1)


def test_one_that_no_daemon_has_room_for_keeps_the_line_from_growing(desk):
    stay(desk, 180)
    waiting, *rest = desk.told()
    assert waiting[:2] == ("11-16 13:00", "due")
    assert [(at, state) for at, state, _ in rest] == [(f"11-16 {hour}:00", "skipped") for hour in (14, 15, 16)]
    assert all("the one of 2026-11-16 13:00 EST has been waiting for a worker" in reason for *_, reason in rest)


def test_what_waits_in_line_by_the_word_of_its_job_skips_nothing(desk):
    desk.adopt(make_plan(schedule=Schedule(cron="0 * * * *", overlap="queue")))
    stay(desk, 180)
    assert [state for _, state, _ in desk.told()] == ["due"] * 4


@pytest.mark.parametrize("ended", [True, False])
def test_one_that_waited_through_an_outage_turns_no_newer_one_away(desk, ended):
    stay(desk, 10)
    desk.clock.sleep(50 * 60)
    if ended:
        desk.restart()
    desk.look(tick=True)
    assert [(at, state) for at, state, _ in desk.told()] == [
        ("11-16 13:00", "skipped" if ended else "due"),
        ("11-16 14:00", "due"),
    ]


def test_one_that_waits_for_what_is_made_up_for_before_it_skips_nothing(desk):
    desk.adopt(make_plan(schedule=Schedule(cron="0 * * * *", catch_up="all")))
    desk.later(hours=3)
    first = begin(desk, "r1")
    stay(desk, 60)
    desk.ledger.slots.close(first, "done", "")
    stay(desk, 60)
    assert [state for _, state, _ in desk.told()] == ["done", *["due"] * 5]


def test_only_what_could_be_leased_now_waits_for_a_worker_in_either_ledger(ledger):
    plan(ledger, "waits", "follows", next_at=NOON)
    plan(ledger, "follows", due=SLOT - timedelta(days=1), send=False, next_at=NOON)
    plan(ledger, "later", next_at=NOON + timedelta(minutes=1))
    plan(ledger, "runs", next_at=NOON)
    assert set(ledger.slots.list_overlapping()) == {"waits", "runs"}
    taken = ledger.slots.take("one", NOON + timedelta(days=9), 1000)
    assert {slot.job for slot in taken} == {"waits", "follows", "runs"}
    assert set(ledger.slots.list_overlapping()) == {"waits", "runs"}
