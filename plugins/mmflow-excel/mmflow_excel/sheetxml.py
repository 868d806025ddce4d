"""Writes the rows of long sheets as worksheet XML, many times faster than cell by cell and in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from mmflow import Cell, Column, Table


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetColumn:
    """What stands in one column of a sheet: cells of ``column`` of the report, or a formula, or nothing.

    ``place`` is where the value stands in a row of the table, ``style`` the number of a cell format in ``styles.xml``
    (None: none is written), ``divisor`` what numbers are divided by (100 for a column in % under a format like 0.0%).
    ``formula`` gives the formula (without =) for a row number that counts from 1.
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
    changes; whole numbers beyond 2**53, and days before Excel's first, become texts. :class:`mmflow.GiveUp` names row
    and column of a text over 32,767 characters.
    """
    raise NotImplementedError


def write_sheet(
    source: BinaryIO,
    out: BinaryIO,
    table: Table,
    columns: Sequence[SheetColumn],
    *,
    first_row: int,
    first_column: int = 1,
) -> None:
    """Copy the XML of a worksheet, with the rows of a table put in from ``first_row`` on.

    ``source`` is what XlsxWriter wrote for the sheet with its header, totals, widths, table and conditional formats
    and no data: its rows before ``first_row`` come first, its others after the data, all else stays to the letter.
    The area of the sheet (``dimension``) is widened. For use with :func:`mmflow_excel.filling.package.copy_package`::

        copy_package(made, draft.file, {"xl/worksheets/sheet1.xml": partial(write_sheet, table=table, …)})
    """
    raise NotImplementedError
