"""How each message reads to somebody who was just woken, word for word; and a storm, which is one of them."""

import os
import re
import socket
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath

import msgspec
import pytest

from mmflow.check import check_settings
from mmflow.daemon.later import ELSEWHERE
from mmflow.deadlines.lateness import Promise, describe, explain_lateness
from mmflow.document import read_text
from mmflow.errors import Problem
from mmflow.job import Notify, Schedule
from mmflow.leases import CANCELLED
from mmflow.ledger import Ledger, NewSlot, PlanStep, sqlite
from mmflow.notices import follow_ends, tell
from mmflow.notices.post import read_item
from mmflow.notices.words import compose, group_items, show_time, tell_group
from mmflow.planner.choices import MISSED
from mmflow.plant import PlantCalendar
from mmflow.plugins import load
from mmflow.roster.changes import Changes
from mmflow.schedule import make_timetable
from mmflow.sinks import NoticeItem
from tests.desk import NOW
from tests.ends import HOOK, Plan, end_slot, skip_slot
from tests.golden import hold_against
from tests.leased import CSV, open_ledger
from tests.ledgers import NOON, SLOT
from tests.ledgers import plan as plan_slot
from tests.plans import SITE, make_plan

GOLDEN = Path(__file__).parent / "cases" / "notices.txt"
ALL = ("failed", "held", "degraded", "late", "skipped", "expired", "paused", "recovered")
PLAN = Plan(notify=Notify(on=ALL, via=(HOOK,)), schedule=Schedule(every="day", at="06:40", pause_on_failure=3))
MISSES = Plan(notify=Notify(on=("missed",), via=(HOOK,)))
SERVICE = "boston: https://api.machinemetrics.com cannot be reached: timed out; gave up after 3 tries in {} s"
JOB = "morning-oee"
ROOT = PurePosixPath("/srv/mmflow")
DAY = timedelta(days=1)
SETTINGS = """
version: 1
sites: {boston: {environment: demo, api_key: "${env:KEY}", timezone: America/New_York, start_of_day: "06:00"}}
defaults: {owner: ann@example.com, notify: {via: [{type: file}]}}
"""


def show(items):
    notice = compose("id", list(items), (), NOON, ROOT)
    return f"{notice.subject}\n\n{notice.text}".replace(socket.gethostname(), "HOST")


def open_memory(clock):
    return Ledger(sqlite.open_memory("memory", clock), clock)


def read(ledger):
    """What is to be told, the oldest first; what is no run's is told when it was written down."""
    rows = reversed(ledger.notices.list_recent(2000))
    return [msgspec.json.decode(row.content, type=NoticeItem) for row in rows if row.state != "muted"]


class Told:
    """Lets slots of a job end, and keeps how what is told of the last one reads."""

    def __init__(self, clock):
        self.clock, self.texts = clock, {}

    def tell(self, name, *ends, plan=PLAN):
        with open_memory(self.clock) as ledger:
            for end in ends:
                before = len(read(ledger))
                end(ledger)
                follow_ends(ledger, {JOB: plan}, self.clock.now())
                self.clock.sleep(7200)
            self.texts[name] = show(read(ledger)[before:])
        self.clock.set(NOON)


def ended(state, error="", *, sinks=None, day=0, passing=False):
    """Let a slot end so."""

    def end(ledger):
        run = end_slot(ledger, state, job=JOB, error=error, sinks=sinks, due=SLOT + day * DAY)
        with ledger._driver.transaction():
            ledger._do("UPDATE run SET passing = ? WHERE id = ?", int(passing), run)

    return end


def skipped(state, reason):
    return lambda ledger: skip_slot(ledger, reason, job=JOB, state=state)


def missed(count, made_up=""):
    """Let so many days pass in which nothing ran, as one look at the clock finds them."""
    reason = f"{MISSED}; {made_up}" if made_up else MISSED
    slots = [NewSlot(due=SLOT + day * DAY, state="skipped", reason=reason) for day in range(count)]
    return lambda ledger: ledger.slots.plan([PlanStep(job=JOB, cursor=slots[-1].due, timetable="t", slots=slots)])


