"""A window that is looked at once more: delivered again when a cell moved, left alone when none did."""

import csv
from datetime import UTC, datetime, timedelta

import pytest

from mmflow.ledger import Ledger, NewSlot
from mmflow.simulator import Plant, Simulator
from mmflow.tasks import Task
from mmflow.worker import Worker
from tests.acme import ACME, sent
from tests.desk import KEY, open_desk

AUSTIN_KEY = "key-of-austin-55d0e9b1"
FRIDAY = datetime(2026, 11, 20, 11, 40, tzinfo=UTC)  # 06:40 in Boston; the report is about Thursday
TUESDAY = FRIDAY + timedelta(days=4)  # what operators corrected a day later is known
JOB = """
    job: daily
    report: {metrics: [goodParts, rejectedParts], group_by: [machine]}
    window: yesterday
    sinks: [{type: csv, path: "{date}.csv"}]
"""


class Late:
    """A desk whose service learns of corrections late, and a slot of Friday that was delivered on Friday."""

    def __init__(self, root):
        plants = {
            key: Plant(seed=seed, zone="America/New_York", start_of_day="06:00", week_starts="monday")
            for seed, key in enumerate((KEY, AUSTIN_KEY), 1)
        }
        self.now = FRIDAY
        self.simulator = Simulator(plants=plants, now=lambda: self.now)
        self.root = root

    def __enter__(self):
        self.simulator.__enter__()
        self.desk = open_desk(self.root, self.simulator)
        self.desk.environ["MM_AUSTIN_KEY"] = AUSTIN_KEY
        self.set(FRIDAY)
        return self

    def __exit__(self, *error):
        self.simulator.__exit__(*error)

    def set(self, now):
        self.now = now
        self.desk.clock.set(now)

    def run(self, job=JOB):
        self.desk.job(job)
        done = self.desk.mmflow("run", "daily", "--no-send", "--json")
        assert done.code == 0, done.err
        return done.data

    def restate(self):
        """Do a slot of kind restate, as a worker process does; give the slot and its run."""
        desk = self.desk
        with Ledger.open(desk.root / ".mmflow" / "ledger.sqlite", desk.clock) as ledger:
            new = NewSlot(due=FRIDAY, kind="restate", send=False, next_at=desk.clock.now())
            assert ledger.slots.reopen("daily", [new]) == 1
            until = desk.clock.now() + timedelta(minutes=10)
            (slot,) = ledger.slots.take("test", until, 1)
            texts = {"text": desk.text("jobs/daily.yaml"), "settings": desk.text("mmflow.yaml")}
            task = Task(root=str(desk.root), file="jobs/daily.yaml", slot=slot, until=until, **texts)
            Worker(desk.clock, desk.environ).execute(task)
            ended = ledger.slots.read("daily", FRIDAY, "restate")
        return ended, desk.mmflow("runs", "show", ended.run, "--json").data

    def moved(self, run):
        return self.desk.mmflow("runs", "show", run["run"], "--moved", "--json").data

    def rows(self):
        _, *lines = csv.reader(self.desk.text("out/2026-11-19.csv").splitlines())
        return {machine: {"goodParts": good, "rejectedParts": bad} for machine, good, bad in lines}


@pytest.fixture
def late(tmp_path):
    with Late(tmp_path) as made:
        yield made


def states(run):
    return {delivery["sink"]: delivery["state"] for delivery in run["deliveries"]}


def test_nothing_is_delivered_when_nothing_moved(late):
    first = late.run()
    stood = (late.desk.root / "out/2026-11-19.csv").stat()
    slot, run = late.restate()
    assert (slot.state, slot.reason) == ("skipped", f"nothing moved since run {first['run']}")
    assert (run["state"], states(run)) == ("ok", {"csv": "skipped"})
    assert (late.desk.root / "out/2026-11-19.csv").stat() == stood
    assert late.moved(run) == {"run": run["run"], "since": first["run"], "why": "", "total": 0, "cells": []}
    assert late.restate()[0].reason == slot.reason, "what stands is still the first"


