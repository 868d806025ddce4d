"""A run that took far longer than those of its job do is degraded, and says so."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from mmflow.run.pace import tell_slow
from tests.desk import NOW
from tests.ledgers import begin

JOB = """
    job: daily
    report: {metrics: [goodParts], group_by: [machine]}
    window: yesterday
    sinks: [{type: csv, path: "{date}.csv"}]
"""


def run_daily(desk, day, wait=0, job="daily"):
    """Run the job of a day whose service asks to be waited for; the clock of a desk goes on by what is waited."""
    desk.clock.set(NOW - timedelta(days=30 - day))
    desk.simulator.clear_faults()
    if wait:
        desk.simulator.faults({"kind": "status", "status": 429, "retry_after": wait, "times": 1})
    assert desk.mmflow("run", job).code == 0
    run = desk.mmflow("runs", "--job", job, "--json").data["runs"][0]
    return run["state"], run["error"]


def test_a_run_three_times_as_long_as_usual_is_degraded_and_the_next_is_not(stormy_desk):
    desk = stormy_desk
    desk.job(JOB)
    assert [run_daily(desk, day, wait=40) for day in range(5)] == [("ok", "")] * 5
    assert run_daily(desk, 5, wait=120) == ("ok", ""), "so long is not far longer"
    state, error = run_daily(desk, 6, wait=140)
    assert (state, error) == ("degraded", "it took 140 s, usually 40 s")
    assert run_daily(desk, 7, wait=40) == ("ok", "")
    assert "it took 140 s, usually 40 s" in desk.mmflow("runs").out


def test_a_minute_more_is_no_matter_and_from_four_runs_nothing_follows(stormy_desk):
    desk = stormy_desk
    desk.job(JOB)
    for day in range(4):
        run_daily(desk, day)
    assert run_daily(desk, 4, wait=200) == ("ok", ""), "what is usual is not known yet"
    assert run_daily(desk, 5, wait=59) == ("ok", "")
    assert run_daily(desk, 6, wait=62) == ("degraded", "it took 62 s, usually 0 s")


@pytest.mark.parametrize(
    ("change", "counts"),
    [
        ({}, True),
        ({"kind": "restate"}, False),
        ({"state": "failed"}, False),
        ({"state": "degraded"}, True),
        ({"finished": None}, False),
    ],
)
def test_only_what_was_delivered_in_the_same_way_is_compared(ledger, change, counts):
    run = begin(ledger)
    good = {"state": "ok", "finished": run.started + timedelta(seconds=9)}
    earlier = [replace(run, id=f"earlier-{number}", **{**good, **change}) for number in range(5)]
    assert tell_slow(run, 100, earlier) == ("it took 100 s, usually 9 s" if counts else "")
    assert not tell_slow(run, 100, [replace(one, id=run.id) for one in earlier]), "not with itself"
