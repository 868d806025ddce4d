"""A clock that goes wrong: what is believed, what is held, and how somebody says that it is right."""

from datetime import UTC, datetime, timedelta

import pytest

from mmflow.clock import FixedClock
from mmflow.errors import Busy
from mmflow.ledger import Ledger, NewSlot, PlanStep
from mmflow.planner.clock_rule import ACCEPTED, ClockRule, accept_clock, read_belief

START = datetime(2026, 11, 16, 17, 0, tzinfo=UTC)


@pytest.fixture
def clock():
    return FixedClock(START)


def look(clock, ledger, rule=None):
    """Look once, by a rule that has just been made unless one is given."""
    rule = rule or ClockRule(clock)
    rule.look(ledger)
    return rule


def test_a_clock_that_goes_on_is_believed_and_noted(clock, ledger):
    rule = look(clock, ledger)
    for _ in range(5):
        clock.sleep(3600)
        assert look(clock, ledger, rule).held == ""
    assert read_belief(ledger, clock.now()) == (clock.now(), "")


@pytest.mark.parametrize(("seconds", "told"), [(-90, 1), (59, 0), (90, 1)])
def test_a_clock_that_is_not_that_of_the_database_is_warned_of_once(clock, ledger, caplog, monkeypatch, seconds, told):
    monkeypatch.setattr(type(ledger.slots), "now", lambda _: clock.now() + timedelta(seconds=seconds))
    rule = look(clock, ledger)
    clock.sleep(60)
    assert look(clock, ledger, rule).held == ""
    assert caplog.text.count("and of the ledger's database are 90 seconds apart") == told


@pytest.mark.row("R72")
@pytest.mark.parametrize(
    ("step", "said"),
    [
        (timedelta(hours=2), "the clock went forward by 2:00:00; what was due meanwhile is made up for"),
        (timedelta(hours=-1), "the clock went back by 1:00:00; what was due after that comes again at its time"),
        (timedelta(seconds=40), ""),
    ],
)
def test_a_step_of_less_than_a_day_is_believed_and_told_once(clock, ledger, caplog, step, said):
    rule = look(clock, ledger)
    clock.set(START + step)
    for _ in range(3):
        assert look(clock, ledger, rule).held == ""
        clock.sleep(5)
    assert caplog.text.count("the clock went") == bool(said)
    assert said in caplog.text


@pytest.mark.row("R72")
@pytest.mark.parametrize("days", [400, -2, -20_000])
def test_a_step_of_more_than_a_day_holds_all_planning_until_it_is_accepted(clock, ledger, days):
    rule = look(clock, ledger)
    clock.set(START + timedelta(days=days))
    look(clock, ledger, rule)
    assert "2026-11-16 17:00 UTC to" in rule.held
    assert "mmflow clock accept" in rule.held
    clock.sleep(600)
    assert look(clock, ledger, rule).held
    assert read_belief(ledger, clock.now()) == (START, rule.held), "for those who ask from outside"
    assert accept_clock(ledger, clock.now()) == rule.held
    assert look(clock, ledger, rule).held == ""
    assert look(clock, ledger).held == ("" if days > -20_000 else "the clock shows 1972-02-13 17:10 UTC, before this "
        "version of mmflow was made; set the clock, or say 'mmflow clock accept' if it is right")  # fmt: skip


def test_a_clock_that_comes_back_by_itself_is_believed_again(clock, ledger, caplog):
    rule = look(clock, ledger)
    clock.set(START + timedelta(days=400))
    assert look(clock, ledger, rule).held
    clock.sleep(60)
    clock.set(START + timedelta(seconds=60))
    assert look(clock, ledger, rule).held == ""
    assert "believed again" in caplog.text


@pytest.mark.row("R72")
@pytest.mark.parametrize(
    ("days", "believed"), [(1, True), (92, True), (93, False), (-0.9, True), (-1.1, False), (-20_000, False)]
)
def test_at_a_start_the_clock_is_held_against_the_ledger(clock, ledger, days, believed):
    look(clock, ledger)
    clock.set(START + timedelta(days=days))
    assert (look(clock, ledger).held == "") == believed
    assert (read_belief(ledger, clock.now())[1] == "") == believed


