"""What a delivery would change: the rows that stand at a destination held against those that would take their place."""

from __future__ import annotations

import math
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from mmflow.table import Cell, Column, Table, shorten_cell
from mmflow.table.columns import show_cell

Row = tuple[Cell, ...]
CLOSE = 1e-9  # relative; a spreadsheet keeps fifteen digits


@dataclass(frozen=True, slots=True)
class Change:
    """A row before and after: ``before`` is None for a new one, ``after`` for one that goes."""

    before: Row | None
    after: Row | None


@dataclass(frozen=True, slots=True)
class Difference:
    """All changes, in the order of the new rows, then those that go; ``same`` counts the rows that stay as they are."""

    columns: tuple[Column, ...]
    changes: tuple[Change, ...]
    same: int


def find_difference(table: Table, standing: Iterable[Sequence[Cell]]) -> Difference:
    """Hold the table against the rows that stand where it would be written; rows of equal groups are the same row.

    Several rows of equal groups, or all of a table without groups, go by their order. :class:`ValueError` for a
    standing row that has other columns.
    """
    places = [place for place, column in enumerate(table.columns) if column.role in ("group", "id")]
    left: dict[Row, deque[Row]] = defaultdict(deque)
    for row in standing:
        if len(row) != len(table.columns):
            raise ValueError(f"a row that stands there has {len(row)} cells, expected {len(table.columns)}")
        left[key_of(row, places)].append(tuple(row))
    changes: list[Change] = []
    same = 0
    for row in table.rows():
        known = left.get(key_of(row, places))
        before = known.popleft() if known else None
        if before is not None and is_same(before, row):
            same += 1
        else:
            changes.append(Change(before, row))
    changes += [Change(row, None) for rows in left.values() for row in rows]
    return Difference(table.columns, tuple(changes), same)


def key_of(row: Sequence[Cell], places: Sequence[int]) -> Row:
    """Give what a row is known by."""
    return tuple(row[place] for place in places)


def is_same(before: Row, after: Row) -> bool:
    """Tell whether two rows hold the same values."""
    return all(map(is_equal, before, after))


def is_equal(one: Cell, other: Cell) -> bool:
    """Tell whether two cells hold the same; numbers as exactly as a spreadsheet keeps them."""
    if isinstance(one, int | float) and isinstance(other, int | float):
        return math.isclose(one, other, rel_tol=CLOSE, abs_tol=1e-12)
    return one == other


def describe_difference(difference: Difference) -> Iterator[str]:
    """Give a line for each change, ``+`` new, ``-`` gone, ``~`` with other values, and one that counts them."""
    counts = {"+": 0, "-": 0, "~": 0}
    for change in difference.changes:
        mark = "+" if change.before is None else "-" if change.after is None else "~"
        counts[mark] += 1
        yield f"{mark} {describe_change(change, difference.columns)}"
    yield f"{counts['+']} new, {counts['-']} gone, {counts['~']} changed, {difference.same} the same"


def describe_change(change: Change, columns: Sequence[Column]) -> str:
    """Say a change in one line: all cells of a row that comes or goes, else its groups and what is other."""
    if change.before is None or change.after is None:
        row = change.after or change.before or ()
        return ", ".join(f"{column.name} {show(cell, column)}" for cell, column in zip(row, columns, strict=True))
    parts = []
    for before, after, column in zip(change.before, change.after, columns, strict=True):
        if column.role in ("group", "id"):
            parts.append(f"{column.name} {show(after, column)}")
        elif not is_equal(before, after):
            parts.append(f"{column.name} {show(before, column)} -> {show(after, column)}")
    return ", ".join(parts)


def show(cell: Cell, column: Column) -> str:
    """Write a value as it is, unrounded; null as a dash."""
    if cell is None:
        return "-"
    return str(shorten_cell(cell)) if isinstance(cell, float) else show_cell(cell, column)


def difference_document(difference: Difference) -> dict[str, object]:
    """Give the JSON of a difference."""

    def row(values: Row | None) -> list[Cell] | None:
        return None if values is None else [shorten_cell(cell) for cell in values]

    return {
        "columns": [column.name for column in difference.columns],
        "changes": [{"before": row(one.before), "after": row(one.after)} for one in difference.changes],
        "same": difference.same,
    }
