"""The rows of earlier deliveries that stand in a tab, and which of them a new delivery takes the place of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from mmflow import Cell, Column, GiveUp, Replacement, RunInfo, Table, moment_text
from mmflow_sheets.cells import Value, pick_value, read_cell
from mmflow_sheets.grid import Rect, column_name
from mmflow_sheets.mark import Mark, short_key
from mmflow_sheets.options import SheetsOptions
from mmflow_sheets.service import Rows

Row: TypeAlias = list[Value]
Side = Literal["before", "gone", "after"]
"""Whether a row stays before the new ones, is replaced, or stays after them."""


@dataclass(frozen=True, slots=True)
class Earlier:
    """The rows without header and totals, as ``mark`` describes them, in the cells ``old`` of a tab."""

    title: str
    old: Rect
    mark: Mark
    rows: tuple[Row, ...]

    @classmethod
    def of(cls, found: Rows, title: str, old: Rect, mark: Mark) -> Earlier:
        """Take them out of what was read; Google leaves out empty rows at the end."""
        filled = [*found, *([] for _ in range(old.height - len(found)))]
        return cls(title, old, mark, tuple(filled[int(mark.header) : len(filled) - mark.footer]))

    def name_cell(self, row: int, place: int) -> str:
        """Name a cell, by row and column of the table."""
        return f"{self.title}!{column_name(self.old.left + place)}{self.old.top + self.mark.header + row + 1}"

    def check_columns(self, expected: Sequence[Column]) -> None:
        """Raise :class:`GiveUp` when these rows are of another report."""
        names = [column.name for column in expected]
        if list(self.mark.columns) != names:
            what = f"{self.title}!{self.old} holds the columns {', '.join(self.mark.columns)}"
            raise GiveUp(f"{what}, expected {', '.join(names)}; use another tab, or delete that one")
        for column, unit in zip(expected, self.mark.units, strict=True):
            if unit != column.unit:
                what = f"{self.title}!{self.old} holds {column.name} in {unit or 'no unit'}"
                raise GiveUp(f"{what}, the report gives {column.unit or 'none'}; keep that unit, or use another tab")

    def sort_rows(self, table: Table, options: SheetsOptions, run: RunInfo) -> list[Side]:
        """Say of each row what becomes of it."""
        if options.mode == "replace":
            return ["gone"] * len(self.rows)
        self.check_columns(table.columns)
        return self._sort_by_key(run) if options.mode == "append" else list(self._sort_by_time(table, run))

    def _sort_by_key(self, run: RunInfo) -> list[Side]:
        """Let the rows go that this delivery has left here; the new ones take their place."""
        key, place = short_key(run), len(self.mark.columns)
        ours = [self.mark.keyed and pick_value(row, place).text == key for row in self.rows]
        start = ours.index(True) if any(ours) else len(ours)
        return ["gone" if mine else "before" if number < start else "after" for number, mine in enumerate(ours)]

    def _sort_by_time(self, table: Table, run: RunInfo) -> Iterator[Side]:
        """Let the rows of the delivered time go; :class:`GiveUp` names a cell whose time nobody can read."""
        replacement = Replacement.of(table, run)
        time, site = replacement.time, replacement.site
        for number, row in enumerate(self.rows):
            cell = read_cell(pick_value(row, time), table.columns[time], self.name_cell(number, time))
            moment = moment_text(cell)
            if replacement.covers("" if site is None else str(pick_value(row, site).plain or ""), moment):
                yield "gone"
            else:
                yield "before" if moment < replacement.start else "after"

    def convert_rows(self, table: Table, sides: Sequence[Side]) -> Iterator[tuple[Cell, ...]]:
        """Give the rows that go as rows of the table, by the names of the columns; a column that is new is empty."""
        names = self.mark.columns
        places = [names.index(column.name) if column.name in names else None for column in table.columns]
        for number, (row, side) in enumerate(zip(self.rows, sides, strict=True)):
            if side == "gone":
                yield tuple(
                    None if place is None else read_cell(pick_value(row, place), column, self.name_cell(number, place))
                    for place, column in zip(places, table.columns, strict=True)
                )
