"""docs/schedules.md: every row of its tables is true for the plant and the moment that the page names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from mmflow.document import read_text
from mmflow.job import Schedule
from mmflow.options import convert_values
from mmflow.plant.instants import first_instant
from mmflow.schedule import Timetable, describe_schedule, make_timetable
from tests.test_windows_page import read_plant

PAGE = (Path(__file__).parent.parent / "docs" / "schedules.md").read_text(encoding="utf-8")
AT = datetime.fromisoformat("2026-11-18T14:10-05:00")
CALENDAR = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//plant//EN
BEGIN:VEVENT
UID:1
DTSTAMP:20261101T000000Z
DTSTART;VALUE=DATE:20261228
DTEND;VALUE=DATE:20261229
SUMMARY:Shutdown
END:VEVENT
END:VCALENDAR
"""


def list_rows(heading: str) -> list[Any]:
    """Give the cells of every row of the table with this heading."""
    (table,) = re.findall(rf"^\| {re.escape(heading)} \|\n\|[-|]+\|\n((?:\|.*\|\n)+)", PAGE, re.MULTILINE)
    return list(_split(table))


def _split(table: str) -> Iterator[Any]:
    for row in table.splitlines():
        cells = [cell.strip() for cell in row[1:-1].split("|")]
        yield pytest.param(*cells, id=" ".join(cells[:-1]))


def read_cell(cell: str, zone: str = "") -> Schedule:
    """Read a schedule as a job has it."""
    values: Any = read_text(f"schedule: {cell.strip('`')}", "schedules.md").values
    return convert_values(values["schedule"] | ({"timezone": zone} if zone else {}), Schedule)


def open_timetable(schedule: Schedule, root: Path = Path()) -> Timetable:
    timetable = make_timetable(schedule, [read_plant()], root=root)
    assert timetable is not None
    return timetable


@pytest.mark.parametrize(("cell", "words", "times"), list_rows("`schedule:` | in words | next times"))
def test_form_is_said_in_words_and_comes_when_the_page_says(cell: str, words: str, times: str) -> None:
    schedule, zone = read_cell(cell), ZoneInfo("America/New_York")
    assert describe_schedule(schedule, ZoneInfo(schedule.timezone) if schedule.timezone else zone) == words
    if schedule.after:
        assert make_timetable(schedule, [read_plant()]) is None
        return
    shown: list[str] = []
    timetable, due = open_timetable(schedule), AT
    while len(shown) < 2 and (after := timetable.after(due)):
        due = after
        shown.append(f"{due.astimezone(zone):%a %Y-%m-%d %H:%M}")
    assert ", ".join(shown) == times
    assert timetable.words == words


@pytest.mark.row("R67", "R68", "R69")
@pytest.mark.parametrize(("cell", "zone", "day", "due"), list_rows("`schedule:` | zone | day | due"))
def test_case_of_a_change_of_the_clocks_is_as_the_page_says(cell: str, zone: str, day: str, due: str) -> None:
    place, midnight = ZoneInfo(zone), datetime.fromisoformat(day)
    start, end = (first_instant(place, midnight + timedelta(days=more)) for more in (0, 1))
    tick = timedelta(microseconds=1)
    timetable = open_timetable(read_cell(cell, zone))
    found = list(timetable.between(start - tick, end - tick))
    assert ", ".join(f"{at.astimezone(place):%H:%M %Z}" for at in found) == due
    assert timetable.latest(start - tick, end - tick, 99) == found[::-1]


@pytest.mark.parametrize(("entry", "day", "said"), list_rows("entry | a day that it skips | what is said"))
def test_entry_of_a_calendar_skips_the_day_and_says_why(entry: str, day: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "shutdown.ics").write_text(CALENDAR, encoding="utf-8")
    (tmp_path / "plans").mkdir()
    (tmp_path / "plans" / "shutdown.csv").write_text('"day";why\n\n2026-12-29,rest\n"2026-12-30";\n', encoding="utf-8")
    schedule = Schedule(every="day", at="06:40", calendar=(entry.strip("`"),))
    timetable = open_timetable(schedule, tmp_path)
    skipped = [due for due in timetable.between(AT, AT + timedelta(days=60)) if timetable.skip_reason(due)]
    assert date.fromisoformat(day) in [due.astimezone(timetable.zone).date() for due in skipped]
    assert said in [timetable.skip_reason(due) for due in skipped]
    assert len(skipped) == {"holidays": 2, "weekends": 18, "2026-12-24": 1, "shutdown.ics": 1}.get(
        entry.strip("`"), 9 if " to " in entry else 2
    )