DOWN = ended("failed", SERVICE.format(12), passing=True)
REFUSED = "boston: https://api.machinemetrics.com answered 401; the key ${env:MM_KEY} is not known there"
KEY = "the environment variable MM_KEY is not set; set it"
BROKEN = Problem("jobs/morning-oee.yaml", 4, 3, "report.metrics", "there is no metric 'oe'; did you mean 'oee'?")


def test_each_message_reads_as_it_stands_in_the_golden_file(tmp_path, clock):
    told = Told(clock)
    told.tell("failed, and it may pass", DOWN)
    told.tell("failed, and somebody has to act", ended("failed", REFUSED))
    told.tell("failed again", DOWN, ended("failed", SERVICE.format(14), passing=True, day=1))
    told.tell("failed in part", ended("failed", "mail: refused", sinks={"csv": "done", "mail": "failed"}))
    told.tell("cancelled", ended("failed", CANCELLED))
    told.tell("held back", ended("held", "held: rows: found 0, expected >= 500"))
    told.tell("degraded", ended("degraded", "austin is missing: it cannot be reached", sinks={"csv": "done"}))
    told.tell("skipped", skipped("skipped", "2026-11-03 is a holiday"))
    told.tell("expired", skipped("expired", "it expired before it could begin"))
    told.tell("missed, and made up for", missed(1, "the one of 2026-11-04 06:40 EST makes up for it"), plan=MISSES)
    told.tell("missed for days", missed(3, "the one of 2026-11-06 06:40 EST makes up for it"), plan=MISSES)
    told.tell("missed, and nothing makes up for it", missed(3), plan=MISSES)
    told.tell("paused", DOWN, ended("failed", "gone", day=1), ended("failed", "gone", day=2))
    told.tell("recovered", DOWN, ended("ok", day=1))
    told.tell("recovered after a report that was held", ended("held", "held: rows: found 0"), ended("ok", day=1))
    for number, item in enumerate(lateness(tmp_path / "late", clock), 1):
        told.texts[f"late, {number}"] = show([item])
    for kind, text in troubles():
        told.texts[f"the daemon itself: {kind}"] = show(tell_trouble(tmp_path, clock, kind, text))
    told.texts["several in one message"] = show(several())
    told.texts["an outage of several jobs"] = show(outage(4))
    text = "\n\n".join(f"===== {name}\n{text}" for name, text in told.texts.items())
    hold_against(GOLDEN, f"{text}\n")


