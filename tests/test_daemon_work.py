"""What the daemon gives out: no more than it may hold, nothing without a job, and no end of it is lost."""

from dataclasses import replace
from datetime import timedelta

import pytest

from mmflow.tasks import Outcome
from tests.daemons import ask
from tests.ledgers import plan
from tests.turned import MONDAY, begin_nothing, do_it, give_cases

make_case = pytest.fixture(give_cases)


def test_it_holds_no_more_slots_at_a_time_than_it_may(make_case):
    case = make_case(begin_nothing, jobs=("daily", "other", "third"))
    case.daemon._work = replace(case.daemon._work, most=2)
    case.turn()
    case.turn(60)
    for _ in range(3):
        case.turn(1)
    assert len(case.hands.given) == 2
    assert ask(case.root, "SELECT count(*) FROM slot WHERE state = 'due'") == [(1,)]
    assert case.daemon._alarm._set > case.clock.now(), "what waits in line wakes nobody again and again"


def test_of_a_ledger_that_others_share_it_holds_no_more_than_its_workers_can_begin(make_case):
    case = make_case(begin_nothing, jobs=("daily", "other", "third"), alone=False)
    case.turn()
    case.turn(60)
    assert len(case.hands.given) == case.roster.settings.settings.daemon.workers == 2


def test_a_slot_without_a_usable_job_waits_for_a_day_and_then_ends_with_the_reason(make_case):
    case = make_case()
    case.turn()
    plan(case.daemon._ledger, "ghost", due=MONDAY)
    case.turn(60)
    why = "there is no usable job of that name any more"
    assert ask(case.root, "SELECT state, reason FROM slot WHERE job = 'ghost'") == [("due", why)]
    case.turn(timedelta(days=1).total_seconds())
    assert ask(case.root, "SELECT state, reason FROM slot WHERE job = 'ghost'") == [("skipped", why)]


def test_an_end_that_could_not_be_written_down_is_when_the_ledger_is_there_again(make_case):
    case = make_case(begin_nothing)
    case.turn()
    case.turn(60)
    (task,) = case.hands.given
    do_it(case.daemon._ledger, task)
    case.daemon._ledger.close()
    case.daemon._leases._note_end(task, Outcome(state="died", error="its process ended just after it was done"))
    case.turn()
    assert case.daemon._leases.tasks, "the ledger is closed"
    case.turn(6)
    assert not case.daemon._leases.tasks
    assert case.states()[0] == ("17:01", "done")


def test_after_trouble_with_the_ledger_others_get_the_time_to_renew_what_they_work_on(make_case):
    case = make_case()
    case.turn()
    plan(case.daemon._ledger, "ghost", due=MONDAY)
    case.daemon._ledger.slots.take("another daemon", MONDAY + timedelta(minutes=1), 1)
    case.refusal = "the ledger cannot be reached"
    case.daemon._ledger.close()
    case.turn(90)
    case.refusal = ""
    case.turn(6)
    case.turn(6)
    owner = ask(case.root, "SELECT owner FROM slot WHERE job = 'ghost'")
    assert owner == [("another daemon",)], "whose lease ran out while nobody could renew it"
    case.turn(20)
    assert ask(case.root, "SELECT owner FROM slot WHERE job = 'ghost'") == [("",)]


def test_a_run_that_another_daemon_works_on_is_left_to_it_when_it_is_to_be_cancelled(make_case):
    case = make_case()
    case.turn()
    plan(case.daemon._ledger, "ghost", due=MONDAY)
    (theirs,) = case.daemon._ledger.slots.take("another daemon", MONDAY + timedelta(hours=1), 1)
    case.daemon._ledger.begin_run("r1", "ghost", MONDAY, "schedule", theirs.fence)
    case.daemon._ledger.slots.wish("r1", "cancel")
    case.turn(3)
    assert ask(case.root, "SELECT state, owner FROM slot WHERE job = 'ghost'") == [("running", "another daemon")]
    case.daemon._ledger.slots.put_back(theirs, MONDAY + timedelta(hours=2), "it died")
    case.turn(3)
    assert case.daemon._ledger.read_run("r1").error == "cancelled by hand", "once it is nobody's"