def test_a_start_with_no_ledger_believes_any_clock_that_can_be_true(tmp_path, clock):
    clock.set(datetime(1970, 1, 1, tzinfo=UTC))
    with Ledger.open(tmp_path / "new.sqlite", clock) as ledger:
        assert "before this version of mmflow was made" in look(clock, ledger).held
        clock.set(datetime(2031, 1, 1, tzinfo=UTC))
        assert look(clock, ledger).held == ""


def test_a_hold_outlasts_the_daemon_until_the_clock_is_right_or_accepted(clock, ledger):
    rule = look(clock, ledger)
    clock.set(START + timedelta(days=3))
    assert look(clock, ledger, rule).held
    assert look(clock, ledger).held, "three days would be no reason by themselves"
    clock.set(START + timedelta(hours=1))
    assert look(clock, ledger).held == ""
    clock.set(START + timedelta(days=3))
    assert look(clock, ledger).held == "", "an outage of three days"


def test_when_a_clock_far_back_is_accepted_jobs_are_planned_from_then_on(clock, ledger):
    ledger.slots.plan([PlanStep(job="daily", cursor=START, timetable="t")])
    rule = look(clock, ledger)
    clock.set(START - timedelta(days=30))
    look(clock, ledger, rule)
    assert accept_clock(ledger, clock.now())
    look(clock, ledger, rule)
    assert ledger.slots.read_job("daily").cursor == START - timedelta(days=30)


def test_a_clock_that_is_not_in_doubt_cannot_be_accepted_in_advance(clock, ledger):
    look(clock, ledger)
    assert accept_clock(ledger, clock.now()) == ""
    assert ledger.noted(ACCEPTED) == ""
    clock.set(START + timedelta(days=400))
    assert look(clock, ledger).held, "no daemon ran meanwhile"


def test_only_the_clock_that_was_shown_is_accepted(clock, ledger):
    rule = look(clock, ledger)
    clock.set(START + timedelta(days=400))
    look(clock, ledger, rule)
    assert accept_clock(ledger, clock.now())
    clock.set(START + timedelta(days=800))
    assert look(clock, ledger, rule).held
    assert look(clock, ledger).held
    assert read_belief(ledger, clock.now())[1]
    clock.set(START + timedelta(days=400, hours=1))
    assert look(clock, ledger, rule).held == ""


def test_the_word_of_an_earlier_version_accepts_nothing(clock, ledger):
    rule = look(clock, ledger)
    ledger.note(ACCEPTED, "yes")
    clock.set(START + timedelta(days=400))
    assert look(clock, ledger, rule).held


def test_a_clock_that_is_not_believed_is_told_of_once_until_it_was_right_also_by_the_daemons_to_come(clock, ledger):
    rule = look(clock, ledger)
    clock.set(START + timedelta(days=400))
    why = look(clock, ledger, rule).held
    clock.sleep(3600)
    assert look(clock, ledger, rule).held == why
    clock.set(START + timedelta(days=500))
    assert look(clock, ledger, rule).held == why
    assert look(clock, ledger).held == why
    clock.set(START + timedelta(hours=2))
    assert look(clock, ledger, rule).held == ""
    clock.set(START + timedelta(days=600))
    assert look(clock, ledger, rule).held not in ("", why)


def run_slot(ledger, due, job="daily", run="r1", ends=True):
    """Have a job planned up to an instant, and the slot of that instant run."""
    ledger.slots.plan([PlanStep(job=job, cursor=due, timetable="t", slots=(NewSlot(due=due),))])
    (slot,) = ledger.slots.take("t", due + timedelta(minutes=1), 10)
    ledger.begin_run(run, job, due, "schedule", slot.fence)
    if ends:
        ledger.finish_run(run, "ok", lease=slot)
    return slot


