"""Cells of a table as typed cells of Google Sheets, and back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Any, Final, TypeAlias

import msgspec

from mmflow import Cell, Column, GiveUp, shorten_cell
from mmflow_sheets.grid import LONGEST_TEXT, column_name
from mmflow_sheets.serials import day_serial, instant_serial, serial_day, serial_instant

CellData: TypeAlias = dict[str, Any]
LARGEST_WHOLE: Final = 2**53  # beyond it a number of the sheet stands for several whole numbers
EMPTY: Final[CellData] = {}


class Value(msgspec.Struct, frozen=True, gc=False):
    """Google's ``ExtendedValue``, of which at most one field is set."""

    number: float | None = msgspec.field(name="numberValue", default=None)
    text: str | None = msgspec.field(name="stringValue", default=None)
    truth: bool | None = msgspec.field(name="boolValue", default=None)
    error: dict[str, str] | None = msgspec.field(name="errorValue", default=None)

    @property
    def plain(self) -> str | float | bool | None:
        """The value itself; None for nothing and for an error."""
        return next((one for one in (self.truth, self.number, self.text) if one is not None), None)


def write_cell(cell: Cell, column: Column) -> CellData:
    """Give a cell with the type of its value. A text is never parsed, so none becomes a formula, a number or a date."""
    if cell is None:
        return EMPTY
    kind, value = type_value(cell, column)
    return {"userEnteredValue": {kind: value}}


def type_value(cell: Cell, column: Column) -> tuple[str, str | float | bool]:
    """Give Google's word for the type of a value that is known, and the value."""
    if isinstance(cell, bool):
        return "boolValue", cell
    if isinstance(cell, int | float):
        if isinstance(cell, int) and abs(cell) > LARGEST_WHOLE:
            return "stringValue", str(cell)
        short = shorten_cell(cell)
        assert isinstance(short, int | float)
        return "numberValue", short
    if isinstance(cell, datetime):
        return "numberValue", instant_serial(cell, column.zone)
    if isinstance(cell, date):
        return "numberValue", day_serial(cell)
    return "stringValue", str(cell)


def write_plain(value: Value) -> CellData:
    """Give a cell that was read, to be written elsewhere; a formula becomes what it gave."""
    plain = value.plain
    if plain is None:
        return EMPTY
    kind = "boolValue" if isinstance(plain, bool) else "stringValue" if isinstance(plain, str) else "numberValue"
    return {"userEnteredValue": {kind: plain}}


def check_text(cell: Cell, row: int, place: int, column: Column) -> None:
    """Raise :class:`GiveUp` for a text that no cell can hold; ``row`` counts from 1, without the header."""
    if not isinstance(cell, str) or (len(cell) <= LONGEST_TEXT // 2 and "\x00" not in cell):
        return
    where = f"row {row}, column {column.name!r} ({column_name(place)})"
    if "\x00" in cell:
        raise GiveUp(f"{where} holds the character U+0000, which Google Sheets cannot keep; leave it out")
    length = len(cell.encode("utf-16-le")) // 2
    if length > LONGEST_TEXT:
        what = f"holds {length:,} characters, and a cell of Google Sheets at most {LONGEST_TEXT:,}"
        raise GiveUp(f"{where} {what}; leave that column out, or use another sink")


# Tells what a value of the sheet is in a column of the table; TypeError or ValueError when it cannot be in it.
Reader: TypeAlias = Callable[[str | float | bool, Column], Cell]


def read_text(plain: str | float | bool, _column: Column) -> Cell:
    """Give any value as text."""
    return plain if isinstance(plain, str) else str(shorten_cell(plain))


def read_number(plain: str | float | bool, _column: Column) -> Cell:
    """Give a number; a text is one when the number was too large to be kept as one."""
    if isinstance(plain, bool):
        raise TypeError(plain)
    return int(plain) if isinstance(plain, str) else shorten_cell(plain)


def read_day(plain: str | float | bool, _column: Column) -> Cell:
    """Give a day."""
    if isinstance(plain, bool | str):
        raise TypeError(plain)
    return serial_day(plain)


def read_instant(plain: str | float | bool, column: Column) -> Cell:
    """Give an instant."""
    if isinstance(plain, bool | str):
        raise TypeError(plain)
    return serial_instant(plain, column.zone)


def read_truth(plain: str | float | bool, _column: Column) -> Cell:
    """Give true or false."""
    if not isinstance(plain, bool):
        raise TypeError(plain)
    return plain


READERS: Final[dict[str, tuple[str, Reader]]] = {
    "text": ("a text", read_text),
    "number": ("a number", read_number),
    "integer": ("a whole number", read_number),
    "date": ("a day", read_day),
    "datetime": ("a time", read_instant),
    "boolean": ("true or false", read_truth),
}


def read_cell(value: Value, column: Column, where: str) -> Cell:
    """Give the table's cell of one that was read; :class:`GiveUp` names the place of what cannot be one."""
    plain = value.plain
    if plain is None:
        return None
    expected, read = READERS[column.type]
    try:
        return read(plain, column)
    except (TypeError, ValueError, OverflowError) as error:
        shown = f"{plain[:40]!r}" if isinstance(plain, str) else str(plain)
        raise GiveUp(f"{where} holds {shown}, expected {expected}; mend that cell, or empty the table") from error


def pick_value(row: Sequence[Value], place: int) -> Value:
    """Give one cell of a row that was read, which may be shorter than the table."""
    return row[place] if place < len(row) else Value()
