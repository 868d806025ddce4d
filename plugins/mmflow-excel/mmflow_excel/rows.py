"""Rows that can be read again and again, in batches, without being held in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import TypeAlias

from mmflow import Cell, Column, Table, moment_text

Row: TypeAlias = Sequence[Cell]
BATCH = 5_000


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of some columns; ``read`` gives them in batches from the start each time it is called."""

    columns: tuple[Column, ...]
    length: int
    read: Callable[[], Iterable[Sequence[Row]]]

    @classmethod
    def of_table(cls, table: Table) -> Rows:
        """Give the rows of a finished table."""
        return cls(table.columns, len(table), lambda: table.batches(BATCH))

    @classmethod
    def of_list(cls, columns: Sequence[Column], rows: Sequence[Row]) -> Rows:
        """Give rows that are at hand."""
        return cls(tuple(columns), len(rows), lambda: batch_rows(rows))

    def __iter__(self) -> Iterator[Row]:
        """Give the rows one by one."""
        return chain.from_iterable(self.read())

    def head(self, count: int) -> list[Row]:
        """Give the first rows."""
        return list(islice(self, count))

    def part(self, start: int, count: int) -> Rows:
        """Give so many rows from the place ``start``."""
        length = max(0, min(count, self.length - start))
        if length == self.length:
            return self
        return Rows(self.columns, length, lambda: batch_rows(islice(self, start, start + length)))

    def pick(self, names: Sequence[str]) -> Rows:
        """Give the same rows with these columns alone, in this order; names that are not there are left out."""
        places = {column.name: place for place, column in enumerate(self.columns)}
        kept = [places[name] for name in names if name in places]
        columns = tuple(self.columns[place] for place in kept)
        if columns == self.columns:
            return self
        return Rows(columns, self.length, lambda: ([pick_cells(row, kept) for row in batch] for batch in self.read()))

    def sort(self, terms: Sequence[str], limit: int | None = None) -> Rows:
        """Give the rows sorted, or the first of them, held in memory.

        What is not known stands last, equal rows keep their order. Terms of columns that are not there are passed by.
        """
        places = {column.name: place for place, column in enumerate(self.columns)}
        known = [term for term in terms if term.removeprefix("-") in places]
        if not known:
            return self.part(0, self.length if limit is None else limit)
        rows = list(self)
        for term in reversed(known):
            rows = sort_rows(rows, places[term.removeprefix("-")], down=term.startswith("-"))
        return Rows.of_list(self.columns, rows[:limit])


def pick_cells(row: Row, places: Sequence[int]) -> tuple[Cell, ...]:
    """Give the cells that stand at these places."""
    return tuple(row[place] for place in places)


def batch_rows(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Give rows in batches."""
    left = iter(rows)
    while batch := list(islice(left, BATCH)):
        yield batch


def sort_rows(rows: list[Row], place: int, *, down: bool) -> list[Row]:
    """Sort by one column, what is not known last."""
    known = [row for row in rows if row[place] is not None]
    known.sort(key=lambda row: rank_cell(row[place]), reverse=down)
    return known + [row for row in rows if row[place] is None]


def rank_cell(cell: Cell) -> tuple[float, str]:
    """Give what cells of one column are sorted by: numbers by size, all else by its text, times by instant."""
    if isinstance(cell, int | float):
        return (float(cell), "")
    return (0.0, moment_text(cell).casefold())