def test_what_ran_by_a_clock_that_was_ahead_is_taken_back_and_told(clock, ledger):
    rule = look(clock, ledger)
    clock.sleep(60)
    clock.set(START + timedelta(hours=8, minutes=1))
    look(clock, ledger, rule)
    run_slot(ledger, START + timedelta(hours=8))
    clock.sleep(10)
    clock.set(START + timedelta(seconds=70))
    look(clock, ledger, rule)
    told = (
        "it was ahead by 8:00:00 from 2026-11-16 17:01 UTC until 2026-11-16 17:01 UTC; made too early, and made "
        "again at their time: daily of 2026-11-17 01:00 UTC; files and tables are replaced then, and a message "
        "that went out is not sent twice"
    )
    assert rule.take_words() == [("ahead", told)]
    assert rule.take_words() == []
    assert ledger.slots.read_job("daily").cursor == clock.now()
    assert ledger.slots.list_open() == []


def test_what_runs_while_the_clock_goes_back_ends_nothing(clock, ledger):
    rule = look(clock, ledger)
    clock.set(START + timedelta(hours=3))
    look(clock, ledger, rule)
    slot = run_slot(ledger, START + timedelta(hours=3), ends=False)
    clock.set(START)
    look(clock, ledger, rule)
    with pytest.raises(Busy):
        ledger.finish_run("r1", "ok", lease=slot)
    with pytest.raises(Busy):
        ledger.take_delivery("r1", "csv", slot)


def test_what_is_left_of_an_early_run_goes_on_no_more(clock, ledger):
    rule = look(clock, ledger)
    clock.set(START + timedelta(hours=3))
    look(clock, ledger, rule)
    slot = run_slot(ledger, START + timedelta(hours=3), ends=False)
    ledger.postpone_run("r1", slot, clock.now(), "the share is away")
    clock.set(START)
    look(clock, ledger, rule)
    run = ledger.read_run("r1")
    assert (run.state, run.error) == ("failed", "the clock was ahead; it comes again at its time")
    assert ledger.slots.list_open() == []


def test_what_was_put_off_by_a_clock_that_was_ahead_goes_on_at_once(clock, ledger):
    rule = look(clock, ledger)
    clock.set(START + timedelta(hours=3))
    look(clock, ledger, rule)
    slot = run_slot(ledger, START, ends=False)
    ledger.repeat_run("r1", slot, "failed", "the service is down", clock.now() + timedelta(minutes=1))
    clock.set(START + timedelta(seconds=5))
    look(clock, ledger, rule)
    assert [one.due for one in ledger.slots.take("t", clock.now() + timedelta(minutes=1), 10)] == [START]


def test_a_daemon_that_starts_after_the_clock_was_set_back_takes_back_what_was_early(clock, ledger):
    clock.set(START + timedelta(hours=3))
    look(clock, ledger)
    run_slot(ledger, START + timedelta(hours=3))
    clock.set(START)
    rule = look(clock, ledger)
    ((kind, said),) = rule.take_words()
    assert (kind, said.partition(";")[0]) == ("ahead", "it was ahead by 3:00:00 until 2026-11-16 17:00 UTC")
    assert look(clock, ledger).take_words() == []


@pytest.mark.parametrize("seconds", [1, 40, 110])
def test_a_short_step_back_takes_nothing_back(clock, ledger, seconds):
    rule = look(clock, ledger)
    run_slot(ledger, START)
    clock.set(START - timedelta(seconds=seconds))
    look(clock, ledger, rule)
    assert rule.take_words() == []
    assert ledger.slots.find("daily", START, "schedule").state == "done"


def test_a_clock_that_is_not_believed_is_a_word_for_people_once(clock, ledger):
    rule = look(clock, ledger)
    clock.set(START + timedelta(days=400))
    for expected in (1, 0, 0):
        look(clock, ledger, rule)
        assert len(rule.take_words()) == expected