@pytest.mark.row("R42")
def test_late_corrections_replace_what_stands_and_the_cells_that_moved_are_kept(late, install):
    install("acme", ACME)
    first, before = late.run(JOB.replace("sinks: [", "sinks: [{type: post, to: [ann@example.com]}, ")), late.rows()
    late.set(TUESDAY)
    slot, run = late.restate()
    after = late.rows()
    assert (slot.state, run["state"], states(run)) == ("done", "ok", {"csv": "done", "post": "skipped"})
    assert sent(late.desk) == []

    found = late.moved(run)
    others = [
        (machine, column)
        for machine in after
        for column in ("goodParts", "rejectedParts")
        if before[machine][column] != after[machine][column]
    ]
    assert {(cell["row"]["machine"], cell["column"]) for cell in found["cells"]} == set(others)
    assert (found["since"], found["total"]) == (first["run"], len(others))
    for cell in found["cells"]:
        machine, column = cell["row"]["machine"], cell["column"]
        assert (str(cell["before"]), str(cell["after"])) == (before[machine][column], after[machine][column])

    shown = late.desk.mmflow("runs", "show", run["run"]).out
    assert f"  {len(others)} cells moved since run {first['run']}; 'mmflow runs show {run['run']} --moved'" in shown
    table = late.desk.mmflow("runs", "show", run["run"], "--moved").out.splitlines()
    assert table[0] == f"{len(others)} cells moved since run {first['run']}"
    assert table[1].split() == ["machine", "column", "before", "after"]
    assert len(table) == 3 + len(others)
    assert late.restate()[0].reason == f"nothing moved since run {run['run']}"


def test_without_the_earlier_table_it_is_delivered(late):
    first = late.run()
    (late.desk.root / ".mmflow" / "snapshots" / f"{first['run']}.parquet").unlink()
    slot, run = late.restate()
    assert (slot.state, states(run)) == ("done", {"csv": "done"})
    shown = late.desk.mmflow("runs", "show", run["run"], "--moved").out
    assert shown == "nothing to compare with: the table of that run is not kept any more\n"


def test_a_report_with_other_columns_is_delivered(late):
    late.run()
    late.desk.job(JOB.replace("rejectedParts", "totalParts"))
    slot, run = late.restate()
    assert (slot.state, late.moved(run)["why"]) == ("done", "the report had other columns then")


def test_what_was_never_delivered_is(late):
    late.desk.job(JOB)
    slot, run = late.restate()
    assert (slot.state, states(run)) == ("done", {"csv": "done"})
    assert late.moved(run)["why"] == "nothing of this window was delivered before"


def test_a_sink_that_lacks_what_others_have_gets_it_though_nothing_moved(late):
    late.run()
    late.desk.job(JOB.replace("}]", '}, {type: jsonl, path: "{date}.jsonl"}]'))
    slot, run = late.restate()
    assert (slot.state, states(run)) == ("done", {"csv": "done", "jsonl": "done"})
    assert late.restate()[0].state == "skipped"


def test_a_sink_that_had_its_turn_and_got_nothing_lacks_nothing(late):
    late.run(JOB.replace("}]", '}, {type: jsonl, path: "{date}.jsonl", when: empty}]'))
    assert late.restate()[0].state == "skipped"


def test_what_stands_is_kept_while_a_site_does_not_answer(late):
    late.desk.write(
        "mmflow.yaml",
        late.desk.text("mmflow.yaml").replace(
            "defaults:",
            f'  austin: {{base_url: "{late.simulator.url}", api_key: "${{env:MM_AUSTIN_KEY}}", '
            'timezone: America/New_York, start_of_day: "06:00"}\ndefaults:',
        ),
    )
    first = late.run()
    stood = late.desk.text("out/2026-11-19.csv")
    late.set(TUESDAY)
    late.simulator.faults({"kind": "html", "match": "/reports", "key": AUSTIN_KEY})
    slot, _ = late.restate()
    assert slot.reason == f"austin did not answer; what run {first['run']} delivered stays"
    assert late.desk.text("out/2026-11-19.csv") == stood
    late.simulator.clear_faults()
    assert late.restate()[0].state == "done"


def test_what_stands_is_kept_when_the_new_table_does_not_pass_the_checks(late):
    late.run()
    stood = late.desk.text("out/2026-11-19.csv")
    late.desk.job(JOB + "    checks: [{rows: '>= 5000'}]\n")
    late.set(TUESDAY)
    _, run = late.restate()
    assert (run["state"], late.desk.text("out/2026-11-19.csv")) == ("held", stood)


