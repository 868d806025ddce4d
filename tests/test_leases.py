"""Leased slots at work: what is given out, comes back, dies or is cancelled, and never another's in the meantime."""

from contextlib import nullcontext
from datetime import timedelta
from itertools import count

import pytest

from mmflow.errors import Busy, StateError
from mmflow.leases import CANCELLED, Leases, put_back_lost
from mmflow.ledger import NewSlot
from mmflow.tasks import Outcome, Task
from tests.ledgers import NOON, SLOT, SPAN, plan

MINUTE = timedelta(minutes=1)
numbers = count()


class Hands:
    """Takes tasks and does them as a test says."""

    def __init__(self):
        self.given, self.cancelled, self.refusal = {}, [], None

    def submit(self, task, done):
        if self.refusal:
            raise self.refusal
        self.given[task.key, task.slot.fence] = task, done

    def cancel(self, key):
        self.cancelled.append(key)
        return True

    def end(self, slot, state, **keys):
        task, done = self.given[(slot.job, slot.due, slot.kind), slot.fence]
        done(task, Outcome(state=state, **keys))


@pytest.fixture
def hands():
    return Hands()


@pytest.fixture
def leases(clock, hands):
    return Leases(clock=clock, executor=hands, stopped="the daemon was stopped", wake=lambda: None, owner="me")


def lease(ledger, leases, clock, job="daily"):
    """Lease the slot of a job that is due, and give it out."""
    (slot,) = ledger.slots.take("me", clock.now() + MINUTE, 9)
    leases.give(Task(root=".", file="", text="", settings="", slot=slot, until=NOON + 60 * MINUTE))
    assert slot.job == job
    return slot


def start(ledger, slot, *, delivering=False):
    """Begin a run under a lease, as a worker does; give it."""
    run = f"run-{next(numbers)}"
    ledger.begin_run(run, slot.job, slot.due, slot.kind, slot.fence)
    ledger.note_plan(run, (("boston", SPAN),), [(sink, sink, f"{run}-{sink}") for sink in ("bad", "good")])
    if delivering:
        ledger.note_table(run, 7, (), NOON, f"snapshots/{run}.parquet")
        ledger.take_delivery(run, "bad", slot)
    return run


def read(ledger, slot):
    return ledger.slots.read(slot.job, slot.due, slot.kind)


def steal(ledger, slot, clock):
    """Have another daemon take a slot over."""
    ledger.slots.put_back(slot, clock.now(), "thought dead")
    (stolen,) = ledger.slots.take("another", clock.now() + MINUTE, 9)
    return stolen


@pytest.fixture
def slot(ledger, leases, clock):
    plan(ledger, "daily")
    return lease(ledger, leases, clock)


def test_what_the_executor_does_not_take_is_not_held(ledger, leases, hands, clock):
    plan(ledger, "daily")
    hands.refusal = OSError("no process")
    with pytest.raises(OSError, match="no process"):
        lease(ledger, leases, clock)
    assert leases.tasks == {}, "it is leased and not begun, which the daemon finds out"


def test_the_end_of_an_older_lease_does_not_drop_the_newer_one(ledger, leases, hands, clock, slot):
    ledger.slots.put_back(slot, clock.now(), "its lease ran out")
    newer = lease(ledger, leases, clock)
    hands.end(slot, "lost", error="taken over")
    leases.settle(ledger)
    assert [task.slot.fence for task in leases.tasks.values()] == [newer.fence]
    assert read(ledger, newer) == newer, "nothing is put back by a word about the older"
    hands.end(newer, "done")
    leases.settle(ledger)
    assert leases.tasks == {}


@pytest.mark.parametrize("state", ["cancelled", "lost", "died", "timeout"])
def test_what_is_anothers_by_now_stays_as_it_is(ledger, leases, hands, clock, slot, state):
    start(ledger, slot)
    stolen = steal(ledger, slot, clock)
    hands.end(slot, state)
    leases.settle(ledger)
    assert read(ledger, stolen) == stolen
    assert leases.tasks == {}


