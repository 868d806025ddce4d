"""A backfill whose windows are worked on by hand: how long one is tried, who ends it, and what has become of it."""

from datetime import timedelta
from threading import Event

import pytest

from mmflow.backfill import PATIENCE, Filling
from mmflow.clock import FixedClock
from mmflow.leases import CANCELLED, Leases, name_owner
from mmflow.ledger import Ledger, NewSlot
from mmflow.tasks import Outcome, Task
from tests.ledgers import ledger_file
from tests.test_backfill_good import NOW, WINDOW, WINDOWS
from tests.turned import Hands

HOUR = timedelta(hours=1)


@pytest.fixture
def clock():
    return FixedClock(NOW)


@pytest.fixture
def ledger(tmp_path, clock):
    with Ledger.open(ledger_file(tmp_path), clock) as ledger:
        yield ledger


@pytest.fixture
def fill(tmp_path, clock, ledger):
    """Fill windows in by a function; gives what became of them, and the tasks that were given out."""

    def fill(work, windows=(WINDOW,)):
        woken, hands = Event(), Hands(tmp_path, clock, work)
        filling = Filling(
            ledger=ledger,
            job="daily",
            windows=windows,
            leases=Leases(clock=clock, executor=hands, stopped="stopped", wake=woken.set),
            woken=woken,
            parallel=2,
            make_task=lambda slot, until: Task(root="", file="", text="", settings="", slot=slot, until=until),
            tell=lambda _ended: None,
        )
        return filling.fill(send=False), hands.given

    return fill


def begin(ledger, task, number=0):
    run = f"r{number}"
    ledger.begin_run(run, task.slot.job, task.slot.due, task.slot.kind, task.slot.fence)
    return run


def do_it(ledger, task):
    run = begin(ledger, task, f"{task.slot.due:%d}")
    ledger.finish_run(run, "ok")
    return Outcome(state="done", run=run, run_state="ok")


def test_a_window_is_tried_for_a_quarter_of_an_hour_however_often_that_is(fill, clock):
    tries = []

    def work(ledger, task):
        tries.append(begin(ledger, task, len(tries)))
        if clock.now() < task.until and len(tries) < 10:
            slot = ledger.slots.read(*task.key)
            ledger.leave_run(slot, clock.now() + PATIENCE / 3, "it is busy")
            return Outcome(state="again")
        ledger.finish_run(tries[-1], "failed", error="it is busy")
        return Outcome(state="done", run=tries[-1], run_state="failed")

    (ended,), given = fill(work)
    assert (ended.state, ended.run, ended.reason) == ("failed", "r3", "it is busy")
    assert {task.until for task in given} == {NOW + PATIENCE}


def test_a_window_that_waits_to_be_tried_again_can_be_cancelled(fill, clock):
    def work(ledger, task):
        if clock.now() > NOW + HOUR / 2:
            return do_it(ledger, task)
        run = begin(ledger, task)
        ledger.leave_run(ledger.slots.read(*task.key), clock.now() + HOUR, "it is busy")
        assert ledger.slots.wish(run, "cancel")
        return Outcome(state="again")

    (ended,), given = fill(work)
    assert (ended.state, ended.reason, len(given)) == ("failed", CANCELLED, 1)


def test_what_a_backfill_of_this_machine_left_that_is_gone_is_begun_at_once(fill, ledger):
    ledger.slots.reopen("daily", [NewSlot(due=WINDOW.slot, kind="backfill")])
    assert ledger.slots.take_windows("daily", name_owner(), NOW + HOUR, 5)
    ended, given = fill(do_it, WINDOWS)
    assert ([one.state for one in ended], len(given)) == (["done", "done"], 2)


def test_a_window_whose_report_was_held_is_not_called_done(fill):
    def work(ledger, task):
        run = begin(ledger, task)
        ledger.finish_run(run, "held", error="the report has no rows")
        return Outcome(state="done", run=run, run_state="held")

    (ended,), _ = fill(work)
    assert (ended.state, ended.reason) == ("held", "the report has no rows")
