"""A ledger with much in it, and with many who take from it: leases, fences, and statements that go by an index."""

import re
import subprocess
import sys
import tracemalloc
from collections import Counter
from datetime import timedelta
from itertools import islice
from pathlib import Path

import msgspec
import pytest

from mmflow.clock import SystemClock
from mmflow.errors import StateError
from mmflow.ledger import Ledger
from mmflow.ledger.migrations import MIGRATIONS
from mmflow.ledger.place import Database
from mmflow.ledger.postgres import open_postgres
from mmflow.ledger.sqlite import open_sqlite
from mmflow.sinks import Receipt
from tests.ledgers import NOON, SLOT, SPAN, begin, fill, ledger_file, list_statements, plan, tell_place, wait_until

ROOT = Path(__file__).parents[1]
HOUR = timedelta(hours=1)

TAKE = """
import sys
from datetime import timedelta
from mmflow.clock import SystemClock
from mmflow.ledger import Ledger
from tests.ledgers import read_place

name, seconds, hold = sys.argv[2], float(sys.argv[3]), len(sys.argv) > 4
with Ledger.open(read_place(sys.argv[1]), SystemClock()) as ledger:
    while slots := ledger.slots.take(name, ledger.slots.now() + timedelta(seconds=seconds), 7):
        for slot in slots:
            print(slot.job, slot.fence, flush=True)
            if not hold:
                ledger.slots.close(slot, "done", "")
    if hold:
        print("all", flush=True)
        sys.stdin.read()
"""


def start_taker(place, name, seconds, *hold):
    """Start a process that leases what is due, and closes it or holds it."""
    command = [sys.executable, "-c", TAKE, tell_place(place), name, str(seconds), *hold]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@pytest.mark.row("R20")
def test_two_processes_never_take_one_slot(place):
    jobs = [f"job-{number:03}" for number in range(150)]
    with Ledger.open(place, SystemClock()) as ledger:
        plan(ledger, *jobs)
        takers = [start_taker(place, name, 60) for name in ("one", "two")]
        said = [taker.communicate(timeout=60)[0] for taker in takers]
        assert [taker.returncode for taker in takers] == [0, 0]
        taken = Counter(line.split()[0] for text in said for line in text.splitlines())
        assert taken == Counter(jobs)
        assert ledger.slots.list_open() == []


@pytest.mark.row("R20")
def test_what_a_killed_process_had_leased_is_taken_over_when_the_lease_runs_out(place):
    with Ledger.open(place, SystemClock()) as ledger:
        plan(ledger, "a", "b", "c")
        with start_taker(place, "one", 2, "hold") as taker:
            while taker.stdout.readline() != "all\n":
                pass
            assert ledger.slots.take("two", ledger.slots.now() + HOUR, 9) == []
            taker.kill()
        wait_until(lambda: len(ledger.slots.list_lost()) == 3)
        for slot in ledger.slots.list_lost():
            ledger.slots.put_back(ledger.slots.count_death(slot), SLOT, "its process died")
        taken = ledger.slots.take("two", ledger.slots.now() + HOUR, 9)
        assert [(slot.job, slot.owner, slot.fence) for slot in taken] == [(job, "two", 2) for job in "abc"]


@pytest.mark.row("R12")
def test_a_worker_that_comes_back_after_its_slot_was_taken_over_changes_nothing(ledger):
    plan(ledger, "daily")
    (old,) = ledger.slots.take("one", NOON, 9)
    ledger.begin_run("r1", "daily", old.due, "schedule", old.fence)
    ledger.note_plan("r1", (("boston", SPAN),), [("csv", "csv", "k")])
    writing = ledger.take_delivery("r1", "csv")
    ledger.slots.put_back(old, NOON, "its lease ran out")
    (new,) = ledger.slots.take("two", NOON + HOUR, 9)
    ledger.begin_run("r2", "daily", new.due, "schedule", new.fence)
    ledger.note_plan("r2", (("boston", SPAN),), [("csv", "csv", "k")])
    ledger.commit_delivery(ledger.take_delivery("r2", "csv"), "done", receipt=Receipt(rows=2))
    with pytest.raises(StateError, match="taken over"):
        ledger.commit_delivery(writing, "done", receipt=Receipt(rows=1))
    with pytest.raises(StateError, match="taken over"):
        ledger.begin_run("r3", "daily", old.due, "schedule", old.fence)
    with pytest.raises(StateError, match="taken over"):
        ledger.slots.close(old, "failed", "it says")
    ledger.finish_run("r1", "ok")
    slot = ledger.slots.read("daily", old.due, "schedule")
    assert (slot.state, slot.run, slot.owner) == ("running", "r2", "two")
    assert ledger.last_receipt("k").rows == 2
    assert ledger.standing_run("k") == "r2"
    ledger.finish_run("r2", "ok")
    assert ledger.slots.read("daily", old.due, "schedule").state == "done"


