"""A delivery made by hand, to try a sink without a service, a job or a ledger."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from mmflow.deliver.told import About, path_names
from mmflow.sinks import Outline, RunInfo
from mmflow.table import Cell, Column
from mmflow.windows import Span

ZONE = "America/New_York"
DAY = Column("day", "Day", "date", "group")
HOUR = Column("hour", "Hour", "datetime", "group", zone=ZONE)
SITE = Column("site", "Site", "text", "group")
MACHINE = Column("machine", "Machine", "text", "group")
PARTS = Column("goodParts", "Good parts", "number")
DOWN = Column("downtime", "Down (min)", "number", unit="min", decimals=1)


def make_span(first: date, last: date, zone: str = ZONE) -> Span:
    """Give the span of whole days from ``first`` to ``last``, both included, starting at local midnight."""
    start, end = (
        datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC) for day in (first, last + timedelta(days=1))
    )
    return Span(start, end, zone, first, last, whole_days=True, why="made by hand")


def make_run(
    root: Path,
    *,
    first: date = date(2026, 11, 21),
    last: date | None = None,
    sites: tuple[str, ...] = ("boston",),
    **changes: Any,
) -> RunInfo:
    """Give what the engine hands to a sink for a report about some days; ``changes`` are fields of it.

    Files go to ``out`` under ``root``; the words of path templates are those of a real run.
    """
    span = make_span(first, last or first)
    slot = span.end + timedelta(hours=6)
    about = About(
        run="20261122T114002-7f3a",
        job="morning-oee",
        slot=slot,
        spans=tuple((site, span) for site in sites),
        extracted=slot,
        time_column="day",
    )
    fields: dict[str, Any] = {
        "run": about.run,
        "job": about.job,
        "sink": "sink",
        "slot": slot,
        "key": f"{about.job}/sink",
        "generation": 1,
        "fence": 1,
        "spans": about.spans,
        "time_column": about.time_column,
        "extracted_at": about.extracted,
        "root": root,
        "output": root / "out",
        "output_mode": 0o644,
        "job_folder": root / "jobs",
        "store": root / "store",
        "names": path_names(about, "sink"),
    }
    return RunInfo(**fields | changes)


def day_rows(first: date, days: int, parts: float = 100) -> list[tuple[Cell, ...]]:
    """Give rows of the columns day, machine, good parts and down time: two machines for each day."""
    listed = (first + timedelta(days=number) for number in range(days))
    return [(day, machine, parts, 1.5) for day in listed for machine in ("Haas 1", "Mazak, 2")]


def make_outline(
    *, columns: tuple[str, ...] = ("day", "machine", "goodParts", "downtime"), time_column: str = "day"
) -> Outline:
    """Give what a sink's ``validate`` is told of a report by machine."""
    groups = tuple(name for name in (time_column, "machine") if name)
    return Outline(job="morning-oee", columns=columns, groups=groups, time_column=time_column)
