"""``mmflow window`` through the front door."""

from __future__ import annotations

import pytest

JOB = """
    job: daily
    report: {metrics: [oee], group_by: [machine]}
    window: yesterday
    sinks: [{type: csv, path: daily.csv}]
"""


def test_json_has_both_times_the_length_and_the_reason(desk):
    desk.job(JOB)
    done = desk.mmflow("window", "daily", "--at", "2026-11-01T06:40", "--json")
    assert done.code == 0, done.err
    assert done.data == {
        "job": "daily",
        "at": "2026-11-01T11:40:00Z",
        "spans": [
            {
                "site": "boston",
                "start": "2026-10-31T10:00:00Z",
                "end": "2026-11-01T11:00:00Z",
                "start_local": "2026-10-31T06:00:00-04:00",
                "end_local": "2026-11-01T06:00:00-05:00",
                "first_day": "2026-10-31",
                "last_day": "2026-10-31",
                "hours": 25.0,
                "why": "the production day before the running one: Sat 2026-10-31; the clocks go back 1 h",
            }
        ],
    }


def test_text_is_for_people(desk):
    desk.job(JOB)
    done = desk.mmflow("window", "daily", "--at", "2026-11-01T06:40")
    assert done.out.splitlines() == [
        "daily at boston, America/New_York",
        "  as of       Sun 2026-11-01 06:40 EST",
        "  plant time  Sat 2026-10-31 06:00 EDT to Sun 2026-11-01 06:00 EST",
        "  UTC         2026-10-31T10:00:00Z to 2026-11-01T11:00:00Z, the end excluded",
        "  length      25 h",
        "  why         the production day before the running one: Sat 2026-10-31; the clocks go back 1 h",
    ]


@pytest.mark.parametrize(
    ("words", "first_day"),
    [
        ([], "2026-11-21"),  # as of now, a Sunday at 06:40
        (["--at", "2026-11-03T05:59"], "2026-11-01"),
        (["--at", "2026-11-03"], "2026-11-02"),  # the start of that production day
        (["--at", "2026-11-03T06:40 Europe/Berlin"], "2026-11-01"),
        (["--at", "2026-11-03T11:00Z"], "2026-11-02"),
        (["--for", "2026-11-03"], "2026-11-03"),
        (["--from", "2026-11-03", "--to", "2026-11-08"], "2026-11-03"),
    ],
)
def test_dates_say_which_moment_is_meant(desk, words, first_day):
    desk.job(JOB)
    assert desk.mmflow("window", "daily", *words, "--json").data["spans"][0]["first_day"] == first_day


def test_each_site_has_its_own_yesterday(desk):
    text = desk.text("mmflow.yaml").replace(
        "defaults:", "  reno: {environment: simulator, timezone: America/Los_Angeles}\ndefaults:"
    )
    desk.write("mmflow.yaml", text)
    desk.job(JOB)
    spans = desk.mmflow("window", "daily", "--at", "2026-11-03T01:00-05:00", "--json").data["spans"]
    assert [(span["site"], span["first_day"]) for span in spans] == [("boston", "2026-11-01"), ("reno", "2026-11-01")]
    assert spans[1]["start_local"] == "2026-11-01T00:00:00-07:00"
    assert spans[1]["hours"] == 25


def test_secrets_are_not_needed(desk):
    desk.environ.clear()
    desk.job(JOB)
    assert desk.mmflow("window", "daily").code == 0


def test_shift_that_is_not_there_is_said(desk):
    desk.job(JOB.replace("yesterday", "{shift: Third, on: yesterday}"))
    done = desk.mmflow("window", "daily", "--at", "2026-11-16T06:40")
    assert done.code == 2
    assert done.err == "no shift 'Third' starts at site boston on Sun 2026-11-15; leave out 'on' for the latest one\n"


def test_report_about_a_day_is_found_over_days_without_the_shift(desk):
    """Friday's third shift is asked for on Saturday; the slots before have another one, or none."""
    desk.job(JOB.replace("yesterday", "{shift: Third, on: yesterday}"))
    for day in ("2026-11-13", "2026-11-16"):
        done = desk.mmflow("window", "daily", "--for", day, "--json")
        assert done.code == 0, done.err
        assert done.data["spans"][0]["first_day"] == day


def test_references_in_the_window_are_resolved_and_those_of_sinks_are_not_needed(desk):
    desk.job(JOB.replace("yesterday", "{last: '${env:COUNT} days'}").replace("daily.csv", '"${env:PATH_OF_SINK}"'))
    desk.environ.clear()
    desk.environ["COUNT"] = "3"
    done = desk.mmflow("window", "daily", "--json")
    assert (done.code, done.err) == (0, "")
    assert [(span["first_day"], span["last_day"]) for span in done.data["spans"]] == [("2026-11-19", "2026-11-21")]
    planned = desk.mmflow("preview", "daily", "--plan", "--json").data["requests"]
    assert [piece["window"] for piece in planned] == [{"startDay": "2026-11-19", "endDay": "2026-11-21"}]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("", "jobs/daily.yaml:3:9: window: the environment variable WHICH is not set"),
        ("yesterdy", "jobs/daily.yaml:3:9: window: 'yesterdy' is not a window; did you mean 'yesterday'?"),
    ],
)
def test_a_reference_without_a_window_is_a_problem_at_its_place(desk, value, said):
    desk.job(JOB.replace("yesterday", "${env:WHICH}"))
    desk.environ |= {"WHICH": value} if value else {}
    done = desk.mmflow("window", "daily")
    assert done.code == 2
    assert said in done.err


@pytest.mark.parametrize("words", [("window", "daily"), ("preview", "daily", "--plan")])
def test_references_in_a_sites_calendar_are_resolved_and_its_key_is_not_needed(desk, words):
    settings = desk.text("mmflow.yaml").replace("America/New_York", '"${env:ZONE}"').replace('"06:00"', '"${env:DAY}"')
    desk.write("mmflow.yaml", settings + 'network: {proxy: "${env:PROXY}"}\n')
    desk.job(JOB)
    desk.environ.clear()
    unset = desk.mmflow(*words)
    assert (unset.code, "sites.boston.timezone: the environment variable ZONE is not set" in unset.err) == (2, True)
    desk.environ |= {"ZONE": "America/Los_Angeles", "DAY": "05:00"}
    done = desk.mmflow(*words)
    assert (done.code, done.err) == (0, "")
    if words[0] == "window":
        # It is 03:40 there, so that Saturday has not ended.
        assert "plant time  Fri 2026-11-20 05:00 PST to Sat 2026-11-21 05:00 PST" in done.out
