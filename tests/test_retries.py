"""Under a lease what fails for a while goes on later, from the ledger: no process waits and nothing is asked twice."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from mmflow.errors import TryLater
from mmflow.ledger import JobLock
from mmflow.run import Order
from mmflow.run.ending import find_repeat
from tests.desk import NOW
from tests.leased import CSV, heard, open_ledger, order, plan, read_deliveries, read_slot, take, write_job, write_jobs

TWO = ("type: obey, name: one", "type: obey, name: two")


def reports(desk):
    """How many reports were asked for."""
    return sum(request.path.startswith("/reports") for request in desk.simulator.requests)


@pytest.mark.row("R48")
def test_a_sink_that_is_down_is_tried_again_alone_and_the_service_is_not_asked_again(bench):
    desk = bench.desk
    write_job(desk, *TWO, "type: csv, path: daily.csv")
    order(desk, "two", "later", "later", "ok")
    plan(desk, "daily")
    (outcome,) = bench.work()
    assert (outcome.state, outcome.run_state) == ("again", "retrying")
    slot, asked = read_slot(desk), reports(desk)
    assert (slot.state, slot.resume, slot.owner) == ("due", outcome.run, "")
    assert slot.reason == f"trying again at {slot.next_at:%Y-%m-%d %H:%M} UTC: two: it is busy"
    found = read_deliveries(desk, outcome.run)
    assert {name: one.state for name, one in found.items()} == {"one": "done", "two": "retrying", "csv": "done"}
    assert found["two"].next_at == slot.next_at
    assert desk.text("out/daily.csv")
    waits = bench.work_on()
    assert read_slot(desk).state == "done"
    assert (heard(desk, "one"), heard(desk, "two")) == (["ok"], ["later", "later", "ok"])
    assert reports(desk) == asked
    assert all(0 <= wait <= 4 for wait in waits)
    assert desk.mmflow("runs", "show", outcome.run, "--json").data["state"] == "ok"


def test_a_sink_that_says_when_is_tried_then_and_another_before_it(bench):
    desk = bench.desk
    write_job(desk, *TWO)
    order(desk, "one", "later 300", "ok")
    order(desk, "two", "later 20", "ok")
    plan(desk, "daily")
    assert bench.work_on() == [20.0, 280.0]
    assert (heard(desk, "one"), heard(desk, "two")) == (["later", "ok"], ["later", "ok"])


def test_when_no_time_is_left_it_has_failed_and_the_stand_in_gets_its_turn(bench):
    desk = bench.desk
    write_job(desk, "type: obey, name: one, fallback: two", "type: obey, name: two")
    order(desk, "one", "later 3600")
    plan(desk, "daily")
    assert bench.work_on() == [3600.0, 3600.0]
    slot = read_slot(desk)
    assert slot.state == "done"
    found = read_deliveries(desk, slot.run)
    assert (found["one"].state, found["one"].attempts, found["two"].state) == ("failed", 3, "done")
    assert [found[name].passing for name in ("one", "two")] == [True, False]
    assert heard(desk, "two") == ["ok"]
    assert desk.mmflow("runs", "show", slot.run, "--json").data["state"] == "degraded"


def test_who_attaches_a_file_waits_for_the_sink_that_writes_it(bench):
    desk = bench.desk
    write_job(desk, "type: tell, attach: [page]", "type: page")
    order(desk, "page", "later 60", "ok")
    plan(desk, "daily")
    (outcome,) = bench.work()
    assert read_deliveries(desk, outcome.run)["tell"].state == "pending"
    assert heard(desk, "tell") == []
    bench.work_on()
    assert (heard(desk, "tell"), read_slot(desk).state) == (["ok"], "done")


def test_a_run_whose_table_is_gone_is_made_anew(bench):
    desk = bench.desk
    write_job(desk, *TWO)
    order(desk, "two", "later 60", "ok")
    plan(desk, "daily")
    (first,) = bench.work()
    for snapshot in (desk.root / ".mmflow" / "snapshots").iterdir():
        snapshot.unlink()
    desk.clock.sleep(60)
    (second,) = bench.work()
    assert (second.state, second.run_state) == ("done", "ok")
    assert second.run != first.run
    assert desk.mmflow("runs", "show", first.run, "--json").data["state"] == "failed"


def test_a_run_by_hand_leaves_alone_what_waits_to_be_tried_again(bench):
    desk = bench.desk
    write_job(desk, *TWO)
    order(desk, "two", "later 60", "ok")
    plan(desk, "daily")
    (outcome,) = bench.work()
    assert desk.mmflow("run", "daily", "--sink", "one").code == 0
    assert read_slot(desk).resume == outcome.run
    bench.work_on()
    assert read_slot(desk).state == "done"
    assert read_deliveries(desk, outcome.run)["two"].state == "done"


def test_a_job_that_is_run_by_hand_just_now_is_looked_at_again_in_a_while_and_that_counts_as_no_try(bench):
    desk = bench.desk
    desk.job(CSV)
    plan(desk, "daily")
    with JobLock(desk.root / ".mmflow" / "locks", "daily"):
        (outcome,) = bench.work()
    slot = read_slot(desk)
    assert (outcome.state, slot.state, slot.tries, slot.next_at) == ("again", "due", 0, NOW + timedelta(seconds=30))
    assert "is being run by process" in slot.reason
    desk.clock.sleep(30)
    assert bench.work()[0].run_state == "ok"


def test_deliveries_that_are_left_wait_for_a_run_by_hand_too_and_go_on_then(bench):
    desk = bench.desk
    write_job(desk, *TWO)
    order(desk, "two", "later 60", "ok")
    plan(desk, "daily")
    (first,) = bench.work()
    desk.clock.sleep(60)
    with JobLock(desk.root / ".mmflow" / "locks", "daily"):
        assert bench.work()[0].state == "again"
    assert read_slot(desk).resume == first.run
    desk.clock.sleep(30)
    assert bench.work()[0].run == first.run


def test_deliveries_that_are_left_do_not_wait_for_the_service(bench):
    desk = bench.desk
    write_job(desk, *TWO)
    write_jobs(desk, "other")
    order(desk, "two", "later 60", "ok")
    plan(desk, "daily")
    bench.work()
    desk.clock.sleep(60)
    desk.simulator.faults({"match": "/reports", "kind": "status", "status": 401, "times": 1})
    plan(desk, "other", due=NOW - timedelta(minutes=1))
    refused, left = bench.work()
    assert (refused.run_state, left.run_state, read_slot(desk).state) == ("failed", "ok", "done")


def test_a_worker_whose_slot_was_taken_over_ends_nothing(bench):
    desk = bench.desk
    desk.job(CSV)
    plan(desk, "daily")
    (stale,) = take(desk)
    with open_ledger(desk) as ledger:
        ledger.slots.put_back(stale.slot, desk.clock.now(), "thought dead")
    (fresh,) = take(desk)
    outcome = bench.worker.execute(stale)
    assert (outcome.state, "taken over" in outcome.error) == ("lost", True)
    assert not (desk.root / "out").exists()
    assert bench.worker.execute(fresh).state == "done"


THIEF = """
    from datetime import timedelta

    from mmflow import Options, Receipt, SinkType, hookimpl
    from mmflow.ledger import Ledger


    def steal(table, options, run):
        with Ledger.open(run.root / ".mmflow" / "ledger.sqlite", run.clock) as ledger:
            (slot,) = ledger.slots.list_open(run.job)
            ledger.slots.put_back(slot, run.slot, "thought dead")
            assert ledger.slots.take("another", run.clock.now() + timedelta(minutes=5), 1)
        return Receipt(rows=len(table))


    @hookimpl
    def mmflow_sinks():
        yield SinkType(name="thief", summary="Steals.", options=Options, deliver=steal)
