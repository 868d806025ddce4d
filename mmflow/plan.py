"""What will be asked of the service, before anything is asked: one span per site, cut into slices.

A slice is one request. Planning is pure: the same job, calendars and slot give the same plan.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from mmflow.table import Cell
from mmflow.windows import Span

QueryKey = Literal["rows", "totals", "previous", "previous_totals"]


@dataclass(frozen=True, slots=True)
class Slice:
    """One request for one piece of a span.

    ``start`` and ``end`` are UTC, half-open. When the span is whole production days, ``first_day`` and ``last_day``
    (both included) are set and the request names days; else it names the two instants. ``groups`` and ``metrics`` are
    those asked of the service; ``constants`` are the values of our own groups, the same for every row of the answer.
    """

    query: QueryKey
    site: str
    number: int  # from 0, within its query and site
    start: datetime
    end: datetime
    first_day: date | None
    last_day: date | None
    constants: tuple[tuple[str, Cell], ...]
    groups: tuple[str, ...]
    metrics: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Query:
    """One question to one site; its slices tile the span in time order."""

    key: QueryKey
    site: str
    span: Span
    slices: tuple[Slice, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """All that a run will ask. ``metrics`` are those asked for, ``groups`` those shown, in the order of the job."""

    job: str
    slot: datetime
    spans: tuple[tuple[str, Span], ...]
    queries: tuple[Query, ...]
    metrics: tuple[str, ...]
    groups: tuple[str, ...]
