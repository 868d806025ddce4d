"""What stands under the table: a row for what the limit cut off, a row for all, and why some of their cells are empty.

Sums of the total are sums of the rows. What only the service can work out (OEE) comes from its answer to one more
question, over the whole span without groups; so does everything when rows may cover the same time twice. Where that
question cannot be asked the cell is empty, and a notice says why. Own numbers are computed from the row's own values.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from mmflow.job import Shape
from mmflow.load import count_rows
from mmflow.plan import QueryKey
from mmflow.question import OVERLAPPING_GROUPS
from mmflow.shape.headings import Heading, show_rows
from mmflow.shape.relations import Frame, Side, add_columns, pair_query, partner_query, put_together
from mmflow.shape.rollup import OVERLAP, can_reduce, reduce_rows
from mmflow.table.cells import Cell, Column, FooterRow, quote_name

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_TOTALS: dict[Side, QueryKey] = {"rows": "totals", "previous": "previous_totals"}
_NOT_FROM_ROWS = "it does not follow from the rows"


@dataclass(frozen=True, slots=True)
class Underneath:
    """Makes what stands under the ``rows`` joined rows of a report."""

    connection: DuckDBPyConnection
    frame: Frame
    spec: Shape
    rows: int
    headings: Sequence[Heading]

    def list_footers(self, order: str) -> Iterator[FooterRow]:
        """Give the rows in the order in which they stand; ``order`` is that of the table."""
        if self.rests:
            tail = f"SELECT * FROM joined j ORDER BY {order} OFFSET {self.spec.limit}"
            self.connection.execute(f"CREATE TABLE tail AS {tail}")
            yield self._read_row("rest", rest_query(self.frame, compares=self.spec.compare is not None))
        if self.spec.totals:
            yield self._read_row("total", total_query(self.frame, compares=self.spec.compare is not None))

    @property
    def rests(self) -> bool:
        """Whether the limit cut off rows that are to be put together."""
        return self.spec.rest and self.spec.limit is not None and self.rows > self.spec.limit

    def _read_row(self, kind: Literal["rest", "total"], query: str) -> FooterRow:
        columns = [heading.column for heading in self.headings]
        selected = [
            f"make_timestamp(epoch_us({quote_name(column.name)}))"
            if column.type == "datetime"
            else quote_name(column.name)
            for column in columns
        ]
        rows = f"SELECT {', '.join(selected)} FROM ({show_rows(self.headings)} FROM ({query}) j)"
        values = self.connection.execute(rows).fetchall()[0]
        cells = [None if is_verdict(column) else _mark_utc(cell) for column, cell in zip(columns, values, strict=True)]
        # Groups stand first and are empty here, so that the label may take the place of a day as well.
        label = [kind.title()] if columns[0].role == "group" else []
        return FooterRow(kind, (*label, *cells[len(label) :]))

    def list_notices(self) -> Iterator[str]:
        """Say which numbers are empty because nobody can work them out, and which may count twice."""
        service_only = [name for name in self.shown if not can_reduce(name, self.frame.metrics)]
        if self.frame.folds and self._has_folded():
            yield from self._lose("weekday", service_only, "it does not follow from several days")
        if self.rests and self.rows - (self.spec.limit or 0) > 1:
            yield from self._lose("rest", lost_metrics(self.frame, self.shown), _NOT_FROM_ROWS)
        if self.spec.totals and "totals" not in self.frame.tables and self.rows > 1:
            yield from self._list_own_totals()
        if self.spec.totals and "totals" in self.frame.tables and count_rows(self.connection, "totals") > 1:
            yield from self._lose("total", service_only, "the service has none across sites")

    def _list_own_totals(self) -> Iterator[str]:
        lost = lost_metrics(self.frame, self.shown)
        yield from self._lose("total", lost, f"{_NOT_FROM_ROWS}, and the service has no total of just these")
        if doubled := sorted(OVERLAPPING_GROUPS.intersection(self.frame.groups) - {OVERLAP}):
            yield f"the total adds up rows by {' and '.join(doubled)}; time that two of them share counts twice"

    @property
    def shown(self) -> list[str]:
        """Give the metrics that the report shows."""
        return [heading.source for heading in self.headings if heading.column.role == "metric"]

    def _lose(self, kind: str, names: Collection[str], reason: str) -> Iterator[str]:
        labels = [h.column.label for h in self.headings if h.column.role == "metric" and h.source in names]
        if labels:
            yield f"no {kind} value for {', '.join(labels)}: {reason}"

    def _has_folded(self) -> bool:
        keys = ", ".join(self.frame.keys.values())
        found = self.connection.execute(f"SELECT 1 FROM rows GROUP BY {keys} HAVING count(*) > 1 LIMIT 1").fetchone()
        return found is not None


def is_verdict(column: Column) -> bool:
    """Say whether a column of the job's own holds words about a row, which are not true of many put together."""
    return column.role == "derived" and column.type not in ("number", "integer")


def _mark_utc(cell: Cell) -> Cell:
    return cell.replace(tzinfo=UTC) if isinstance(cell, datetime) else cell


def lost_metrics(frame: Frame, shown: Collection[str]) -> list[str]:
    """Give the metrics of which several rows have no common value."""
    return [name for name in shown if not can_reduce(name, frame.metrics, adds=frame.adds_up)]


def total_query(frame: Frame, *, compares: bool) -> str:
    """Write the total; the earlier span's total is the one that the report over that span has."""
    sides: list[Side] = ["rows", "previous"] if compares else ["rows"]
    return pair_footers(frame, [_total_side(frame, side) for side in sides])


def rest_query(frame: Frame, *, compares: bool) -> str:
    """Write the row for ``tail``, the joined rows that the limit cut off; earlier values are their partners'."""
    sources = ["SELECT * FROM tail", partner_query(frame, "tail")] if compares else ["SELECT * FROM tail"]
    return pair_footers(frame, [put_together(frame, source) for source in sources])


def pair_footers(frame: Frame, queries: list[str]) -> str:
    """Add the job's own columns to a row and, when there are two, set the earlier one beside it."""
    full = [f"({add_columns(query, frame.derived)})" for query in queries]
    if len(full) == 1:
        return f"SELECT * FROM {full[0]}"
    return f"{pair_query(frame)} FROM {full[0]} k CROSS JOIN {full[1]} p"


def _total_side(frame: Frame, side: Side) -> str:
    own = put_together(frame, f"SELECT * FROM kept_{side}")
    if _TOTALS[side] not in frame.tables:
        return own
    asked = reduce_rows(f"SELECT * FROM {_TOTALS[side]}", frame.metrics, {})
    labels = [f"o.{quote_name(name)}" for name in frame.labels]
    values = [f"{'q' if _is_asked(frame, name) else 'o'}.{quote_name(name)}" for name in frame.metrics]
    return f"SELECT {', '.join([*labels, *values])} FROM ({own}) o CROSS JOIN ({asked}) q"


def _is_asked(frame: Frame, name: str) -> bool:
    """Say whether a total is taken from the service rather than from the rows."""
    return bool(OVERLAPPING_GROUPS.intersection(frame.groups)) or not can_reduce(name, frame.metrics)
