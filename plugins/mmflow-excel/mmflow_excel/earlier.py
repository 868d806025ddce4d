"""Reads the table of an earlier workbook as the rows of a report that it was written from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import cached_property, lru_cache
from io import BytesIO
from itertools import compress, count, islice, repeat
from math import inf, nextafter
from pathlib import Path
from typing import Final, TypeAlias, cast
from zoneinfo import ZoneInfo

from python_calamine import CalamineError, CalamineWorkbook

from mmflow import Cell, Column, GiveUp
from mmflow_excel.filling.book import read_book
from mmflow_excel.filling.package import open_package
from mmflow_excel.filling.sheet import SheetXml
from mmflow_excel.filling.styles import read_styles
from mmflow_excel.formats import divide_by, fold_of
from mmflow_excel.names import number_sheet, write_headings
from mmflow_excel.places import name_column
from mmflow_excel.rows import Row
from mmflow_excel.values import LARGEST_WHOLE, read_number

Raw: TypeAlias = object  # what calamine gives: text, number, boolean, day, time, "" for nothing
AS_IT_IS: Final = {"text": str, "number": float, "boolean": bool}  # what is a cell of such a column already
REMEMBERED: Final = 20_000  # times whose instants are remembered: hours come again for each machine


class Earlier:
    """A workbook that an earlier delivery wrote; its rows are read anew each time they are asked for."""

    def __init__(self, path: Path, sheet: str, columns: Sequence[Column]) -> None:
        """Open it; :class:`GiveUp` when it cannot be read or holds another table."""
        self.path = path
        self.sheet = sheet
        self.columns = tuple(columns)
        self.kinds = [AS_IT_IS.get(column.type) if divide_by(column) == 1 else None for column in columns]
        with open_package(path):  # refuses what would fill the memory
            pass
        try:  # from its bytes: Windows replaces no file that is open, and it is to be replaced
            self.book = CalamineWorkbook.from_filelike(BytesIO(path.read_bytes()), load_tables=True)
        except CalamineError as error:
            raise GiveUp(f"{path} cannot be read as a workbook: {error}; mend it or move it away") from error
        self.parts = list(self._find_parts())
        self.sheets = {part.sheet: self.book.get_sheet_by_name(part.sheet) for part in self.parts}

    def _find_parts(self) -> Iterator[Part]:
        """Find the table on the sheet, and on those that it was split to."""
        by_sheet = {table.sheet: table for table in map(self.book.get_table_by_name, self.book.table_names or ())}
        for number in count(1):
            name = number_sheet(self.sheet, number)
            if name not in by_sheet:
                break
            table = by_sheet[name]
            self._check_columns(name, table.columns)
            if table.start is None or table.end is None:
                continue
            yield Part(name, *table.start, table.end[0])
        if number == 1:
            raise GiveUp(f"{self.path} has no table on a sheet {self.sheet!r}; move it away, or use another path")

    def _check_columns(self, sheet: str, found: Sequence[str]) -> None:
        """Raise :class:`GiveUp` when a sheet holds another table."""
        expected = write_headings(column.label or column.name for column in self.columns)
        if list(found) != expected:
            what = (
                f"{self.path} holds the columns {', '.join(found)} on sheet {sheet!r}, expected {', '.join(expected)}"
            )
            raise GiveUp(f"{what}; move that file away, or use another path")

    def rows(self, wanted: Iterable[bool] = repeat(True)) -> Iterator[Row]:
        """Give its rows as cells of the columns; :class:`GiveUp` names the cell of what they do not hold.

        Those for which ``wanted``, with an entry for each row, says no are left out, and cost little.
        """
        places = range(len(self.columns))
        return (self._read_row(raw, part, number, places) for raw, part, number in compress(self._raw_rows(), wanted))

    def pick(self, places: Sequence[int]) -> Iterator[Row]:
        """Give the cells of some columns of each row."""
        return (self._read_row(raw, part, number, places) for raw, part, number in self._raw_rows())

    def _raw_rows(self) -> Iterator[tuple[Sequence[Raw], Part, int]]:
        for part in self.parts:
            sheet = self.sheets[part.sheet]
            offset = (sheet.start or (0, 0))[1]
            for number, raw in islice(enumerate(sheet.iter_rows(), 1), part.top, part.bottom + 1):
                cells = raw[part.left - offset : part.left - offset + len(self.columns)]
                cells += [""] * (len(self.columns) - len(cells))
                if any(cell != "" for cell in cells):  # an empty table has one empty row
                    yield cells, part, number

    def _read_row(self, raw: Sequence[Raw], part: Part, number: int, places: Iterable[int]) -> Row:
        kinds, columns = self.kinds, self.columns
        return tuple(
            [
                cast("Cell", raw[place])
                if type(raw[place]) is kinds[place] and raw[place] != ""
                else read_cell(raw[place], columns[place], Spot(self, part.sheet, number, part.left + place))
                for place in places
            ]
        )

    @cached_property
    def times(self) -> TimeNames:
        """Give the formats of its times; they are read only when the clocks went back."""
        return TimeNames(self.path)


@dataclass(frozen=True, slots=True)
class Part:
    """Where the rows of one sheet stand, counted from 0: below the headings."""

    sheet: str
    top: int
    left: int
    bottom: int


@dataclass(frozen=True, slots=True)
class Spot:
    """One cell; the row counts from 1, the column from 0."""

    earlier: Earlier
    sheet: str
    row: int
    column: int

    def __str__(self) -> str:
        return f"{self.earlier.path}, sheet {self.sheet!r}, cell {name_column(self.column + 1)}{self.row}"


class TimeNames:
    """Which of two equal times on the wall a cell means, by the name of summer or winter time in its format."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.columns: dict[tuple[str, int], dict[int, str]] = {}

    def form(self, spot: Spot) -> str:
        """Give the number format of a cell; those of its whole column are read at once, and kept."""
        key = (spot.sheet, spot.column)
        if key not in self.columns:
            self.columns[key] = dict(read_forms(self.path, *key))
        return self.columns[key].get(spot.row, "")


