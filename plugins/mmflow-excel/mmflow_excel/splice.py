"""Puts the rows of tables into a workbook that has everything else."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import islice
from typing import BinaryIO, Final
from zoneinfo import ZoneInfo

from mmflow import Cell, GiveUp
from mmflow_excel.formats import divide_by, fold_of
from mmflow_excel.pages import FIRST_ROW, Page
from mmflow_excel.places import Area, name_column
from mmflow_excel.rows import BATCH, Row
from mmflow_excel.sheetxml import SheetColumn, cell_rows

SEEDS: Final = re.compile(rb'<row r="%d"[^>]*>(.*?)</row>' % FIRST_ROW)
STYLE: Final = re.compile(rb'<c r="[A-Z]+[0-9]+" s="([0-9]+)"/>')
DIMENSION: Final = re.compile(rb'<dimension ref="[^"]*"/>')
LONG: Final = 20_000  # rows
FAST: Final = 2  # level of compression
MOMENT: Final = (1980, 1, 1, 0, 0, 0)
CACHED: Final = 20_000  # times that are remembered


def put_rows(plan: BinaryIO, out: BinaryIO, pages: Sequence[Page]) -> None:
    """Copy a workbook of XlsxWriter, whose first sheets are those of the pages, with the rows in place of the seeds."""
    sheets = {f"xl/worksheets/sheet{number}.xml": page for number, page in enumerate(pages, 1)}
    tables = {f"xl/tables/table{number}.xml": page for number, page in enumerate(pages, 1)}
    with zipfile.ZipFile(plan) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            content, info = source.read(name), zipfile.ZipInfo(name, MOMENT)
            info.compress_type = zipfile.ZIP_DEFLATED
            if name in sheets:
                put_sheet(target, info, content, sheets[name])
            else:
                target.writestr(info, stretch_table(content, tables[name]) if name in tables else content)


def put_sheet(target: zipfile.ZipFile, info: zipfile.ZipInfo, content: bytes, page: Page) -> None:
    """Write the XML of a sheet; long ones are pressed less hard: a third of the time, a fifth more room.

    :class:`mmflow.GiveUp` for one that no zip file of Excel's holds.
    """
    info._compresslevel = FAST if page.rows.length > LONG else None  # type: ignore[attr-defined]  # noqa: SLF001
    try:
        with target.open(info, "w") as part:
            for piece in sheet_xml(content, page):
                part.write(piece)
    except RuntimeError as error:  # by zipfile: with the longer numbers of zip64 Excel would offer a repair
        raise GiveUp(
            f"sheet {page.name!r} would be larger than 2 GB, which Excel does not open; ask for fewer rows or columns"
        ) from error


def stretch_table(xml: bytes, page: Page) -> bytes:
    """Let a table of one row take in all rows of its page."""
    columns = len(page.columns)
    one, all_rows = (f'ref="{Area(1, 1, last, columns)}"'.encode() for last in (FIRST_ROW, page.last_row))
    return xml.replace(one, all_rows)


def sheet_xml(xml: bytes, page: Page) -> Iterator[bytes]:
    """Give the XML of a sheet with the rows of its page, in pieces."""
    seeds = SEEDS.search(xml)
    if seeds is None:
        raise AssertionError(f"XlsxWriter left out the row of formats of sheet {page.name!r}")
    styles = [int(style) for style in STYLE.findall(seeds[1])]
    area = Area(1, 1, page.last_row + page.below, len(page.columns))
    yield DIMENSION.sub(b'<dimension ref="%s"/>' % str(area).encode(), xml[: seeds.start()], count=1)
    rows = enumerate(row_cells(page, styles), FIRST_ROW)
    while batch := list(islice(rows, BATCH)):
        yield "".join([f'<row r="{number}">{cells}</row>' for number, cells in batch]).encode()
    yield xml[seeds.end() :]


def row_cells(page: Page, styles: Sequence[int]) -> Iterator[str]:
    """Give the cells of each row; hours that the clocks show twice get the format that tells them apart."""
    columns = [
        SheetColumn(column=column, place=place, style=styles[place], divisor=divide_by(column))
        for place, column in enumerate(page.columns)
    ]
    folds = list_folds(page, styles)
    if not folds:
        return cell_rows(page.rows.read(), columns, first_row=FIRST_ROW)
    marks: dict[int, list[tuple[str, str]]] = {}
    rows = cell_rows(mark_folds(page.rows.read(), folds, marks), columns, first_row=FIRST_ROW)
    return (
        restyle(cells, marks.pop(number)) if number in marks else cells for number, cells in enumerate(rows, FIRST_ROW)
    )


@dataclass(frozen=True, slots=True)
class Fold:
    """A column of times, and the formats for the first and the second of two equal times on the wall."""

    place: int
    letters: str
    plain: int
    twice: Sequence[int]
    find: Callable[[Cell], int | None]

    def mark(self, number: int, cell: Cell) -> tuple[str, str] | None:
        """Give what is to be replaced in the XML of a row, and by what; texts in it hold no ``<``."""
        found = self.find(cell)
        if found is None:
            return None
        where = f'<c r="{self.letters}{number}" s='
        return f'{where}"{self.plain}"', f'{where}"{self.twice[found]}"'


def remember_folds(zone: ZoneInfo) -> Callable[[Cell], int | None]:
    """Give :func:`fold_of` for one zone, which remembers: hours come again for each machine."""

    @lru_cache(CACHED)
    def find(cell: Cell) -> int | None:
        return fold_of(cell, zone) if isinstance(cell, datetime) else None

    return find


def list_folds(page: Page, styles: Sequence[int]) -> list[Fold]:
    """Give the columns of times in zones that change their clocks; their formats stand behind those of the columns."""
    found = []
    left = list(styles[len(page.columns) :])
    for place, column in enumerate(page.columns):
        if column.type == "datetime" and len(left) > 1:
            find = remember_folds(ZoneInfo(column.zone))
            found.append(Fold(place, name_column(place + 1), styles[place], left[:2], find))
            left = left[2:]
    return found


def mark_folds(
    batches: Iterable[Sequence[Row]], folds: Sequence[Fold], marks: dict[int, list[tuple[str, str]]]
) -> Iterator[Sequence[Row]]:
    """Pass batches on, and note in ``marks`` by the number of the row which cells come twice."""
    number = FIRST_ROW
    for batch in batches:
        for fold in folds:
            twice = {cell for cell in {row[fold.place] for row in batch} if fold.find(cell) is not None}
            for which, row in enumerate(batch if twice else (), number):
                if row[fold.place] in twice and (mark := fold.mark(which, row[fold.place])):
                    marks.setdefault(which, []).append(mark)
        yield batch
        number += len(batch)


def restyle(cells: str, marks: Iterable[tuple[str, str]]) -> str:
    """Give cells other formats."""
    for old, new in marks:
        cells = cells.replace(old, new, 1)
    return cells
