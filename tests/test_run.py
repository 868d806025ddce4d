"""The whole line through the front door: a job in, a finished file and a record out."""

import csv
import hashlib
import json
import sqlite3
import stat
import sys

import pytest

JOB = """
    job: daily
    report:
      metrics: [oee, goodParts, {metric: downtime, unit: min, label: "Down (min)"}]
      group_by: [machine, day]
    window: yesterday
    shape: {sort: [-downtime], totals: true}
    sinks:
      - {type: csv, path: "{date}.csv"}
"""


def rows_of(desk, name):
    return list(csv.DictReader(desk.text(name).splitlines()))


def test_a_job_becomes_a_file_and_a_record(desk):
    desk.job(JOB)
    done = desk.mmflow("run", "daily", "--json")
    assert done.code == 0, done.err
    assert done.data["state"] == "ok"
    receipt = done.data["deliveries"][0]["receipt"]
    written = desk.root / receipt["path"]
    assert receipt["sha256"] == hashlib.sha256(written.read_bytes()).hexdigest()
    rows = rows_of(desk, "out/2026-11-21.csv")
    assert list(rows[0]) == ["Machine", "Day", "OEE", "Good parts", "Down (min)"]
    assert len(rows) == receipt["rows"] + 1  # and the total
    assert rows[-1]["Machine"] == "Total"
    assert sum(int(row["Good parts"]) for row in rows[:-1]) == int(rows[-1]["Good parts"])
    assert desk.mmflow("runs", "show", done.data["run"], "--json").data == done.data


def test_a_late_run_asks_the_same_question(desk):
    desk.job(JOB)
    on_time = desk.mmflow("run", "daily", "--json").data
    desk.clock.sleep(3 * 3600)
    late = desk.mmflow("run", "daily", "--at", "2026-11-22T06:40", "--json").data
    assert late["spans"] == on_time["spans"]
    assert late["deliveries"][0]["receipt"]["sha256"] == on_time["deliveries"][0]["receipt"]["sha256"]


def test_the_same_window_twice_leaves_one_file_and_two_records(desk):
    desk.job(JOB)
    first, second = (desk.mmflow("run", "daily", "--json").data for _ in range(2))
    desk.clock.sleep(1)
    states = [
        desk.mmflow("runs", "show", run["run"], "--json").data["deliveries"][0]["state"] for run in (first, second)
    ]
    assert states == ["superseded", "done"]
    assert [path.name for path in (desk.root / "out").iterdir()] == ["2026-11-21.csv"]


@pytest.mark.parametrize("words", [("--for", "2026-11-03"), ("--from", "2026-11-03", "--to", "2026-11-03")])
def test_a_day_can_be_named_as_people_name_it(desk, words):
    desk.job(JOB)
    done = desk.mmflow("run", "daily", *words)
    assert done.code == 0, done.err
    assert {row["Day"] for row in rows_of(desk, "out/2026-11-03.csv")[:-1]} == {"2026-11-03"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--for", "yesterday"], "'yesterday' is not a day; write it like 2026-11-01"),
        (["--at", "soon"], "'soon' is not a day; write it like 2026-11-01"),
        (["--from", "2026-11-03"], "--from and --to go together"),
        (["--for", "2026-11-03", "--at", "2026-11-03T06:40"], "--for and --at mean different dates; give one of them"),
        (["--sink", "cvs"], "the job has no sink 'cvs'; did you mean 'csv'?"),
    ],
)
def test_a_wrong_command_line_is_the_users_mistake(desk, words, message):
    desk.job(JOB)
    done = desk.mmflow("run", "daily", *words)
    assert (done.code, done.err) == (2, message + "\n")
    assert not (desk.root / "out").exists()


HELD = JOB + '    checks: [{rows: ">= 1000"}]\n'


