"""Thirty mornings in a row, by windows as jobs write them: each hour, day and week stands once, as it was said last."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import takewhile
from zoneinfo import ZoneInfo

import pytest

from mmflow.job import WindowSpec
from mmflow.plant import PlantCalendar
from mmflow.table import Cell, Column
from mmflow.testing.deliveries import DAY, HOUR, MACHINE, PARTS, SITE
from mmflow.windows import Span, resolve_window

# Each over the end of a month and, on different days, the change of clocks at either plant.
SEASONS = {"autumn": datetime(2026, 10, 18, 12, tzinfo=UTC), "spring": datetime(2026, 2, 28, 12, tzinfo=UTC)}
WINDOWS = {"last": WindowSpec(last="7 days"), "month": "month_to_date"}
TIMES = {"hour": HOUR, "day": DAY, "week": Column("week", "Week", "text", "group")}
PLANTS = (
    PlantCalendar("boston", ZoneInfo("America/New_York"), time(6)),
    PlantCalendar("haifa", ZoneInfo("Asia/Jerusalem"), week_starts=6),
)
HOURS, DAYS = timedelta(hours=1), timedelta(days=1)
# Each time by each window; in SQLite the other way round, too.
CASES = [("hour", "last", "spring"), ("day", "month", "autumn"), ("week", "last", "autumn")]
TURNED = [("hour", "month", "autumn"), ("day", "last", "spring"), ("week", "month", "spring")]
CASES = [(kind, *case) for kind in ("sqlite", "duckdb", "postgres", "mariadb") for case in CASES]
CASES += [("sqlite", *case) for case in TURNED]


def list_moments(group: str, plant: PlantCalendar, span: Span) -> Iterator[Cell]:
    """Give the hours, days or weeks that a span touches."""
    if group == "hour":
        hours = (span.start + number * HOURS for number in range(1000))
        yield from takewhile(lambda hour: hour < span.end, hours)
    days = [span.first_day + number * DAYS for number in range((span.last_day - span.first_day).days + 1)]
    if group == "day":
        yield from days
    if group == "week":
        yield from dict.fromkeys(start_week(plant, day).isoformat() for day in days)


def start_week(plant: PlantCalendar, day: date) -> date:
    return day - (day.weekday() - plant.week_starts) % 7 * DAYS


@pytest.mark.timeout(400)  # many deliveries, on a machine that has much else to do
@pytest.mark.parametrize(("kind", "group", "window", "season"), CASES)
def test_thirty_mornings_leave_each_moment_once_as_it_was_said_last(request, make_plant, kind, group, window, season):
    plant = make_plant(request.getfixturevalue(f"{kind}_database"))
    columns, expected, others = (SITE, TIMES[group], MACHINE, PARTS), {}, []
    for morning in range(30):
        at = SEASONS[season] + morning * DAYS
        answering = PLANTS if morning % 5 else PLANTS[:1]  # now and then one does not answer
        spans = [(site.name, site, resolve_window(WINDOWS[window], site, at)) for site in answering]
        rows = [
            (name, moment, machine, float(morning))
            for name, site, span in spans
            for moment in list_moments(group, site, span)
            for machine in ("Haas 1", None)
        ]
        given = tuple((name, span) for name, _, span in spans)
        plant.deliver(rows, columns, spans=given, time_column=group, key=f"morning-oee/sql#{morning}")
        expected |= {row[:3]: row for row in rows}
        if morning == 3:  # another job keeps its rows in the same table
            plant.deliver(rows, columns, spans=given, time_column=group, job="another", key="another/sql")
            others = rows
    found = plant.read((Column("mmflow_job", "", "text"), *columns))
    assert [row[1:] for row in found if row[0] == "morning-oee"] == in_order(expected.values())
    assert [row[1:] for row in found if row[0] == "another"] == in_order(others)


def in_order(rows):
    return sorted(rows, key=lambda row: [(cell is not None, cell) for cell in row])


@pytest.mark.parametrize("season", SEASONS)
def test_the_mornings_pass_the_end_of_a_month_and_both_changes_of_clocks(season):
    begin, end = SEASONS[season], SEASONS[season] + 29 * DAYS
    assert begin.month != end.month
    for plant in PLANTS:
        first, last = (resolve_window("yesterday", plant, at) for at in (begin, end))
        assert first.start.time() != last.start.time()
