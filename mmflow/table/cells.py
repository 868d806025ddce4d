"""What a table is made of: cells, columns and the rows that stand under it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, Literal, TypeAlias

Cell: TypeAlias = str | int | float | bool | date | datetime | None
"""One value. None is "not known", never 0; numbers are finite; a datetime is aware and in UTC."""

ColumnType = Literal["text", "number", "integer", "date", "datetime", "boolean"]
Role = Literal["group", "id", "metric", "derived", "compare"]
Direction = Literal["up", "down", ""]


@dataclass(frozen=True, slots=True)
class Column:
    """What one column holds. Cells are in ``unit`` and exact; ``decimals`` and ``direction`` are for showing only.

    ``direction`` says which way is better. A ``datetime`` column holds UTC instants; ``zone`` is the IANA name of the
    zone in which people see them.
    """

    name: str
    label: str
    type: ColumnType
    role: Role = "metric"
    unit: str = ""
    decimals: int | None = None
    direction: Direction = ""
    description: str = ""
    zone: str = "UTC"


@dataclass(frozen=True, slots=True)
class FooterRow:
    """A row under the table: one value for each column, its label ("Total") in the first, if that is a group.

    The label is a text also where the column holds dates.
    """

    kind: Literal["rest", "total"]
    values: tuple[Cell, ...]


# The database's own type of each column type, and the column type of each kind of value.
SQL_TYPES: Mapping[ColumnType, str] = {
    "text": "VARCHAR",
    "number": "DOUBLE",
    "integer": "BIGINT",
    "date": "DATE",
    "datetime": "TIMESTAMPTZ",
    "boolean": "BOOLEAN",
}
VALUE_TYPES: Mapping[type, ColumnType] = {
    str: "text",
    float: "number",
    int: "integer",
    date: "date",
    datetime: "datetime",
    bool: "boolean",
}


LARGEST_WHOLE: Final = 2.0**53  # beyond it a float stands for several whole numbers


def shorten_cell(cell: Cell) -> Cell:
    """Give a whole number as an integer, so that JSON says 34805 and not 34805.0; anything else as it is."""
    if isinstance(cell, float) and cell.is_integer() and -LARGEST_WHOLE <= cell <= LARGEST_WHOLE:
        return int(cell)
    return cell


def quote_name(name: str) -> str:
    """Write a name as SQL, whatever it holds."""
    return '"' + name.replace('"', '""') + '"'


def quote_text(text: str) -> str:
    """Write a text as SQL, whatever it holds."""
    return "'" + text.replace("'", "''") + "'"
