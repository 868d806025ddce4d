"""What follows from the end of a slot: failures counted, jobs paused, people told, each exactly once."""

import logging
from datetime import timedelta

import msgspec
import pytest

from mmflow.check import check_settings
from mmflow.document import read_text
from mmflow.errors import StateError
from mmflow.job import Notify, Schedule
from mmflow.leases import CANCELLED
from mmflow.ledger import Ledger, NewSlot, PlanStep
from mmflow.ledger.statements import UNTOLD_SLOTS
from mmflow.logs import list_files, open_logs, read_lines
from mmflow.notices import follow_ends, tell
from mmflow.notices.verdict import judge_end, make_notices
from mmflow.planner.choices import MISSED
from mmflow.plugins import load
from mmflow.refs import Redactor
from mmflow.sinks import NoticeItem
from tests.desk import NOW
from tests.ends import HOOK, Plan, end_slot, skip_slot
from tests.ledgers import NOON, SLOT

HOUR = timedelta(hours=1)
ALL = ("failed", "held", "degraded", "late", "skipped", "expired", "paused", "recovered")


def follow(ledger, plan=None, *, now=NOON):
    return follow_ends(ledger, {"daily": plan or Plan()}, now)


def told(ledger):
    """What was written down, the oldest first, as (kind, state)."""
    return [(row.kind, row.state) for row in reversed(ledger.notices.list_recent())]


def items(ledger):
    return [msgspec.json.decode(row.content, type=NoticeItem) for row in reversed(ledger.notices.list_recent())]


def test_a_failure_is_told_once_with_what_to_do(ledger):
    end_slot(ledger, "failed", error="the key is not known")
    assert [slot.job for slot in follow(ledger)] == ["daily"]
    assert follow(ledger) == []
    (item,) = items(ledger)
    assert (item.kind, item.job, item.slot, item.reason) == ("failed", "daily", SLOT, "the key is not known")
    assert item.command == "mmflow run daily --at 2026-11-03T11:40:00Z"
    assert not item.temporary
    assert ledger.slots.read_job("daily").failures == 1


def test_a_delivery_that_failed_is_delivered_again_from_what_is_stored(ledger):
    run = end_slot(ledger, "failed", error="csv: disk full", sinks={"csv": "failed"})
    follow(ledger)
    assert items(ledger)[0].command == f"mmflow resend {run} --failed"


@pytest.mark.parametrize("table", ["run", "delivery"])
def test_what_met_something_that_may_pass_is_said_to_pass_by_itself_after_one_try_too(ledger, table):
    end_slot(ledger, "failed", error="csv: disk full", sinks={"csv": "failed"})
    with ledger._driver.transaction():
        ledger._do(f"UPDATE {table} SET passing = 1")
    follow(ledger)
    assert items(ledger)[0].temporary
    assert "nothing has to be done unless it lasts" in items(ledger)[0].advice


def test_what_was_tried_again_and_again_passes_no_sooner_by_that(ledger):
    end_slot(ledger, "failed", error="the key is refused", sinks={"csv": "failed"})
    with ledger._driver.transaction():  # a key that is refused is shown once an hour
        ledger._do("UPDATE slot SET tries = 9")
        ledger._do("UPDATE delivery SET attempts = 5")
    follow(ledger)
    assert not items(ledger)[0].temporary


@pytest.mark.parametrize("harm", ["UPDATE slot SET deaths = 3", "UPDATE delivery SET state = 'quarantined'"])
def test_what_ends_its_process_does_not_pass_by_itself(ledger, harm):
    end_slot(ledger, "failed", error="csv: its process died", sinks={"csv": "failed"})
    with ledger._driver.transaction():
        ledger._do("UPDATE run SET passing = 1")
        ledger._do(harm)
    follow(ledger)
    assert not items(ledger)[0].temporary


def test_what_was_tried_before_nothing_ran_is_no_reason_to_mend_anything(ledger):
    slot = NewSlot(due=SLOT, next_at=SLOT)
    ledger.slots.plan([PlanStep(job="daily", cursor=SLOT, timetable="t", slots=(slot,))])
    (taken,) = ledger.slots.take("me", NOON + HOUR, 1)
    ledger.begin_run("r1", "daily", SLOT, "schedule", taken.fence)
    ledger.slots.put_back(ledger.slots.read("daily", SLOT, "schedule"), NOON, "the service is away")
    missed = NewSlot(due=SLOT, state="skipped", reason=f"{MISSED}; the one of 13:00 makes up for it")
    ledger.slots.plan([PlanStep(job="daily", cursor=NOON, timetable="t", turned=(missed,))])
    follow(ledger)
    (item,) = items(ledger)
    assert (item.kind, item.temporary) == ("failed", True)
    assert item.reason.startswith(f"{MISSED}; the one of 13:00 makes up for it")


