"""A run that waits, or that somebody works on, is sent again by hand: what others have to do of it stays theirs."""

from datetime import timedelta

import pytest

from mmflow.ledger import JobLock, NewSlot
from tests.leased import Bench, heard, open_ledger, order, plan, read_deliveries, read_slot, write_job
from tests.ledgers import NOON, SPAN
from tests.test_executor import obeying

__all__ = ["obeying"]


@pytest.fixture
def waiting(desk, obeying):
    """A run with one sink that is done and one that waits, and who works on it."""
    write_job(desk, "type: obey, name: one", "type: obey, name: two")
    order(desk, "two", "later 60", "ok")
    plan(desk, "daily")
    bench = Bench(desk)
    bench.work()
    return bench


def states(desk):
    return {name: one.state for name, one in read_deliveries(desk, read_slot(desk).run).items()}


def test_a_sink_that_waits_goes_on_waiting_when_another_of_its_run_is_sent_again(desk, waiting):
    before = read_slot(desk)
    done = desk.mmflow("resend", before.run, "--sink", "one")
    assert (done.code, "next try" in done.out) == (1, True), "one that is required has not got it yet"
    assert states(desk) == {"one": "done", "two": "retrying"}
    assert read_slot(desk) == before
    waiting.work_on()
    assert (read_slot(desk).state, states(desk)) == ("done", {"one": "done", "two": "done"})
    assert (heard(desk, "one"), heard(desk, "two")) == (["ok", "ok"], ["later", "ok"])


def test_a_slot_ends_when_all_that_waits_of_it_is_sent_by_hand(desk, waiting):
    assert desk.mmflow("resend", read_slot(desk).run, "--failed").code == 0
    assert (read_slot(desk).state, states(desk)) == ("done", {"one": "done", "two": "done"})
    desk.clock.sleep(300)
    assert waiting.work() == []


def test_a_resend_that_is_interrupted_leaves_the_run_waiting(desk, waiting):
    order(desk, "one", "do raise KeyboardInterrupt")
    run = read_slot(desk).run
    assert desk.mmflow("resend", run, "--sink", "one").code == 130
    assert states(desk) == {"one": "running", "two": "retrying"}
    order(desk, "one", "ok")
    waiting.work_on()
    assert (read_slot(desk).state, states(desk)) == ("done", {"one": "done", "two": "done"})


def test_a_window_that_is_being_filled_in_is_not_sent_again_meanwhile(desk, obeying):
    write_job(desk, "type: obey, name: one")
    due = desk.clock.now() - timedelta(days=1)
    with open_ledger(desk) as ledger:
        ledger.slots.reopen("daily", [NewSlot(due=due, kind="backfill", next_at=due)])
        (slot,) = ledger.slots.take_windows("daily", "somebody", desk.clock.now() + timedelta(minutes=1), 1)
        ledger.begin_run("r1", "daily", due, "backfill", slot.fence)
        ledger.note_plan("r1", (("boston", SPAN),), [("one", "obey", "k")])
        ledger.note_table("r1", 7, (), NOON, "snapshots/r1.parquet")
        taken = ledger.take_delivery("r1", "one", slot)
        with JobLock(desk.root / ".mmflow" / "locks", f"daily.backfill-{due:%Y%m%dT%H%M%S}"):
            refused = desk.mmflow("resend", "r1")
        assert (refused.code, "is being run by process" in refused.err) == (4, True)
        ledger.commit_delivery(taken, "done")
        assert (ledger.read_run("r1").state, ledger.delivery("r1", "one").state) == ("running", "done")
