"""Holidays from a list and from ICS files as calendars export them."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path
from textwrap import dedent
from zoneinfo import ZoneInfo

import pytest

from mmflow.errors import UserError
from mmflow.plant.holidays import read_holidays

NEW_YORK = ZoneInfo("America/New_York")


def read_events(tmp_path: Path, *events: str) -> list[str]:
    """Give the days between 2025 and 2027 of a calendar with these events."""
    blocks = [f"BEGIN:VEVENT\n{dedent(event).strip()}\nEND:VEVENT\n" for event in events]
    return read_calendar(
        tmp_path, "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//plant//\n" + "".join(blocks) + "END:VCALENDAR\n"
    )


def read_calendar(tmp_path: Path, text: str) -> list[str]:
    (tmp_path / "plant.ics").write_bytes(text.replace("\n", "\r\n").encode())
    days = read_holidays("plant.ics", NEW_YORK, tmp_path)
    return sorted(str(day) for day in days if 2025 <= day.year <= 2027)


def refuse(tmp_path: Path, text: str) -> str:
    with pytest.raises(UserError) as caught:
        read_calendar(tmp_path, text)
    return str(caught.value)


def test_list_is_days(tmp_path: Path) -> None:
    assert read_holidays(("2026-11-26", "2026-12-25"), NEW_YORK, tmp_path) == {date(2026, 11, 26), date(2026, 12, 25)}
    assert read_holidays((), NEW_YORK, tmp_path) == frozenset()


def test_event_of_whole_days_counts_each_and_its_end_is_excluded(tmp_path: Path) -> None:
    assert read_events(tmp_path, "DTSTART;VALUE=DATE:20261224\nDTEND;VALUE=DATE:20261227") == [
        "2026-12-24",
        "2026-12-25",
        "2026-12-26",
    ]


def test_event_without_end_is_one_day_and_a_duration_is_an_end(tmp_path: Path) -> None:
    assert read_events(tmp_path, "DTSTART;VALUE=DATE:20260704") == ["2026-07-04"]
    assert read_events(tmp_path, "DTSTART;VALUE=DATE:20260704\nDURATION:P2D") == ["2026-07-04", "2026-07-05"]


def test_yearly_holiday_comes_every_year(tmp_path: Path) -> None:
    assert read_events(tmp_path, "DTSTART;VALUE=DATE:20041225\nRRULE:FREQ=YEARLY") == [
        "2025-12-25",
        "2026-12-25",
        "2027-12-25",
    ]


def test_thanksgiving_is_the_fourth_thursday_of_november(tmp_path: Path) -> None:
    assert read_events(tmp_path, "DTSTART;VALUE=DATE:20201126\nRRULE:FREQ=YEARLY;BYMONTH=11;BYDAY=4TH") == [
        "2025-11-27",
        "2026-11-26",
        "2027-11-25",
    ]


def test_rule_ends_with_its_last_day(tmp_path: Path) -> None:
    daily = "DTSTART;VALUE=DATE:20260701\nRRULE:FREQ=DAILY;UNTIL="
    assert read_events(tmp_path, daily + "20260703") == ["2026-07-01", "2026-07-02", "2026-07-03"]
    # The end of the 2nd in New York, written in UTC as other programs do.
    assert read_events(tmp_path, daily + "20260703T035959Z") == ["2026-07-01", "2026-07-02"]
    assert read_events(tmp_path, "DTSTART;VALUE=DATE:20260701\nRRULE:FREQ=WEEKLY;COUNT=2") == [
        "2026-07-01",
        "2026-07-08",
    ]


def test_exceptions_and_added_days_count(tmp_path: Path) -> None:
    event = """
        DTSTART;VALUE=DATE:20241226
        RRULE:FREQ=YEARLY
        EXDATE;VALUE=DATE:20261226
        RDATE;VALUE=DATE:20261228
    """
    assert read_events(tmp_path, event) == ["2025-12-26", "2026-12-28", "2027-12-26"]


def test_moved_occurrence_stands_for_the_original(tmp_path: Path) -> None:
    series = "UID:boxing\nDTSTART;VALUE=DATE:20241226\nRRULE:FREQ=YEARLY"
    moved = "UID:boxing\nRECURRENCE-ID;VALUE=DATE:20261226\nDTSTART;VALUE=DATE:20261228"
    assert read_events(tmp_path, series, moved) == ["2025-12-26", "2026-12-28", "2027-12-26"]


def test_cancelled_events_do_not_count(tmp_path: Path) -> None:
    series = "UID:boxing\nDTSTART;VALUE=DATE:20241226\nRRULE:FREQ=YEARLY"
    dropped = "UID:boxing\nRECURRENCE-ID;VALUE=DATE:20261226\nDTSTART;VALUE=DATE:20261226\nSTATUS:CANCELLED"
    assert read_events(tmp_path, series, dropped) == ["2025-12-26", "2027-12-26"]
    assert read_events(tmp_path, "DTSTART;VALUE=DATE:20260704\nSTATUS:CANCELLED") == []


def test_times_count_when_they_cover_a_day_from_midnight_to_midnight(tmp_path: Path) -> None:
    zoned = "DTSTART;TZID=America/New_York:20261031T000000\nDTEND;TZID=America/New_York:20261102T000000"
    assert read_events(tmp_path, zoned) == ["2026-10-31", "2026-11-01"]
    assert read_events(tmp_path, "DTSTART:20260704T040000Z\nDTEND:20260705T040000Z") == ["2026-07-04"]
    assert read_events(tmp_path, "DTSTART:20260704T000000\nDTEND:20260705T000000") == ["2026-07-04"]
    assert read_events(tmp_path, "DTSTART:20260703T120000\nDTEND:20260705T120000") == ["2026-07-04"]
    assert read_events(tmp_path, "DTSTART:20260704T090000Z\nDTEND:20260704T110000Z") == []


def test_folded_lines_and_escaped_text_are_read(tmp_path: Path) -> None:
    event = "SUMMARY:Plant closed\\, see the\n  notice board\nDTSTART;VALUE=DATE:2026\n 0704"
    assert read_events(tmp_path, event) == ["2026-07-04"]


def test_calendar_without_events_has_no_holidays(tmp_path: Path) -> None:
    assert read_events(tmp_path) == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-12-25",
        "password: hunter2",
        "BEGIN:VCALENDAR\n",
        "BEGIN:VEVENT\nDTSTART;VALUE=DATE:20260704\nEND:VEVENT\n",
        "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART;VALUE=DATE:20261340\nEND:VEVENT\nEND:VCALENDAR\n",
        "BEGIN:VCALENDAR\nBEGIN:VEVENT\nSUMMARY:when?\nEND:VEVENT\nEND:VCALENDAR\n",
        "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART;VALUE=DATE:20260704\nRRULE:FREQ=SOMETIMES\nEND:VEVENT\nEND:VCALENDAR\n",
    ],
)
def test_other_files_are_refused_and_not_quoted(tmp_path: Path, text: str) -> None:
    message = "the file of holidays plant.ics is no calendar in ICS form; export it again, or list the days"
    assert refuse(tmp_path, text) == message


def test_rules_of_seconds_would_never_end(tmp_path: Path) -> None:
    event = "BEGIN:VEVENT\nDTSTART:20260704T000000\nRRULE:FREQ=SECONDLY\nEND:VEVENT\n"
    assert refuse(tmp_path, f"BEGIN:VCALENDAR\n{event}END:VCALENDAR\n") == (
        "the file of holidays plant.ics repeats an event more often than daily; list the days"
    )


def test_a_file_is_understood_once_for_each_zone_and_anew_when_it_says_something_else(tmp_path: Path) -> None:
    read_events(tmp_path, "DTSTART;VALUE=DATE:20260704")
    first, again = (read_holidays("plant.ics", NEW_YORK, tmp_path) for _ in range(2))
    assert again is first
    assert read_events(tmp_path, "DTSTART;VALUE=DATE:20260705") == ["2026-07-05"]
    assert read_events(tmp_path, "DTSTART:20260705T040000Z\nDURATION:P1D") == ["2026-07-05"]
    assert read_holidays("plant.ics", ZoneInfo("Europe/Berlin"), tmp_path) == frozenset()


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"the file of holidays calendars/none\.ics does not exist"):
        read_holidays("calendars/none.ics", NEW_YORK, tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "plant.ics")
    with pytest.raises(UserError, match="is not a regular file"):
        read_holidays("plant.ics", NEW_YORK, tmp_path)
