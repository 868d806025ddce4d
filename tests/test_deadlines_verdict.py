"""What is late is judged as the notice of its own end judges it: whether it may pass, what to do, by which command."""

import msgspec
import pytest

from mmflow.job import Notify
from mmflow.notices import follow_ends
from mmflow.sinks import NoticeItem
from tests.ends import HOOK, end_slot, skip_slot
from tests.test_deadlines import MORNING, clock, ledger, make_plan, watch

__all__ = ["clock", "ledger", "watch"]
PLAN = make_plan(notify=Notify(on=("failed", "held", "skipped", "expired", "late"), via=(HOOK,)))


@pytest.fixture
def told(watch, ledger, clock):
    """Give what is told of a report by its end, and of its being late."""

    def tell():
        follow_ends(ledger, {"daily": PLAN}, clock.now())
        watch(PLAN).look(ledger)
        items = [msgspec.json.decode(row.content, type=NoticeItem) for row in ledger.notices.list_recent()]
        (late,) = (item for item in items if item.kind == "late")
        (end,) = (item for item in items if item.kind != "late")
        return end, late

    return tell


@pytest.mark.parametrize("passing", [False, True])
def test_a_report_that_failed_and_is_late_is_temporary_in_both_or_in_neither(told, ledger, passing):
    run = end_slot(ledger, "failed", error="the service is away", due=MORNING)
    with ledger._driver.transaction():
        ledger._do("UPDATE run SET passing = ? WHERE id = ?", int(passing), run)
    end, late = told()
    assert (late.temporary, late.advice, late.command) == (passing, end.advice, end.command)
    assert late.temporary == end.temporary


@pytest.mark.parametrize("state", ["failed", "unknown"])
def test_what_was_not_delivered_is_sent_again_by_the_same_command(told, ledger, state):
    end_slot(ledger, "failed", error="email: nobody knows", due=MORNING, sinks={"csv": "done", "email": state})
    end, late = told()
    assert late.command.startswith("mmflow resend ")
    assert (late.advice, late.command) == (end.advice, end.command)


def test_a_report_that_was_held_is_released_by_the_same_command(told, ledger):
    end_slot(ledger, "held", error="held: rows: found 0", due=MORNING)
    end, late = told()
    assert (late.temporary, late.advice, late.command) == (False, end.advice, end.command)


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ("expired", "it expired before it could begin"),
        ("skipped", "it was missed while nothing ran; the one of 2026-11-04 06:40 EST makes up for it"),
    ],
)
def test_where_nothing_has_to_be_done_no_action_is_needed(told, ledger, state, reason):
    skip_slot(ledger, reason, state=state, due=MORNING)
    end, late = told()
    assert late.temporary
    assert late.reason == f"not delivered by 06:55 (America/New_York): {reason}"
    assert (late.advice, late.command) == (end.advice, end.command)
