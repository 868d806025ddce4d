"""A report that did not come and is made by hand for the same time: what follows from that, and when nothing does."""

from datetime import timedelta

import pytest

from mmflow.notices import follow_ends
from tests.desk import NOW
from tests.ends import Plan
from tests.leased import heard, make_task, open_ledger, order, plan, read_slot, write_job

AT = f"{NOW:%Y-%m-%dT%H:%M:%SZ}"


@pytest.fixture(autouse=True)
def failure(bench):
    """The report of NOW, which one of two sinks did not take, and people have been told."""
    write_job(bench.desk, "type: obey, name: one", "type: tell")
    order(bench.desk, "one", "never")
    fail(bench)
    assert follow(bench.desk) == ["failed"]
    order(bench.desk, "one", "ok")


def fail(bench, due=NOW):
    plan(bench.desk, "daily", due=due)
    bench.work()
    assert read_slot(bench.desk, due=due).state == "failed"


def follow(desk):
    """Let happen what follows from what has ended, and give what people were told until now, the oldest first."""
    desk.clock.sleep(60)
    with open_ledger(desk) as ledger:
        follow_ends(ledger, {"daily": Plan()}, desk.clock.now())
        return [row.kind for row in reversed(ledger.notices.list_recent())]


def count_failures(desk):
    with open_ledger(desk) as ledger:
        return ledger.slots.read_job("daily").failures


def test_it_has_recovered_and_the_failures_are_counted_anew(bench):
    desk = bench.desk
    assert count_failures(desk) == 1
    run = desk.mmflow("run", "daily", "--at", AT, "--yes", "--json").data["run"]
    assert follow(desk) == ["failed", "recovered"]
    slot = read_slot(desk)
    assert (slot.state, slot.run, slot.reason, count_failures(desk)) == ("done", run, "", 0)
    assert heard(desk, "tell") == ["ok"], "it was sent at the first try, and once"
    desk.mmflow("run", "daily", "--at", AT, "--yes")
    assert follow(desk) == ["failed", "recovered"]
    assert read_slot(desk).run == run, "it was good already"


@pytest.mark.parametrize("state", ["skipped", "expired"])
def test_what_was_refused_stays_so(bench, state):
    desk, later = bench.desk, NOW + timedelta(seconds=30)
    plan(desk, "daily", due=later, state=state, reason="a holiday")
    before = read_slot(desk, due=later)
    assert desk.mmflow("run", "daily", "--at", f"{later:%Y-%m-%dT%H:%M:%SZ}", "--yes").code == 0
    assert read_slot(desk, due=later) == before


def test_a_window_that_is_filled_in_is_not_the_report_of_its_time(bench):
    desk = bench.desk
    plan(desk, "daily", kind="backfill")
    with open_ledger(desk) as ledger:
        (window,) = ledger.slots.take_windows("daily", "filler", desk.clock.now() + timedelta(minutes=5), 1)
    outcome = bench.worker.execute(make_task(desk, window, desk.clock.now() + timedelta(hours=1)))
    assert outcome.run_state == "ok"
    assert (read_slot(desk).state, follow(desk)) == ("failed", ["failed"])


def test_what_is_sent_again_of_the_run_by_hand_is_no_end_of_the_time(bench):
    desk = bench.desk
    run = desk.mmflow("run", "daily", "--at", AT, "--yes", "--json").data["run"]
    order(desk, "one", "never")
    assert desk.mmflow("resend", run, "--sink", "one").code == 1
    assert (read_slot(desk).state, read_slot(desk, kind="manual").state) == ("done", "failed")


def test_so_it_has_when_the_run_by_hand_failed_at_first_and_was_sent_again(bench):
    desk = bench.desk
    order(desk, "one", "never", "ok")
    run = desk.mmflow("run", "daily", "--at", AT, "--yes", "--json").data["run"]
    assert follow(desk) == ["failed"]
    desk.mmflow("resend", run, "--failed", "--yes")
    assert follow(desk) == ["failed", "recovered"]


@pytest.mark.parametrize(
    "words",
    [
        ("--at", AT, "--sink", "one"),
        ("--at", AT, "--no-send"),
        ("--at", AT, "--to", "me@example.com"),
        ("--at", f"{NOW + timedelta(minutes=1):%Y-%m-%dT%H:%M:%SZ}"),
        (),
    ],
    ids=lambda words: " ".join(words[2:]) or words[0][:4] if words else "now",
)
def test_a_part_of_it_and_another_time_mend_nothing(bench, words):
    desk = bench.desk
    assert desk.mmflow("run", "daily", *words, "--yes").code == 0
    assert follow(desk) == ["failed"]
    assert (read_slot(desk).state, count_failures(desk)) == ("failed", 1)


def test_nor_does_it_when_a_later_one_has_failed_since(bench):
    desk = bench.desk
    order(desk, "one", "never")
    fail(bench, NOW + timedelta(seconds=30))
    order(desk, "one", "ok")
    assert desk.mmflow("run", "daily", "--at", AT, "--yes").code == 0
    assert follow(desk).count("recovered") == 0
    assert count_failures(desk) == 2