def test_a_word_about_what_has_ended_changes_nothing(ledger, leases, hands, slot):
    run = start(ledger, slot)
    ledger.finish_run(run, "ok", lease=slot)
    ended = read(ledger, slot)
    put_back_lost(ledger, slot, "nothing is known", NOON)
    hands.end(slot, "died")
    leases.settle(ledger)
    assert read(ledger, slot) == ended


def test_a_death_waits_a_little_then_longer_and_the_third_is_the_last(ledger, leases, hands, clock):
    plan(ledger, "daily")
    for pause in (10, 60):
        slot = lease(ledger, leases, clock)
        start(ledger, slot)
        hands.end(slot, "died", error="its process ended")
        leases.settle(ledger)
        after = read(ledger, slot)
        assert (after.state, after.next_at - clock.now()) == ("due", timedelta(seconds=pause))
        clock.set(after.next_at)
    slot = lease(ledger, leases, clock)
    start(ledger, slot)
    hands.end(slot, "died", error="its process ended")
    leases.settle(ledger)
    after = read(ledger, slot)
    assert (after.state, after.reason) == (
        "failed",
        "quarantined: its process died 3 times; the last time its process ended",
    )


def fail(*_):
    raise StateError("the ledger cannot be used")


def lose(ledger, leases, hands, clock, *, begun=True):
    """Have the slot leased, and its run lost after it began; give the slot as it is then."""
    slot = lease(ledger, leases, clock)
    if begun:
        start(ledger, slot)
    hands.end(slot, "lost", error="no word was written")
    leases.settle(ledger)
    after = read(ledger, slot)
    clock.set(max(after.next_at, clock.now()))
    return after


def test_what_is_lost_again_and_again_while_the_ledger_is_well_is_quarantined(ledger, leases, hands, clock):
    plan(ledger, "daily")
    assert [lose(ledger, leases, hands, clock).deaths for _ in range(3)] == [0, 1, 2]
    after = lose(ledger, leases, hands, clock)
    assert (after.state, after.reason) == (
        "failed",
        "quarantined: its run was lost 3 times; the last time no word was written",
    )


def test_what_never_began_is_lost_until_its_time_is_up_and_charged_nothing(ledger, leases, hands, clock):
    plan(ledger, "daily")
    ends = [lose(ledger, leases, hands, clock, begun=False) for _ in range(6)]
    assert {(slot.state, slot.deaths) for slot in ends} == {("due", 0)}
    clock.set(NOON + 60 * MINUTE)
    after = lose(ledger, leases, hands, clock, begun=False)
    assert (after.state, after.deaths, after.reason) == ("failed", 0, "no word was written")


def test_what_went_well_in_between_or_is_lost_on_a_full_disk_is_charged_nothing(
    ledger, leases, hands, clock, monkeypatch
):
    plan(ledger, "daily")
    lose(ledger, leases, hands, clock)
    slot = lease(ledger, leases, clock)
    ledger.postpone_run(start(ledger, slot, delivering=True), slot, clock.now(), "it is busy")
    hands.end(slot, "again")
    leases.settle(ledger)
    assert lose(ledger, leases, hands, clock).deaths == 0
    monkeypatch.setattr("mmflow.leases.LEAST_ROOM", 1 << 62)
    assert lose(ledger, leases, hands, clock).deaths == 0


def test_what_is_lost_while_the_ledger_is_ill_for_the_daemon_too_is_charged_nothing(
    ledger, leases, hands, clock, monkeypatch
):
    plan(ledger, "daily")
    lose(ledger, leases, hands, clock)
    slot = lease(ledger, leases, clock)
    start(ledger, slot)
    hands.end(slot, "lost")
    with monkeypatch.context() as ill:
        ill.setattr(ledger.slots, "read", fail)
        with pytest.raises(StateError):
            leases.settle(ledger)
    leases.settle(ledger)
    assert (read(ledger, slot).state, read(ledger, slot).deaths) == ("due", 0)


