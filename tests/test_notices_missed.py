"""What was missed while nothing ran is told once for each job, however much it was."""

from dataclasses import replace
from datetime import timedelta

import msgspec
import pytest

from mmflow.clock import FixedClock
from mmflow.job import Notify
from mmflow.ledger import Ledger, NewSlot, PlanStep
from mmflow.notices import follow_ends
from mmflow.notices.words import group_items, tell_group
from mmflow.planner import Planner
from mmflow.planner.choices import MISSED
from mmflow.plant import PlantCalendar
from mmflow.settings import Site
from mmflow.sinks import NoticeItem
from tests.ends import HOOK
from tests.ledgers import NOON
from tests.test_deadlines import make_plan

DAY = timedelta(days=1)


@pytest.fixture
def clock():
    return FixedClock(NOON)


@pytest.fixture
def ledger(tmp_path, clock):
    with Ledger.open(tmp_path / "ledger.sqlite", clock) as opened:
        yield opened


@pytest.fixture
def outage(tmp_path, clock, ledger):
    """Let nothing run for a while, plan what came meanwhile, and give what is told of it."""

    def pass_by(length, notify=None, **schedule):
        plans = {"daily": make_plan(notify=notify, **(schedule or {"every": "day", "at": "06:40"}))}
        site = Site(environment="demo", timezone="America/New_York", start_of_day="06:00")
        planner = Planner(tmp_path, clock)
        planner.adopt(plans, {"boston": PlantCalendar.from_site("boston", site, tmp_path)})
        planner.plan(ledger)
        clock.sleep(length.total_seconds())
        planner.plan(ledger)
        follow_ends(ledger, plans, clock.now())
        assert follow_ends(ledger, plans, clock.now()) == []
        return [msgspec.json.decode(row.content, type=NoticeItem) for row in ledger.notices.list_recent()]

    return pass_by


def test_a_week_in_which_nothing_ran_is_one_notice_that_says_what_makes_up_for_it(outage):
    (item,) = outage(7 * DAY)
    span = "2026-11-04 06:40 EST to 2026-11-09 06:40 EST"
    told = f"6 times were missed while nothing ran, {span}; the one of 2026-11-10 06:40 EST makes up for them"
    assert (item.kind, item.reason) == ("missed", told)
    assert (item.hits, item.command) == ("nobody gets these reports or their messages", "mmflow runs --all --job daily")


def test_a_single_time_is_named(outage):
    (item,) = outage(2 * DAY)
    made_up = "the one of 2026-11-05 06:40 EST makes up for it"
    assert item.reason == f"1 time was missed while nothing ran, 2026-11-04 06:40 EST; {made_up}"


def test_what_is_made_up_for_was_not_missed(outage):
    assert outage(1 * DAY) == []


def test_nothing_makes_up_for_it_when_the_job_says_so(outage):
    (item,) = outage(3 * DAY, every="day", at="06:40", catch_up="none")
    span = "2026-11-04 06:40 EST to 2026-11-06 06:40 EST"
    assert item.reason == f"3 times were missed while nothing ran, {span}"


def test_what_expired_meanwhile_was_missed_as_well(outage):
    (item,) = outage(3 * DAY, every="day", at="06:40", expires="10 min")
    assert item.reason.startswith("3 times were missed while nothing ran")
    assert item.reason.endswith("; it expired before it could begin")


def test_what_expired_and_was_missed_is_told_once(outage):
    on = Notify(on=("missed", "expired", "skipped"), via=(HOOK,))
    told = outage(3 * DAY, notify=on, every="day", at="06:40", catch_up="none", expires="10 s")
    assert [item.kind for item in told] == ["missed"]


def test_what_expired_is_told_to_who_does_not_want_to_hear_of_what_was_missed(outage):
    on = Notify(on=("expired",), via=(HOOK,))
    told = outage(3 * DAY, notify=on, every="day", at="06:40", catch_up="none", expires="10 s")
    assert {item.kind for item in told} == {"expired"}


def test_more_than_are_written_down_are_counted_all_the_same(outage):
    (item,) = outage(DAY, every="5 min")
    begin = "287 times were missed while nothing ran, 2026-11-03 07:05 EST to 2026-11-04 06:55 EST; "
    assert item.reason == f"{begin}the one of 2026-11-04 07:00 EST makes up for them"


def test_those_before_the_hundred_that_are_made_up_for_are_counted(outage):
    (item,) = outage(DAY, every="5 min", catch_up="all")
    begin = "188 times were missed while nothing ran, 2026-11-03 07:05 EST to 2026-11-03 22:40 EST; "
    assert item.reason == f"{begin}at most 100 are made up for"


def test_very_many_are_at_least_so_many(outage):
    (item,) = outage(4 * DAY, every="1 min")
    assert item.reason.startswith("at least 3100 times were missed while nothing ran, 2026-11-03 07:01 EST to ")


def test_days_that_the_calendar_skips_were_not_missed(outage):
    assert outage(3 * DAY, every="day", at="06:40", calendar=("2026-11-04", "2026-11-05")) == []


def test_who_does_not_want_to_hear_of_it_does_not(outage):
    assert outage(7 * DAY, notify=Notify(on=("failed",), via=(HOOK,))) == []


def test_an_outage_of_many_jobs_is_one_group_of_a_message(outage):
    (item,) = outage(7 * DAY)
    other = replace(item, job="other", reason=item.reason.replace("6 times", "5 times"))
    (group,) = group_items([item, other])
    assert tell_group(group).startswith("2 jobs missed since")


def test_a_job_that_goes_on_missing_its_times_is_told_of_once_an_hour(ledger, clock):
    plan = make_plan(notify=Notify(on=("missed",), via=(HOOK,)))
    for number in range(3):
        due = clock.now()
        slot = NewSlot(due=due, state="skipped", reason=MISSED)
        ledger.slots.plan([PlanStep(job="daily", cursor=due, timetable="t", slots=(slot,))])
        follow_ends(ledger, {"daily": plan}, clock.now())
        clock.sleep(1200 + number * 1300)
    assert [row.state for row in reversed(ledger.notices.list_recent())] == ["pending", "muted", "pending"]
