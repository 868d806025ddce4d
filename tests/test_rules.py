"""What words mean: clock changes, ratios, forms, where a finding points."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmflow.check.rules.changes import ClockChanges, find_changes
from mmflow.check.rules.shaping import find_mixing
from mmflow.cron import read_cron
from mmflow.durations import parse_amount, parse_duration
from mmflow.errors import UserError

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "first"),
    [
        ("America/New_York", (date(2027, 3, 14), time(2), time(3), False)),
        ("Europe/Berlin", (date(2027, 3, 28), time(2), time(3), False)),
        ("Australia/Lord_Howe", (date(2027, 4, 4), time(1, 30), time(2), True)),
        ("Africa/Cairo", (date(2027, 4, 30), time(0), time(1), False)),
    ],
)
def test_the_next_clock_change_is_found_to_the_minute(zone, first):
    change = next(find_changes(ZoneInfo(zone), NOW))
    assert (change.day, change.first.time(), change.end.time(), change.back) == first


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "UTC", "Asia/Kolkata"])
def test_zones_without_clock_changes_have_none(zone):
    assert list(find_changes(ZoneInfo(zone), NOW)) == []


@settings(deadline=None, max_examples=40)
@given(st.sampled_from(sorted(available_timezones() - {"localtime"})), st.integers(0, 20_000))
def test_a_found_change_is_a_real_gap_or_fold(name, days):
    """Half an hour into a gap no instant has that wall time; half an hour into a fold two have it."""
    zone = ZoneInfo(name)
    for change in find_changes(zone, datetime(1990, 1, 1, tzinfo=UTC) + timedelta(days=days)):
        middle = change.first + (change.end - change.first) / 2
        early, late = (middle.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
        returned = early.astimezone(UTC).astimezone(zone).replace(tzinfo=None)
        if change.back:
            assert early.utcoffset() > late.utcoffset()
        else:
            assert returned != middle


def test_a_zone_is_looked_at_once():
    changes = ClockChanges(NOW)
    assert changes.list_changes(ZoneInfo("Europe/Berlin")) is changes.list_changes(ZoneInfo("Europe/Berlin"))
    assert len(changes.list_changes(ZoneInfo("Europe/Berlin"))) == 10


@pytest.mark.parametrize(
    ("text", "verb"),
    [
        ("(oee + availability) / 2", "adds"),
        ("oee + performance + availability", "adds"),
        ("availability * performance", "multiplies"),
        ("goodParts * (availability*performance)", "multiplies"),
        ("oee * 100", ""),
        ("oee + 1", ""),
        ("oee - oeeWarningThreshold", ""),
        ("case when oee < oeeWarningThreshold then 1 else 0 end", ""),
        ("goodParts + rejectedParts", ""),
        ("timeInCycle / nullif(allTime, 0)", ""),
        ("contains(machine, 'oee + availability')", ""),
        ("oee + ", ""),
        ("oee ; availability", ""),
    ],
)
def test_expressions_that_mix_ratios_are_told_from_those_that_do_not(text, verb):
    assert find_mixing(text) == verb


@pytest.mark.parametrize("text", ["40 6 * * mon-fri", "0 6 * * 7", "*/5 * * * *", "0 6 L * *", "0 6 1 JAN *"])
def test_cron_lines_of_five_fields_are_read(text):
    assert read_cron(text).text == text


@pytest.mark.parametrize(
    "text", ["", "* * * *", "0 0 6 * * 1", "@daily", "60 * * * *", "0 24 * * *", "0 0 30 2 *", "0 0 * * fri#L"]
)
def test_other_cron_lines_are_refused(text):
    with pytest.raises(UserError):
        read_cron(text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("0 6 * * mondays", "the day of the week 'mondays' cannot be read, expected 0 to 7 or sun to sat; write"),
        ("0 6 * * mon#6", "the day of the week 'mon#6' cannot be read, expected 0 to 7 or sun to sat; write"),
        ("0 30-2 * * *", "the hour '30-2' cannot be read, expected 0 to 23; write"),
        (f"{'61,' * 9}1 * * * *", "the minute cannot be read, expected 0 to 59; write"),
        ("0 6 * * fri-mon", "'fri-mon' cannot be read, since a range goes upwards; write fri-sat,sun-mon"),
        ("0 6 * * sat-mon", "'sat-mon' cannot be read, since a range goes upwards; write sat,sun-mon"),
        ("0 6 * * 7-2", "'7-2' cannot be read, since a range goes upwards; write 0-2"),
        ("0 22-2 * * *", "the hour '22-2' cannot be read, since a range goes upwards; write 22-23,0-2"),
        ("0 6 * nov-feb *", "'nov-feb' cannot be read, since a range goes upwards; write nov-dec,jan-feb"),
    ],
)
def test_the_field_of_a_cron_line_that_is_wrong_is_named_with_what_stands_there(text, told):
    with pytest.raises(UserError) as caught:
        read_cron(text)
    assert told in str(caught.value)
    if "since" in told:
        assert read_cron(text.replace(told.split("'")[1], told.rpartition(" ")[2]))


@pytest.mark.parametrize(
    ("text", "fixed"), [("40 6 * * *", True), ("0,30 6-8 * * *", True), ("*/5 6 * * *", False), ("0 * * * *", False)]
)
def test_a_schedule_is_fixed_when_minute_and_hour_hold_no_star(text, fixed):
    assert read_cron(text).is_fixed is fixed


def test_a_cron_line_knows_its_times_and_days():
    cron = read_cron("15,45 1-2 * * sun")
    assert cron.times == (time(1, 15), time(1, 45), time(2, 15), time(2, 45))
    assert cron.comes_on(date(2027, 3, 14))
    assert not cron.comes_on(date(2027, 3, 15))


@pytest.mark.parametrize(
    ("text", "amount"),
    [("7 days", (7, "day")), ("1 day", (1, "day")), ("8 hours", (8, "hour")), ("12months", (12, "month"))],
)
def test_amounts_of_time_are_a_number_and_a_unit(text, amount):
    assert parse_amount(text) == amount


@pytest.mark.parametrize(
    "text",
    ["", "7", "days", "0 days", "-1 day", "1.5 days", "7 dayss", "7 fortnights", "\N{ARABIC-INDIC DIGIT SEVEN} days"],
)
def test_other_amounts_are_refused(text):
    with pytest.raises(ValueError, match="such as '7 days'"):
        parse_amount(text)


def test_months_have_no_length_and_a_century_is_the_longest():
    assert parse_duration("2 weeks") == timedelta(days=14)
    with pytest.raises(ValueError, match="weeks"):
        parse_duration("1 month")
    with pytest.raises(ValueError, match="a hundred years"):
        parse_duration("5219 weeks")


def test_a_mode_that_a_sink_has_by_default_is_looked_at_too(desk):
    settings = desk.text("mmflow.yaml")
    desk.write("mmflow.yaml", f'{settings}connections: {{db: {{type: sql, url: "sqlite:///plant.db"}}}}\n')
    desk.job(
        """
        job: daily
        report: {metrics: [oee], group_by: [machine, day]}
        window: last_shift
        sinks:
          - {type: sql, connection: db, table: oee}
        """
    )
    (problem,) = desk.mmflow("validate", "--json").data["problems"]
    assert (problem["path"], problem["line"]) == ("sinks[0].mode", 5)
    assert "replace_window needs windows that begin with a production day" in problem["message"]
