"""What comes and goes is told so that people are not flooded, and what they heard last does not stay wrong."""

from datetime import timedelta

import pytest

from mmflow.check import check_settings
from mmflow.document import read_text
from mmflow.notices import follow_ends, tell
from mmflow.plugins import load
from tests.desk import NOW
from tests.ends import Plan, end_slot
from tests.test_notices import HOUR, SETTINGS, follow, told


@pytest.fixture
def settings(tmp_path):
    return check_settings(read_text(SETTINGS, "mmflow.yaml"), load(), tmp_path, NOW)


def fail_and_come(ledger, clock, *states, every=120):
    """Let one time after the other end so, and give which notices have gone out by then, and which wait."""
    for state in states:
        end_slot(ledger, state, error="gone" if state == "failed" else "", due=clock.now())
        follow(ledger, now=clock.now())
        clock.sleep(every)
        send(ledger)


def send(ledger):
    for batch in ledger.notices.take():
        ledger.notices.settle(batch, "done")


def test_a_failure_after_a_recovery_is_told_when_the_hour_is_over(ledger, clock):
    began = clock.now()
    fail_and_come(ledger, clock, "failed", "ok", "failed", "failed")
    assert told(ledger) == [("failed", "done"), ("recovered", "done"), ("failed", "pending"), ("failed", "muted")]
    assert ledger.notices.next_due() == began + HOUR
    clock.set(began + HOUR)
    send(ledger)
    assert told(ledger)[-2:] == [("failed", "done"), ("failed", "muted")]
    fail_and_come(ledger, clock, "ok")
    assert told(ledger)[-1] == ("recovered", "done")


def test_a_failure_that_waits_to_be_told_is_not_when_a_report_comes_again(ledger, clock):
    fail_and_come(ledger, clock, "failed", "ok", "failed", "ok")
    assert told(ledger) == [("failed", "done"), ("recovered", "done"), ("failed", "muted")]
    assert ledger.notices.next_due() is None


def test_jobs_that_fail_every_other_time_are_told_of_once_an_hour(ledger, clock):
    began = clock.now()
    for number in range(120):
        for job in ("a", "b"):
            state = "ok" if number % 2 else "failed"
            end_slot(ledger, state, job=job, error="gone" * (state == "failed"), due=clock.now())
        follow_ends(ledger, {"a": Plan(), "b": Plan()}, clock.now())
        clock.sleep(60)
        send(ledger)
    assert clock.now() == began + 2 * HOUR
    sent = [row for row in ledger.notices.list_recent(1000) if row.state == "done"]
    assert len({row.batch for row in sent}) <= 6
    assert {row.kind for row in sent} == {"failed", "recovered"}


BROKEN = ("broken", "jobs/daily.yaml:3:4: no such key")
MENDED = ("mended", "jobs/daily.yaml can be used again")


def test_a_file_that_breaks_again_after_it_was_mended_is_told_again(ledger, settings, clock):
    for kind, text in (BROKEN, MENDED, BROKEN, BROKEN, MENDED):
        tell(ledger, settings, kind, text, clock.now())
        clock.sleep(60)
    assert told(ledger) == [(kind, "pending") for kind in ("broken", "mended", "broken", "mended")]


def test_what_comes_and_goes_all_the_time_is_told_when_the_hour_is_over(ledger, settings, clock):
    began = clock.now()
    for kind, text in (BROKEN, MENDED) * 4:
        tell(ledger, settings, kind, text, clock.now(), timedelta(0))
        send(ledger)
        clock.sleep(60)
    assert [state for _, state in told(ledger)] == ["done"] * 4 + ["pending"] * 4
    assert ledger.notices.next_due() == began + HOUR
    clock.set(began + HOUR)
    (batch,) = ledger.notices.take()
    assert [row.kind for row in batch.rows] == ["broken", "mended"] * 2


def test_a_key_that_is_refused_again_is_told_again(ledger, settings, clock):
    for kind in ("refused", "accepted", "refused"):
        tell(ledger, settings, kind, "the key of boston", clock.now())
        clock.sleep(60)
    assert [kind for kind, _ in told(ledger)] == ["refused", "accepted", "refused"]


def test_a_ledger_that_can_be_used_again_for_the_second_time_is_told_when_the_hour_is_over(ledger, settings, clock):
    began = clock.now()
    for _ in range(3):
        tell(ledger, settings, "state", "the ledger could be used again", clock.now())
        send(ledger)
        clock.sleep(120)
    assert told(ledger) == [("state", "done"), ("state", "pending")]
    assert ledger.notices.next_due() == began + HOUR


def test_what_only_repeats_is_kept_for_two_days(ledger, clock):
    fail_and_come(ledger, clock, "failed", "failed", "failed")
    clock.sleep(2 * 86_400)
    fail_and_come(ledger, clock, "failed", "failed")
    assert told(ledger) == [("failed", "done"), ("failed", "done"), ("failed", "muted")]