def test_a_held_report_is_released_by_its_command(ledger):
    run = end_slot(ledger, "held", error="held: rows: found 0")
    follow(ledger)
    (item,) = items(ledger)
    assert (item.kind, item.command) == ("held", f"mmflow resend {run}")
    assert ledger.slots.read_job("daily").failures == 0


@pytest.mark.parametrize("state", ["skipped", "expired"])
def test_what_was_not_asked_for_is_not_told(ledger, state):
    skip_slot(ledger, "2026-11-03 is a holiday", state=state)
    assert len(follow(ledger)) == 1
    assert told(ledger) == []


@pytest.mark.parametrize("state", ["skipped", "expired"])
def test_who_wants_to_hear_of_skipped_times_does(ledger, state):
    skip_slot(ledger, "2026-11-03 is a holiday", state=state)
    follow(ledger, Plan(notify=Notify(on=ALL, via=(HOOK,))))
    assert [(item.kind, item.reason) for item in items(ledger)] == [(state, "2026-11-03 is a holiday")]


def test_a_report_that_comes_again_is_told_with_how_often_it_did_not(ledger):
    for number in range(2):
        end_slot(ledger, "failed", error="gone", due=SLOT + number * HOUR * 2)
        follow(ledger, now=NOON + number * HOUR * 2)
        ledger.notices._clock.sleep(7200)
    end_slot(ledger, "ok", due=SLOT + 4 * HOUR)
    follow(ledger, now=NOON + 4 * HOUR)
    assert told(ledger) == [("failed", "pending"), ("failed", "pending"), ("recovered", "pending")]
    assert items(ledger)[-1].reason == "delivered again, after 2 failures in a row"
    assert ledger.slots.read_job("daily").failures == 0


def test_a_report_that_goes_on_coming_is_told_once(ledger):
    for number, state in enumerate(("failed", "ok", "ok")):
        end_slot(ledger, state, error="gone" if state == "failed" else "", due=SLOT + number * HOUR)
        follow(ledger)
        ledger.notices._clock.sleep(60)
    assert [kind for kind, _ in told(ledger)] == ["failed", "recovered"]


@pytest.mark.parametrize("kind", ["late", "paused"])
def test_a_report_that_comes_after_it_was_late_or_paused_is_told(ledger, kind):
    item = NoticeItem(kind=kind, job="daily", reason="not delivered by 06:55")
    ledger.notices.add(make_notices(item, "once", ["way"], NOON, HOUR))
    end_slot(ledger, "ok")
    follow(ledger)
    assert sorted(told(ledger)) == sorted([(kind, "pending"), ("recovered", "pending")])


@pytest.mark.parametrize("state", ["failed", "held"])
def test_a_report_that_is_sent_again_by_hand_has_recovered(ledger, state):
    run = end_slot(ledger, state, error="csv: disk full", sinks={"csv": "failed"})
    follow(ledger)
    ledger.notices._clock.sleep(60)
    resend(ledger, run)
    follow(ledger)
    assert [kind for kind, _ in told(ledger)] == [state, "recovered"]
    assert ledger.slots.read_job("daily").failures == 0
    resend(ledger, run)
    assert follow(ledger) == [], "it was good already"


@pytest.mark.parametrize("later", ["failed", "ok"])
def test_to_send_an_older_report_again_is_no_recovery_of_the_job(ledger, later):
    run = end_slot(ledger, "failed", error="csv: disk full", sinks={"csv": "failed"})
    end_slot(ledger, later, due=SLOT + HOUR)
    follow(ledger)
    before = told(ledger)
    resend(ledger, run)
    assert follow(ledger) == []
    assert told(ledger) == before


def resend(ledger, run):
    ledger.begin_resend(run, "daily", [("csv", "csv", f"{run}-csv")])
    ledger.commit_delivery(ledger.take_delivery(run, "csv"), "done")
    ledger.finish_run(run, "ok")


def test_a_report_that_comes_with_something_missing_has_not_recovered(ledger):
    for number, state in enumerate(("failed", "degraded", "ok")):
        end_slot(ledger, state, error="gone", due=SLOT + number * HOUR)
        follow(ledger)
        ledger.notices._clock.sleep(60)
    assert [kind for kind, _ in told(ledger)] == ["failed", "recovered"]
    assert items(ledger)[-1].slot == SLOT + 2 * HOUR


