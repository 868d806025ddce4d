"""The daemon through the front door: what is due is done, and what was missed says so."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from mmflow.ledger import Ledger
from mmflow_email.testing import MailServer
from tests.daemons import ask, slots

MONDAY = datetime(2026, 11, 16, 17, 0, tzinfo=UTC)  # noon in Boston
JOB = """
    job: {name}
    report: {{metrics: [goodParts], group_by: [machine, day]}}
    window: yesterday
    schedule: {schedule}
    sinks:
      - {{type: csv, path: "{name}/{{date}}.csv"}}
"""
DAY = "BEGIN:VEVENT\nUID:1\nDTSTART;VALUE=DATE:20261118\nEND:VEVENT\n"
HOLIDAY = f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\n{DAY}END:VCALENDAR\n"


@pytest.fixture
def desk(desk):
    """A desk on a Monday at noon, with one worker, as long as that is enough."""
    text = (desk.root / "mmflow.yaml").read_text(encoding="utf-8")
    (desk.root / "mmflow.yaml").write_text(text + "daemon: {workers: 1}\n", encoding="utf-8")
    desk.clock.set(MONDAY)
    return desk


def add_job(desk, name="daily", schedule='{cron: "40 6 * * *"}', more=""):
    desk.job(JOB.format(name=name, schedule=schedule) + more, name)


def look(desk, **later):
    """Let time pass, and have the daemon do what is due by then."""
    desk.clock.sleep(timedelta(**later).total_seconds())
    return desk.mmflow("daemon", "--once")


def told(desk, job="daily"):
    return [(due[5:16], state) for due, state, _ in slots(desk.root, job)]


def test_it_does_what_is_due_and_what_follows_from_it(desk):
    add_job(desk)
    add_job(desk, "summary", "{after: daily}")
    add_job(desk, "by-hand", "manual")
    first = look(desk)
    assert (first.code, slots(desk.root)) == (0, [])
    assert "planned from now on, by new or changed schedules: daily, summary" in first.err
    desk.clock.sleep(86400)
    assert desk.mmflow("daemon", "--once", "--json").data == {"runs": {"ok": 2}}
    assert told(desk) == [("11-17T11:40", "done")]
    assert told(desk, "summary") == [("11-17T11:40", "done")]
    assert sorted(path.name for path in (desk.root / "out").rglob("*.csv")) == ["2026-11-16.csv", "2026-11-16.csv"]
    listed = desk.mmflow("runs", "--json").data["runs"]
    assert {run["job"]: run["state"] for run in listed} == {"daily": "ok", "summary": "ok"}


def test_a_run_that_was_held_is_the_exit_code_of_once(desk):
    add_job(desk, more='    checks: [{rows: ">= 5000"}]\n')
    look(desk)
    assert look(desk, days=1).code == 1
    assert desk.mmflow("runs", "--json").data["runs"][0]["state"] == "held"


def test_after_a_week_without_a_daemon_only_the_latest_is_mailed_and_the_others_say_so(desk):
    with MailServer() as server:
        settings = (desk.root / "mmflow.yaml").read_text(encoding="utf-8")
        mail = f"  mail: {{type: email, host: 127.0.0.1, port: {server.port}, security: none, from: a@example.com}}\n"
        (desk.root / "mmflow.yaml").write_text(f"{settings}connections:\n{mail}", encoding="utf-8")
        add_job(desk, "quiet", '{cron: "40 6 * * *"}', MAILED)
        add_job(desk, "each", '{cron: "40 6 * * *", catch_up: all}', MAILED)
        look(desk)
        assert look(desk, days=7).code == 0
        subjects = sorted(mail.message["subject"] for mail in server.mails)
    assert subjects == ["each 2026-11-22", "quiet 2026-11-22"]
    assert [state for _, state in told(desk, "quiet")] == ["skipped"] * 6 + ["done"]
    reasons = {reason for _, state, reason in slots(desk.root, "quiet") if state == "skipped"}
    assert reasons == {"it was missed while nothing ran; the one of 2026-11-23 06:40 EST makes up for it"}
    assert ask(desk.root, "SELECT job FROM notice WHERE kind = 'missed'") == [("quiet",)], "once for all of them"
    assert [state for _, state in told(desk, "each")] == ["done"] * 7
    assert len(list((desk.root / "out" / "each").glob("*.csv"))) == 7, "files are made up for"
    oldest = min(desk.mmflow("runs", "--job", "each", "--json").data["runs"], key=lambda run: run["slot"])
    mailed = next(one for one in oldest["deliveries"] if one["type"] == "email")
    assert (mailed["state"], "made up for later" in mailed["error"]) == ("skipped", True)


MAILED = """      - {type: email, connection: mail, to: [ops@example.com], subject: "{job} {date}", template: table}
"""


def test_a_paused_job_lets_its_times_pass_and_goes_on_when_resumed(desk):
    add_job(desk)
    paused = desk.mmflow("pause", "daily", "--until", "2026-11-19", "--why", "line 3 is being rebuilt")
    assert (paused.code, "daily is paused until 2026-11-19 06:00 EST" in paused.out) == (0, True)
    look(desk)
    look(desk, days=1)
    look(desk, days=1)
    assert [reason for _, _, reason in slots(desk.root)] == [
        "paused until 2026-11-19 06:00 EST: line 3 is being rebuilt",
        "paused until 2026-11-19 06:00 EST: line 3 is being rebuilt",
    ]
    assert desk.mmflow("resume", "daily").out == "daily goes on from now\n"
    assert desk.mmflow("resume", "daily", "--json").data == {"job": "daily", "paused": False, "resumed": False}
    look(desk, days=1)
    assert told(desk)[-1] == ("11-19T11:40", "done")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["pause", "by-hand"], "by-hand has no schedule, so there is nothing to pause"),
        (["pause", "daily", "--until", "2026-11-01"], "2026-11-01 is over already; give a time to come"),
        (["pause", "daily", "--until", "morgen"], "write it like 2026-12-01 or 2026-12-01T06:00"),
        (["pause", "nothing"], "there is no job 'nothing'"),
        (["cancel", "nothing"], "there is no run 'nothing'"),
    ],
)
def test_what_cannot_be_paused_or_cancelled_is_said(desk, words, said):
    add_job(desk)
    add_job(desk, "by-hand", "manual")
    done = desk.mmflow(*words)
    assert (done.code, said in done.err) == (2, True), done.err
    assert not (desk.root / ".mmflow").exists(), "nothing is left behind"


def test_a_run_by_hand_is_ended_where_it_runs_and_a_pause_is_of_time_to_come(desk):
    add_job(desk)
    with Ledger.open(desk.root / ".mmflow" / "ledger.sqlite", desk.clock) as ledger:
        ledger.begin_run("r1", "daily", desk.clock.now(), "manual")
        done = desk.mmflow("cancel", "r1")
        assert (done.code, "run r1 was started by hand; end it where it runs, with Ctrl+C" in done.err) == (2, True)
        assert ledger.slots.list_wished("cancel") == []
    done = desk.mmflow("pause", "daily", "--until", f"{desk.clock.now():%Y-%m-%dT%H:%MZ}")
    assert (done.code, "is over already" in done.err) == (2, True), done.err


def test_a_run_that_has_ended_cannot_be_cancelled(desk):
    add_job(desk)
    desk.mmflow("run", "daily")
    run = desk.mmflow("runs", "--json").data["runs"][0]["run"]
    done = desk.mmflow("cancel", run)
    assert (done.code, done.err) == (2, f"run {run} has ended already: ok\n")


@pytest.mark.row("R75")
def test_it_starts_and_runs_by_what_was_last_good_and_says_so(desk):
    settings = (desk.root / "mmflow.yaml").read_text(encoding="utf-8")
    desk.write("shut.ics", HOLIDAY)
    desk.write("days.csv", "2026-11-26\n")
    desk.write("mmflow.yaml", settings.replace("  boston:\n", "  boston:\n    holidays: shut.ics\n"))
    add_job(desk, schedule='{cron: "40 6 * * *", calendar: [holidays, days.csv]}')
    look(desk)
    desk.write("shut.ics", "BEGIN:VCALENDAR")
    desk.write("days.csv", "2026-11-26\nno day")
    desk.write("mmflow.yaml", "version: 1\nsites: [\n")
    done = look(desk, days=1)
    assert done.code == 0, done.err
    assert done.err.count("broken: mmflow.yaml:3:1: ") == 1, done.err
    assert (
        len([line for line in done.err.splitlines() if "broken: " in line and "last good version stays" in line]) == 3
    )
    assert told(desk) == [("11-17T11:40", "done")]
    look(desk, days=1)
    assert told(desk)[1:] == [("11-18T11:40", "skipped")], "it is a holiday"


@pytest.mark.row("R72")
def test_a_clock_that_is_a_year_ahead_holds_the_daemon_until_it_is_accepted(desk):
    add_job(desk)
    look(desk)
    assert desk.mmflow("clock").code == 0
    held = look(desk, days=400)
    assert held.code == 1
    assert "nothing is planned: the clock shows" in held.err
    assert slots(desk.root) == []
    shown = desk.mmflow("clock", "--json")
    assert (shown.code, shown.data["believed"]) == (1, False)
    assert "mmflow clock accept" in shown.data["why"]
    assert desk.mmflow("clock", "accept").code == 0
    assert look(desk).code == 0
    states = [state for _, state in told(desk)]
    assert (states.count("done"), states.count("skipped")) == (1, 100)


def test_a_job_whose_file_is_gone_does_not_keep_its_slots_open(desk):
    add_job(desk)
    look(desk)
    (desk.root / "jobs" / "daily.yaml").rename(desk.root / "daily.yaml")
    look(desk, days=1)
    assert told(desk) == [], "it has no times any more"
    (desk.root / "daily.yaml").rename(desk.root / "jobs" / "daily.yaml")
    look(desk)
    assert told(desk) == [], "and begins anew when it comes back"


def test_the_log_is_json_when_asked_for(desk):
    add_job(desk)
    desk.clock.sleep(1)
    lines = desk.mmflow("daemon", "--once", "--log", "json").err.splitlines()
    assert json.loads(lines[0])["message"] == "at work, with 1 job"
