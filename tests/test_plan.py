"""What a job asks for: spans, slices, groups and metrics."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmflow.job import CheckSpec, ColumnSpec, Compare, Job, MetricUse, Report, Schedule, Shape, WindowSpec
from mmflow.plan import Plan, Query, describe_plan, make_plan
from mmflow.plant import PlantCalendar
from mmflow.settings import Site
from mmflow.windows import Span, resolve_window

SLOT = datetime(2026, 11, 20, 11, 40, tzinfo=UTC)  # a Friday, 06:40 in New York
ZONES = ("America/New_York", "UTC", "Australia/Lord_Howe", "Africa/Cairo", "Pacific/Apia", "Asia/Kathmandu")


def calendar(**keys: object) -> PlantCalendar:
    site = Site(**{"timezone": "America/New_York", "start_of_day": "06:00", **keys})
    return PlantCalendar.from_site("boston", site, Path())


def job(window: object = "yesterday", shape: Shape = Shape(), **keys: object) -> Job:  # noqa: B008  # frozen
    own = {name: keys.pop(name) for name in ("slice", "sites", "checks", "schedule") if name in keys}
    report = Report(**{"metrics": ("goodParts",), **keys})
    return Job(job="test", report=report, window=window, shape=shape, sinks=({},), **own)


def plan(made: Job, slot: datetime = SLOT, spans: Mapping[str, Span] | None = None, **keys: object) -> Plan:
    return make_plan(made, {"boston": calendar(**keys)}, slot, spans=spans)


def rows(made: Plan) -> Query:
    return made.queries[0]


def days(query: Query) -> list[tuple[str, str]]:
    return [(str(piece.first_day), str(piece.last_day)) for piece in query.slices]


# --- the request ------------------------------------------------------------------------------------------------------


def test_whole_production_days_are_asked_by_day_and_flatten_is_a_boolean() -> None:
    (piece,) = plan(job(group_by=("machine", "day"), metrics=("oee", "goodParts"))).slices
    assert piece.request == {
        "startDay": "2026-11-19",
        "endDay": "2026-11-19",
        "data": [{"metric": "oee"}, {"metric": "goodParts"}],
        "groupBy": [{"group": "machine"}, {"group": "day"}],
        "flatten": True,
    }
    assert piece.request["flatten"] is True


def test_any_other_span_is_asked_by_instants_in_utc() -> None:
    (piece,) = plan(job(WindowSpec(last="8 hours"))).slices
    assert piece.request == {
        "start": "2026-11-20T03:00:00Z",
        "end": "2026-11-20T11:00:00Z",
        "data": [{"metric": "goodParts"}],
        "flatten": True,
    }


def test_a_query_speaks_one_dialect_even_where_a_slice_is_whole_days() -> None:
    query = rows(plan(job("month_to_date", group_by=("day",))))
    assert len(query.slices) == 3
    assert all(piece.first_day is None for piece in query.slices)
    assert query.slices[-1].end == SLOT


# --- slices -----------------------------------------------------------------------------------------------------------


def test_without_a_time_group_a_month_is_one_request() -> None:
    assert days(rows(plan(job("last_month", group_by=("machine",))))) == [("2026-10-01", "2026-10-31")]


@pytest.mark.parametrize("group", ["day", "hour"])
def test_with_a_time_group_a_slice_is_at_most_as_long_as_the_job_says(group: str) -> None:
    assert days(rows(plan(job("last_month", group_by=("machine", group))))) == [
        ("2026-10-01", "2026-10-07"),
        ("2026-10-08", "2026-10-14"),
        ("2026-10-15", "2026-10-21"),
        ("2026-10-22", "2026-10-28"),
        ("2026-10-29", "2026-10-31"),
    ]
    assert len(rows(plan(job("last_month", group_by=(group,), slice="1 day"))).slices) == 31
    assert len(rows(plan(job("last_month", group_by=(group,), slice="2 weeks"))).slices) == 3


@pytest.mark.parametrize(
    ("starts", "expected"),
    [
        ("monday", [("2026-10-26", "2026-11-01"), ("2026-11-02", "2026-11-08"), ("2026-11-09", "2026-11-15")]),
        ("sunday", [("2026-11-01", "2026-11-07"), ("2026-11-08", "2026-11-14"), ("2026-11-15", "2026-11-15")]),
    ],
)
def test_each_production_week_is_a_slice_of_its_own_clipped_to_the_span(
    starts: str, expected: list[tuple[str, str]]
) -> None:
    window = WindowSpec(from_="2026-10-26" if starts == "monday" else "2026-11-01", to="2026-11-15")
    query = rows(plan(job(window, group_by=("week", "machine")), week_starts=starts))
    assert days(query) == expected
    assert [piece.constants for piece in query.slices] == [(("week", first),) for first, _ in expected]
    assert {piece.groups for piece in query.slices} == {("machine",)}


def test_a_week_that_the_span_cuts_keeps_its_name() -> None:
    query = rows(plan(job(WindowSpec(from_="2026-11-04", to="2026-11-10"), group_by=("week",))))
    assert days(query) == [("2026-11-04", "2026-11-08"), ("2026-11-09", "2026-11-10")]
    assert [piece.constants for piece in query.slices] == [(("week", "2026-11-02"),), (("week", "2026-11-09"),)]


def test_months_and_quarters_end_where_the_calendar_says() -> None:
    window = WindowSpec(from_="2027-12-30", to="2028-03-01")
    assert [(piece.constants, str(piece.last_day)) for piece in plan(job(window, group_by=("month",))).slices] == [
        ((("month", "2027-12"),), "2027-12-31"),
        ((("month", "2028-01"),), "2028-01-31"),
        ((("month", "2028-02"),), "2028-02-29"),
        ((("month", "2028-03"),), "2028-03-01"),
    ]
    assert [piece.constants for piece in plan(job(window, group_by=("quarter",))).slices] == [
        (("quarter", "2027-Q4"),),
        (("quarter", "2028-Q1"),),
    ]


def test_two_buckets_cut_at_the_borders_of_both() -> None:
    window = WindowSpec(from_="2026-10-26", to="2026-11-08")
    query = rows(plan(job(window, group_by=("month", "week"))))
    assert days(query) == [("2026-10-26", "2026-10-31"), ("2026-11-01", "2026-11-01"), ("2026-11-02", "2026-11-08")]
    assert query.slices[1].constants == (("month", "2026-11"), ("week", "2026-10-26"))


def test_days_inside_a_bucket_are_sliced_too() -> None:
    query = rows(plan(job("last_month", group_by=("month", "day"), slice="14 days")))
    assert days(query) == [("2026-10-01", "2026-10-14"), ("2026-10-15", "2026-10-28"), ("2026-10-29", "2026-10-31")]
    assert {piece.constants for piece in query.slices} == {(("month", "2026-10"),)}


def test_weekday_is_read_off_the_day() -> None:
    assert rows(plan(job("last_week", group_by=("weekday", "machine")))).slices[0].groups == ("day", "machine")
    assert rows(plan(job("last_week", group_by=("day", "weekday")))).slices[0].groups == ("day",)


def test_slices_at_a_clock_change_follow_the_wall_clock() -> None:
    """The first Sunday of November has 25 hours in New York."""
    window = WindowSpec(from_="2026-10-31", to="2026-11-01")
    first, second = rows(plan(job(window, group_by=("day",), slice="1 day"), start_of_day="00:00")).slices
    assert (first.start, first.end) == (datetime(2026, 10, 31, 4, tzinfo=UTC), datetime(2026, 11, 1, 4, tzinfo=UTC))
    assert second.end - second.start == timedelta(hours=25)


def test_a_day_that_a_zone_left_out_is_not_asked_for() -> None:
    """Samoa had no 30 December 2011."""
    window = WindowSpec(from_="2011-12-29", to="2011-12-31")
    query = rows(plan(job(window, group_by=("day",), slice="1 day"), timezone="Pacific/Apia", start_of_day="00:00"))
    assert days(query) == [("2011-12-29", "2011-12-29"), ("2011-12-31", "2011-12-31")]
    assert [piece.number for piece in query.slices] == [0, 1]


def borders(query: Query) -> list[str]:
    return [f"{piece.start:%d %H:%M} to {piece.end:%d %H:%M}" for piece in query.slices]


def test_no_hour_is_asked_for_in_two_parts() -> None:
    """Two requests that share an hour would each give a part of it, as two rows that nobody can put together."""
    window = WindowSpec(from_="2026-11-02", to="2026-11-05")
    query = rows(plan(job(window, group_by=("hour",), slice="2 days"), start_of_day="06:30"))  # 11:30 in UTC
    assert borders(query) == ["02 11:30 to 04 12:00", "04 12:00 to 06 11:30"]
    assert {piece.first_day for piece in query.slices} == {None}  # no day ends where a slice does
    query = rows(plan(job(window, group_by=("hour",), slice="2 days"), timezone="Asia/Kolkata"))  # 00:30 in UTC
    assert borders(query) == ["02 00:30 to 04 01:00", "04 01:00 to 06 00:30"]


def test_hours_are_asked_for_by_day_where_days_start_on_a_full_hour_or_are_not_cut() -> None:
    window = WindowSpec(from_="2026-11-02", to="2026-11-03")
    assert len(days(rows(plan(job(window, group_by=("hour",), slice="1 day"))))) == 2
    query = rows(plan(job(window, group_by=("hour",)), start_of_day="06:30"))
    assert days(query) == [("2026-11-02", "2026-11-03")]


def test_an_hour_that_two_weeks_share_is_asked_for_in_each() -> None:
    """Its two rows are told apart by the week, and each has the part that belongs to its week."""
    window = WindowSpec(from_="2026-11-08", to="2026-11-09")  # a Sunday and a Monday
    query = rows(plan(job(window, group_by=("week", "hour")), start_of_day="06:30"))
    assert borders(query) == ["08 11:30 to 09 11:30", "09 11:30 to 10 11:30"]


def test_a_window_that_ends_within_an_hour_that_a_day_starts_in_has_no_slice_beyond_it() -> None:
    slot = datetime(2026, 11, 3, 11, 40, tzinfo=UTC)
    made = job("month_to_date", group_by=("hour",), slice="1 day")
    query = rows(plan(made, slot=slot, start_of_day="06:30"))
    assert borders(query) == ["01 11:30 to 02 12:00", "02 12:00 to 03 11:40"]


BUCKETS = st.sets(st.sampled_from(["day", "hour", "week", "month", "quarter", "machine", "weekday"]))


@given(
    zone=st.sampled_from(ZONES),
    start_of_day=st.sampled_from(["00:00", "02:30", "06:00", "23:30"]),
    week_starts=st.sampled_from(["monday", "saturday", "sunday"]),
    first=st.dates(date(2005, 1, 1), date(2030, 12, 31)),
    length=st.integers(1, 120),
    clip=st.booleans(),
    groups=BUCKETS,
    longest=st.integers(1, 20),
)
@settings(deadline=None, max_examples=150)
def test_slices_tile_the_span_and_keep_the_rules(
    zone: str,
    start_of_day: str,
    week_starts: str,
    first: date,
    length: int,
    clip: bool,
    groups: set[str],
    longest: int,
) -> None:
    """No gap, no overlap, never too long, cut only where production days end, each bucket for itself.

    With hours, days of one bucket end on the full hour, so that no hour is cut.
    """
    plant = calendar(timezone=zone, start_of_day=start_of_day, week_starts=week_starts)
    window = WindowSpec(from_=first.isoformat(), to=(first + timedelta(days=length - 1)).isoformat())
    span = resolve_window(window, plant, SLOT)
    if clip and span.hours > 2:
        hour = timedelta(hours=1)
        start, end = ((span.start + hour).isoformat(), (span.end - hour).isoformat())
        span = resolve_window(WindowSpec(from_=start, to=end), plant, SLOT)
    made = job(window, group_by=tuple(sorted(groups)), slice=f"{longest} days")
    slices = rows(make_plan(made, {"boston": plant}, SLOT, spans={"boston": span})).slices

    ends = [span.start, *(piece.end for piece in slices)]
    assert [piece.start for piece in slices] == ends[:-1]
    assert ends[-1] == span.end
    assert all(piece.start < piece.end for piece in slices)
    for before, after in pairwise(slices):
        if "hour" in groups and before.constants == after.constants:
            assert (after.start.minute, after.start.second) == (0, 0)
            assert after.start - plant.day_start(plant.day_of(after.start)) < timedelta(hours=1)
        else:
            assert plant.day_start(plant.day_of(after.start)) == after.start
    limited = bool(groups & {"day", "hour", "weekday"})
    for piece in slices:
        touched = list(plant.days(plant.day_of(piece.start), plant.day_of(piece.end - timedelta(microseconds=1))))
        assert not limited or len(touched) <= longest + ("hour" in groups)
        assert dict(piece.constants) == bucket_names(touched[0], plant, groups)
        assert dict(piece.constants) == bucket_names(touched[-1], plant, groups)
        if piece.first_day and piece.last_day:
            assert span.whole_days
            assert plant.day_start(piece.first_day) == piece.start
            assert plant.day_start(piece.last_day + timedelta(days=1)) == piece.end
    assert len({piece.first_day is None for piece in slices}) == 1
    if not limited:  # a bucket is never cut without need
        assert len({piece.constants for piece in slices}) == len(slices)


def bucket_names(day: date, plant: PlantCalendar, groups: set[str]) -> dict[str, str]:
    """The names of a day's buckets, found by walking the calendar, not by arithmetic."""
    week = day
    while week.weekday() != plant.week_starts:
        week -= timedelta(days=1)
    quarter = {1: 1, 2: 1, 3: 1, 4: 2, 5: 2, 6: 2, 7: 3, 8: 3, 9: 3, 10: 4, 11: 4, 12: 4}[day.month]
    names = {"week": str(week), "month": f"{day:%Y-%m}", "quarter": f"{day.year}-Q{quarter}"}
    return {name: value for name, value in names.items() if name in groups}


