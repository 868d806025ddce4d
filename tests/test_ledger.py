"""The ledger, in a file and in PostgreSQL: what was begun is finished or explained, a stale worker commits nothing."""

from contextlib import suppress
from datetime import timedelta

import pytest

from mmflow.errors import Busy, StateError, UserError
from mmflow.ledger import NewSlot, PlanStep
from mmflow.ledger.notices import Sequel
from mmflow.ledger.slots import FOREVER
from mmflow.sinks import Receipt
from tests.ledgers import NOON, SLOT, SPAN, begin, plan
from tests.test_leases import MINUTE, start


def test_a_finished_run_is_given_back_as_it_was_written(ledger, clock):
    run = begin(ledger)
    clock.sleep(5)
    ledger.note_table(run.id, 7, ["a notice"], clock.now(), "snapshots/r1.parquet", [("austin", "it is down")])
    ledger.finish_run(run.id, "degraded")
    found = ledger.read_run("r1")
    assert (found.state, found.rows, found.notices) == ("degraded", 7, ("a notice",))
    assert found.missing == (("austin", "it is down"),)
    assert found.finished - found.started == timedelta(seconds=5)
    assert found.spans == (("boston", SPAN),)
    assert found.extracted == clock.now()
    assert found.slot == SLOT


def test_a_receipt_is_kept_with_its_delivery(ledger):
    begin(ledger)
    taken = ledger.take_delivery("r1", "csv")
    ledger.commit_delivery(taken, "done", receipt=Receipt(rows=3, path="out/a.csv", sha256="ab"))
    assert ledger.deliveries("r1")[0].receipt == Receipt(rows=3, path="out/a.csv", sha256="ab")
    assert ledger.last_receipt("k-csv").rows == 3
    assert ledger.last_receipt("other") is None


@pytest.mark.row("R12")
def test_a_worker_with_a_stale_fence_cannot_commit(ledger):
    begin(ledger)
    stale = ledger.take_delivery("r1", "csv")
    fresh = ledger.take_delivery("r1", "csv")
    assert (stale.generation, fresh.generation) == (1, 2), "the first may be writing yet"
    with pytest.raises(StateError, match="taken over"):
        ledger.commit_delivery(stale, "done", receipt=Receipt(rows=1))
    ledger.commit_delivery(fresh, "done", receipt=Receipt(rows=2))
    assert ledger.delivery("r1", "csv").receipt.rows == 2


def test_a_second_run_of_the_same_window_supersedes_the_first(ledger, clock):
    for run in ("r1", "r2"):
        begin(ledger, run)
        ledger.commit_delivery(ledger.take_delivery(run, "csv"), "done", receipt=Receipt(rows=1))
        clock.sleep(1)
    first, second = ledger.delivery("r1", "csv"), ledger.delivery("r2", "csv")
    assert (first.state, second.state) == ("superseded", "done")
    assert second.generation == first.generation + 1


def test_what_an_ended_process_left_open_is_closed_by_the_next_run(ledger, clock):
    begin(ledger, sinks=("csv", "sql"))
    ledger.take_delivery("r1", "csv")
    clock.sleep(60)
    begin(ledger, "r2")
    assert ledger.read_run("r1").state == "failed"
    assert "process ended" in ledger.read_run("r1").error
    assert {d.sink: d.state for d in ledger.deliveries("r1")} == {"csv": "unknown", "sql": "failed"}


def test_runs_are_listed_newest_first_and_by_job(ledger, clock):
    for run in ("a", "b", "c"):
        begin(ledger, run)
        clock.sleep(1)
    assert [r.id for r in ledger.runs()] == ["c", "b", "a"]
    assert [r.id for r in ledger.runs("daily", limit=1)] == ["c"]
    assert ledger.runs("other") == []


def test_retention_drops_old_runs_and_forgets_their_snapshots(ledger, clock):
    run = begin(ledger)
    ledger.note_table(run.id, 1, [], clock.now(), "snapshots/r1.parquet")
    ledger.finish_run(run.id, "ok")
    clock.sleep(86400 * 40)
    begin(ledger, "r2", slot=SLOT + timedelta(days=40))
    month, year = clock.now() - timedelta(days=30), clock.now() - timedelta(days=365)
    ledger.forget_before(month, year)
    assert ledger.read_run("r1").snapshot == ""
    ledger.forget_before(month, month)
    assert [run.id for run in ledger.runs()] == ["r2"]


def test_retention_drops_a_portion_at_a_time_the_oldest_first(ledger, clock, monkeypatch):
    monkeypatch.setattr("mmflow.ledger.store.PORTION", 2)
    for number in (3, 1, 2):
        clock.sleep(1)
        begin(ledger, f"r{number}", slot=SLOT + timedelta(minutes=number))
        ledger.finish_run(f"r{number}", "ok")
    clock.sleep(86400)
    ledger.forget_before(clock.now(), clock.now())
    assert ([run.id for run in ledger.runs()], slots(ledger)) == (["r2"], [("done", "")])
    ledger.forget_before(clock.now(), clock.now())
    assert (ledger.runs(), slots(ledger)) == ([], [])


