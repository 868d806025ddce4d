"""A service or a key in trouble, and those who cannot wait until somebody asks again: they ask themselves."""

from datetime import timedelta

import pytest

from mmflow.ledger import NewSlot
from mmflow.notices import follow_ends
from tests.desk import KEY
from tests.leased import make_task, open_ledger, plan, read_slot, write_jobs


@pytest.fixture
def refused(bench):
    """Two jobs of one key, which was shown for the first of them just now, and refused for that once."""
    write_jobs(bench.desk, "a", "b")
    bench.desk.simulator.faults({"match": "/reports", "kind": "status", "status": 401, "times": 1})
    plan(bench.desk, "a", "b")

    def work(until):
        bench.work(until=until)
        return read_slot(bench.desk, "b")

    return work


def test_a_slot_that_cannot_wait_until_its_key_is_shown_again_shows_it(bench, refused):
    slot = refused(timedelta(minutes=10))
    assert (slot.state, slot.next_at) == ("due", bench.desk.clock.now() + timedelta(minutes=1))
    assert "refuses the api_key" in slot.reason
    bench.desk.clock.set(slot.next_at)
    assert refused(timedelta(minutes=10)).state == "done"


def test_a_slot_that_asked_nothing_when_its_time_is_up_has_failed_and_does_not_count(bench, refused):
    slot = refused(timedelta(seconds=30))
    assert (slot.state, "parked: " in slot.reason, "refuses the api_key" in slot.reason) == ("failed", True, True)
    with open_ledger(bench.desk) as ledger:
        assert ledger.read_run(slot.run).passing
        follow_ends(ledger, {}, bench.desk.clock.now())
        assert {job: row.failures for job, row in ledger.slots.read_jobs().items()} == {"a": 1, "b": 0}


def test_a_key_that_is_accepted_by_hand_is_shown_at_once_by_all_that_wait_for_it(bench, refused):
    assert refused(timedelta(hours=3)).next_at == bench.desk.clock.now() + timedelta(hours=1)
    assert bench.desk.mmflow("run", "a").code == 0
    assert read_slot(bench.desk, "b").next_at == bench.desk.clock.now()
    assert refused(timedelta(hours=3)).state == "done"


def test_another_key_that_is_accepted_in_its_place_is_shown_at_once_as_well(bench):
    desk = bench.desk
    write_jobs(desk, "a", "b")
    desk.environ["MM_BOSTON_KEY"] = "a-key-that-nobody-knows-4711"
    plan(desk, "a", "b")
    bench.work()
    assert read_slot(desk, "b").reason.startswith("parked: ")
    desk.environ["MM_BOSTON_KEY"] = KEY
    write_jobs(desk, "c")
    plan(desk, "c")
    bench.work()
    assert read_slot(desk, "b").next_at == desk.clock.now()
    bench.work()
    assert {job: read_slot(desk, job).state for job in ("b", "c")} == {"b": "done", "c": "done"}


def test_windows_that_are_filled_in_show_a_refused_key_once_and_wait_for_nobody(bench):
    desk = bench.desk
    write_jobs(desk, "a")
    desk.simulator.faults({"match": "/reports", "kind": "status", "status": 401, "times": 1})

    def fill(days):
        now = desk.clock.now()
        slots = [NewSlot(due=now - timedelta(days=day), kind="backfill", next_at=now) for day in range(1, days + 1)]
        with open_ledger(desk) as ledger:
            ledger.slots.reopen("a", slots)
            taken = ledger.slots.take_windows("a", "me", now + timedelta(minutes=1), days)
        outcomes = [bench.worker.execute(make_task(desk, slot, now + timedelta(minutes=15))) for slot in taken]
        return [(one.state, one.run_state, "refuses the api_key" in one.error) for one in outcomes]

    assert fill(3) == [("done", "failed", False), ("done", "", True), ("done", "", True)]
    desk.clock.sleep(60)
    assert fill(3) == [("done", "ok", False)] * 3
