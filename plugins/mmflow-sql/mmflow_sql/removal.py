"""Which earlier rows of a table a delivery takes the place of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, false, or_

from mmflow import Replacement, RunInfo, Span, Table
from mmflow_sql.layout import END, JOB, SITE, START, Layout
from mmflow_sql.options import SqlOptions

# From a moment as Replacement writes it to the value of a column, by the type of that.
MOMENTS: Final[Mapping[str, Callable[[str], Any]]] = {
    "date": date.fromisoformat,
    "datetime": lambda text: datetime.fromisoformat(text).replace(tzinfo=UTC),
    "text": str,
}


def find_earlier(layout: Layout, table: Table, options: SqlOptions, run: RunInfo) -> ColumnElement[bool]:
    """Give the condition for the rows that go; they are always of this job.

    Rows of sites that did not answer stay, but in mode replace. A row without a time is always written anew.
    """
    mine = layout.table.c[JOB] == run.job
    if options.mode == "upsert":
        return false()
    if options.mode == "replace":
        return mine
    if options.mode == "append":
        return and_(mine, or_(false(), *place_windows(layout, run, "same_window")))
    if not run.time_column:
        return and_(mine, or_(false(), *place_windows(layout, run, options.replaces or "same_start")))
    return and_(mine, or_(false(), *place_times(layout, table, run)))


def place_windows(layout: Layout, run: RunInfo, replaces: str) -> Iterator[ColumnElement[bool]]:
    """Give a condition for each site: rows that were written for the same window, or for one that began with it."""
    columns = layout.table.c
    compared: dict[str, Callable[[Span], list[ColumnElement[bool]]]] = {
        "same_window": lambda span: [columns[START] == span.start, columns[END] == span.end],
        "same_start": lambda span: [columns[START] == span.start],
        "all": lambda _: [],
    }
    for site, span in run.spans:
        yield and_(columns[SITE] == site, *compared[replaces](span))


def place_times(layout: Layout, table: Table, run: RunInfo) -> Iterator[ColumnElement[bool]]:
    """Give a condition for each site: rows whose time lies in its span."""
    replacement = Replacement.of(table, run)
    column = table.columns[replacement.time]
    time, read = layout.table.c[column.name], MOMENTS[column.type]
    for site, first, last in replacement.ranges:
        yield and_(layout.table.c[SITE] == site, or_(time.between(read(first), read(last)), time.is_(None)))