def test_ways_that_are_the_same_go_out_together_however_they_are_written(ledger):
    ways = [{"type": "webhook", "connection": "ops_hook"}, {"connection": "ops_hook", "type": "webhook"}]
    for job, way in zip(("a", "b"), ways, strict=True):
        end_slot(ledger, "failed", error="gone", job=job)
        follow_ends(ledger, {job: Plan(notify=Notify(via=(way,)))}, NOON)
    assert len({row.way for row in ledger.notices.list_recent()}) == 1


def test_nobody_without_a_name_is_told(ledger):
    end_slot(ledger, "failed", error="gone")
    follow(ledger, Plan(owner="", notify=Notify(via=(HOOK,), to=("ops@example.com",))))
    assert msgspec.json.decode(ledger.notices.list_recent()[0].way)["to"] == ["ops@example.com"]


def test_good_runs_are_told_to_nobody(ledger):
    for number in range(3):
        end_slot(ledger, "ok", due=SLOT + number * HOUR)
        follow(ledger)
    assert told(ledger) == []


def test_a_job_that_goes_on_failing_is_told_of_once_an_hour(ledger, clock):
    for number in range(13):
        end_slot(ledger, "failed", error="gone", due=SLOT + number * timedelta(minutes=10))
        follow(ledger, now=clock.now())
        clock.sleep(600)
    states = [state for _, state in told(ledger)]
    assert [place for place, state in enumerate(states) if state == "pending"] == [0, 6, 12]
    assert ledger.slots.read_job("daily").failures == 13


def test_a_job_that_fails_too_often_is_paused_and_says_how_it_goes_on(ledger):
    plan = Plan(schedule=Schedule(every="hour", pause_on_failure=2), notify=Notify(via=(HOOK,)))
    for number in range(2):
        end_slot(ledger, "failed", error="gone", due=SLOT + number * HOUR)
        follow(ledger, plan)
    row = ledger.slots.read_job("daily")
    assert row.paused_until.year == 9999
    assert row.paused_why == "2 failures in a row; the last: gone"
    assert [kind for kind, _ in told(ledger)].count("paused") == 1
    paused = next(item for item in items(ledger) if item.kind == "paused")
    assert paused.command == "mmflow resume daily"


def test_a_run_that_somebody_cancelled_is_no_failure(ledger, caplog):
    with caplog.at_level(logging.INFO, "mmflow"):
        end_slot(ledger, "failed", error=CANCELLED)
        follow(ledger, Plan(schedule=Schedule(every="hour", pause_on_failure=1), notify=Notify(via=(HOOK,))))
    (item,) = items(ledger)
    assert (item.kind, item.reason) == ("cancelled", "somebody ended it by 'mmflow cancel'")
    assert item.command == "mmflow run daily --at 2026-11-03T11:40:00Z"
    row = ledger.slots.read_job("daily")
    assert (row.failures, row.paused_until) == (0, None)
    assert [record.levelname for record in caplog.records] == ["INFO"]


def test_who_does_not_want_to_hear_of_failures_does_not_of_what_was_cancelled(ledger):
    end_slot(ledger, "failed", error=CANCELLED)
    follow(ledger, Plan(notify=Notify(on=("held", "late"), via=(HOOK,))))
    assert told(ledger) == []


def test_an_end_that_cannot_be_judged_keeps_no_other_from_being_told(ledger, monkeypatch, caplog):
    def judge(end, *rest):
        if end.slot.job == "odd":
            raise ValueError(end.slot.reason)
        return judge_end(end, *rest)

    monkeypatch.setattr("mmflow.notices.judge_end", judge)
    for job in ("before", "odd", "after"):
        end_slot(ledger, "failed", error="gone", job=job)
    assert {slot.job for slot in follow(ledger)} == {"before", "odd", "after"}
    assert {row.job for row in ledger.notices.list_recent()} == {"before", "after"}
    assert follow(ledger) == []
    assert "nobody is told what became of this time of odd" in caplog.text
    assert "ValueError" in caplog.text


def test_a_job_that_goes_on_being_skipped_is_told_of_once_an_hour(ledger, clock):
    plan = Plan(notify=Notify(on=("skipped",), via=(HOOK,)))
    for number in range(7):
        skip_slot(ledger, "paused: no plant this week", due=SLOT + number * timedelta(minutes=10))
        follow(ledger, plan, now=clock.now())
        clock.sleep(600)
    assert [state for _, state in told(ledger)] == ["pending", *["muted"] * 5, "pending"]


def test_runs_by_hand_and_windows_that_are_filled_in_are_told_where_they_are_made(ledger):
    end_slot(ledger, "failed", error="gone", kind="backfill")
    ledger.begin_run("by-hand", "daily", SLOT, "manual")
    ledger.finish_run("by-hand", "failed", error="gone")
    follow(ledger)
    assert told(ledger) == []
    assert ledger.slots.read_job("daily").failures == 0