def test_a_held_report_reaches_nobody_and_says_why(desk):
    desk.job(HELD)
    done = desk.mmflow("run", "daily")
    said = "held: the report has 59 rows, expected >= 1000"
    assert (done.code, done.err) == (1, f"{said}\n")
    assert not (desk.root / "out").exists()
    run = desk.mmflow("runs", "--json").data["runs"][0]
    assert (run["state"], run["deliveries"][0]["state"], run["error"]) == ("held", "skipped", said)
    release = f"  'mmflow resend {run['run']}' delivers it all the same"
    assert done.out.splitlines() == [
        f"daily: held, 59 rows  (run {run['run']})",
        "  boston: 2026-11-21 06:00 to 2026-11-22 06:00 America/New_York, 24 h",
        "  csv: skipped, the run was held",
        release,
    ]
    assert desk.mmflow("runs", "show", run["run"]).out.splitlines()[-2:] == [f"  {said}", release]


def test_a_run_that_ended_before_its_time_is_shown_as_json_too(stormy_desk):
    stormy_desk.job(HELD)
    held = stormy_desk.mmflow("run", "daily", "--json")
    assert (held.code, held.data["state"]) == (1, "held")
    assert held.err == held.data["error"] + "\n"
    stormy_desk.simulator.faults({"match": "/reports", "kind": "html", "times": 99})
    failed = stormy_desk.mmflow("run", "daily", "--json")
    assert (failed.code, failed.data["state"]) == (1, "failed")
    assert failed.err == failed.data["error"] + "\n"
    assert stormy_desk.mmflow("runs", "show", failed.data["run"], "--json").data == failed.data


def test_a_held_report_stays_held_until_every_required_sink_has_it(desk):
    desk.job(HELD.replace("    checks", TWO_SINKS.removeprefix(JOB) + "    checks"))
    run = desk.mmflow("run", "daily", "--json").data["run"]
    part = desk.mmflow("resend", run, "--sink", "csv", "--json")
    assert (part.code, part.data["state"]) == (1, "held")
    assert part.data["error"] == "second: the run was held; third: the run was held"
    rest = desk.mmflow("resend", run, "--failed", "--json")
    assert (rest.code, rest.data["state"], rest.data["error"]) == (0, "ok", "")
    assert {delivery["state"] for delivery in rest.data["deliveries"]} == {"done"}


def test_a_held_report_can_be_released_without_asking_again(desk):
    desk.job(HELD)
    desk.mmflow("run", "daily")
    run = desk.mmflow("runs", "--json").data["runs"][0]["run"]
    asked = len(desk.simulator.requests)
    done = desk.mmflow("resend", run, "--json")
    assert done.code == 0, done.err
    assert done.data["deliveries"][0]["state"] == "done"
    assert len(rows_of(desk, "out/2026-11-21.csv")) == 60
    assert len(desk.simulator.requests) == asked


TWO_SINKS = (
    JOB
    + """      - {name: second, type: csv, path: "blocked/{date}.csv"}
      - {name: third, type: jsonl, path: "{date}.jsonl"}
"""
)


@pytest.mark.row("R48")
def test_one_failing_sink_leaves_the_others_done_and_is_resent_alone(desk):
    desk.job(TWO_SINKS)
    desk.write("out/blocked", "a file where a folder should be")
    done = desk.mmflow("run", "daily", "--json")
    assert done.code == 1
    assert {d["sink"]: d["state"] for d in done.data["deliveries"]} == {
        "csv": "done",
        "second": "failed",
        "third": "done",
    }
    failed = next(d for d in done.data["deliveries"] if d["sink"] == "second")
    assert "blocked" in failed["error"]
    (desk.root / "out" / "blocked").unlink()
    stamp = (desk.root / "out" / "2026-11-21.csv").stat().st_mtime_ns
    asked = len(desk.simulator.requests)
    again = desk.mmflow("resend", done.data["run"], "--failed", "--json")
    assert (again.code, again.data["state"]) == (0, "ok")
    assert (desk.root / "out" / "blocked" / "2026-11-21.csv").read_bytes() == (
        desk.root / "out" / "2026-11-21.csv"
    ).read_bytes()
    assert (desk.root / "out" / "2026-11-21.csv").stat().st_mtime_ns == stamp
    assert len(desk.simulator.requests) == asked
    nothing = desk.mmflow("resend", done.data["run"], "--failed")
    assert (nothing.code, "nothing of run" in nothing.err) == (2, True)


