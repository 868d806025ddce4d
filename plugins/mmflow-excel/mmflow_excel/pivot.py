"""Lays the values of a column out crosswise. Cells are copied, never put together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, TypeAlias
from zoneinfo import ZoneInfo

from mmflow import Cell, Column, GiveUp, LightRule, show_cell
from mmflow_excel.colours import LARGEST_RATIO, Paint, paint_limits
from mmflow_excel.formats import divide_by
from mmflow_excel.options import Pivot
from mmflow_excel.places import Area
from mmflow_excel.rows import Row, Rows, rank_cell

NOT_KNOWN: Final = "not known"
Limits: TypeAlias = tuple[float | None, float | None]  # red and amber, in the measure of the cells of the sheet


@dataclass(frozen=True, slots=True)
class Crosswise:
    """The rows of a pivot, and the limits of each of its cells that has some: by row and column, counted from 0."""

    rows: Rows
    limits: dict[tuple[int, int], Limits]
    rule: LightRule | None

    def paint(self, first: int, count: int) -> tuple[Paint, ...]:
        """Give the traffic lights of the first rows; cells with the same limits share their formats."""
        groups: dict[Limits, list[tuple[int, int]]] = {}
        for place, limits in sorted(self.limits.items(), key=lambda item: (item[0][1], item[0][0])):
            if place[0] < count:
                groups.setdefault(limits, []).append(place)
        return tuple(
            paint
            for limits, places in groups.items()
            if self.rule is not None
            for area in join_cells(places, first)
            for paint in paint_limits(area, *limits, self.rule)
        )


def lay_out(pivot: Pivot, rows: Rows, sheet: str, rules: Sequence[LightRule]) -> Crosswise:
    """Give a row for each value of ``pivot.rows`` and a column for each of ``pivot.columns``.

    Rows stand in the order of the report; columns too when they are texts, else by size. :class:`GiveUp` when two rows
    of the report are meant for one cell.
    """
    names = [column.name for column in rows.columns]
    down = [pivot.rows] if isinstance(pivot.rows, str) else list(pivot.rows)
    heads = [find_place(names, name, sheet) for name in down]
    across, value = (find_place(names, name, sheet) for name in (pivot.columns, pivot.value))
    rule = next((rule for rule in rules if rule.place == value), None)
    lines: dict[tuple[Cell, ...], dict[Cell, Row]] = {}
    for row in rows:
        line = lines.setdefault(tuple(row[place] for place in heads), {})
        if row[across] in line:
            raise doubled(sheet, pivot, [row[place] for place in (*heads, across)])
        line[row[across]] = row
    tops = sort_tops({top for line in lines.values() for top in line}, lines.values(), rows.columns[across])
    made: list[Row] = [
        (*key, *(line[top][value] if top in line else None for top in tops)) for key, line in lines.items()
    ]
    columns = [
        *(rows.columns[place] for place in heads),
        *head_columns(tops, rows.columns[across], rows.columns[value]),
    ]
    limits = {
        (number, len(heads) + place): found
        for number, line in enumerate(lines.values())
        for place, top in enumerate(tops)
        if rule is not None and top in line and (found := find_limits(rule, line[top], rows.columns)) is not None
    }
    return Crosswise(Rows.of_list(columns, made), limits, rule)


def find_place(names: Sequence[str], name: str, sheet: str) -> int:
    """Give the place of a column, which a run may have left out."""
    if name not in names:
        raise GiveUp(f"sheet {sheet!r} needs the column {name!r}, and the report has {', '.join(names)}")
    return names.index(name)


def doubled(sheet: str, pivot: Pivot, cells: Sequence[Cell]) -> GiveUp:
    """Give the error for two values in one cell."""
    where = ", ".join(str(cell) for cell in cells)
    found = f"sheet {sheet!r} has more than one {pivot.value} for {where}"
    return GiveUp(
        f"{found}; group the report by just {pivot.rows} and {pivot.columns}, the service then puts it together"
    )


def sort_tops(tops: Iterable[Cell], lines: Iterable[dict[Cell, Row]], column: Column) -> list[Cell]:
    """Give the values that become columns: in the order in which they come when they are texts, else by size."""
    if column.type == "text":
        return list(dict.fromkeys(top for line in lines for top in line))
    return sorted(tops, key=lambda top: (top is None, rank_cell(top)))


def head_columns(tops: Sequence[Cell], across: Column, value: Column) -> list[Column]:
    """Describe the columns of values; each is named for what stands above it, and holds what ``value`` holds."""
    texts = [write_top(top, across) for top in tops]
    return [replace(value, name=text, label=text, role="derived") for text in texts]


def write_top(top: Cell, column: Column) -> str:
    """Write a value as a heading; an hour that the clocks show twice with the name of its time."""
    if top is None:
        return NOT_KNOWN
    if isinstance(top, datetime):
        local = top.astimezone(ZoneInfo(column.zone))
        twice = local.replace(fold=1 - local.fold).utcoffset() != local.utcoffset()
        return f"{local:%Y-%m-%d %H:%M}" + (f" {local.tzname()}" if twice else "")
    return show_cell(top, column)


def find_limits(rule: LightRule, row: Row, columns: Sequence[Column]) -> Limits | None:
    """Give the limits of one value, in the measure in which it stands in the sheet; None when there are none."""
    by = divide_by(columns[rule.place])
    found = [
        measure_limit(rule, fixed, place, row, by)
        for fixed, place in ((rule.red, rule.red_column), (rule.amber, rule.amber_column))
    ]
    return None if found == [None, None] else (found[0], found[1])


def measure_limit(rule: LightRule, fixed: float | None, place: int | None, row: Row, by: int) -> float | None:
    """Give one limit; those of the plant are ratios, or shares of another column."""
    limit = fixed if place is None else row[place]
    if not isinstance(limit, int | float) or not rule.scaled:
        return limit / by if isinstance(limit, int | float) else None
    if limit > LARGEST_RATIO:
        limit /= 100
    if rule.of is None:
        return limit
    goal = row[rule.of]
    return limit * goal if isinstance(goal, int | float) and goal > 0 else None


def join_cells(places: Sequence[tuple[int, int]], first: int) -> Iterable[Area]:
    """Give cells, sorted by column and row, as few blocks: runs of one column, and equal runs side by side."""
    runs: list[list[int]] = []  # column, first row, last row
    for row, column in places:
        if runs and runs[-1][0] == column and runs[-1][2] == row - 1:
            runs[-1][2] = row
        else:
            runs.append([column, row, row])
    blocks: dict[tuple[int, int], list[list[int]]] = {}
    for column, top, bottom in runs:
        sides = blocks.setdefault((top, bottom), [])
        if sides and sides[-1][1] == column - 1:
            sides[-1][1] = column
        else:
            sides.append([column, column])
    for (top, bottom), sides in blocks.items():
        for left, right in sides:
            yield Area(top + first, left + 1, bottom + first, right + 1)