"""


@pytest.mark.row("R12")
def test_a_worker_whose_slot_is_taken_over_while_it_delivers_begins_no_other_delivery(bench, install):
    install("thief", THIEF)
    desk = bench.desk
    write_job(desk, "type: thief", "type: tell")
    plan(desk, "daily")
    (outcome,) = bench.work()
    assert (outcome.state, "taken over" in outcome.error) == ("lost", True)
    slot = read_slot(desk)
    assert (slot.state, slot.owner, heard(desk, "tell")) == ("running", "another", [])
    assert read_deliveries(desk, slot.run)["tell"].state == "pending"


@pytest.mark.parametrize(
    ("keys", "later", "reason"),
    [
        ({"send": False}, 0, "not sent: made up for later"),
        ({"expires": NOW + timedelta(minutes=5)}, 600, "not sent: it expired at 2026-11-22 11:45 UTC"),
        ({"expires": NOW + timedelta(minutes=5)}, 60, ""),
    ],
)
def test_messages_that_are_late_or_made_up_for_are_not_sent(bench, keys, later, reason):
    desk = bench.desk
    write_job(desk, "type: tell", "type: obey, name: one")
    plan(desk, "daily", **keys)
    desk.clock.sleep(later)
    (outcome,) = bench.work()
    found = read_deliveries(desk, outcome.run)
    assert (outcome.run_state, found["one"].state, found["tell"].error) == ("ok", "done", reason)
    assert heard(desk, "tell") == ([] if reason else ["ok"])


@pytest.mark.row("R81")
def test_a_missing_secret_fails_only_its_own_job_and_says_so(bench):
    desk = bench.desk
    desk.job(CSV)
    del desk.environ["MM_BOSTON_KEY"]
    plan(desk, "daily")
    (outcome,) = bench.work()
    assert (outcome.state, outcome.run_state, read_slot(desk).state) == ("done", "failed", "failed")
    assert "the environment variable MM_BOSTON_KEY is not set" in outcome.error


# --- the service ------------------------------------------------------------------------------------------------------


def test_a_service_that_is_down_costs_no_slot(bench):
    desk = bench.desk
    desk.job(CSV)
    desk.simulator.faults({"match": "/reports", "kind": "status", "status": 503, "times": 6})
    plan(desk, "daily")
    (outcome,) = bench.work()
    slot = read_slot(desk)
    assert (outcome.state, outcome.run_state, slot.resume) == ("again", "failed", "")
    assert slot.reason.startswith(f"trying again at {slot.next_at:%Y-%m-%d %H:%M} UTC: boston: ")
    waits = bench.work_on()
    assert (read_slot(desk).state, desk.text("out/daily.csv") != "") == ("done", True)
    assert all(60 <= wait <= 480 for wait in waits)


def test_a_service_that_stays_down_fails_the_slot_when_no_time_is_left(bench):
    desk = bench.desk
    desk.job(CSV)
    desk.simulator.faults({"match": "/reports", "kind": "status", "status": 503, "times": 999})
    plan(desk, "daily")
    bench.work_on(until=timedelta(minutes=10))
    slot = read_slot(desk)
    assert (slot.state, "answered 503" in slot.reason or "parked" in slot.reason) == ("failed", True)


@pytest.mark.parametrize(("status", "passing"), [(503, True), (401, False)])
def test_what_is_due_again_in_a_minute_ends_with_one_try_and_whether_it_may_pass(bench, status, passing):
    desk = bench.desk
    desk.job(CSV)
    desk.simulator.faults({"match": "/reports", "kind": "status", "status": status, "times": 999})
    plan(desk, "daily")
    assert bench.work_on(until=timedelta(minutes=1)) == []
    slot = read_slot(desk)
    with open_ledger(desk) as ledger:
        assert (slot.state, slot.tries, ledger.read_run(slot.run).passing) == ("failed", 1, passing)


def test_runs_of_a_service_that_is_down_are_spread_out_and_wait_longer_each_time(bench):
    write_jobs(bench.desk, "daily")
    plan(bench.desk, "daily")
    (task,) = take(bench.desk)
    for tries, longest in ((0, 120), (1, 240), (9, 900)):
        lease = replace(task.slot, tries=tries)
        asked = Order(slot=NOW, lease=lease, until=NOW + timedelta(days=1))
        waits = [(find_repeat(TryLater("it is down"), asked, NOW) - NOW).total_seconds() for _ in range(100)]
        assert all(60 <= wait <= longest for wait in waits)
        assert max(waits) > longest * 2 / 3


def test_a_service_that_says_at_once_is_not_asked_without_end(bench):
    desk = bench.desk
    desk.job(CSV)
    desk.simulator.faults({"match": "/reports", "kind": "status", "status": 429, "retry_after": 0, "times": 12})
    plan(desk, "daily")
    assert all(wait >= 60 for wait in bench.work_on())
    assert read_slot(desk).state == "done"


def test_a_sink_that_says_at_once_is_not_tried_without_end(bench):
    desk = bench.desk
    write_job(desk, "type: obey, name: one")
    order(desk, "one", *["later 0"] * 9, "ok")
    plan(desk, "daily")
    waits = bench.work_on()
    assert (read_slot(desk).state, len(waits)) == ("done", 9)
    assert sum(waits) > 10, "by chance, and longer each time"


@pytest.mark.row("R31")
@pytest.mark.row("R47")
def test_a_service_that_answers_nobody_is_left_alone_and_then_asked_by_one(bench):
    desk = bench.desk
    jobs = [f"j{at}" for at in range(12)]
    write_jobs(desk, *jobs)
    desk.simulator.faults({"match": "/reports", "kind": "status", "status": 503, "times": 999})
    plan(desk, *jobs)
    outcomes = bench.work()
    assert [one.run_state for one in outcomes] == ["failed"] * 5 + [""] * 7
    parked = {one.error for one in outcomes[5:]}
    assert len(parked) == 1
    assert parked.pop().startswith(f"parked: {desk.simulator.url} is not answering since 2026-11-22 11:4")
    desk.clock.sleep(900)
    asked = reports(desk)
    assert sorted(one.run_state for one in bench.work()) == [""] * 11 + ["failed"]
    assert reports(desk) - asked == 3
    desk.simulator.clear_faults()
    for _ in range(9):
        desk.clock.sleep(900)
        bench.work()
    assert {read_slot(desk, job).state for job in jobs} == {"done"}


@pytest.mark.row("R44")
def test_a_key_that_is_refused_is_shown_once_an_hour_by_all_its_jobs_together(bench):
    desk = bench.desk
    jobs = ["a", "b", "c"]
    write_jobs(desk, *jobs)
    desk.simulator.faults({"match": "/reports", "kind": "status", "status": 401, "times": 1})
    plan(desk, *jobs)
    first, *others = bench.work()
    assert first.run_state == "failed"
    refused = f"{desk.simulator.url} refuses the api_key of site boston (${{env:MM_BOSTON_KEY}})"
    reason = f"parked: {refused}; check the key, then it goes on within an hour"
    assert {one.error for one in others} == {reason}
    assert {read_slot(desk, job).next_at for job in jobs} == {desk.clock.now() + timedelta(hours=1)}
    assert reports(desk) == 1
    desk.clock.sleep(3600)
    assert {one.run_state for one in bench.work()} == {"ok"}


@pytest.mark.row("R29")
def test_a_service_that_asks_for_more_patience_than_a_run_has_is_left_alone_for_so_long(bench):
    desk = bench.desk
    desk.job(CSV)
    write_jobs(desk, "other")
    fault = {"match": "/reports", "kind": "status", "status": 429, "retry_after": 1800, "times": 1}
    desk.simulator.faults(fault)
    plan(desk, "daily", "other")
    bench.work()
    at = desk.clock.now() + timedelta(minutes=30)
    assert {read_slot(desk, job).next_at for job in ("daily", "other")} == {at}
    desk.clock.set(at)
    assert {one.run_state for one in bench.work()} == {"ok"}


@pytest.mark.row("R46")
def test_a_job_that_waits_for_a_missing_site_is_run_again_until_it_answers(bench):
    desk = bench.desk
    reno = '  reno:\n    base_url: "http://127.0.0.1:9"\n    api_key: "${env:MM_BOSTON_KEY}"\n    timezone: UTC\n'
    settings = desk.text("mmflow.yaml")
    down = settings.replace("defaults:", reno + "defaults:")
    desk.write("mmflow.yaml", down)
    desk.job(CSV + "    on_partial: wait\n    sites: [boston, reno]\n")
    plan(desk, "daily")
    (outcome,) = bench.work()
    assert (outcome.state, outcome.run_state) == ("again", "held")
    assert not (desk.root / "out").exists()
    desk.write("mmflow.yaml", down.replace("http://127.0.0.1:9", desk.simulator.url))
    bench.work_on()
    assert (read_slot(desk).state, desk.text("out/daily.csv") != "") == ("done", True)
