"""``mmflow next`` and what ``mmflow jobs`` says of the time to come. It is Sunday, 2026-11-22 06:40 in Boston."""

import pytest

from mmflow.roster import Roster
from tests.desk import NOW

JOB = """
    job: {name}
    report: {{metrics: [oee], group_by: [machine]}}
    window: {window}
    schedule: {schedule}
    sinks: [{{type: console}}]
"""


def write(desk, name, schedule, window="yesterday"):
    desk.job(JOB.format(name=name, schedule=schedule, window=window), name)


@pytest.fixture
def three(desk):
    """Jobs at a time of day, after a shift, after another job, and by hand."""
    write(desk, "morning", '{every: weekday, at: "06:40"}')
    write(desk, "handover", "{after_shift: First}", "last_shift")
    write(desk, "board", "{after: morning}")
    write(desk, "odd", "manual")
    return desk


def test_the_times_of_one_job_stand_with_zone_window_and_reason(three):
    done = three.mmflow("next", "morning", "-n", "2", "--json")
    assert done.data == {
        "job": "morning",
        "times": [
            {
                "at": "2026-11-23T11:40:00Z",
                "local": "2026-11-23T06:40:00-05:00",
                "span": "the production day before the running one: Sun 2026-11-22",
                "why": "",
            },
            {
                "at": "2026-11-24T11:40:00Z",
                "local": "2026-11-24T06:40:00-05:00",
                "span": "the production day before the running one: Mon 2026-11-23",
                "why": "",
            },
        ],
    }
    assert not (three.root / ".mmflow").exists(), "looking must not write"


def test_without_a_job_the_next_times_of_all_stand_in_one_order(three):
    lines = three.mmflow("next", "-n", "3").out.splitlines()
    assert [line.split()[:5] for line in lines[2:]] == [
        ["Mon", "2026-11-23", "06:40", "EST", "board"],
        ["Mon", "2026-11-23", "06:40", "EST", "morning"],
        ["Mon", "2026-11-23", "14:10", "EST", "handover"],
    ]
    assert lines[2].endswith("when morning has delivered")
    assert "First of Mon 2026-11-23" in lines[4]


def test_all_gives_so_many_of_each_job_and_names_those_that_are_not_due(three):
    done = three.mmflow("next", "--all", "-n", "2")
    assert [line.split()[4] for line in done.out.splitlines()[2:]] == ["board", "morning", "handover"] * 2
    assert done.err == "odd is not due: by hand\n"
    listed = three.mmflow("next", "--all", "-n", "2", "--json").data["jobs"]
    assert {one["job"]: len(one["times"]) for one in listed} == {"board": 2, "handover": 2, "morning": 2, "odd": 0}


def test_a_change_of_the_clocks_is_named(desk):
    write(desk, "night", '{every: day, at: ["01:30", "02:30"]}')
    spring = desk.mmflow("next", "night", "-n", "2", "--from", "2027-03-14", "--json").data["times"]
    assert [(one["local"], one["why"]) for one in spring] == [
        ("2027-03-14T01:30:00-05:00", ""),
        ("2027-03-14T03:00:00-04:00", "02:30 does not exist that day, this is the first minute after the gap"),
    ]
    autumn = desk.mmflow("next", "night", "-n", "2", "--from", "2026-11-01T01:00", "--json").data["times"]
    assert [(one["local"], one["why"]) for one in autumn] == [
        ("2026-11-01T01:30:00-04:00", "01:30 comes twice that day, this is the first"),
        ("2026-11-01T02:30:00-05:00", ""),
    ]


def test_a_day_of_the_calendar_is_shown_as_skipped_and_jobs_looks_past_it(desk):
    write(desk, "morning", '{every: day, at: "07:00", calendar: ["2026-11-22 to 2026-11-24", weekends]}')
    first, *_, fourth = desk.mmflow("next", "morning", "-n", "4", "--json").data["times"]
    assert first["why"] == "skipped: 2026-11-22 lies in 2026-11-22 to 2026-11-24"
    assert (fourth["local"], fourth["why"]) == ("2026-11-25T07:00:00-05:00", "")
    (listed,) = desk.mmflow("jobs", "--json").data["jobs"]
    assert listed["next"] == "2026-11-25T07:00:00-05:00"