def test_an_optional_sink_that_fails_degrades_the_run(desk):
    desk.job(TWO_SINKS.replace("name: second,", "name: second, required: false,"))
    desk.write("out/blocked", "a file where a folder should be")
    done = desk.mmflow("run", "daily", "--json")
    assert (done.code, done.data["state"]) == (0, "degraded")
    assert done.data["error"].startswith("second: ")
    shown = desk.mmflow("runs", "show", done.data["run"]).out
    assert shown.count("ENOTDIR") == 1, "a reason is said once, where its sink is named"


def test_only_the_named_sink_gets_the_report(desk):
    desk.job(TWO_SINKS)
    done = desk.mmflow("run", "daily", "--sink", "third", "--json")
    assert [d["sink"] for d in done.data["deliveries"]] == ["third"]
    assert [path.name for path in (desk.root / "out").iterdir()] == ["2026-11-21.jsonl"]


@pytest.mark.row("R38")
@pytest.mark.parametrize(
    ("policy", "code", "state", "written"),
    [("deliver", 0, "degraded", True), ("skip", 0, "ok", False), ("fail", 1, "held", False)],
)
def test_no_rows_are_met_as_the_job_says(desk, policy, code, state, written):
    desk.job(JOB + f"    on_empty: {policy}\n")
    # Before the plant had its first machine there is nothing to report.
    done = desk.mmflow("run", "daily", "--for", "1999-01-04")
    run = desk.mmflow("runs", "--json").data["runs"][0]
    assert (done.code, run["state"], run["rows"]) == (code, state, 0), done.err
    target = desk.root / "out" / "1999-01-04.csv"
    assert target.exists() is written
    if written:
        assert desk.text("out/1999-01-04.csv").splitlines()[0] == "Machine,Day,OEE,Good parts,Down (min)"


@pytest.mark.row("R44")
@pytest.mark.parametrize(("status", "words"), [(401, "MM_BOSTON_KEY"), (403, "reporting")])
def test_a_refused_key_is_not_tried_again_and_not_shown(stormy_desk, status, words):
    stormy_desk.job(JOB.replace(", totals: true", ""))
    stormy_desk.simulator.faults({"match": "/reports", "kind": "status", "status": status, "times": 9})
    done = stormy_desk.mmflow("run", "daily")
    assert done.code == 1
    assert "boston" in done.err
    assert words in done.err
    assert stormy_desk.environ["MM_BOSTON_KEY"] not in done.err
    assert len(stormy_desk.simulator.requests) == 1


def test_a_metric_that_the_service_refuses_is_shown_at_its_line(desk):
    desk.job(JOB.replace("[oee,", "[oee, oeeOfTheMoon,"))
    done = desk.mmflow("run", "daily")
    assert done.code == 2
    assert done.err.splitlines()[-2:] == [
        "jobs/daily.yaml:3:18: report.metrics[1]: refused by the service: Metric 'oeeOfTheMoon' is not valid",
        "1 problem in 1 file",
    ]


def test_a_failed_run_is_on_record_with_its_reason(stormy_desk):
    stormy_desk.job(JOB)
    stormy_desk.simulator.faults({"match": "/reports", "kind": "html", "times": 99})
    done = stormy_desk.mmflow("run", "daily")
    assert done.code == 1
    run = stormy_desk.mmflow("runs", "--json").data["runs"][0]
    assert (run["state"], run["deliveries"][0]["state"]) == ("failed", "failed")
    assert run["error"]
    assert run["error"] in done.err


def test_an_unset_key_is_named_with_its_place(desk):
    desk.job(JOB)
    del desk.environ["MM_BOSTON_KEY"]
    done = desk.mmflow("run", "daily")
    assert done.code == 2
    assert done.err.startswith("mmflow.yaml:5:14: sites.boston.api_key: ")
    assert "MM_BOSTON_KEY is not set" in done.err


