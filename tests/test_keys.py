"""A key that a service refuses stops all its jobs: people are told once, at once, and once more when it is accepted."""

from datetime import timedelta

import msgspec
import pytest

from mmflow.check import check_settings
from mmflow.document import read_text
from mmflow.notices import tell_keys
from mmflow.plugins import load
from mmflow.sinks import NoticeItem
from tests.desk import KEY, NOW
from tests.leased import open_ledger, plan, write_jobs

JOBS = ("one", "two", "three")
WRONG = "a-key-that-nobody-knows-4711"


@pytest.fixture(autouse=True)
def jobs(bench):
    write_jobs(bench.desk, *JOBS)


def work(bench, hours, key=KEY):
    """Have the jobs run so many hours after noon with a key, and give what people are told then."""
    desk = bench.desk
    at = NOW + timedelta(hours=hours)
    desk.clock.set(at)
    desk.environ["MM_BOSTON_KEY"] = key
    plan(desk, *JOBS, due=at)
    bench.work(until=timedelta(days=1))
    settings = check_settings(read_text(desk.text("mmflow.yaml"), "mmflow.yaml"), load(), desk.root, at)
    with open_ledger(desk) as ledger:
        known = {row.id for row in ledger.notices.list_recent()}
        tell_keys(ledger, settings, at)
        tell_keys(ledger, settings, at)
        items = [
            msgspec.json.decode(row.content, type=NoticeItem)
            for row in ledger.notices.list_recent()
            if row.id not in known
        ]
    return {(item.kind, item.reason) for item in items}, len(items)


def test_it_is_told_once_and_told_again_that_it_is_over(bench):
    desk = bench.desk
    key = "the api_key of site boston (${env:MM_BOSTON_KEY})"
    refused = f"{desk.simulator.url} refuses {key}; check the key, then it goes on within an hour"
    assert work(bench, 0) == (set(), 0)
    assert work(bench, 1, WRONG) == ({("refused", refused)}, 1)
    assert work(bench, 3, WRONG) == (set(), 0)
    assert work(bench, 3.1, WRONG) == (set(), 0)
    assert work(bench, 5) == ({("accepted", f"{key} for {desk.simulator.url} is accepted again")}, 1)
    assert work(bench, 6) == (set(), 0)


@pytest.mark.parametrize("fault", [{"status": 503, "times": 99}, {"status": 429, "retry_after": 1800, "times": 1}])
def test_a_service_that_is_in_trouble_has_not_accepted_it(bench, fault):
    assert len(work(bench, 1, WRONG)[0]) == 1
    bench.desk.simulator.faults({"match": "/reports", "kind": "status", **fault})
    assert work(bench, 3, WRONG) == (set(), 0)
