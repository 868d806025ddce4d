"""Jobs that are away for a while, and those that are gone: whose times are made up for when they come back."""

import pytest

from mmflow.job import Schedule
from tests.plans import make_plan, open_planner

HOURLY = Schedule(cron="0 * * * *")


desk = pytest.fixture(open_planner)


def states(desk, job="daily"):
    return [(at, state) for at, state, _ in desk.told(job)]


def test_a_job_whose_files_cannot_be_used_for_a_while_keeps_its_cursor(desk):
    """Two files have its name: that is not the end of it, and what was due meanwhile is made up for."""
    desk.adopt(make_plan(schedule=HOURLY))
    for _ in range(2):
        desk.planner.adopt({}, desk.calendars, {"daily"})
        desk.later(hours=1)
    desk.plans = {}
    desk.restart()
    desk.planner.adopt({}, desk.calendars, {"daily"})
    desk.later(hours=1)
    desk.planner.adopt({"daily": make_plan(schedule=HOURLY)}, desk.calendars, {"daily"})
    desk.look()
    assert states(desk) == [("11-16 13:00", "skipped"), ("11-16 14:00", "skipped"), ("11-16 15:00", "due")]


def test_a_job_whose_file_is_gone_after_it_could_not_be_used_is_new_when_it_comes_back(desk):
    desk.adopt(make_plan(schedule=HOURLY))
    plans = dict(desk.plans)
    desk.planner.adopt({}, desk.calendars, {"daily"})
    desk.later(hours=1)
    desk.planner.adopt({}, desk.calendars)
    desk.later(hours=1)
    desk.planner.adopt(plans, desk.calendars, {"daily"})
    desk.later(hours=1)
    assert states(desk) == [("11-16 15:00", "due")]


def test_a_job_without_its_list_of_days_can_be_deleted(desk, caplog):
    days = desk.root / "shutdown.csv"
    days.write_text("2026-12-24\n", encoding="utf-8")
    desk.adopt(make_plan(schedule=Schedule(cron="0 * * * *", calendar="shutdown.csv")))
    days.unlink()
    desk.restart()
    desk.look(tick=True)
    assert "daily is not planned" in caplog.text
    desk.adopt(make_plan("other", HOURLY))
    desk.later(hours=1)
    assert states(desk, "other") == [("11-16 13:00", "due")]
    assert desk.ledger.slots.read_job("daily").timetable == ""