# --- sites ------------------------------------------------------------------------------------------------------------


def test_each_site_has_its_own_span_and_the_report_says_which() -> None:
    calendars = {"boston": calendar(), "kyoto": calendar(timezone="Asia/Tokyo", start_of_day="08:00")}
    made = make_plan(job(group_by=("machine",)), calendars, SLOT)
    assert [site for site, _ in made.spans] == ["boston", "kyoto"]
    assert [str(span.first_day) for _, span in made.spans] == ["2026-11-19", "2026-11-19"]
    assert made.spans[1][1].start == datetime(2026, 11, 18, 23, tzinfo=UTC)
    assert made.groups == ("site", "machine")
    assert {piece.groups for piece in made.slices} == {("machine",)}


def test_the_order_of_sites_is_that_of_the_job_and_one_site_needs_no_column() -> None:
    calendars = {"boston": calendar(), "kyoto": calendar(timezone="Asia/Tokyo")}
    assert [site for site, _ in make_plan(job(sites=("kyoto", "boston")), calendars, SLOT).spans] == ["kyoto", "boston"]
    assert make_plan(job(sites=("kyoto",), group_by=("day",)), calendars, SLOT).groups == ("day",)
    both = job(sites=("kyoto", "boston"), group_by=("day", "site"))
    assert make_plan(both, calendars, SLOT).groups == ("day", "site")