def test_the_message_in_the_docs_is_one_of_them():
    page = (Path(__file__).parents[1] / "docs" / "notices.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"```text\n(.*?)```", page, re.DOTALL)
    assert shown in GOLDEN.read_text(encoding="utf-8")


def lateness(root, clock):
    """Everything that keeps a report from being there by its deadline."""
    plan = make_plan(JOB, Schedule(every="day", at="06:40"), deadline="06:55")
    timetable = make_timetable(plan.schedule, [PlantCalendar.from_site("boston", SITE, root)])
    expected = Promise(plan, timetable).at(SLOT)
    causes = [explain_lateness(expected, ledger, root, {}) for ledger in late_ledgers(root, clock)]
    return [describe(expected, cause) for cause in causes]


def late_ledgers(root, clock):
    for state, error in (("failed", REFUSED), ("held", "held: rows: found 0")):
        with open_memory(clock) as ledger:
            end_slot(ledger, state, job=JOB, error=error)
            yield ledger
    (root / "jobs").mkdir(parents=True)
    (root / "jobs" / f"{JOB}.yaml").touch()
    os.utime(root / "jobs" / f"{JOB}.yaml", (0, 0))
    with open_memory(clock) as ledger:
        yield ledger
        plan_slot(ledger, JOB)
        yield ledger
        (slot,) = ledger.slots.take("me", NOON + DAY, 1)
        yield ledger
        ledger.slots.put_back(slot, NOON + DAY, f"trying again at 2026-11-03 12:04 UTC: {SERVICE.format(9)}")
        yield ledger


def troubles():
    """Everything that the daemon has to say of itself."""
    lacking = tuple((f"job-{number}", KEY) for number in range(30))
    changes = Changes(broken=(BROKEN,), kept=frozenset({BROKEN.file}), mended=(BROKEN.file,), blocked=lacking)
    yield from changes.words
    yield "refused", "https://service refuses the api_key of site boston (${env:KEY}); check the key, then it goes on"
    yield "accepted", "the api_key of site boston (${env:KEY}) for https://service is accepted again"
    yield "clock", "nothing is planned: the clock shows 2031-01-01 00:00 UTC, long after 2026-11-03 12:00 UTC"
    yield "state", "the ledger could be used again, after: the disk is full"
    yield "moved", ELSEWHERE
    yield "outage", "the ledger cannot be used: the disk is full"


def tell_trouble(root, clock, kind, text):
    settings = check_settings(read_text(SETTINGS, "mmflow.yaml"), load(), root, NOW)
    with open_memory(clock) as ledger:
        tell(ledger, settings, kind, text, clock.now())
        return [read_item(row, str) for row in ledger.notices.list_recent()]


def item(kind, job, reason, **keys):
    return NoticeItem(kind=kind, job=job, reason=reason, at=NOON, zone="America/New_York", **keys)


def several():
    yield item("recovered", "daily", "delivered again")
    for number in range(4):
        more = {"command": f"mmflow run job-{number}", "hits": "nobody got the report", "temporary": True}
        yield item("failed", f"job-{number}", SERVICE.format(number), advice="nothing has to be done", **more)
    yield item("paused", "weekly", "3 failures in a row; the last: gone", command="mmflow resume weekly")


def outage(jobs):
    """What one look at the clock says of jobs of which all but one are due alike."""
    for number in range(jobs):
        count, since = (32, "2026-11-02 05:40") if number == 1 else (16, "2026-11-02 06:40")
        span = f"{since} EST to 2026-11-17 06:40 EST; the one of 2026-11-18 06:40 EST makes up for them"
        yield item("missed", f"job-{number}", f"{count} times were missed while nothing ran, {span}")


def test_what_is_true_of_one_job_is_not_said_of_another():
    late = "not delivered by {} (X): it was never planned; does the daemon run?"
    notice = compose(
        "id", [item("late", job, late.format(by)) for job, by in (("a", "06:55"), ("b", "14:30"))], (), NOON, ROOT
    )
    assert f"  a: {late.format('06:55')}\n  b: {late.format('14:30')}\n" in notice.text
    assert ": not delivered by … (X): it was never planned" in notice.subject


def test_how_long_it_took_is_said_of_all():
    (group,) = group_items(
        [item("failed", f"job-{seconds}", SERVICE.format(seconds)) for seconds in ("9", "12.5", "10")]
    )
    assert tell_group(group).endswith("gave up after 3 tries in 9 to 12.5 s")


def test_what_was_cut_off_is_no_amount():
    items = [item("failed", job, f"gave up after {what} s") for job, what in (("a", "3"), ("b", "…"), ("c", "12 in 9"))]
    assert "  why: gave up after … s\n" in compose("id", items, (), NOON, ROOT).text


def test_an_outage_of_very_many_jobs_is_a_few_lines():
    items = [item("missed", f"job-{n}", f"{n} times were missed while nothing ran") for n in range(2, 42)]
    text = compose("id", items, (), NOON, ROOT).text
    assert "\n  job-9: 9 times were missed while nothing ran\n  and 32 more\n" in text
    assert len(text.splitlines()) < 20


def test_what_is_about_no_job_is_counted_in_plain_words():
    texts = {
        "broken": ("a.yaml:1:1: one", "a.yaml:2:1: two", "b.yaml:1:1: one"),
        "mended": ("c.yaml can be used again",),
    }
    items = [item(kind, "", text) for kind, found in texts.items() for text in found]
    items += [item("outage", "", "the ledger cannot be used: the disk is full")]
    subject = compose("id", items, (), NOON, ROOT).subject
    assert subject == "mmflow, needs action: 2 broken files, the ledger cannot be used, 1 mended file"


def test_what_came_more_than_once_says_when_it_came_last():
    items = [replace(item("broken", "", "a.yaml:1:1: one"), at=NOON + number * DAY) for number in range(3)]
    assert "3 times, the last: Thu 2026-11-05" in compose("id", items, (), NOON, ROOT).text


def test_a_report_that_failed_and_is_late_is_told_of_once_in_a_message():
    failed = item("failed", "daily", "gone", slot=SLOT, hits="nobody got the report", command="mmflow run daily")
    late = item("late", "daily", "not delivered by 06:55 (X): it failed: gone", slot=SLOT, command="mmflow run daily")
    other = replace(late, job="other")
    notice = compose("id", [failed, late, other], (), NOON, ROOT)
    assert notice.subject == "mmflow, needs action: 1 failed, 1 late"
    assert "whom it hits: nobody got the report; not delivered by 06:55 (X)\n" in notice.text
    assert "daily late" not in notice.text
    assert notice.items == (failed, late, other)


def test_reasons_are_the_same_that_differ_in_how_long_it_took_alone():
    same = ("it took 3 s", "it took 12.5 s"), ("tried 1 try in 2 min", "tried 1 try in 3 min"), ("at 07:00", "at 08:15")
    same += (("until 2026-11-03 12:00 UTC", "until 2026-11-04 00:30 UTC"),)
    other = ("answered 404", "answered 503"), ("plant1 is silent", "plant2 is silent"), ("found 3 rows", "found 4 rows")
    for pairs, groups in ((same, 1), (other, 2)):
        for pair in pairs:
            assert len(group_items([item("failed", "a", reason) for reason in pair])) == groups, pair


def test_what_may_pass_and_what_has_to_be_mended_are_never_one():
    assert len(group_items([item("failed", "a", "gone"), item("failed", "b", "gone", temporary=True)])) == 2


def test_a_time_is_that_of_the_plant_also_across_a_change_of_its_clocks():
    zone = "America/New_York"
    assert show_time(datetime(2026, 11, 1, 5, 30, tzinfo=UTC), zone) == f"Sun 2026-11-01 01:30 {zone} (05:30 UTC)"
    assert show_time(datetime(2026, 11, 1, 6, 30, tzinfo=UTC), zone) == f"Sun 2026-11-01 01:30 {zone} (06:30 UTC)"


@pytest.mark.parametrize("zone", ["", "UTC", "Mars/Base", "../etc"])
def test_without_a_zone_that_is_known_times_are_utc(zone):
    assert show_time(NOON, zone) == "Tue 2026-11-03 12:00 UTC"


def test_of_very_many_reasons_the_first_are_told_and_the_others_counted():
    notice = compose("id", [item("failed", f"job-{n}", f"reason of job-{n}") for n in range(50)], (), NOON, ROOT)
    assert "and 10 more; 'mmflow runs --all' lists them" in notice.text
    assert len(notice.subject) <= 120


def test_what_a_service_that_is_down_does_to_many_jobs_is_one_reason(stormy_desk):
    desk = stormy_desk
    desk.simulator.faults({"match": "/", "kind": "status", "status": 503, "times": 999})
    for job in ("a", "b", "c"):
        desk.job(CSV.replace("daily", job), job)
        assert desk.mmflow("run", job).code == 1
    with open_ledger(desk) as ledger:
        reasons = [run.error for run in ledger.runs()]
    assert len(set(reasons)) > 1  # they differ in how long it took
    (group,) = group_items([item("failed", "job", reason) for reason in reasons])
    assert len(group) == 3
