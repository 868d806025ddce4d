"""Two daemons on one PostgreSQL: each slot once, and the survivor goes on with what the other had begun."""

import pytest

from mmflow.alarm import TICK
from mmflow.ledger import Ledger
from tests.daemons import running_daemon
from tests.desk import NOW
from tests.ledgers import plan

JOBS = [f"job{number}" for number in range(8)]
LEASE = 5.0  # seconds


@pytest.mark.row("R20")
def test_the_survivor_of_two_daemons_takes_over_and_nothing_is_done_twice(stormy_desk, database, postgres):
    desk = stormy_desk
    state = f'state: {{url: "{postgres.url("ledger")}"}}\ndaemon: {{workers: 1, lease: {LEASE:g} seconds}}\n'
    desk.write("mmflow.yaml", (desk.root / "mmflow.yaml").read_text(encoding="utf-8") + state)
    for job in JOBS:
        desk.job(
            f"""
            job: {job}
            report: {{metrics: [goodParts], group_by: [machine]}}
            window: yesterday
            schedule: {{cron: "0 0 1 1 *"}}
            sinks: [{{type: csv, path: "{job}.csv"}}]
            """,
            job,
        )
    desk.simulator.faults({"kind": "latency", "match": "/", "delay": 20})
    with (
        Ledger.open(database, desk.clock) as ledger,
        running_daemon(desk.root) as one,
        running_daemon(desk.root) as two,
    ):
        for daemon in (one, two):
            daemon.wait_text("at work")
        plan(ledger, *JOBS, due=NOW)
        two.wait_for(lambda: owners(ledger) == 2)
        two.wait_for(lambda: sum(run.state == "running" for run in ledger.runs()) == 2)
        one.kill()
        desk.simulator.clear_faults()
        two.wait_for(lambda: 2 in (ledger.slots.read(job, NOW, "schedule").tries for job in JOBS), LEASE + TICK)
        two.wait_for(lambda: not ledger.slots.list_open())
        found = [ledger.slots.read(job, NOW, "schedule") for job in JOBS]
        assert {slot.state for slot in found} == {"done"}
        assert sorted(slot.tries for slot in found) == [1] * (len(JOBS) - 1) + [2], (
            "only what was cut off is begun anew"
        )
        assert sum(slot.deaths for slot in found) == 1
        assert len(ledger.runs(limit=100)) == len(JOBS) + 1
        assert two.stop() == 0
    assert len(list((desk.root / "out").iterdir())) == len(JOBS)


def owners(ledger):
    return len({slot.owner for slot in ledger.slots.list_open() if slot.owner})
