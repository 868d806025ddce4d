"""How much a run asks of the service is on record with it, also when nothing came of it, and counted once."""

from mmflow.metrics import Health
from tests.leased import CSV, open_ledger, order, plan, write_job


def count(*outcomes):
    """What a daemon has counted of these."""
    health = Health()
    for outcome in outcomes:
        health.asked(outcome)
    return [health.counts.get((f"api_{what}",), 0) for what in ("requests", "tries", "bytes")]


def test_what_was_asked_is_on_record_with_its_tries_and_bytes(bench):
    desk = bench.desk
    desk.job(CSV)
    desk.simulator.faults({"match": "/reports", "kind": "status", "status": 503, "times": 1})
    plan(desk, "daily")
    (outcome,) = bench.work()
    shown = desk.mmflow("runs", "show", outcome.run, "--json").data["asked"]
    assert shown["tries"] == len(desk.simulator.requests) == shown["requests"] + 1
    assert shown["bytes"] > 500
    assert count(outcome) == list(shown.values())


def test_a_run_that_came_to_nothing_has_asked_too(bench):
    desk = bench.desk
    desk.job(CSV)
    desk.simulator.faults({"match": "/reports", "kind": "status", "status": 503, "times": 20})
    plan(desk, "daily")
    (outcome,) = bench.work()
    with open_ledger(desk) as ledger:
        run = ledger.read_run(outcome.run)
    assert (run.state, run.requests, run.tries) == ("failed", 1, 3)
    assert count(outcome)[:2] == [1, 3]


def test_deliveries_that_go_on_have_asked_nothing_more(bench):
    write_job(bench.desk, "type: obey, name: one")
    order(bench.desk, "one", "later", "ok")
    plan(bench.desk, "daily")
    (first,) = bench.work()
    bench.desk.clock.sleep(10)
    (second,) = bench.work()
    assert (first.run, first.run_state, second.run_state) == (second.run, "retrying", "ok")
    assert first.requests > 0
    assert count(first, second) == count(first)