def test_retention_drops_nothing_that_is_still_to_be_worked_on(ledger, clock):
    plan(ledger, "daily", "other", kind="backfill")
    (lease,) = ledger.slots.take_windows("daily", "me", clock.now() + timedelta(minutes=1), 1)
    ledger.begin_run("r1", "daily", SLOT, "backfill", lease.fence)
    ledger.postpone_run("r1", lease, clock.now(), "it is busy")
    clock.sleep(86400 * 40)
    ledger.forget_before(clock.now(), clock.now())
    assert [slot.job for slot in ledger.slots.list_open()] == ["daily", "other"]
    assert ledger.read_run("r1").state == "retrying"


def test_a_daemon_that_starts_takes_up_what_another_left_and_not_what_a_backfill_works_on(ledger, clock):
    plan(ledger, "daily", "in-line")
    plan(ledger, "daily", kind="backfill")
    until = clock.now() + timedelta(minutes=1)
    lease, waited = ledger.slots.take("left", until, 9)
    ledger.begin_run("r1", lease.job, SLOT, "schedule", lease.fence)
    ledger.slots.take_windows("daily", "filling", until, 9)
    assert ledger.slots.drop_leases("new") == 2
    assert [(slot.job, slot.owner) for slot in ledger.slots.list_lost()] == [(lease.job, "left")]
    after = ledger.slots.read(waited.job, SLOT, "schedule")
    assert (after.state, after.next_at, after.lease_until) == ("due", SLOT, None), "it had not begun"


def test_a_death_that_is_counted_again_after_trouble_with_the_ledger_counts_once(ledger, clock):
    plan(ledger, "daily")
    (lease,) = ledger.slots.take("me", clock.now() + timedelta(minutes=1), 9)
    assert [ledger.slots.count_death(lease).deaths for _ in range(2)] == [1, 1]


def test_what_has_ended_or_is_due_again_is_put_back_by_nobody(ledger, clock):
    plan(ledger, "daily")
    (lease,) = ledger.slots.take("me", clock.now() + timedelta(minutes=1), 9)
    ledger.slots.put_back(lease, clock.now() + timedelta(hours=1), "it is busy")
    for _ in range(2):
        with pytest.raises(Busy, match="taken over"):
            ledger.slots.put_back(lease, clock.now(), "its process died")
        with suppress(Busy):
            ledger.slots.close(lease, "failed", "given up")
    assert ledger.slots.read("daily", SLOT, "schedule").reason == "given up"


def test_what_is_worked_on_right_now_is_not_begun_anew(ledger, clock):
    plan(ledger, "daily")
    (lease,) = ledger.slots.take("me", clock.now() + timedelta(minutes=1), 9)
    assert ledger.slots.reopen("daily", [NewSlot(due=SLOT)]) == 0
    assert ledger.slots.read("daily", SLOT, "schedule") == lease
    ledger.slots.close(lease, "failed", "")
    ledger.notices.follow(lambda _end: Sequel(), FOREVER)
    assert ledger.slots.reopen("daily", [NewSlot(due=SLOT)]) == 1
    again = ledger.slots.read("daily", SLOT, "schedule")
    assert (again.state, again.told) == ("due", False), "what comes of it now is told as well"


def test_an_unknown_run_is_the_users_mistake(ledger):
    with pytest.raises(UserError, match="no run 'none'"):
        ledger.read_run("none")


def test_what_was_not_tried_when_a_run_ended_is_skipped_with_the_reason(ledger):
    begin(ledger)
    ledger.finish_run("r1", "held", error="too few rows")
    assert [(d.state, d.error) for d in ledger.deliveries("r1")] == [("skipped", "the run was held")]


def test_what_was_under_way_when_a_run_ended_is_unknown_and_what_waited_for_a_retry_failed(ledger):
    begin(ledger, sinks=("csv", "sql", "mail"))
    ledger.take_delivery("r1", "csv")
    ledger.commit_delivery(ledger.take_delivery("r1", "sql"), "retrying", error="it is locked")
    ledger.finish_run("r1", "failed", error="interrupted")
    assert {d.sink: (d.state, d.error) for d in ledger.deliveries("r1")} == {
        "csv": ("unknown", "the run failed"),
        "mail": ("failed", "the run failed"),
        "sql": ("failed", "it is locked"),
    }


def test_a_failed_delivery_that_a_later_run_made_good_is_superseded(ledger):
    begin(ledger, "r1")
    ledger.commit_delivery(ledger.take_delivery("r1", "csv"), "failed", error="no room")
    begin(ledger, "r2")
    ledger.commit_delivery(ledger.take_delivery("r2", "csv"), "done", receipt=Receipt(rows=1))
    assert (ledger.delivery("r1", "csv").state, ledger.delivery("r1", "csv").error) == ("superseded", "no room")