# --- metrics ----------------------------------------------------------------------------------------------------------


def test_metrics_of_expressions_checks_and_sort_are_asked_for_after_those_shown() -> None:
    shape = Shape(
        columns={"scrap": "rejectedParts / nullif(totalParts, 0)", "idle": ColumnSpec(expr="allTime - timeInCycle")},
        where="downtime > 0 and goodParts is not null",
        sort=("-setupTime", "machine"),
    )
    checks = (CheckSpec(column="goodParts", max="partsGoal"), CheckSpec(column="scrap", max=1))
    made = plan(job(shape=shape, checks=checks, group_by=("machine",), metrics=("oee", MetricUse(metric="goodParts"))))
    shown, extra = made.metrics[:2], set(made.metrics[2:])
    assert shown == ("oee", "goodParts")
    assert extra == {
        "rejectedParts", "totalParts", "allTime", "timeInCycle", "downtime", "setupTime", "partsGoal",
    }  # fmt: skip
    assert len(made.metrics) == 9


@pytest.mark.parametrize(
    ("keys", "asked"),
    [
        ({"group_by": ("machine",)}, ("utilizationRate",)),
        ({"group_by": ("machine",), "shape": Shape(totals=True)}, ("utilizationRate", "timeInCycle", "allTime")),
        ({"group_by": ("machine",), "shape": Shape(rest=True, limit=3)}, ("utilizationRate", "timeInCycle", "allTime")),
        ({"group_by": ("weekday",)}, ("utilizationRate", "timeInCycle", "allTime")),
    ],
    ids=["rows only", "totals", "rest", "weekday"],
)
def test_the_parts_of_a_ratio_are_asked_for_where_rows_are_put_together(
    keys: dict[str, object], asked: tuple[str, ...]
) -> None:
    assert plan(job(metrics=("utilizationRate",), **keys)).metrics == asked


