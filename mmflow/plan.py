"""What will be asked of the service, before anything is asked: one span per site, cut into slices.

A slice is one request. Planning is pure: the same job, calendars and slot give the same plan, and
:func:`describe_plan` shows it.

Four rules make the slices.

* The service has no week, month or quarter, so each becomes a slice of its own, clipped to the span: every metric
  comes from the service for exactly those days and is never added up from smaller ones.
* With ``day`` or ``hour`` among the groups a piece is at most ``slice`` long. Without one it is asked whole,
  because a ratio over seven days is not the mean of its days.
* Pieces end where production days end. Only with ``hour`` among the groups, and inside a bucket, they end at the next
  full hour of UTC, where the service's hours are taken to end, so that no hour is asked for in two parts.
* ``weekday`` is read off the day: the service is asked for ``day`` in its place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import groupby, islice, pairwise
from typing import Literal

from mmflow.job import Job, WindowSpec
from mmflow.plant import PlantCalendar
from mmflow.plant.periods import WEEK
from mmflow.question import (
    Question,
    ask_metrics,
    asks_planned,
    asks_totals,
    question_planned,
    question_rows,
    question_totals,
)
from mmflow.table import Cell
from mmflow.windows import Span, earlier_span, resolve_window

QueryKey = Literal["rows", "totals", "previous", "previous_totals", "planned"]
Constants = tuple[tuple[str, Cell], ...]
Piece = tuple[Constants, date, date]  # the first and the last production day, both included
ONE_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Slice:
    """One request for one piece of a span.

    ``start`` and ``end`` are UTC, half-open. When all slices of the query are whole production days, ``first_day`` and
    ``last_day`` (both included) are set and the request names days; else it names the two instants. ``groups`` and
    ``metrics`` are those asked of the service; ``constants`` are the values of our own groups, the same for every
    row of the answer.
    """

    query: QueryKey
    site: str
    number: int  # from 0, within its query and site
    start: datetime
    end: datetime
    first_day: date | None
    last_day: date | None
    constants: Constants
    groups: tuple[str, ...]
    metrics: tuple[str, ...]

    @property
    def request(self) -> dict[str, object]:
        """Give the body of the request, without filters, whose names only the site itself can turn into ids."""
        body: dict[str, object] = dict(self.window)
        body["data"] = [{"metric": name} for name in self.metrics]
        if self.groups:
            body["groupBy"] = [{"group": name} for name in self.groups]
        return body | {"flatten": True}

    @property
    def window(self) -> dict[str, str]:
        """Give the date range as the request writes it: two days, or two instants in UTC."""
        if self.first_day and self.last_day:
            return {"startDay": self.first_day.isoformat(), "endDay": self.last_day.isoformat()}
        return {"start": write_instant(self.start), "end": write_instant(self.end)}


@dataclass(frozen=True, slots=True)
class Query:
    """One question to one site; its slices tile the span in time order."""

    key: QueryKey
    site: str
    span: Span
    slices: tuple[Slice, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """All that a run will ask.

    ``metrics`` are those asked for, which may be more than the report shows; ``groups`` those shown, in the order
    of the job, led by ``site`` when there is more than one.
    """

    job: str
    slot: datetime
    spans: tuple[tuple[str, Span], ...]
    queries: tuple[Query, ...]
    metrics: tuple[str, ...]
    groups: tuple[str, ...]

    @property
    def slices(self) -> tuple[Slice, ...]:
        """Give every request, in the order of the queries."""
        return tuple(piece for query in self.queries for piece in query.slices)


def make_plan(
    job: Job,
    calendars: Mapping[str, PlantCalendar],
    slot: datetime,
    *,
    spans: Mapping[str, Span] | None = None,
) -> Plan:
    """Plan a job for a slot (aware). ``calendars`` holds every site, by name, in the order of the settings.

    ``spans`` replaces the job's window for the sites it names, when dates were given by hand.
    Raises :class:`~mmflow.errors.UserError` when the window cannot be resolved.
    """
    sites = job.sites or tuple(calendars)
    found = tuple((site, find_span(job, calendars[site], slot, (spans or {}).get(site))) for site in sites)
    shown = job.report.group_by
    return Plan(
        job=job.job,
        slot=slot,
        spans=found,
        queries=tuple(
            query
            for site, span in found
            for query in plan_site(job, calendars[site], site, span, slot, given=site in (spans or {}))
        ),
        metrics=ask_metrics(job),
        groups=shown if len(sites) == 1 or "site" in shown else ("site", *shown),
    )


def find_span(job: Job, calendar: PlantCalendar, slot: datetime, given: Span | None) -> Span:
    """Give the span of one site: the one given, or the job's window at the slot."""
    if given is not None:
        return given
    return resolve_window(job.window, calendar, slot, machine_groups=job.report.filter.get("machineGroup", ()))


