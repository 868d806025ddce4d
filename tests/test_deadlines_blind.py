"""What is late is said also while the ledger cannot be used: past it, each thing once, and on record afterwards."""

import os
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from mmflow.check import check_settings
from mmflow.clock import FixedClock
from mmflow.deadlines import DeadlineWatch
from mmflow.document import read_text
from mmflow.errors import StateError
from mmflow.job import Notify, Schedule
from mmflow.ledger import Ledger
from mmflow.plant import PlantCalendar
from mmflow.plugins import load
from mmflow.settings import Site
from mmflow.sinks import NoticeItem
from tests.ends import HOOK, end_slot
from tests.plans import make_plan

MORNING = datetime(2026, 11, 3, 11, 40, tzinfo=UTC)  # 06:40 in Boston
DEADLINE = datetime(2026, 11, 3, 11, 55, tzinfo=UTC)
BROKEN = StateError("the disk is full")
SETTINGS = """
version: 1
sites: {boston: {environment: demo, api_key: "${env:KEY}", timezone: America/New_York, start_of_day: "06:00"}}
defaults: {owner: ann@example.com, notify: {via: [{type: file}]}}
"""
DAILY = Schedule(every="day", at="06:40")
TOLD = Notify(via=(HOOK,))


@dataclass
class Jobs:
    """What is in force."""

    plans: dict
    calendars: dict
    settings: object
    refused: dict = field(default_factory=dict)


@dataclass
class Told:
    """What went out past the ledger, a list for each message; ``works`` tells whether it does."""

    works: bool = True
    messages: list = field(default_factory=list)

    def __call__(self, notices):
        self.messages.append([msgspec.json.decode(notice.content, type=NoticeItem) for notice in notices])
        return self.works

    @property
    def kinds(self):
        return [[item.kind for item in items] for items in self.messages]


@pytest.fixture
def clock():
    return FixedClock(DEADLINE - timedelta(minutes=1))


@pytest.fixture
def told():
    return Told()


@pytest.fixture
def ledger(tmp_path, clock):
    with Ledger.open(tmp_path / "ledger.sqlite", clock) as opened:
        yield opened


@pytest.fixture
def watch(tmp_path, clock, told):
    """A watch over jobs that were written long ago."""

    def make(*plans):
        site = Site(environment="demo", timezone="America/New_York", start_of_day="06:00")
        settings = check_settings(read_text(SETTINGS, "mmflow.yaml"), load(), tmp_path, clock.now())
        calendars = {"boston": PlantCalendar.from_site("boston", site, tmp_path)}
        for plan in plans:
            file = tmp_path / plan.file
            file.parent.mkdir(exist_ok=True)
            file.touch()
            os.utime(file, (0, 0))
        return DeadlineWatch(tmp_path, clock, Jobs({plan.job: plan for plan in plans}, calendars, settings), tell=told)

    return make


def refuse_writing(ledger):
    """Have the ledger read as ever, and write no notice."""
    ledger._do("CREATE TRIGGER full BEFORE INSERT ON notice BEGIN SELECT RAISE(FAIL, 'database or disk is full'); END")


def rows(ledger):
    return [(row.job, row.kind, row.state) for row in reversed(ledger.notices.list_recent())]


def test_what_nobody_can_look_up_is_told_once_as_not_known(watch, told, clock):
    late = watch(make_plan("daily", DAILY, deadline="06:55", notify=TOLD))
    late.look_blind(BROKEN)
    assert told.messages == []
    clock.sleep(60)
    late.look_blind(BROKEN)
    late.look_blind(BROKEN)
    ((item,),) = told.messages
    assert (item.kind, item.job, item.slot, item.temporary) == ("late", "daily", MORNING, False)
    assert item.reason == (
        "not known to be delivered by 06:55 (America/New_York): nobody can tell, since the ledger cannot be used: "
        "the disk is full"
    )


def test_what_the_ledger_knew_before_is_not_doubted(watch, told, clock, ledger):
    end_slot(ledger, "ok", due=MORNING)
    late = watch(make_plan("daily", DAILY, deadline="06:55", notify=TOLD))
    clock.sleep(60)
    late.look(ledger)
    late.look_blind(BROKEN)
    assert told.messages == []


def test_what_is_late_by_a_ledger_that_cannot_write_it_down_is_told_with_its_cause(watch, told, clock, ledger):
    late = watch(make_plan("daily", DAILY, deadline="06:55", notify=TOLD))
    clock.sleep(60)
    refuse_writing(ledger)
    for _ in range(3):
        with pytest.raises(StateError) as caught:
            late.look(ledger)
        late.look_blind(caught.value)
        clock.sleep(15)
    ((item,),) = told.messages
    assert item.reason.endswith(": it was never planned; does the daemon run?")
    assert rows(ledger) == []
    ledger._do("DROP TRIGGER full")
    late.look(ledger)
    assert rows(ledger) == [("daily", "late", "done")], "people know it"


def test_what_came_meanwhile_is_told_of_by_the_ledger_when_it_is_there_again(watch, told, clock, ledger):
    late = watch(make_plan("daily", DAILY, deadline="06:55", notify=TOLD))
    late.look_blind(BROKEN)
    clock.sleep(60)
    late.look_blind(BROKEN)
    end_slot(ledger, "ok", due=MORNING)
    late.look(ledger)
    assert rows(ledger) == []
    clock.sleep(86_400)
    late.look(ledger)
    assert rows(ledger) == [("daily", "late", "pending")]