def test_a_start_that_is_given_is_itself_a_time_when_something_is_due(desk):
    write(desk, "midnight", '{every: day, at: "00:00"}')
    write(desk, "quarter", "{every: 15 min}")
    write(desk, "handover", "{after_shift: First}", "last_shift")
    for job, start, local in (
        ("midnight", "2026-11-25", "2026-11-25T00:00:00-05:00"),
        ("quarter", "2026-11-25T10:30", "2026-11-25T10:30:00-05:00"),
        ("handover", "2026-11-25T14:10", "2026-11-25T14:10:00-05:00"),
        ("handover", "2026-11-25T14:11", "2026-11-26T14:10:00-05:00"),
    ):
        (one,) = desk.mmflow("next", job, "-n", "1", "--from", start, "--json").data["times"]
        assert one["local"] == local


def test_jobs_looks_past_as_many_skipped_times_as_the_check_and_says_that_all_are(desk):
    write(desk, "far", '{every: 15 min, calendar: ["2026-11-22 to 2026-12-24"]}')
    write(desk, "never", '{cron: "*/15 * * * 6", calendar: weekends}')
    far, never = desk.mmflow("jobs", "--json").data["jobs"]
    assert (far["next"], "skipped" in far["schedule"]) == ("2026-12-25T00:00:00-05:00", False)
    assert (never["next"], never["schedule"].partition(", skipped until ")[2]) == (None, "2029-04-14")


def test_one_moment_that_has_passed_is_not_due(desk):
    write(desk, "once", "{at: 2026-11-22 06:40}")
    done = desk.mmflow("next", "once")
    assert done.out.splitlines()[2:] == []
    assert done.err.splitlines()[1:] == ["once is not due: once, 2026-11-22 06:40"]
    assert "[never-due]" in done.err.splitlines()[0]
    assert desk.mmflow("next", "once", "--from", "2026-11-22 06:39").out.count("06:40") == 1


def test_a_wrong_job_hides_no_other_and_ends_in_exit_code_2(three):
    write(three, "wrong", "{every: 7 min}")
    done = three.mmflow("next", "-n", "1")
    assert done.code == 2
    assert "morning" not in done.err
    assert "'7 min' divides neither an hour nor a day; write 6 min or 8 min" in done.err
    assert "06:40 EST" in done.out


def test_a_job_that_cannot_be_planned_says_why_beside_the_list_of_jobs(three):
    three.write("days.csv", "2026-12-24\nno day\n")
    write(three, "skipping", '{every: day, at: "07:00", calendar: days.csv}')
    why = "the file of days days.csv has no day at line 2; write days like 2026-12-24"
    done = three.mmflow("jobs")
    assert (done.code, done.err.count(why)) == (2, 1)
    assert "jobs/skipping.yaml:" in done.err
    listed = three.mmflow("jobs", "--json").data
    assert [problem["file"] for problem in listed["problems"]] == ["jobs/skipping.yaml"]
    assert {job["job"]: job["problems"] for job in listed["jobs"]}["skipping"] == 1


@pytest.mark.parametrize("seen", [True, False])
def test_a_job_whose_name_two_files_have_is_not_due_and_says_why(three, seen):
    if seen:
        roster = Roster(three.root, three.clock, three.environ)
        roster.refresh()
    three.job(JOB.format(name="morning", schedule='{every: day, at: "06:40"}', window="yesterday"), "copy")
    if seen:
        roster.refresh()
        three.clock.sleep(1)
        roster.refresh()
        roster.close()
        assert "morning" in roster.refused
    why = "has the name 'morning' too; give one of them another name"
    done = three.mmflow("next", "morning")
    assert (done.code, done.out, why in done.err) == (2, "", True)
    assert "last good" not in done.err
    done = three.mmflow("next", "-n", "3")
    assert (done.code, done.err.count(why)) == (2, 2)
    assert {line.split()[4] for line in done.out.splitlines()[2:]} == {"handover"}
    done = three.mmflow("jobs", "--json")
    rows = {row["file"]: (row["next"], row["problems"]) for row in done.data["jobs"]}
    assert rows["jobs/morning.yaml"] == rows["jobs/copy.yaml"] == (None, 1)
    assert rows["jobs/handover.yaml"] == ("2026-11-23T14:10:00-05:00", 0)


