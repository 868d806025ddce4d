"""Reads the values of cells out of their XML."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Final
from xml.sax.saxutils import unescape
from zoneinfo import ZoneInfo

from mmflow import Cell, Column
from mmflow_excel.cellxml import unescape_text
from mmflow_excel.filling.book import Book
from mmflow_excel.filling.markup import MOST_DIGITS, get_attribute
from mmflow_excel.filling.sheet import CellXml
from mmflow_excel.filling.strings import read_strings
from mmflow_excel.values import read_number

VALUE: Final = re.compile(rb"<(?:[\w.-]+:)?v(?:\s[^>]*)?>(.*?)</", re.DOTALL)
TEXT: Final = re.compile(rb"<(?:[\w.-]+:)?t(?:\s[^>]*)?>(.*?)</", re.DOTALL)
READING: Final = re.compile(rb"<(?:[\w.-]+:)?rPh[\s>].*?</(?:[\w.-]+:)?rPh>", re.DOTALL)
CHARACTER: Final = re.compile(r"&#(x[0-9A-Fa-f]+|[0-9]+);")

Value = str | float | bool | None


def shared_number(cell: CellXml) -> int | None:
    """Give the number of the shared text that a cell shows, None when it is another kind of cell."""
    found = VALUE.search(cell.inside) if get_attribute(cell.tag, b"t") == b"s" else None
    return int(found[1]) if found and found[1].isdigit() and len(found[1]) <= MOST_DIGITS else None


def read_value(cell: CellXml, texts: Mapping[int, str]) -> Value:
    """Give what a cell holds: a text, a number or a boolean; an error of Excel is its text (``#REF!``)."""
    kind = get_attribute(cell.tag, b"t") or b"n"
    if kind == b"inlineStr":
        return unescape_text("".join(read_xml(text) for text in TEXT.findall(READING.sub(b"", cell.inside))))
    found = VALUE.search(cell.inside)
    text = read_xml(found[1]) if found else ""
    if not text or kind == b"s":
        return texts.get(int(text)) if text.isdecimal() and len(text) <= MOST_DIGITS else None
    if kind == b"b":
        return text.strip() in ("1", "true")
    return read_float(text) if kind == b"n" else unescape_text(text)


def read_float(text: str) -> float | str:
    """Read a number; what is none stays the text that it is."""
    try:
        return float(text)
    except ValueError:
        return text


def read_xml(text: bytes) -> str:
    """Read the characters of a text in XML."""

    def read_character(found: re.Match[str]) -> str:
        return chr(int(found[1][1:], 16) if found[1].startswith("x") else int(found[1]))

    plain = CHARACTER.sub(read_character, text.decode().replace("\r\n", "\n").replace("\r", "\n"))
    return unescape(plain, {"&quot;": '"', "&apos;": "'"})


def read_texts(book: Book, cells: Iterable[CellXml]) -> dict[int, str]:
    """Give the shared texts that cells show."""
    return read_strings(book, {number for cell in cells if (number := shared_number(cell)) is not None})


def cell_of(value: Value, column: Column, *, divisor: float = 1, base_1904: bool = False, fold: int = 0) -> Cell:
    """Give what a cell of a sheet holds as the cell of a column that was written to it.

    ``fold`` says which of two equal times on the wall is meant. :class:`ValueError`, :class:`TypeError` or
    :class:`OverflowError` for what such a column cannot hold.
    """
    if value is None or value == "":
        return None
    if column.type in ("date", "datetime"):
        found = datetime.fromisoformat(value) if isinstance(value, str) else read_number(value, base_1904=base_1904)
        if column.type == "date":
            return found.date()
        return found.replace(tzinfo=ZoneInfo(column.zone), fold=fold).astimezone(UTC)
    if column.type == "text":
        return f"{value:.15g}" if isinstance(value, float) else str(value)
    if column.type == "boolean":
        if not isinstance(value, bool):
            raise TypeError("no boolean")
        return value
    if column.type == "integer":
        if not isinstance(value, str) and not float(value).is_integer():
            raise ValueError("no whole number")
        return int(value)
    return undo_division(float(value), divisor)


def undo_division(share: float, divisor: float) -> float:
    """Give the number that is this share when it is divided, with the fewest digits."""
    shortest = float(f"{share * divisor:.15g}")
    return shortest if shortest / divisor == share else share * divisor