def test_a_restated_window_that_fails_is_told_and_does_not_count(ledger):
    end_slot(ledger, "failed", error="gone", kind="restate")
    follow(ledger)
    assert told(ledger) == [("failed", "pending")]
    assert ledger.slots.read_job("daily").failures == 0


def test_a_restated_window_in_which_nothing_moved_is_told_to_nobody(ledger):
    skip_slot(ledger, "nothing moved since run r1", kind="restate")
    assert len(follow(ledger, Plan(notify=Notify(on=ALL, via=(HOOK,))))) == 1
    assert told(ledger) == []


def test_without_a_way_the_log_is_told_and_nothing_waits(ledger, caplog):
    end_slot(ledger, "failed", error="the key is not known")
    with caplog.at_level(logging.INFO):
        follow(ledger, Plan(notify=Notify()))
    assert told(ledger) == [("failed", "done")]
    assert ledger.notices.next_due() is None
    assert "failed, due 2026-11-03 11:40 UTC: the key is not known; mmflow run daily --at" in caplog.text


def test_the_log_says_of_which_job_and_run_it_tells(ledger, tmp_path):
    with open_logs(tmp_path / "logs", Redactor()):
        run = end_slot(ledger, "failed", error="gone")
        follow(ledger, Plan(notify=Notify()))
    ((line, _),) = [found for path in list_files(tmp_path / "logs") for found in read_lines(path)]
    assert (line.job, line.slot, line.run) == ("daily", "2026-11-03T11:40:00Z", run)
    assert line.message.startswith("failed, due")


def test_each_way_has_a_notice_of_its_own(ledger):
    end_slot(ledger, "failed", error="gone")
    follow(ledger, Plan(notify=Notify(via=(HOOK, {"type": "file"}), to=("ops@example.com", "ann@example.com"))))
    ways = [msgspec.json.decode(row.way) for row in ledger.notices.list_recent()]
    assert [way["to"] for way in ways] == [["ann@example.com", "ops@example.com"]] * 2
    assert {way["via"]["type"] for way in ways} == {"webhook", "file"}


def test_a_job_that_is_gone_is_no_trouble(ledger):
    end_slot(ledger, "failed", error="gone", job="old")
    follow(ledger)
    assert told(ledger) == [("failed", "done")]


def test_a_kill_before_the_end_of_the_transaction_loses_and_doubles_nothing(ledger):
    class Killed(BaseException):
        """As if the process ended there."""

    def die(_end):
        raise Killed

    end_slot(ledger, "failed", error="gone")
    with pytest.raises(Killed):
        ledger.notices.follow(die, NOON)
    assert ledger.slots.read_job("daily").failures == 0
    follow(ledger)
    assert (told(ledger), ledger.slots.read_job("daily").failures) == ([("failed", "pending")], 1)


SETTINGS = """
version: 1
sites: {boston: {environment: demo, api_key: "${env:KEY}", timezone: America/New_York, start_of_day: "06:00"}}
defaults: {owner: ann@example.com, notify: {to: [ops@example.com], via: [{type: file}]}}
"""


@pytest.fixture
def settings(tmp_path):
    return check_settings(read_text(SETTINGS, "mmflow.yaml"), load(), tmp_path, NOW)


def test_trouble_of_the_daemon_itself_is_told_once_an_hour_to_all(ledger, settings, clock):
    for _ in range(3):
        tell(ledger, settings, "broken", "jobs/daily.yaml:3:4: no such key", clock.now())
        clock.sleep(60)
    assert told(ledger) == [("broken", "pending")]
    assert msgspec.json.decode(ledger.notices.list_recent()[0].way)["to"] == ["ann@example.com", "ops@example.com"]
    clock.sleep(3600)
    tell(ledger, settings, "broken", "jobs/daily.yaml:3:4: no such key", clock.now())
    assert told(ledger) == [("broken", "pending")] * 2


def test_a_ledger_that_cannot_be_used_does_not_stop_who_tells_of_it(tmp_path, settings, clock, caplog):
    ledger = Ledger.open(tmp_path / "state" / "ledger.sqlite", clock)
    ledger.close()
    with pytest.raises(StateError):
        ledger.notices.next_due()
    tell(ledger, settings, "state", "the disk is full", clock.now())
    assert "the disk is full" in caplog.text


def test_ends_are_found_without_looking_at_all_that_ever_ended(tmp_path, clock):
    with Ledger.open(tmp_path / "state" / "ledger.sqlite", clock) as ledger:
        steps = [row[3] for row in ledger._do(f"EXPLAIN QUERY PLAN {UNTOLD_SLOTS}", 200).fetchall()]
    assert steps[0] == "SCAN slot USING INDEX slot_untold"  # an index of those alone that are not told yet
