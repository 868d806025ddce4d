"""Which rows of an earlier delivery a new one takes the place of, when a destination is kept over many runs.

Rows are placed by the finest time group of the report. Moments are compared as texts that sort like the times they
stand for, so that files, sheets and workbooks compare alike what they hold in different types.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from mmflow.errors import GiveUp
from mmflow.sinks import RunInfo
from mmflow.table.cells import Cell

if TYPE_CHECKING:
    from mmflow.table import Table
    from mmflow.windows import Span

DAY = timedelta(days=1)
TICK = timedelta(microseconds=1)


def instant_text(instant: datetime) -> str:
    """Write an instant so that texts sort as instants do."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")


def moment_text(cell: Cell) -> str:
    """Write the cell of a time group as :class:`Replacement` compares it; "" for null, which stands before all."""
    if cell is None:
        return ""
    if isinstance(cell, datetime):
        return instant_text(cell)
    return cell.isoformat() if isinstance(cell, date) else str(cell)


def quarter_text(day: date) -> str:
    """Name the quarter of a day as tables do."""
    return f"{day.year}-Q{(day.month + 2) // 3}"


# For each time group: the first and the last of its values that a span touches.
RANGES: Mapping[str, Callable[[Span], tuple[str, str]]] = {
    "hour": lambda span: (instant_text(span.start), instant_text(span.end - TICK)),
    "day": lambda span: (span.first_day.isoformat(), span.last_day.isoformat()),
    "week": lambda span: ((span.first_day - 6 * DAY).isoformat(), span.last_day.isoformat()),
    "month": lambda span: (f"{span.first_day:%Y-%m}", f"{span.last_day:%Y-%m}"),
    "quarter": lambda span: (quarter_text(span.first_day), quarter_text(span.last_day)),
}


@dataclass(frozen=True, slots=True)
class Replacement:
    """Which rows of an earlier file a delivery takes the place of."""

    time: int  # place of the column that holds the moment of a row
    site: int | None  # place of the column that holds the site, when there is one
    ranges: tuple[tuple[str, str, str], ...]  # site, first and last moment

    @classmethod
    def of(cls, table: Table, run: RunInfo) -> Replacement:
        """Read it off the delivery; :class:`GiveUp` when rows have no time to go by, or lack a part of their hour."""
        names = [column.name for column in table.columns]
        if run.time_column not in names or run.time_column not in RANGES:
            raise GiveUp("replace_window needs a time group in the report, such as day; add one, or use mode: replace")
        if run.time_column == "hour":
            check_starts(run.spans)
        ranges = tuple((site, *RANGES[run.time_column](span)) for site, span in run.spans)
        return cls(names.index(run.time_column), names.index("site") if "site" in names else None, ranges)

    @property
    def start(self) -> str:
        """The first moment of the delivery, of any site."""
        return min((first for _, first, _ in self.ranges), default="")

    def covers(self, site: str, moment: str) -> bool:
        """Tell whether a row is delivered anew, or is no longer there."""
        return any(first <= moment <= last and (self.site is None or name == site) for name, first, last in self.ranges)


def check_starts(spans: Iterable[tuple[str, Span]]) -> None:
    """Raise :class:`GiveUp` for a window that begins within an hour: that row would take the place of a fuller one."""
    for site, span in spans:
        if span.start.minute or span.start.second:
            found = f"replace_window needs windows that begin on a full hour of UTC, the one of {site} begins at"
            raise GiveUp(f"{found} {span.start:%H:%M}; put day in the place of hour, or use mode: replace")