def test_a_job_that_only_sends_messages_has_nothing_to_restate(late, install):
    install("acme", ACME)
    late.desk.job(JOB.replace('csv, path: "{date}.csv"', "post, to: [ann@example.com]"))
    assert late.restate()[0].reason == "nothing to replace: the job sends only messages"
    assert sent(late.desk) == []


def test_the_daemon_looks_at_the_last_days_again_with_each_run(late):
    late.desk.job(JOB + '    schedule: {cron: "40 6 * * *"}\n    restate: 2 days\n')

    def look(day):
        late.set(FRIDAY.replace(day=day, hour=17))
        done = late.desk.mmflow("daemon", "--once")
        assert done.code == 0, done.err
        found = late.desk.mmflow("runs", "--all", "--json").data["slots"]
        return [(slot["slot"][8:10], slot["state"], slot["reason"]) for slot in found if slot["kind"] == "restate"]

    assert look(19) == look(20) == []
    first = late.desk.mmflow("runs", "--json").data["runs"][0]["run"]
    before = late.rows()
    assert look(21) == [("20", "done", "")]
    assert late.rows() != before
    restated = next(run for run in late.desk.mmflow("runs", "--json").data["runs"] if run["kind"] == "restate")
    assert late.moved(restated)["since"] == first
    assert ("20", "skipped", f"nothing moved since run {restated['run']}") in look(22)


def restate_beside(late, path):
    """Deliver Friday's and Saturday's slot to a file of one place and one of each day, and look at Friday's again."""
    job = JOB.replace("}]", f'}}, {{type: csv, name: latest, path: "{path}"}}]')
    late.run(job)
    late.set(FRIDAY + timedelta(days=1))
    newest = late.run(job)
    late.set(TUESDAY)
    _, run = late.restate()
    return newest, run


@pytest.mark.parametrize(("path", "file"), [("latest.csv", "latest.csv"), ("{month}.csv", "2026-11.csv")])
def test_what_shows_a_newer_window_is_left_alone_by_an_older_one(late, path, file):
    newest, run = restate_beside(late, path)
    assert (run["state"], states(run)) == ("ok", {"csv": "done", "latest": "skipped"})
    reason = {delivery["sink"]: delivery["error"] for delivery in run["deliveries"]}["latest"]
    assert reason == f"left alone: it shows a newer window, that of run {newest['run']}"
    assert late.desk.text(f"out/{file}") == late.desk.text("out/2026-11-20.csv")


def test_a_sink_of_one_place_is_restated_while_it_shows_that_window(late):
    late.run(JOB.replace("{date}", "latest"))
    before = late.desk.text("out/latest.csv")
    late.set(TUESDAY)
    _, run = late.restate()
    assert (states(run), late.desk.text("out/latest.csv") != before) == ({"csv": "done"}, True)


def test_a_later_run_about_the_same_window_shows_no_newer_one(late):
    job = JOB.replace("{date}", "latest")
    late.run(job)
    before = late.desk.text("out/latest.csv")
    late.set(FRIDAY + timedelta(hours=1))
    late.run(job)
    late.set(TUESDAY)
    _, run = late.restate()
    assert (states(run), late.desk.text("out/latest.csv") != before) == ({"csv": "done"}, True)


def test_a_job_whose_sinks_all_show_a_newer_window_has_nothing_to_restate(late):
    job = JOB.replace("{date}", "latest")
    late.run(job)
    late.set(FRIDAY + timedelta(days=1))
    newest = late.run(job)
    slot, run = late.restate()
    shows = f"it shows a newer window, that of run {newest['run']}"
    assert (slot.state, slot.reason) == ("skipped", f"nothing to replace: csv is left alone: {shows}")
    assert late.moved(run)["why"] == slot.reason
    assert late.moved(newest)["why"] == "only a run of kind restate looks what moved"


def test_what_stands_is_kept_and_somebody_is_told_when_all_rows_are_gone(late):
    first = late.run()
    stood = late.desk.text("out/2026-11-19.csv")
    late.simulator.faults({"kind": "items_empty"})
    slot, run = late.restate()
    rows = len(stood.splitlines()) - 1
    gone = f"there are no rows any more, run {first['run']} delivered {rows}; what it delivered stays"
    assert (slot.state, run["state"], run["error"]) == ("done", "held", f"held: {gone}")
    assert late.desk.text("out/2026-11-19.csv") == stood