def plan_site(
    job: Job, calendar: PlantCalendar, site: str, span: Span, slot: datetime, *, given: bool = False
) -> Iterator[Query]:
    """Give the queries of one site: rows, their totals when only the service knows them, both earlier, planned time."""
    rounds: list[tuple[QueryKey, QueryKey, Span]] = [("rows", "totals", span)]
    if job.shape.compare:
        window = repeat_span(span) if given else job.window
        groups = job.report.filter.get("machineGroup", ())
        earlier = earlier_span(window, calendar, slot, job.shape.compare.to, machine_groups=groups)
        rounds.append(("previous", "previous_totals", earlier))
    for rows, totals, over in rounds:
        yield make_query(rows, site, over, calendar, question_rows(job))
        if asks_totals(job):
            yield make_query(totals, site, over, calendar, question_totals(job))
    if asks_planned(job):
        yield make_query("planned", site, span, calendar, question_planned())


def repeat_span(span: Span) -> WindowSpec:
    """Write a span as a window, so that "earlier" means the same for dates given by hand."""
    if span.whole_days:
        return WindowSpec(from_=span.first_day.isoformat(), to=span.last_day.isoformat())
    return WindowSpec(from_=write_instant(span.start), to=write_instant(span.end))


def make_query(key: QueryKey, site: str, span: Span, calendar: PlantCalendar, question: Question) -> Query:
    """Make the slices of one question; the first and the last are clipped to the span."""
    pieces = list(cut_days(span, calendar, question))
    borders = find_borders(span, calendar, question, pieces)
    starts = [calendar.day_start(first) for _, first, _ in pieces]
    by_days = span.whole_days and borders[:-1] == starts
    slices: list[Slice] = []
    for (constants, first, last), (start, end) in zip(pieces, pairwise(borders), strict=True):
        if start < end:  # some zones have left out a whole day
            slices.append(
                Slice(
                    query=key,
                    site=site,
                    number=len(slices),
                    start=start,
                    end=end,
                    first_day=first if by_days else None,
                    last_day=last if by_days else None,
                    constants=constants,
                    groups=question.groups,
                    metrics=question.metrics,
                )
            )
    return Query(key, site, span, tuple(slices))


def find_borders(span: Span, calendar: PlantCalendar, question: Question, pieces: Sequence[Piece]) -> list[datetime]:
    """Give the start of each piece, and the end of the span.

    Where hours are asked for, a border inside a bucket is moved to the next full hour: two requests would each give
    their part of an hour that it cuts, and nobody could put the two together.
    """
    borders = [span.start]
    for (bucket, _, _), (after, first, _) in pairwise(pieces):
        border = calendar.day_start(first)
        borders.append(min(next_hour(border) if "hour" in question.groups and after == bucket else border, span.end))
    return [*borders, span.end]


def next_hour(instant: datetime) -> datetime:
    """Give the first full hour of UTC that is not before a UTC instant."""
    hour = instant.replace(minute=0, second=0, microsecond=0)
    return hour if hour == instant else hour + ONE_HOUR


def cut_days(span: Span, calendar: PlantCalendar, question: Question) -> Iterator[Piece]:
    """Cut a span's production days where a bucket ends, then into pieces that are not too long."""

    def name_buckets(day: date) -> Constants:
        return tuple((name, BUCKETS[name](day, calendar)) for name in question.buckets)

    for constants, days in groupby(calendar.days(span.first_day, span.last_day), key=name_buckets):
        while piece := list(islice(days, question.longest)):
            yield constants, piece[0], piece[-1]


def name_week(day: date, calendar: PlantCalendar) -> str:
    """Name a production week by its first day: ``2026-11-16``."""
    return WEEK.first_day(day, calendar.week_starts).isoformat()


def name_month(day: date, _calendar: PlantCalendar) -> str:
    """Name a month: ``2026-11``."""
    return day.isoformat()[:7]


def name_quarter(day: date, _calendar: PlantCalendar) -> str:
    """Name a quarter of the calendar year: ``2026-Q4``."""
    return f"{day.year:04}-Q{(day.month + 2) // 3}"


BUCKETS: Mapping[str, Callable[[date, PlantCalendar], str]] = {
    "week": name_week,
    "month": name_month,
    "quarter": name_quarter,
}


def write_instant(instant: datetime) -> str:
    """Write an instant as the service's documentation does: UTC, whole seconds, ``Z``."""
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def describe_plan(plan: Plan) -> str:
    """Say what will be asked, one line a request, for ``mmflow preview --plan``."""
    count = len(plan.slices)
    lines = [f"{plan.job} for {write_instant(plan.slot)}: {count} request{'s' * (count != 1)}"]
    for query in plan.queries:
        lines.append(f"{query.site} {query.key}: {query.span.why}")
        lines += [f"  {describe_slice(piece)}" for piece in query.slices]
    return "\n".join(lines)


def describe_slice(piece: Slice) -> str:
    """Say what one request asks for."""
    window = " to ".join(piece.window.values())
    fixed = "".join(f", {name} {value}" for name, value in piece.constants)
    by = ", ".join(piece.groups) or "no group"
    return f"{piece.number + 1}. {window}{fixed}, by {by}: {', '.join(piece.metrics)}"
