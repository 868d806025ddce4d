"""The numbers of a Pareto chart: the largest first, each with the share that it and all before it have."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Final

from mmflow import Cell, Column, GiveUp
from mmflow_excel.options import Chart
from mmflow_excel.rows import Row, Rows

SHARE: Final = Column("share", "Share so far", "number", "derived", "%", 1)


def rank_shares(rows: Rows, headings: Sequence[str], chart: Chart, sheet: str) -> Rows:
    """Give the names and numbers of a chart with the running share; :class:`GiveUp` where adding up makes no sense.

    Rows without a number, or with 0, are left out; ``chart.rows`` cuts the list, not the total that shares are of.
    """
    where = f"the pareto chart {chart.title!r} of sheet {sheet!r}"
    name, number = find_pair(rows.columns, headings, chart, where)
    column = rows.columns[number]
    check_amount(column, where)
    pairs = [(row[name], row[number]) for row in rows if row[number] is not None]
    check_names([pair[0] for pair in pairs], rows.columns[name], where)
    amounts = [float(amount) for _, amount in pairs if isinstance(amount, int | float)]
    if min(amounts, default=0) < 0:
        raise GiveUp(
            f"{where} has a negative number in {column.name!r}, of which there is no share; use a column chart"
        )
    pairs = [pair for amount, pair in sorted(zip(amounts, pairs, strict=True), key=lambda both: -both[0]) if amount]
    total = sum(amounts)
    shares = [so_far / total * 100 for so_far in accumulate(sorted(filter(None, amounts), reverse=True))]
    made: list[Row] = [(*pair, share) for pair, share in zip(pairs, shares, strict=True)]
    return Rows.of_list((rows.columns[name], column, SHARE), made[: chart.rows])


def find_pair(columns: Sequence[Column], headings: Sequence[str], chart: Chart, where: str) -> tuple[int, int]:
    """Give the places of the names and of the numbers."""
    known = {heading: place for place, heading in enumerate(headings)}
    known |= {column.name: place for place, column in enumerate(columns)}
    numbers = list_numbers(columns)
    name = known.get(chart.x, 0)
    number = known.get(chart.y[0], -1) if chart.y else next(iter(numbers), -1)
    if number not in numbers:
        raise GiveUp(f"{where} has no column of numbers; name one under y")
    return name, number


def list_numbers(columns: Sequence[Column]) -> list[int]:
    """Give the places of the columns that can be drawn: numbers, but no ids."""
    return [
        place
        for place, column in enumerate(columns)
        if column.type in ("number", "integer") and column.role not in ("group", "id")
    ]


def check_amount(column: Column, where: str) -> None:
    """Raise :class:`GiveUp` for values of which a sum means nothing."""
    if column.unit in ("ratio", "%") or "/" in column.unit:
        raise GiveUp(f"{where} adds up {column.name!r}, and values in {column.unit} cannot be added; name an amount")


def check_names(names: Iterable[Cell], column: Column, where: str) -> None:
    """Raise :class:`GiveUp` when a name has several rows: putting them together is up to the service."""
    seen: set[Cell] = set()
    for name in names:
        if name in seen:
            found = f"{where} has more than one row for {name!r}"
            raise GiveUp(f"{found}; group the report by {column.name} alone, or draw a pivot")
        seen.add(name)
