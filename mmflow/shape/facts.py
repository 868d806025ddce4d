"""What the gate judges by: how many rows there are after ``where``, and which go beyond the bounds of a check.

Values are the exact ones in the service's units, before any is converted or rounded. A row without a value, or whose
bound has none, goes beyond nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mmflow.job import CheckSpec
from mmflow.load import count_rows
from mmflow.shape.relations import Frame, order_terms
from mmflow.table.cells import quote_name
from mmflow.text import show_start

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class Breach:
    """Rows beyond a bound of a check: how many, and the first of them in the order of the groups."""

    column: str
    count: int
    row: str  # "machine Mill 7, day 2026-11-02"
    value: float
    side: str  # above or below
    bound: float
    bound_name: str  # the column that the bound comes from, "" for a number

    def __str__(self) -> str:
        """Say it in one sentence."""
        bound = f"{self.bound_name} ({show_figure(self.bound)})" if self.bound_name else show_figure(self.bound)
        where = f" for {self.row}" if self.row else ""
        more = f", the first of {self.count} such rows" if self.count > 1 else ""
        return f"{self.column} is {show_figure(self.value)}{where}, {self.side} {bound}{more}"


@dataclass(frozen=True, slots=True)
class Facts:
    """What the gate must know about a report; rows are counted after ``where`` and before ``limit``."""

    rows: int
    breaches: tuple[Breach, ...]


def show_figure(value: float) -> str:
    """Write a number for a sentence: whole ones without decimals, others with at most six digits."""
    return f"{value:.0f}" if value == int(value) else f"{value:.6g}"


def find_facts(connection: DuckDBPyConnection, frame: Frame, checks: tuple[CheckSpec, ...]) -> Facts:
    """Look at the rows that are left after ``where``. Check columns must be numbers of the report's rows."""
    found = (breach for check in checks if check.column for breach in find_breaches(connection, frame, check))
    return Facts(count_rows(connection, "kept_rows"), tuple(found))


def find_breaches(connection: DuckDBPyConnection, frame: Frame, check: CheckSpec) -> Iterator[Breach]:
    """Give what goes beyond the lower and the upper bound of one check."""
    shown = [f"j.{quote_name(name)}::VARCHAR" for name in frame.groups]
    for side, operator, bound in (("below", "<", check.min), ("above", ">", check.max)):
        if bound is None:
            continue
        value = f"j.{quote_name(check.column)}"
        limit = f"j.{quote_name(bound)}" if isinstance(bound, str) else repr(float(bound))
        beyond = f"FROM kept_rows j WHERE {value} {operator} {limit}"
        found = connection.execute(
            f"SELECT {', '.join([f'{value}::DOUBLE', f'{limit}::DOUBLE', *shown])} {beyond} "
            f"ORDER BY {order_terms(frame, ())} LIMIT 1"
        ).fetchone()
        if found:
            number, passed, *names = found
            count = connection.execute(f"SELECT count(*) {beyond}").fetchall()[0][0]
            row = ", ".join(f"{group} {show_start(str(name))}" for group, name in zip(frame.groups, names, strict=True))
            yield Breach(check.column, count, row, number, side, passed, bound if isinstance(bound, str) else "")