def test_a_process_that_dies_before_its_run_begins_has_died_too(ledger, leases, hands, clock):
    plan(ledger, "daily")
    ends = []
    for _ in range(3):
        hands.end(lease(ledger, leases, clock), "died", error="its process ended")
        leases.settle(ledger)
        ends.append(read(ledger, ledger.slots.list_recent()[0]))
        clock.set(max(ends[-1].next_at, clock.now()))
    assert [(slot.state, slot.deaths) for slot in ends] == [("due", 1), ("due", 2), ("failed", 3)]
    assert ends[-1].reason == "quarantined: its process died 3 times; the last time its process ended"


def test_what_dies_before_it_begins_anew_leaves_the_run_before_as_it_ended(ledger, leases, hands, clock, slot):
    run = start(ledger, slot)
    ledger.repeat_run(run, slot, "failed", "the service is down", clock.now())
    hands.end(slot, "again")
    leases.settle(ledger)
    for _ in range(3):
        hands.end(lease(ledger, leases, clock), "died")
        leases.settle(ledger)
        clock.set(max(read(ledger, slot).next_at, clock.now()))
    assert (read(ledger, slot).state, ledger.read_run(run).error) == ("failed", "the service is down")


def test_what_only_waited_in_the_line_of_one_that_is_gone_has_died_no_death(ledger, leases, clock, slot):
    leases.take_up(ledger, slot, "its owner is gone")
    after = read(ledger, slot)
    assert (after.state, after.deaths, after.next_at) == ("due", 0, clock.now())


@pytest.mark.parametrize("left", ["pending", "retrying"])
def test_after_a_quarantine_the_deliveries_that_are_left_have_three_lives_again(ledger, leases, hands, clock, left):
    plan(ledger, "daily")
    slot = lease(ledger, leases, clock)
    run = start(ledger, slot, delivering=True)
    if left == "retrying":
        ledger.commit_delivery(ledger.take_delivery(run, "good", slot), left, next_at=NOON)
    for _ in range(2):
        hands.end(slot, "died")
        leases.settle(ledger)
        clock.set(read(ledger, slot).next_at)
        slot = lease(ledger, leases, clock)
        assert slot.resume == run
        ledger.begin_resume(run, slot)
    hands.end(slot, "died")
    leases.settle(ledger)
    after = read(ledger, slot)
    assert (after.state, after.resume, after.deaths) == ("due", run, 0)
    assert {one.sink: one.state for one in ledger.deliveries(run)} == {"bad": "quarantined", "good": left}


def test_what_goes_on_and_is_lost_again_goes_on_with_the_same_run(ledger, leases, hands, clock, slot):
    run = start(ledger, slot, delivering=True)
    ledger.postpone_run(run, slot, clock.now(), "it is busy")
    again = lease(ledger, leases, clock)
    hands.end(again, "lost")
    leases.settle(ledger)
    assert (read(ledger, again).resume, ledger.read_run(run).state) == (run, "retrying")


def test_what_is_said_of_a_death_names_the_run(ledger, leases, hands, clock, slot, monkeypatch):
    heard = []
    monkeypatch.setattr("mmflow.leases.bind", lambda **keys: heard.append(keys["run"]) or nullcontext())
    run = start(ledger, slot)
    hands.end(slot, "died")
    leases.settle(ledger)
    assert heard == [run]


def test_a_table_that_nobody_has_judged_is_not_delivered(ledger, leases, hands, slot):
    run = start(ledger, slot)
    ledger.note_table(run, 7, (), NOON, "snapshots/r.parquet")
    hands.end(slot, "died")
    leases.settle(ledger)
    assert read(ledger, slot).resume == ""


def test_a_run_that_began_anew_is_not_gone_on_with_from_before(ledger, leases, hands, clock, slot):
    first = start(ledger, slot, delivering=True)
    ledger.postpone_run(first, slot, clock.now(), "it is busy")
    again = lease(ledger, leases, clock)
    start(ledger, again)  # the table of the first was gone
    hands.end(again, "died")
    leases.settle(ledger)
    assert read(ledger, again).resume == ""


def test_deliveries_go_on_only_under_the_lease_that_was_given(ledger, leases, clock, slot):
    run = start(ledger, slot, delivering=True)
    ledger.postpone_run(run, slot, clock.now(), "it is busy")
    with pytest.raises(Busy):
        ledger.begin_resume(run, read(ledger, slot))