def test_a_resend_closes_what_was_left_and_takes_the_sinks_as_they_are_now(ledger):
    begin(ledger, sinks=("csv", "out"))
    ledger.take_delivery("r1", "csv")
    ledger.begin_resend("r1", "daily", [("out", "jsonl", "k-new")])
    assert {d.sink: (d.type, d.key, d.state) for d in ledger.deliveries("r1")} == {
        "csv": ("csv", "k-csv", "unknown"),
        "out": ("jsonl", "k-new", "failed"),
    }
    assert ledger.read_run("r1").state == "failed"


def test_what_fails_within_a_transaction_leaves_the_ledger_as_it_was_and_usable(ledger):
    begin(ledger)
    with pytest.raises(StateError), ledger._transaction():  # noqa: PT012  what was done before it is tested
        ledger._do("UPDATE run SET job = 'another' WHERE id = 'r1'")
        ledger._do("UPDATE run SET no_such_column = 1")
    ledger.finish_run("r1", "ok")
    assert (ledger.read_run("r1").job, ledger.read_run("r1").state) == ("daily", "ok")


def test_runs_of_a_job_that_neither_ran_nor_exists_are_asked_for_by_mistake(desk):
    desk.job("""
        job: daily
        report: {metrics: [goodParts]}
        window: yesterday
        sinks: [{type: csv}]
    """)
    assert desk.mmflow("runs", "--job", "daily", "--json").data == {"runs": []}
    done = desk.mmflow("runs", "--job", "dayly")
    assert (done.code, "there is no job 'dayly'" in done.err, "did you mean 'daily'?" in done.err) == (2, True, True)


@pytest.mark.parametrize("count", ["0", "-1", "many", "1.5", "9" * 30])
def test_a_number_of_runs_is_a_whole_number_from_1(desk, capsys, count):
    with pytest.raises(SystemExit) as ended:
        desk.mmflow("runs", "-n", count)
    assert ended.value.code == 2
    assert "expected a whole number from 1" in capsys.readouterr().err


def test_the_receipt_that_a_sink_is_shown_is_that_of_the_latest_generation(ledger, clock):
    for number, run in enumerate(("r1", "r2", "r3"), 1):
        begin(ledger, run)
        ledger.commit_delivery(ledger.take_delivery(run, "csv"), "done", receipt=Receipt(rows=number))
        clock.sleep(1)
    assert ledger.last_receipt("k-csv") == Receipt(rows=3)


def slots(ledger):
    return ledger._do("SELECT state, reason FROM slot ORDER BY due").fetchall()


def test_a_slot_ends_as_its_run_does(ledger):
    for number, ended in enumerate((("ok", {}), ("ok", {"skipped": "no rows"}), ("failed", {"error": "no key"}))):
        begin(ledger, f"r{number}", slot=SLOT + timedelta(days=number))
        ledger.finish_run(f"r{number}", ended[0], **ended[1])
    begin(ledger, "left", slot=SLOT + timedelta(days=8))
    begin(ledger, "next", slot=SLOT + timedelta(days=9))
    assert slots(ledger) == [
        ("done", ""),
        ("skipped", "no rows"),
        ("failed", "no key"),
        ("failed", "the process ended before the run did"),
        ("running", ""),
    ]


def test_slots_go_with_the_last_of_their_runs(ledger, clock):
    begin(ledger)
    ledger.finish_run("r1", "ok")
    clock.sleep(86400)
    begin(ledger, "r2", slot=SLOT + timedelta(days=1))
    ledger.forget_before(clock.now(), clock.now())
    assert slots(ledger) == [("running", "")]


def test_a_job_whose_windows_are_filled_in_runs_beside_that(ledger, clock):
    plan(ledger, "daily", kind="backfill")
    assert len(ledger.slots.take_windows("daily", "filler", clock.now() + MINUTE, 9)) == 1
    plan(ledger, "daily")
    assert len(ledger.slots.take("me", clock.now() + MINUTE, 9)) == 1


def test_a_run_by_hand_closes_no_window_that_is_filled_in_beside_it(ledger, clock):
    plan(ledger, "daily", kind="backfill")
    (window,) = ledger.slots.take_windows("daily", "filler", clock.now() + MINUTE, 9)
    run = start(ledger, window)
    ledger.slots.put_back(window, clock.now(), "the backfill was killed")
    begin(ledger, "by-hand", slot=NOON)
    assert ledger.read_run(run).state == "running"


def test_only_what_was_not_begun_expires(ledger, clock):
    for job in ("begun", "waiting"):
        plan(ledger, job, expires=clock.now() + MINUTE)
    for slot in ledger.slots.take("me", clock.now() + MINUTE, 9):
        if slot.job == "begun":
            run = start(ledger, slot, delivering=True)
            ledger.postpone_run(run, slot, clock.now(), "it is busy")
        else:
            ledger.slots.put_back(slot, clock.now(), "parked")
    clock.sleep(60)
    assert ledger.slots.retire("expired before it began") == 1
    assert {slot.job for slot in ledger.slots.list_open()} == {"begun"}


def test_no_cursor_goes_back(ledger):
    for cursor in (NOON, SLOT):
        ledger.slots.plan([PlanStep(job="daily", cursor=cursor, timetable="t")])
    assert ledger.slots.read_job("daily").cursor == NOON