def test_a_metric_that_the_catalogue_does_not_know_is_asked_for_as_written() -> None:
    assert plan(job(metrics=("sparkle", "goodParts"))).metrics == ("sparkle", "goodParts")


@pytest.mark.parametrize(
    ("keys", "keys_asked"),
    [
        ({"metrics": ("goodParts",), "group_by": ("machine",)}, ["rows"]),  # they follow from the rows
        ({"metrics": ("oee",), "group_by": ("machine",)}, ["rows", "totals"]),
        ({"metrics": ("goodParts",), "group_by": ("machineGroup",)}, ["rows", "totals"]),
        ({"metrics": ("goodParts",), "group_by": ("operator", "day")}, ["rows", "totals"]),
        ({"metrics": ("goodParts",), "group_by": ("jobOperation",)}, ["rows", "totals"]),
        ({"metrics": ("oee",), "group_by": ()}, ["rows"]),  # the one row is the total
        ({"metrics": ("oee",), "group_by": ("shift",), "no_shift": "drop"}, ["rows"]),
        ({"metrics": ("oee",), "group_by": ("week",)}, ["rows", "totals"]),
    ],
)
def test_totals_are_asked_for_when_only_the_service_knows_them(keys: dict[str, object], keys_asked: list[str]) -> None:
    made = plan(job("last_month", shape=Shape(totals=True), **keys))
    assert [query.key for query in made.queries] == keys_asked
    assert "totals" not in [query.key for query in plan(job("last_month", **keys)).queries]
    filtered = Shape(totals=True, where="goodParts > 0")
    assert [query.key for query in plan(job(shape=filtered, **keys)).queries] == ["rows"]


