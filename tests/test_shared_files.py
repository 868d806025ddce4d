"""Files that many deliveries write to: jobs whose deliveries would take away rows or files of others are found."""

import pytest

SETTINGS = """
    version: 1
    sites:
      boston:
        environment: simulator
        timezone: {zone}
        start_of_day: "{start}"
        shifts:
          - {{name: First, days: mon-fri, from: "06:00", to: "14:30"}}
          - {{name: Second, days: mon-fri, from: "14:30", to: "22:00"}}
    defaults: {{owner: ops@example.com}}
"""
NEW_YORK = {"zone": "America/New_York", "start": "06:00"}
HALF_PAST = {"zone": "America/New_York", "start": "06:30"}
KOLKATA = {"zone": "Asia/Kolkata", "start": "06:00"}


def validate(desk, settings, window, groups, sink):
    """Give the lines that validate prints about a job."""
    desk.write("mmflow.yaml", SETTINGS.format(**settings))
    desk.job(f"""
        job: daily
        report: {{metrics: [goodParts], group_by: [{groups}]}}
        window: {window}
        sinks: [{{{sink}}}]
    """)
    return desk.mmflow("validate").out.splitlines()


ROLLING = "type: csv, path: all.csv, mode: replace_window"


@pytest.mark.parametrize(
    ("settings", "window", "begins"),
    [
        (HALF_PAST, "yesterday", "11:30"),
        (KOLKATA, "month_to_date", "00:30"),
        (KOLKATA, "{last: 3 hours}", "07:30"),
        (NEW_YORK, "last_shift", "19:30"),
        (NEW_YORK, '{from: "2026-11-02T06:15-05:00", to: "2026-11-03T06:15-05:00"}', "11:15"),
    ],
)
def test_rows_of_hours_are_not_replaced_by_windows_that_begin_within_one(desk, settings, window, begins):
    first, _ = validate(desk, settings, window, "hour", ROLLING)
    place, _, message = first.partition(": sinks[0].mode: ")
    assert place.startswith("jobs/daily.yaml:4:")
    assert message == (
        f"replace_window needs windows that begin on a full hour of UTC, this one begins at {begins}; "
        "put day in the place of hour, or write replace"
    )


@pytest.mark.parametrize(
    ("groups", "window", "where"),
    [
        ("day", "last_shift", "with a production day"),
        ("day, shift", "last_shift", "with a production day"),
        ("day", "{last: 2 days, to_now: true}", "with a production day"),
        ("week", "last_month", "with a week"),
        ("week", "{last: 3 days}", "with a week"),
        ("month", "yesterday", "with a month"),
        ("quarter", "this_month", "with a quarter"),
    ],
)
def test_rows_of_days_and_weeks_are_not_replaced_by_windows_that_begin_within_one(desk, groups, window, where):
    """A part would take the place of the whole: the later shift would erase the earlier ones of its day."""
    first, _ = validate(desk, NEW_YORK, window, groups, ROLLING)
    message = first.partition(": sinks[0].mode: ")[2]
    assert message.startswith(f"replace_window needs windows that begin {where}, this one begins at 2026-")


@pytest.mark.parametrize(
    ("settings", "window", "groups", "sink"),
    [
        (NEW_YORK, "month_to_date", "day", ROLLING),
        (NEW_YORK, "{last: 7 days}", "day", ROLLING),
        (NEW_YORK, "week_to_date", "week", ROLLING),
        (NEW_YORK, "{last: 3 weeks}", "week", ROLLING),
        (NEW_YORK, "year_to_date", "month", ROLLING),
        (NEW_YORK, "last_quarter", "quarter", ROLLING),
        (NEW_YORK, "yesterday", "hour", ROLLING),
        (NEW_YORK, "{shift: First}", "hour", ROLLING),
        (HALF_PAST, "{last: 3 hours}", "hour", ROLLING),
        (HALF_PAST, "yesterday", "day", ROLLING),
        (HALF_PAST, "yesterday", "hour", "type: csv"),
    ],
)
def test_full_hours_and_days_may_be_replaced(desk, settings, window, groups, sink):
    assert validate(desk, settings, window, groups, sink) == ["1 job, no problems"]


@pytest.mark.parametrize(
    "window", ["last_shift", "{shift: current}", "{last: 8 hours}", "{last: 23 hours, to_now: true}"]
)
@pytest.mark.parametrize("sink", ["type: csv", 'type: jsonl, path: "{first_day}.jsonl"'])
def test_parts_of_a_day_in_one_file_are_warned_of(desk, window, sink):
    first, _ = validate(desk, NEW_YORK, window, "machine", sink)
    path = "{first_day}.jsonl" if "jsonl" in sink else "{job}/{date}.csv"
    assert first.partition(": warning: ")[2] == (
        f"sinks[0].path: each part of a day is written to '{path}' anew, and only the last is left; "
        "add {time}, at which the part begins [one-file-a-day]"
    )


@pytest.mark.parametrize(
    ("window", "sink"),
    [
        ("yesterday", "type: csv"),
        ("{shift: First, on: yesterday}", "type: csv"),
        ("{last: 24 hours}", "type: csv"),
        ("last_shift", 'type: csv, path: "{date} {time}.csv"'),
        ("last_shift", 'type: csv, path: "{date}/{run}.csv"'),
        ("last_shift", "type: csv, path: last.csv"),  # meant to hold the latest alone
        ("last_shift", "type: console"),
    ],
)
def test_whole_days_and_names_that_tell_parts_apart_are_fine(desk, window, sink):
    assert validate(desk, NEW_YORK, window, "machine", sink) == ["1 job, no problems"]


@pytest.mark.parametrize(
    ("sinks", "warned"),
    [
        ("[{type: csv, path: latest.csv}]", True),
        ("[{type: csv, path: latest.csv}, {type: console}]", False),
        ('[{type: csv, path: latest.csv}, {type: csv, name: days, path: "{date}.csv"}]', False),
        ("[{type: csv, path: latest.csv, mode: replace_window}]", False),
    ],
)
def test_restate_without_a_sink_that_keeps_older_windows_is_warned_of(desk, sinks, warned):
    desk.job(f"""
        job: daily
        report: {{metrics: [goodParts], group_by: [machine, day]}}
        window: yesterday
        schedule: {{every: day, at: "06:40"}}
        restate: 3 days
        sinks: {sinks}
    """)
    done = desk.mmflow("validate", "daily")
    assert (done.code, "restate' says nothing here" in done.out + done.err) == (0, warned)