@pytest.mark.row("R78")
def test_a_deleted_job_keeps_its_runs(desk):
    path = desk.job(JOB)
    run = desk.mmflow("run", "daily", "--json").data["run"]
    path.unlink()
    assert desk.mmflow("runs", "show", run, "--json").data["job"] == "daily"
    gone = desk.mmflow("resend", run)
    assert (gone.code, "no job 'daily'" in gone.err) == (2, True)


def test_preview_shows_the_same_table_and_leaves_nothing(desk):
    desk.job(JOB)
    preview = desk.mmflow("preview", "daily", "--json")
    assert preview.code == 0, preview.err
    assert not (desk.root / "out").exists()
    assert not (desk.root / ".mmflow" / "ledger.sqlite").exists()
    desk.mmflow("run", "daily")
    rows = rows_of(desk, "out/2026-11-21.csv")
    names = [column["name"] for column in preview.data["columns"]]
    assert names == ["machine", "day", "oee", "goodParts", "downtime"]
    assert [row[0] for row in preview.data["rows"]] == [row["Machine"] for row in rows[:-1]]
    assert all(type(row[3]) in (int, type(None)) for row in preview.data["rows"]), "whole numbers have no fraction"
    shown = desk.mmflow("preview", "daily", "--sink", "csv").out
    assert shown.split() == desk.text("out/2026-11-21.csv").split()


def test_preview_plan_asks_nothing_and_needs_no_key(desk):
    desk.job(JOB)
    desk.environ.clear()
    asked = len(desk.simulator.requests)
    done = desk.mmflow("preview", "daily", "--plan", "--json")
    assert done.code == 0, done.err
    assert [piece["query"] for piece in done.data["requests"]] == ["rows", "totals"]
    assert len(desk.simulator.requests) == asked


def test_snapshots_are_dropped_when_retention_says_so(desk):
    desk.job(JOB)
    desk.write("mmflow.yaml", desk.text("mmflow.yaml") + "retention: {snapshots: 2 days}\n")
    old = desk.mmflow("run", "daily", "--json").data["run"]
    desk.clock.sleep(3 * 86400)
    desk.mmflow("run", "daily", "--for", "2026-11-21")
    assert len(list((desk.root / ".mmflow" / "snapshots").iterdir())) == 1
    done = desk.mmflow("resend", old)
    assert done.code == 1
    assert "they are kept 2 days" in done.err


def test_the_ledger_is_sound_after_all_this(desk):
    desk.job(JOB)
    desk.mmflow("run", "daily")
    connection = sqlite3.connect(desk.root / ".mmflow" / "ledger.sqlite")
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert json.loads(connection.execute("SELECT receipt FROM delivery").fetchone()[0])["rows"] == 59
    connection.close()
    assert list((desk.root / ".mmflow" / "spool").iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no permission bits")
def test_references_in_the_settings_mean_the_same_when_a_report_is_sent_again(desk):
    desk.write("mmflow.yaml", desk.text("mmflow.yaml") + 'output: "${env:OUT}"\noutput_mode: "${env:MODE}"\n')
    desk.job(JOB)
    desk.environ |= {"OUT": "reports", "MODE": "0640"}
    done = desk.mmflow("run", "daily", "--json")
    assert done.code == 0, done.err
    written = desk.root / "reports" / "2026-11-21.csv"
    assert stat.S_IMODE(written.stat().st_mode) == 0o640
    written.unlink()
    del desk.environ["MM_BOSTON_KEY"]
    again = desk.mmflow("resend", done.data["run"], "--json")
    assert (again.code, again.err) == (0, "")
    assert stat.S_IMODE(written.stat().st_mode) == 0o640
    assert sorted(path.name for path in desk.root.iterdir()) == [".mmflow", "jobs", "mmflow.yaml", "reports"]
