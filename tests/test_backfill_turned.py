"""A backfill whose windows are worked on by hand: how long one is tried, who ends it, and what has become of it."""

from datetime import timedelta
from threading import Event

import pytest

from mmflow.backfill import GIVEN_UP, PATIENCE, Filling, find_redone
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

    def fill(work, windows=(WINDOW,), redo=False):
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
            redo=redo,
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


def test_a_window_that_a_later_backfill_is_not_about_ends_with_the_run_that_was_killed_in_it(fill, ledger):
    ledger.slots.reopen("daily", [NewSlot(due=WINDOW.slot, kind="backfill")])
    (slot,) = ledger.slots.take_windows("daily", name_owner(), NOW + HOUR, 5)
    ledger.begin_run("killed", "daily", slot.due, "backfill", slot.fence)
    ledger.note_plan("killed", WINDOW.spans, [("csv", "csv", "k")])
    ledger.take_delivery("killed", "csv", slot)
    fill(do_it, WINDOWS[1:])
    assert (ledger.read_run("killed").state, ledger.delivery("killed", "csv").state) == ("failed", "unknown")
    slot = ledger.slots.read("daily", WINDOW.slot, "backfill")
    assert (slot.state, slot.reason, ledger.read_run("killed").error) == ("skipped", GIVEN_UP, GIVEN_UP)


def test_what_is_done_again_goes_on_where_it_was_stopped_and_begins_anew_after_its_end(fill, ledger, clock):
    stops = iter([False, True, True, False])

    def work(ledger, task):
        if next(stops):
            raise KeyboardInterrupt
        clock.sleep(60)
        run = begin(ledger, task, f"{clock.now():%H%M}")
        ledger.finish_run(run, "ok")
        return Outcome(state="done", run=run, run_state="ok")

    def find():
        """Those of the windows that are good all the time which have been done again."""
        runs = {one.slot: ledger.slots.read("daily", one.slot, "backfill").run for one in WINDOWS}
        return find_redone(ledger, "daily", runs)

    first, second = (window.slot for window in WINDOWS)
    fill(do_it, WINDOWS)
    clock.sleep(60)
    assert find() == {}
    with pytest.raises(KeyboardInterrupt):
        fill(work, WINDOWS, redo=True)
    assert find().keys() == {first}
    with pytest.raises(KeyboardInterrupt):
        fill(work, WINDOWS[1:], redo=None)
    assert find().keys() == {first}, "stopped twice"
    assert find_redone(ledger, "daily", {first: "of another sink", second: "r"}) == {}
    fill(work, WINDOWS[1:], redo=None)
    assert find() == {}