# -- ended by hand


def test_a_run_is_ended_once_and_its_next_try_may_be_ended_too(ledger, leases, hands, clock, slot):
    run = start(ledger, slot, delivering=True)
    assert ledger.slots.wish(run, "cancel")
    leases.cancel_wished(ledger)
    leases.cancel_wished(ledger)
    assert len(hands.cancelled) == 1
    ledger.postpone_run(run, slot, clock.now(), "it is busy")  # it was faster
    hands.end(slot, "again")
    leases.settle(ledger)
    again = lease(ledger, leases, clock)
    leases.cancel_wished(ledger)
    assert len(hands.cancelled) == 2
    ledger.begin_resume(run, again)
    hands.end(again, "cancelled")
    leases.settle(ledger)
    assert (read(ledger, again).state, ledger.read_run(run).error) == ("failed", CANCELLED)


def test_what_waits_is_ended_at_once_and_what_another_works_on_is_left_to_it(ledger, leases, hands, clock, slot):
    run = start(ledger, slot, delivering=True)
    ledger.slots.wish(run, "cancel")
    ledger.postpone_run(run, slot, clock.now(), "it is busy")
    hands.end(slot, "again")
    leases.settle(ledger)
    (other,) = ledger.slots.take("another", clock.now() + MINUTE, 9)
    leases.cancel_wished(ledger)
    assert (read(ledger, slot), hands.cancelled) == (other, [])
    ledger.slots.put_back(other, clock.now(), "it is busy", run)
    leases.cancel_wished(ledger)
    assert (read(ledger, slot).state, ledger.read_run(run).error) == ("failed", CANCELLED)


def test_what_waits_to_be_begun_anew_is_ended_too_and_what_is_planned_anew_is_not(ledger, leases, hands, clock, slot):
    run = start(ledger, slot)
    ledger.repeat_run(run, slot, "failed", "the service is down", clock.now() + MINUTE)
    hands.end(slot, "again")
    leases.settle(ledger)
    assert ledger.slots.wish(run, "cancel")
    leases.cancel_wished(ledger)
    assert (read(ledger, slot).state, ledger.read_run(run).error) == ("failed", CANCELLED)
    assert not ledger.slots.wish(run, "cancel"), "it has ended"
    ledger.slots.reopen("daily", [NewSlot(due=SLOT)])
    leases.cancel_wished(ledger)
    assert read(ledger, slot).state == "due"


def test_what_ended_with_the_daemon_is_put_back(ledger, leases, hands, clock, slot):
    start(ledger, slot)
    hands.end(slot, "cancelled")
    leases.settle(ledger)
    assert (read(ledger, slot).state, read(ledger, slot).reason) == ("due", "the daemon was stopped")


# -- what the ledger lets happen


def test_only_ones_own_leases_are_renewed_and_released(ledger, leases, clock, slot):
    plan(ledger, "other")
    (other,) = ledger.slots.take("another", clock.now() + MINUTE, 9)
    clock.sleep(30)
    leases.renew(ledger)
    assert read(ledger, slot).lease_until == clock.now() + leases.length
    assert read(ledger, other) == other
    assert leases.release(ledger) == 1
    assert (read(ledger, slot).state, read(ledger, slot).begun) == ("due", False)
    assert read(ledger, other) == other


def test_what_has_ended_is_closed_by_nobody(ledger, slot):
    ledger.slots.close(slot, "failed", "given up")
    with pytest.raises(Busy, match="taken over"):
        ledger.slots.close(slot, "skipped", "once more")
    assert read(ledger, slot).reason == "given up"


def test_what_is_worked_on_anew_begins_anew(ledger, leases, hands, clock, slot):
    start(ledger, slot, delivering=True)
    hands.end(slot, "died")
    leases.settle(ledger)
    before = read(ledger, slot)
    assert (before.deaths, before.tries, before.resume != "") == (1, 1, True)
    ledger.slots.reopen("daily", [NewSlot(due=SLOT)])
    after = read(ledger, slot)
    assert (after.deaths, after.tries, after.resume) == (0, 0, "")
