"""The command that says that the clock is right accepts what is in doubt, and nothing in advance."""

from datetime import timedelta

from mmflow.ledger import Ledger
from mmflow.planner.clock_rule import ACCEPTED, ClockRule
from tests.desk import NOW


def open_ledger(desk):
    return Ledger.open(desk.root / ".mmflow/ledger.sqlite", desk.clock)


def test_a_clock_that_is_not_in_doubt_is_not_accepted_and_a_later_step_is_held(desk):
    with open_ledger(desk) as ledger:
        ClockRule(desk.clock).look(ledger)
    done = desk.mmflow("clock", "accept")
    assert done.code == 0
    assert "nothing was in doubt" in done.err
    desk.clock.set(NOW + timedelta(days=400))
    with open_ledger(desk) as ledger:
        assert ledger.noted(ACCEPTED) == ""
        rule = ClockRule(desk.clock)
        rule.look(ledger)
    assert rule.held
    done = desk.mmflow("clock")
    assert done.code == 1
    assert "nothing is planned" in done.out


def test_where_nothing_is_in_doubt_nothing_is_made(desk):
    assert desk.mmflow("clock", "accept").code == 0
    assert not (desk.root / ".mmflow").exists()


def test_what_is_accepted_is_said_and_the_daemon_goes_on(desk):
    with open_ledger(desk) as ledger:
        ClockRule(desk.clock).look(ledger)
    desk.clock.set(NOW + timedelta(days=400))
    done = desk.mmflow("clock", "accept")
    assert done.code == 0
    assert "accepted, though the clock shows 2027-12-27" in done.err
    assert "the daemon can plan by it" in done.out
    rule = ClockRule(desk.clock)
    with open_ledger(desk) as ledger:
        rule.look(ledger)
    assert rule.held == ""