@pytest.mark.row("R90")
def test_deliveries_that_wait_go_on_after_the_ledger_was_brought_up_to_date(place, clock):
    with Ledger.open(place, clock) as ledger:
        fill(ledger, 3)
    steps = (*MIGRATIONS, ("ALTER TABLE delivery ADD COLUMN mood TEXT", "CREATE INDEX slot_by_mood ON slot (rank)"))
    opened = open_postgres if isinstance(place, Database) else open_sqlite
    with Ledger(opened(place, clock, steps=steps), clock) as ledger:
        slots = ledger.slots.take("one", NOON + HOUR, 9)
        assert [(slot.resume, slot.fence) for slot in slots] == [("run-1", 1), ("run-2", 1), ("run-3", 1)]
        assert [one.state for one in ledger.deliveries("run-2")] == ["retrying"]
        taken = ledger.take_delivery("run-2", "csv")
        ledger.commit_delivery(taken, "done", receipt=Receipt(rows=1))
        assert taken.attempts == 2


@pytest.fixture(scope="module")
def full_place(tmp_path_factory):
    """A ledger in a file with 100,000 deliveries that wait; in PostgreSQL making it would take too long."""
    place = ledger_file(tmp_path_factory.mktemp("full"))
    with Ledger.open(place, SystemClock()) as ledger:
        fill(ledger, 100_000)
    return place


@pytest.mark.row("R85")
def test_a_hundred_thousand_open_deliveries_take_no_memory(full_place):
    with Ledger.open(full_place, SystemClock()) as ledger:
        tracemalloc.start()
        try:
            slots = ledger.slots.take("one", ledger.slots.now() + HOUR, 1000)
            facts = ledger.facts()
            rows = sum(1 for _ in islice(ledger.export(), 10_000))
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert len(slots) == 1000
    assert facts.states["delivery"] == {"retrying": 100_000}
    assert facts.states["slot"] == {"due": 99_000, "running": 1000}
    assert rows == 10_000
    assert peak < 8_000_000


# Tables that do not grow with time may be looked at as a whole.
WHOLE = re.compile(r"SCAN (?!CONSTANT|job|breaker|meta)(?!.*INDEX)")


@pytest.mark.row("R85")
@pytest.mark.parametrize("name", list_statements())
def test_every_statement_goes_by_an_index(ledger_plans, name):
    steps = ledger_plans(list_statements()[name])
    assert [step for step in steps if WHOLE.match(step)] == []


@pytest.fixture(scope="module")
def ledger_plans(tmp_path_factory):
    """Say how SQLite would do a statement, step by step."""
    with Ledger.open(ledger_file(tmp_path_factory.mktemp("plans")), SystemClock()) as ledger:

        def explain(statement):
            rows = ledger._do(f"EXPLAIN QUERY PLAN {statement}", *[""] * statement.count("?")).fetchall()
            return [row[3] for row in rows]

        yield explain


def test_a_job_that_is_leased_is_not_taken_a_second_time_but_one_that_runs_by_hand_is(ledger):
    plan(ledger, "daily")
    plan(ledger, "daily", due=SLOT + timedelta(minutes=1))
    (first,) = ledger.slots.take("one", NOON + HOUR, 9)
    assert ledger.slots.take("one", NOON + HOUR, 9) == []
    ledger.slots.close(first, "done", "")
    begin(ledger, slot=NOON)
    (second,) = ledger.slots.take("one", NOON + HOUR, 9)
    assert second == msgspec.structs.replace(second, due=SLOT + timedelta(minutes=1), fence=1)