def read_forms(path: Path, sheet: str, column: int) -> Iterator[tuple[int, str]]:
    """Give the number formats of a column, which counts from 0, with the rows that they stand in."""
    with open_package(path) as package:
        book = read_book(package)
        styles = read_styles(book)
        part = next(one.part for one in book.sheets if one.name == sheet)
        with package.open(part) as file:
            for row in SheetXml(file, part).rows():
                if (cell := row.cell(column + 1)) is not None:
                    yield row.number, styles.code(cell.style)


def read_cell(cell: Raw, column: Column, spot: Spot) -> Cell:
    """Give what a cell holds as a cell of this column; :class:`GiveUp` when it holds something else."""
    if cell == "" or cell is None:
        return None
    found: Cell = None
    if column.type == "text":
        found = read_text(cell)
    elif column.type in ("number", "integer"):
        found = read_amount(cell, column)
    elif column.type == "boolean":
        found = cell if isinstance(cell, bool) else None
    elif (moment := read_moment(cell)) is not None:
        found = moment.date() if column.type == "date" else read_instant(moment, column, spot)
    if found is None:
        raise GiveUp(f"{spot}: found {str(cell)[:40]!r}, expected {column.type}; mend that cell, or move the file away")
    return found


def read_text(cell: Raw) -> str | None:
    """Give a text; a number that somebody typed in its place is taken as it was typed."""
    if isinstance(cell, float | int) and not isinstance(cell, bool):
        return f"{cell:.15g}"
    return cell if isinstance(cell, str) else None


def read_amount(cell: Raw, column: Column) -> float | int | None:
    """Give a number in the unit of the column; whole ones that no number of Excel's holds stand there as texts."""
    if isinstance(cell, str):
        whole = cell.removeprefix("-")
        return int(cell) if whole.isascii() and whole.isdigit() and int(whole) > LARGEST_WHOLE else None
    if isinstance(cell, bool) or not isinstance(cell, float | int):
        return None
    if column.type == "integer":
        return int(cell) if float(cell).is_integer() else None
    return restore_percent(float(cell)) if divide_by(column) != 1 else float(cell)


def restore_percent(share: float) -> float:
    """Give the number that is this share when divided by 100, the one with the fewest digits if there are several."""
    whole = share * 100
    near = [float(f"{whole:.15g}"), whole, nextafter(whole, inf), nextafter(whole, -inf)]
    return next((number for number in near if number / 100 == share), whole)


def read_moment(cell: Raw) -> datetime | None:
    """Give a day or a time without a zone, from whatever form it has in the sheet."""
    if isinstance(cell, datetime):
        return cell
    if isinstance(cell, date):
        return datetime.combine(cell, time())
    try:
        if isinstance(cell, str):
            return datetime.fromisoformat(cell)
        if isinstance(cell, float | int) and not isinstance(cell, bool):
            return read_number(cell)
    except (ValueError, OverflowError):
        return None
    return None


def read_instant(moment: datetime, column: Column, spot: Spot) -> datetime:
    """Give the instant of a time on the wall; one that comes twice is told apart by the format of its cell."""
    instant = find_instant(moment, column.zone)
    if instant is not None:
        return instant
    form = spot.earlier.times.form(spot)
    for fold in (0, 1):
        local = moment.replace(tzinfo=ZoneInfo(column.zone), fold=fold)
        if f" {local.tzname()}" in form.replace("\\", ""):
            return local.astimezone(UTC)
    raise GiveUp(
        f"{spot}: {moment:%Y-%m-%d %H:%M} comes twice in {column.zone}, and the cell's format does not say which is "
        "meant; move that file away, or use another path"
    )


@lru_cache(REMEMBERED)
def find_instant(moment: datetime, name: str) -> datetime | None:
    """Give the instant of a time on the wall, None when it comes twice."""
    zone = ZoneInfo(name)
    instant = moment.replace(tzinfo=zone).astimezone(UTC)
    return instant if fold_of(instant, zone) is None else None
