"""A report is told which earlier windows have moved since the one before, so that its readers can be."""

import json
from datetime import timedelta

import pytest

from mmflow.clock import FixedClock
from mmflow.ledger import Ledger, Moved, NewSlot, PlanStep
from mmflow.tasks import Task
from mmflow.worker import Worker
from tests.leased import open_ledger
from tests.test_restate import FRIDAY, TUESDAY, Late

DAY = timedelta(days=1)
JOB = """
    job: daily
    report: {metrics: [goodParts, rejectedParts], group_by: [machine]}
    window: yesterday
    restate: 7 days
    sinks: [{type: csv, path: "{date}.csv"}, {type: teller}]
"""
TELLER = """
    import msgspec
    from mmflow import Receipt, SinkType, hookimpl

    def tell(table, options, run):
        with (run.root / "told.jsonl").open("ab") as file:
            file.write(msgspec.json.encode(run.facts.moved) + b"\\n")
        return Receipt(rows=len(table))

    @hookimpl
    def mmflow_sinks():
        yield SinkType(name="teller", summary="Tells.", deliver=tell, semantics="message")
"""


@pytest.fixture
def late(tmp_path, install):
    install("teller", TELLER)
    with Late(tmp_path / "root") as made:
        made.desk.job(JOB)
        yield made


def work(late, due, kind="schedule"):
    """Do a slot as a worker process does; give its run."""
    desk = late.desk
    with open_ledger(desk) as ledger:
        new = NewSlot(due=due, kind=kind, send=kind == "schedule", next_at=desk.clock.now())
        if kind == "schedule":
            ledger.slots.plan([PlanStep(job="daily", cursor=due, timetable="", slots=(new,))])
        else:
            assert ledger.slots.reopen("daily", [new]) == 1
        until = desk.clock.now() + timedelta(minutes=10)
        (slot,) = ledger.slots.take("test", until, 1)
        texts = {"text": desk.text("jobs/daily.yaml"), "settings": desk.text("mmflow.yaml")}
        task = Task(root=str(desk.root), file="jobs/daily.yaml", slot=slot, until=until, **texts)
        Worker(desk.clock, desk.environ).execute(task)
        return ledger.slots.read("daily", due, kind).run


def told(late):
    return [json.loads(line) for line in late.desk.text("told.jsonl").splitlines()]


def test_the_next_report_is_told_what_moved_and_the_one_after_it_is_not(late):
    work(late, FRIDAY)
    late.set(TUESDAY)
    restated = work(late, FRIDAY, "restate")
    late.desk.clock.sleep(60)
    work(late, TUESDAY)
    late.desk.clock.sleep(60)
    assert work(late, FRIDAY, "restate") != restated, "it has not moved any more"
    late.set(TUESDAY + DAY)
    work(late, TUESDAY + DAY)
    first, (window,), last = told(late)
    found = late.moved({"run": restated})
    assert (window["first_day"], window["last_day"]) == ("2026-11-19", "2026-11-19")
    assert (window["total"], window["cells"]) == (found["total"], found["cells"])
    assert window["total"] > 0
    assert first == last == []


def test_a_report_that_failed_told_nobody_so_the_next_one_tells_it(late):
    work(late, FRIDAY)
    late.set(TUESDAY)
    work(late, FRIDAY, "restate")
    late.desk.clock.sleep(60)
    late.simulator.faults({"kind": "status", "status": 400, "match": "/"})
    work(late, TUESDAY)
    late.simulator.clear_faults()
    late.set(TUESDAY + DAY)
    work(late, TUESDAY + DAY)
    assert [len(windows) for windows in told(late)] == [0, 1]


def test_what_moved_is_told_again_when_that_report_is_sent_again(late):
    work(late, FRIDAY)
    late.set(TUESDAY)
    work(late, FRIDAY, "restate")
    late.desk.clock.sleep(60)
    run = work(late, TUESDAY)
    late.desk.clock.sleep(60)
    assert late.desk.mmflow("resend", run, "--sink", "teller").code == 0
    _, first, again = told(late)
    assert first == again


@pytest.mark.row("R42")
def test_both_ledgers_know_what_moved_between_two_reports(place):
    """Two windows were restated between them, of which one has moved, and one of another job."""
    clock = FixedClock(FRIDAY)

    def end(ledger, run, kind, *, job="daily", total=0, state="ok"):
        clock.sleep(60)
        ledger.begin_run(run, job, clock.now(), kind)
        ledger.note_moved(run, Moved(since="before", total=total))
        ledger.finish_run(run, state)

    with Ledger.open(place, clock) as ledger:
        end(ledger, "r0", "restate", total=9)
        end(ledger, "r1", "schedule")
        end(ledger, "r2", "restate", total=2)
        end(ledger, "r3", "restate")
        end(ledger, "r4", "restate", job="other", total=3)
        end(ledger, "r5", "restate", total=4, state="failed")
        end(ledger, "r6", "schedule", state="failed")
        end(ledger, "r7", "schedule")
        found = {run: ledger.list_restated(ledger.read_run(run)) for run in ("r1", "r7")}
    told = {run: [(one.id, moved.total) for one, moved in pairs] for run, pairs in found.items()}
    assert told == {"r1": [("r0", 9)], "r7": [("r2", 2)]}