def test_a_job_is_told_of_once_an_hour(watch, told, clock, ledger):
    late = watch(make_plan("daily", Schedule(every="5 min"), deadline="1 min", notify=TOLD))
    for _ in range(13):
        late.look_blind(BROKEN)
        clock.sleep(300)
    assert told.kinds == [["late", "outage"]]
    late.look_blind(BROKEN)
    assert told.kinds == [["late", "outage"], ["late"]]
    late.look(ledger)
    assert rows(ledger)[-1] == ("daily", "late", "done")
    clock.sleep(300)
    late.look(ledger)
    assert rows(ledger)[-1] == ("daily", "late", "muted")


def test_that_it_lasts_is_told_once_to_those_of_the_defaults(watch, told, clock):
    late = watch()
    for _ in range(20):
        late.look_blind(BROKEN)
        clock.sleep(15)
    ((item,),) = told.messages
    assert (item.kind, item.reason) == ("outage", "the ledger cannot be used: the disk is full")
    assert item.command == "mmflow doctor"


def test_what_nobody_could_be_told_is_told_later_and_not_at_full_speed(watch, told, clock):
    late = watch(make_plan("daily", DAILY, deadline="06:55", notify=TOLD))
    late.look_blind(BROKEN)
    told.works = False
    for _ in range(8):
        clock.sleep(15)
        late.look_blind(BROKEN)
    assert told.kinds == [["late"], ["late", "outage"]]
    told.works = True
    clock.sleep(60)
    late.look_blind(BROKEN)
    late.look_blind(BROKEN)
    assert told.kinds[2:] == [["late", "outage"]]


def test_a_report_of_a_day_that_is_skipped_is_not_doubted(watch, told, clock):
    late = watch(make_plan("daily", Schedule(every="day", at="06:40", calendar=("2026-11-03",)), deadline="06:55"))
    late.look_blind(BROKEN)
    clock.sleep(60)
    late.look_blind(BROKEN)
    assert told.messages == []


def test_a_job_whose_list_of_days_is_broken_is_late_and_keeps_no_other_from_being_watched(
    watch, clock, ledger, tmp_path
):
    (tmp_path / "days.csv").write_text("2026-12-24\nno day at all\n", encoding="utf-8")
    listed = make_plan("listed", Schedule(every="day", at="06:40", calendar=("days.csv",)), deadline="06:55")
    late = watch(listed, make_plan("daily", DAILY, deadline="06:55", notify=TOLD))
    clock.sleep(60)
    late.look(ledger)
    reasons = {
        row.job: msgspec.json.decode(row.content, type=NoticeItem).reason for row in ledger.notices.list_recent()
    }
    assert reasons["daily"].endswith("it was never planned; does the daemon run?")
    assert "it cannot be planned: the file of days days.csv has no day at line 2" in reasons["listed"]
    (tmp_path / "days.csv").write_text("2026-11-04\n", encoding="utf-8")
    clock.sleep(86_400)
    late.look(ledger)
    assert sorted(job for job, _, _ in rows(ledger)) == ["daily", "daily", "listed"], "the list was read again"


def test_what_the_ledger_could_still_be_asked_is_not_doubted(watch, told, clock, ledger):
    """The second look reads what was delivered, and cannot write what was not."""
    end_slot(ledger, "ok", job="delivered", due=MORNING)
    plans = [make_plan(name, DAILY, deadline="06:55", notify=TOLD) for name in ("delivered", "daily")]
    late = watch(*plans)
    late.look(ledger)
    clock.sleep(60)
    refuse_writing(ledger)
    with pytest.raises(StateError) as caught:
        late.look(ledger)
    late.look_blind(caught.value)
    assert [item.job for items in told.messages for item in items] == ["daily"]


def test_a_later_time_of_a_job_that_was_told_of_past_the_ledger_is_not_told_of_by_it_within_the_hour(
    watch, told, clock, ledger
):
    late = watch(make_plan("daily", Schedule(every="5 min"), deadline="1 min", notify=TOLD))
    late.look_blind(BROKEN)
    clock.sleep(300)
    late.look_blind(BROKEN)
    clock.sleep(300)
    late.look(ledger)
    assert told.kinds == [["late", "outage"]]
    assert rows(ledger) == [("daily", "late", "muted")]


def test_each_outage_is_told(watch, told, clock, ledger):
    late = watch()
    for _ in range(2):
        for _ in range(10):
            late.look_blind(BROKEN)
            clock.sleep(15)
        late.look(ledger)
    assert told.kinds == [["outage"], ["outage"]]


def test_that_it_lasts_is_told_once_also_when_something_becomes_late_after_it(watch, told, clock):
    unwatched = Notify(on=("failed",), via=(HOOK,))
    plans = [make_plan("daily", DAILY, deadline="07:00", notify=TOLD)]
    late = watch(*plans, make_plan("other", DAILY, deadline="07:00", notify=unwatched))
    for _ in range(60):
        late.look_blind(BROKEN)
        clock.sleep(15)
    assert told.kinds == [["outage"], ["late"]]


def test_a_report_is_told_of_once_however_long_it_lasts(watch, told, clock, ledger):
    late = watch(make_plan("daily", DAILY, deadline="06:55", notify=TOLD))
    clock.sleep(60)
    refuse_writing(ledger)
    for _ in range(30):
        with pytest.raises(StateError) as caught:
            late.look(ledger)
        late.look_blind(caught.value)
        clock.sleep(300)
    assert told.kinds == [["late"], ["outage"]]