def test_totals_are_one_request_over_the_whole_span_without_groups() -> None:
    made = plan(job("last_month", shape=Shape(totals=True), metrics=("oee",), group_by=("week", "day")))
    (piece,) = made.queries[1].slices
    assert (piece.query, piece.groups, piece.constants) == ("totals", (), ())
    assert (str(piece.first_day), str(piece.last_day)) == ("2026-10-01", "2026-10-31")


def test_the_planned_time_of_the_same_span_is_asked_for_only_to_skip_idle_times() -> None:
    weekly = Schedule(every="day", at="06:40", skip_when_idle=True)
    made = plan(job("last_month", group_by=("week", "day"), schedule=weekly, shape=Shape(compare=Compare())))
    assert [query.key for query in made.queries] == ["rows", "previous", "planned"]
    (piece,) = made.queries[2].slices
    assert (piece.groups, piece.metrics, piece.constants) == ((), ("nonOptionalTime",), ())
    assert (str(piece.first_day), str(piece.last_day)) == ("2026-10-01", "2026-10-31")
    assert describe_plan(made).splitlines()[-1] == "  1. 2026-10-01 to 2026-10-31, by no group: nonOptionalTime"
    for schedule in (None, "manual", Schedule(every="day", at="06:40")):
        assert "planned" not in [query.key for query in plan(job("last_month", schedule=schedule)).queries]


# --- comparing and given spans ----------------------------------------------------------------------------------------


def test_compare_asks_the_same_of_the_earlier_span() -> None:
    shape = Shape(compare=Compare(to="previous"), totals=True)
    made = plan(job("last_week", shape=shape, metrics=("oee",), group_by=("machine", "day")))
    assert [query.key for query in made.queries] == ["rows", "totals", "previous", "previous_totals"]
    assert days(made.queries[2]) == [("2026-11-02", "2026-11-08")]
    assert days(made.queries[3]) == [("2026-11-02", "2026-11-08")]
    assert made.queries[2].slices[0].groups == made.queries[0].slices[0].groups


def test_a_given_span_replaces_the_window_and_what_it_is_compared_with() -> None:
    made = job("yesterday", shape=Shape(compare=Compare()), group_by=("day",))
    given_days = resolve_window(WindowSpec(from_="2026-11-03", to="2026-11-05"), calendar(), SLOT)
    planned = plan(made, spans={"boston": given_days})
    assert planned.spans == (("boston", given_days),)
    assert [days(query) for query in planned.queries] == [
        [("2026-11-03", "2026-11-05")],
        [("2026-10-31", "2026-11-02")],
    ]
    given_hours = resolve_window(
        WindowSpec(from_="2026-11-03T06:00-05:00", to="2026-11-03T14:00-05:00"), calendar(), SLOT
    )
    _, before = plan(made, spans={"boston": given_hours}).queries
    assert (before.span.start, before.span.end) == (given_hours.start - timedelta(hours=8), given_hours.start)


# --- showing ----------------------------------------------------------------------------------------------------------


def test_the_same_job_and_slot_give_the_same_plan() -> None:
    made = job("month_to_date", group_by=("week", "machine", "day"), metrics=("oee",), shape=Shape(totals=True))
    assert plan(made) == plan(made)


def test_a_plan_can_be_read() -> None:
    made = job(
        "last_week", group_by=("week", "machine", "day"), metrics=("oee",), shape=Shape(totals=True), slice="4 days"
    )
    lines = describe_plan(plan(made)).splitlines()
    assert [line for line in lines if not line.startswith("boston ")] == [
        "test for 2026-11-20T11:40:00Z: 3 requests",
        "  1. 2026-11-09 to 2026-11-12, week 2026-11-09, by machine, day: oee",
        "  2. 2026-11-13 to 2026-11-15, week 2026-11-09, by machine, day: oee",
        "  1. 2026-11-09 to 2026-11-15, by no group: oee",
    ]
    assert [line.partition(":")[0] for line in lines if line.startswith("boston ")] == ["boston rows", "boston totals"]
