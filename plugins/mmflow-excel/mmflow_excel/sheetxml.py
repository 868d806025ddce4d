"""Writes the rows of long sheets as worksheet XML, many times faster than cell by cell and in bounded memory."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeAlias, cast

from mmflow import Cell, Column
from mmflow_excel.cellxml import TooLongError, too_long, write_tail
from mmflow_excel.places import Area, name_column, read_area

BATCH: Final = 5_000  # rows whose XML is made at a time
REMEMBERED: Final = 20_000  # values of a column whose XML is remembered
DIMENSION: Final = re.compile(rb'(<(?:\w+:)?dimension\s[^>]*?ref=")([^"]*)(")')

Values: TypeAlias = Sequence[Sequence[Cell]]  # of each column of a batch
Write: TypeAlias = Callable[[Values, range], list[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetColumn:
    """What stands in one column of a sheet: cells of ``column`` of the report, or a formula, or nothing.

    ``place`` is where the value stands in a row of the table, ``style`` the number of a cell format in ``styles.xml``
    (None: none is written), ``divisor`` what numbers are divided by (100 for a column in % under a format like 0.0%).
    ``formula`` gives the inside of the cell (``<f>A2*2</f>``) for a row number that counts from 1.
    """

    column: Column | None = None
    place: int = 0
    style: int | None = None
    divisor: float = 1
    formula: Callable[[int], str] | None = None


def cell_rows(
    batches: Iterable[Sequence[Sequence[Cell]]],
    columns: Sequence[SheetColumn],
    *,
    first_row: int,
    first_column: int = 1,
    base_1904: bool = False,
    prefix: str = "",
) -> Iterator[str]:
    """Give for each row the XML of its cells, without the row element around them. Rows and columns count from 1.

    Times are written as people see them in ``column.zone``. Texts are inline, so that no part besides the sheet
    changes; whole numbers beyond 2**53, and days before Excel's first, become texts. ``prefix`` is that of the sheet's
    elements (``x:``). :class:`mmflow.GiveUp` names row (of the table, from 1) and column of a text over 32,767
    characters.
    """
    writers = [
        find_writer(column, name_column(first_column + place), first_row, base_1904=base_1904)
        for place, column in enumerate(columns)
    ]
    number = first_row
    for batch in batches:
        numbers = range(number, number + len(batch))
        values = list(zip(*batch, strict=True))
        cells = [write(values, numbers) for write in writers]
        rows = map("".join, zip(*cells, strict=True))
        yield from (add_prefix(row, prefix) for row in rows) if prefix else rows
        number += len(batch)


def find_writer(sheet: SheetColumn, letters: str, first_row: int, *, base_1904: bool) -> Write:
    """Give the function that writes the cells of one column for the rows of a batch."""
    place = Place(letters, "" if sheet.style is None else f' s="{sheet.style}"')
    if sheet.formula is not None:
        return partial(write_formulas, place, sheet.formula)
    if sheet.column is None:
        return lambda _, numbers: [place.blank(number) for number in numbers]
    if sheet.column.type == "number" or sheet.divisor != 1:
        return partial(write_numbers, place, sheet.place, sheet.divisor)
    return partial(write_others, place, sheet.place, Tails(sheet.column, base_1904=base_1904), first_row)


@dataclass(frozen=True, slots=True)
class Place:
    """Column and style of cells."""

    letters: str
    style: str

    def blank(self, number: int) -> str:
        """Give a cell without a value, which is left away when it has no style either."""
        return f'<c r="{self.letters}{number}"{self.style}/>' if self.style else ""


class Tails(dict[Cell, str]):
    """Remembers how the values of a column are written, for the same come again and again."""

    def __init__(self, column: Column, *, base_1904: bool) -> None:
        super().__init__()
        self.column = column
        self.base_1904 = base_1904

    def __missing__(self, cell: Cell) -> str:
        """Write a value that was not seen, or long ago."""
        if len(self) >= REMEMBERED:
            self.clear()
        tail = self[cell] = write_tail(cell, self.column, base_1904=self.base_1904)
        return tail


def write_numbers(place: Place, at: int, divisor: float, values: Values, numbers: range) -> list[str]:
    """Write numbers with all their digits; -0.0, which Excel has not, as 0."""
    start, middle = f'<c r="{place.letters}', f'"{place.style}><v>'
    return [
        place.blank(number) if cell is None else f"{start}{number}{middle}{cell / divisor + 0.0!r}</v></c>"
        for number, cell in zip(numbers, cast("Sequence[float | None]", values[at]), strict=True)
    ]


def write_others(place: Place, at: int, tails: Tails, first_row: int, values: Values, numbers: range) -> list[str]:
    """Write texts, days, times, whole numbers and booleans."""
    start, middle = f'<c r="{place.letters}', f'"{place.style}'
    number = numbers.start
    written = []
    try:
        for number, cell in zip(numbers, values[at], strict=True):
            written.append(place.blank(number) if cell is None else f"{start}{number}{middle}{tails[cell]}")
    except TooLongError:
        raise too_long(number - first_row + 1, tails.column) from None
    return written


def write_formulas(place: Place, formula: Callable[[int], str], _values: Values, numbers: range) -> list[str]:
    """Write formulas without values; Excel computes them when it opens the workbook."""
    return [f'<c r="{place.letters}{number}"{place.style}>{formula(number)}</c>' for number in numbers]


def add_prefix(cells: str, prefix: str) -> str:
    """Give the elements of cells a prefix; escaped texts hold no ``<``."""
    return re.sub("<(/?)", rf"<\1{prefix}", cells)


def widen_dimension(head: bytes, area: Area) -> bytes:
    """Let the area that a sheet says it has take in another."""

    def widen(found: re.Match[bytes]) -> bytes:
        said = read_area(found[2].decode("ascii", "replace"))
        return found[0] if said is None else b"".join([found[1], str(said.join(area)).encode(), found[3]])

    return DIMENSION.sub(widen, head, count=1)