def test_a_window_that_is_not_known_yet_is_told_instead(desk):
    cells = JOB.format(name="cells", schedule='{every: day, at: "07:00"}', window='{cells: "Input!B3:D4"}')
    desk.job(cells.replace("type: console", "type: excel, path: cells.xlsx"), "cells")
    write(desk, "night", '{every: day, at: "03:00"}', "current_shift")
    write(desk, "secret", '{every: day, at: "07:00"}', "${env:WINDOW}")
    spans = {one["job"]: one["times"][0]["span"] for one in desk.mmflow("next", "--all", "--json").data["jobs"]}
    assert spans["cells"] == "the dates in Input!B3:D4"
    assert spans["night"].startswith("no shift is running at site boston at the slot")
    assert "WINDOW" in spans["secret"]


@pytest.mark.parametrize("words", [("morning", "--all"), ("--from", "tomorrow"), ("nothing",)])
def test_arguments_that_mean_nothing_are_refused(three, words):
    assert three.mmflow("next", *words).code == 2


@pytest.mark.parametrize("count", ["0", "many", "-1", "1001"])
def test_a_count_that_makes_no_sense_is_refused(three, count):
    with pytest.raises(SystemExit):
        three.mmflow("next", "-n", count)


def test_a_paused_job_says_until_when_and_why(three):
    assert three.mmflow("pause", "morning", "--until", "2026-12-01T06:00", "--why", "line 3 is being rebuilt").code == 0
    paused = {job["job"]: job["paused"] for job in three.mmflow("jobs", "--json").data["jobs"]}
    assert paused["morning"] == "until 2026-12-01 06:00 EST: line 3 is being rebuilt"
    assert paused["handover"] == ""
    assert NOW.hour == 11


def test_a_pause_is_of_one_line_and_says_what_it_takes_the_place_of(three):
    first = three.mmflow("pause", "morning", "--until", "2026-12-01T06:00", "--why", "line 3\nis being rebuilt")
    assert (first.code, first.err) == (0, "")
    again = three.mmflow("pause", "morning")
    earlier = "until 2026-12-01 06:00 EST: line 3 is being rebuilt"
    assert (again.code, again.err) == (0, f"this takes the place of an earlier pause: {earlier}\n")


def list_whys(desk, job, *words):
    return [one["why"] for one in desk.mmflow("next", job, *words, "--json").data["times"]]


def test_times_that_a_pause_takes_are_marked_also_those_of_the_job_that_follows(three):
    three.mmflow("pause", "morning", "--until", "2026-11-24T06:40", "--why", "line 3 is being rebuilt")
    until = "paused until 2026-11-24 06:40 EST: line 3 is being rebuilt"
    assert list_whys(three, "morning", "-n", "2") == [f"skipped: {until}", ""]
    follows = "when morning has delivered"
    assert list_whys(three, "board", "-n", "2") == [f"skipped: morning is {until}; {follows}", follows]
    assert list_whys(three, "handover") == [""] * 5
    three.mmflow("pause", "board")
    assert list_whys(three, "board", "-n", "2") == [f"skipped: paused until it is resumed; {follows}"] * 2
    three.mmflow("resume", "morning")
    assert list_whys(three, "morning") == [""] * 5


def test_times_are_shown_also_when_the_ledger_cannot_be_asked(three):
    (three.root / ".mmflow").mkdir()
    (three.root / ".mmflow/ledger.sqlite").write_bytes(b"not a ledger" * 1000)
    done = three.mmflow("next", "morning", "-n", "1")
    assert (done.code, "Mon 2026-11-23 06:40 EST" in done.out) == (0, True)
    assert done.err.startswith("it is not known which jobs are paused: ")


def test_a_job_that_follows_a_circle_is_never_due(desk):
    for job, lead in (("a", "b"), ("b", "a"), ("late", "a")):
        write(desk, job, f"{{after: {lead}}}")
    done = desk.mmflow("next", "late")
    assert (done.code, done.err) == (0, "late is not due: after a\n")
