"""``skip_when_idle``: a scheduled report about time in which nothing was planned to run reaches nobody."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from mmflow.fetch import Answer
from mmflow.load.idle import read_time
from mmflow.simulator import PROFILES, Plant, Simulator
from tests.desk import KEY, NOW, know_plant, open_desk
from tests.leased import Bench, open_ledger, plan, read_slot

AUSTIN_KEY = "key-of-austin-55d0e9b1"
JOB = """
    job: daily
    report: {{metrics: [goodParts], group_by: [machine], filter: {{machineGroup: [{group}]}}}}
    window: {window}
    schedule: {{every: day, at: "06:40", skip_when_idle: true}}
    checks: [{{rows: ">= 1000"}}]
    sinks: [{{type: csv, path: "{{date}}.csv"}}]
"""
UNSAID = "boston does not say whether anything was scheduled to run; it is taken for granted"


def write_job(desk, group="Mills", window="yesterday", checks=True):
    text = JOB.format(group=group, window=window)
    desk.job(text if checks else text.replace('checks: [{rows: ">= 1000"}]', ""))


def work(desk, due=NOW):
    """Do the slot of the daily job and give how it ended."""
    plan(desk, "daily", due=due)
    Bench(desk).work()
    return read_slot(desk, due=due)


def last_run(desk):
    return desk.mmflow("runs", "show", desk.mmflow("runs", "--json").data["runs"][0]["run"], "--json").data


def test_a_saturday_without_shifts_is_skipped_whatever_the_checks_expect(desk):
    write_job(desk)
    slot = work(desk)
    assert (slot.state, slot.reason) == (
        "skipped",
        "nothing was scheduled to run in the production day before the running one: Sat 2026-11-21",
    )
    assert not (desk.root / "out").exists()
    assert last_run(desk)["state"] == "ok"


def test_a_saturday_on_which_some_of_the_machines_work_is_reported(desk):
    write_job(desk, group="Grinders", checks=False)
    assert work(desk).state == "done"
    assert (desk.root / "out/2026-11-21.csv").exists()


def test_the_plan_of_a_preview_has_the_question_of_planned_time(desk):
    write_job(desk)
    requests = desk.mmflow("preview", "daily", "--plan", "--json").data["requests"]
    assert [(one["query"], one["groups"]) for one in requests] == [("rows", ["machine"]), ("planned", [])]
    assert requests[1]["metrics"] == ["nonOptionalTime"]
    assert requests[1]["window"] == requests[0]["window"]


def test_by_hand_it_is_reported_all_the_same(desk):
    write_job(desk, checks=False)
    assert desk.mmflow("run", "daily", "--json").data["state"] == "ok"
    assert (desk.root / "out/2026-11-21.csv").exists()


def test_a_preview_says_that_it_would_be_skipped(desk):
    write_job(desk, checks=False)
    said = "skipped by the daemon: nothing was scheduled to run in the production day before the running one: Sat 2026"
    assert desk.mmflow("preview", "daily").err.startswith(said)
    write_job(desk, group="Grinders", checks=False)
    assert desk.mmflow("preview", "daily").err == ""


def test_a_holiday_of_the_plant_is_skipped_and_the_day_after_is_not(tmp_path):
    plant = Plant(zone="America/New_York", start_of_day="06:00", holidays=[date(2026, 11, 19)])
    with Simulator(plants={KEY: plant}, now=NOW) as simulator:
        desk = open_desk(tmp_path, simulator)
        write_job(desk, checks=False)
        assert work(desk, NOW - timedelta(days=2)).reason.endswith("Thu 2026-11-19")
        assert work(desk, NOW - timedelta(days=1)).state == "done"


def test_time_that_was_still_running_is_never_idle(desk):
    write_job(desk, window="today", checks=False)
    assert work(desk).state == "done", "on Sunday the mills stand still, but it has only begun"


@pytest.mark.parametrize(("profile", "state"), [("documented", "skipped"), ("contrary", "done")])
def test_a_service_that_says_null_for_no_planned_time_is_not_believed(tmp_path, profile, state):
    with Simulator(plants={KEY: know_plant()}, now=NOW, profile=profile) as simulator:
        desk = open_desk(tmp_path, simulator)
        write_job(desk, checks=False)
        assert work(desk).state == state
        assert (UNSAID in last_run(desk)["notices"]) == (state == "done")


def test_zero_is_zero_also_where_all_else_is_contrary(tmp_path):
    profile = replace(PROFILES["contrary"], unplanned="zero")
    with Simulator(plants={KEY: know_plant()}, now=NOW, profile=profile) as simulator:
        desk = open_desk(tmp_path, simulator)
        write_job(desk)
        assert work(desk).state == "skipped"


AUSTIN = """  austin:
    base_url: "{url}"
    api_key: "${{env:MM_AUSTIN_KEY}}"
    timezone: America/New_York
    start_of_day: "{start}"
"""


@pytest.mark.parametrize(
    ("start", "fault", "state"),
    [
        ("06:00", (), "skipped"),
        ("02:00", (), "done"),  # the night shift of Friday reaches into its Saturday
        ("06:00", ({"kind": "status", "status": 503, "key": AUSTIN_KEY},), "done"),
    ],
    ids=["both", "one works", "one is missing"],
)
def test_several_sites_are_idle_only_together_and_a_missing_one_is_not(tmp_path, start, fault, state):
    plants = {KEY: know_plant(), AUSTIN_KEY: know_plant(seed=2, start_of_day=start)}
    with Simulator(plants=plants, now=NOW) as simulator:
        desk = open_desk(tmp_path, simulator)
        desk.environ["MM_AUSTIN_KEY"] = AUSTIN_KEY
        austin = AUSTIN.format(url=simulator.url, start=start)
        desk.write("mmflow.yaml", desk.text("mmflow.yaml").replace("defaults:", f"{austin}defaults:"))
        write_job(desk, checks=False)
        simulator.faults(*fault)
        assert work(desk).state == state


@pytest.mark.parametrize(
    ("said", "time"),
    [
        ('{"aggregate": {"nonOptionalTime": 0}}', 0),
        ('{"items": [], "aggregate": {"nonOptionalTime": 28800000.0, "more": {}}}', 28_800_000),
        ('{"aggregate": {"nonOptionalTime": null}}', None),
        ('{"aggregate": {}}', None),
        ('{"aggregate": {"nonOptionalTime": "0"}}', None),
        ('{"aggregate": {"nonOptionalTime": 5, "nonOptionalTime": 0}}', None),
        ('{"aggregate": []}', None),
    ],
)
def test_what_an_answer_says_of_the_planned_time(tmp_path, said, time):
    path = tmp_path / "answer.json"
    path.write_text(said)
    assert read_time(Answer(None, path, len(said))) == time


def test_the_key_alone_says_no_time(desk):
    desk.job(JOB.format(group="Mills", window="yesterday").replace('every: day, at: "06:40", ', ""))
    done = desk.mmflow("validate")
    assert done.code == 2
    assert "jobs/daily.yaml:4:11: schedule: found no key" in done.out


def test_the_slot_of_an_idle_time_is_not_tried_again(desk):
    write_job(desk)
    work(desk)
    with open_ledger(desk) as ledger:
        assert not ledger.slots.take("test", NOW + timedelta(minutes=5), 10)
