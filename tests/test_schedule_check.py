"""What the check says of schedules: nothing that it lets pass makes trouble, and jobs follow jobs that there are."""

from __future__ import annotations

import json
from collections.abc import Mapping

import msgspec
import pytest

from mmflow.check import check_job
from mmflow.document import read_text
from mmflow.job import Schedule
from mmflow.schedule import make_timetable
from mmflow.workspace import open_workspace
from tests.desk import NOW, Desk

EVERY = (
    "day",
    "15 min",
    ("15 min",),
    ("hour",),
    ("mon", "thu"),
    ("month", "mon"),
    (),
    "",
    ("", "mon"),
    "7 min",
    "0 min",
)
AT = (
    "06:40",
    ("06:40", "14:30"),
    "24:00",
    "2026-12-01 06:00",
    ("2026-12-01 06:00",),
    "2026-12-01",
    (),
    "",
    ("06:40", ""),
)
CRON = ("0 6 * * *", "0 6 L * 5#1", "0 6 31 2 *", "@daily", "*/0 6 * * *", "0 6 * * fri-mon", "0 6 LW * *", "")


def test_what_the_check_lets_pass_has_times(desk: Desk) -> None:
    """It may refuse more, such as an empty text, but nothing that it takes makes trouble in the daemon."""
    workspace = open_workspace(desk.root, NOW)
    blocks: list[Mapping[str, object]] = [
        *({"every": every, "at": at} for every in (*EVERY, None) for at in (*AT, None)),
        *({"cron": cron} for cron in CRON),
        *({key: word} for key in ("after", "after_shift") for word in ("", "x")),
    ]
    taken = 0
    for given in blocks:
        block = {key: value for key, value in given.items() if value is not None}
        job = {"job": "a", "report": {"metrics": ["oee"]}, "window": "yesterday", "sinks": [{"type": "console"}]}
        text = json.dumps(job | {"schedule": block})
        checked = check_job(read_text(text, "jobs/a.yaml"), workspace.checked, workspace.registry)
        if not any(problem.severity == "error" for problem in checked.problems):
            taken += 1
            timetable = make_timetable(msgspec.convert(block, Schedule), list(workspace.checked.calendars.values()))
            assert timetable is None or timetable.after(NOW), block
    assert taken == 13


def warn(desk: Desk, schedule: str, more: str = "") -> list[str]:
    """Give the ids of what is said of a schedule, and of ``more`` lines of the job."""
    desk.job(FOLLOWER.replace("{{{key}: {value}}}", f"{{{{{schedule}}}}}").format(job="a") + more, "a")
    return [one["id"] for one in desk.mmflow("validate", "a", "--json").data["problems"] if one["id"] != "no-owner"]


def test_a_schedule_that_has_times_is_not_said_to_have_none(desk: Desk) -> None:
    for schedule in (
        'at: "2026-11-22 06:41"',
        'at: "2029-11-22 06:41"',
        'cron: "0 6 29 2 *"',
        'every: day, at: "06:00", calendar: weekends',
        "every: 1 min, calendar: 2026-11-22 to 2026-12-01",
        'every: day, at: "06:00", calendar: 2026-11-22 to 2027-12-25',
        "every: 15 min, jitter: 14 min, expires: 15 min",
        'at: "2026-11-22 23:00", jitter: 2 hours',
    ):
        assert warn(desk, schedule) == [], schedule
    assert warn(desk, 'every: day, at: "06:00", calendar: 2026-11-22 to 2027-12-31') == ["never-due"]
    assert warn(desk, 'every: day, at: ["06:00", "06:30"], jitter: 45 min') == ["long-jitter"]


@pytest.mark.parametrize(
    ("schedule", "deadline", "found"),
    [
        ('every: day, at: ["06:40", "14:40"]', '"06:55"', ["deadline-next-day"]),
        ('cron: "30 6-22 * * *"', '"07:00"', ["deadline-next-day"]),
        ('at: "2026-12-01 14:40"', '"14:00"', ["deadline-next-day"]),
        ('every: day, at: "22:00"', '"06:00"', []),
        ('every: day, at: "06:40"', '"06:40"', []),
        ('every: day, at: ["06:40", "14:40"]', "15 min", []),
        ("every: 15 min", '"06:55"', []),
    ],
)
def test_a_time_of_day_long_past_when_a_report_is_due_is_no_deadline_of_that_day(
    desk: Desk, schedule: str, deadline: str, found: list[str]
) -> None:
    assert warn(desk, schedule, f"    deadline: {deadline}\n") == found


@pytest.mark.parametrize(
    ("file", "text", "found"),
    [
        ("days.csv", "", ["no-holidays"]),
        ("days.csv", "day;why\n", ["no-holidays"]),
        ("days.csv", "day;why\n2026-12-24;works\n", []),
        ("days.ics", "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nEND:VCALENDAR\r\n", ["no-holidays"]),
    ],
)
def test_a_list_of_days_without_a_day_is_warned_of(desk: Desk, file: str, text: str, found: list[str]) -> None:
    (desk.root / file).write_text(text, encoding="utf-8", newline="")
    assert warn(desk, f'every: day, at: "06:00", calendar: {file}') == found


# --- jobs that follow others

FOLLOWER = """
    job: {job}
    report: {{metrics: [oee], group_by: [machine]}}
    window: yesterday
    schedule: {{{key}: {value}}}
    sinks: [{{type: console}}]
"""


def follow(desk: Desk, **leads: str) -> list[tuple[str, str, str]]:
    for job, lead in leads.items():
        desk.job(FOLLOWER.format(job=job, key="after", value=lead), job)
    return [(one["file"], one["message"], one["hint"]) for one in desk.mmflow("validate", "--json").data["problems"]]


def test_a_job_that_follows_none_is_refused_with_the_nearest_name(desk: Desk) -> None:
    desk.job(FOLLOWER.format(job="morning", key="cron", value='"0 6 * * *"'), "morning")
    assert follow(desk, board="mornin") == [("jobs/board.yaml", "there is no job 'mornin'", "did you mean 'morning'?")]


def test_one_job_alone_is_held_against_the_job_that_it_follows(desk: Desk) -> None:
    desk.job(FOLLOWER.format(job="morning", key="cron", value='"0 6 * * *"'), "morning")
    assert follow(desk, board="mornin", wall="board", late="morning", a="b", b="a")
    for word in ("board", "jobs/board.yaml"):
        done = desk.mmflow("validate", word)
        assert done.code == 2
        assert done.out.startswith("jobs/board.yaml:4:19: schedule.after: there is no job 'mornin'; did you mean")
    assert "it follows 'b', which follows 'a'" in desk.mmflow("validate", "a").out
    assert [desk.mmflow("validate", word).code for word in ("wall", "late", "morning")] == [0, 0, 0]


def test_jobs_in_a_circle_are_refused_and_one_that_follows_them_is_not(desk: Desk) -> None:
    assert follow(desk, a="b", b="c", c="a", d="a") == [
        (
            f"jobs/{job}.yaml",
            f"it follows {', which follows '.join(circle)}: none of them is ever due",
            "give one of them a time",
        )
        for job, circle in [("a", ("'b'", "'c'", "'a'")), ("b", ("'c'", "'a'", "'b'")), ("c", ("'a'", "'b'", "'c'"))]
    ]


def test_a_job_whose_file_cannot_be_read_may_be_the_one_that_is_followed(desk: Desk) -> None:
    desk.job("job: [", "morning")
    assert {file for file, *_ in follow(desk, board="morning")} == {"jobs/morning.yaml"}
