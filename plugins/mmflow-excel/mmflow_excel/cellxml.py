"""Writes values as Excel's XML has them: escaped texts, exact numbers."""

from __future__ import annotations

import re
from typing import Final

from mmflow import Cell, Column, GiveUp
from mmflow_excel.values import plain_value

LONGEST_TEXT: Final = 32_767  # UTF-16 units, which is how Excel counts

# What XML cannot carry, the carriage return that it would change, and what would be read as such an escape.
UNSAFE: Final = re.compile(r"[\x00-\x08\x0b-\x1f\ud800-\udfff\ufffe\uffff]|_(?=x[0-9A-Fa-f]{4}_)")
OUTER_SPACE: Final = re.compile(r"^\s|\s$|\n|  ")


class TooLongError(ValueError):
    """A text has more characters than a cell holds."""


def escape_text(text: str) -> str:
    """Write a text as XML, with the escapes ``_xHHHH_`` that Excel has for what XML cannot carry."""
    if UNSAFE.search(text):
        text = UNSAFE.sub(lambda found: f"_x{ord(found[0]):04X}_", text)
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def unescape_text(text: str) -> str:
    """Read the escapes ``_xHHHH_`` of a text."""
    return re.sub(r"_x([0-9A-Fa-f]{4})_", lambda found: chr(int(found[1], 16)), text) if "_x" in text else text


def text_body(text: str) -> str:
    """Give the inside of an inline text cell; raises :class:`TooLongError`."""
    if len(text) > LONGEST_TEXT // 2 and len(text.encode("utf-16-le", "surrogatepass")) // 2 > LONGEST_TEXT:
        raise TooLongError
    space = ' xml:space="preserve"' if OUTER_SPACE.search(text) else ""
    return f"<is><t{space}>{escape_text(text)}</t></is>"


def cut_text(text: str) -> str:
    """Give as much of a text as a cell holds, for words about a report; those of its rows are refused instead."""
    if len(text) <= LONGEST_TEXT // 2:
        return text
    return text.encode("utf-16-le", "surrogatepass")[: 2 * LONGEST_TEXT].decode("utf-16-le", "ignore")


def write_tail(cell: Cell, column: Column, *, base_1904: bool) -> str:
    """Give what follows the style in a cell's XML: type and inside; raises :class:`TooLongError`."""
    value = plain_value(cell, column, base_1904=base_1904)
    if isinstance(value, str):
        return f' t="inlineStr">{text_body(value)}</c>'
    if isinstance(value, bool):
        return f' t="b"><v>{int(value)}</v></c>'
    return f"><v>{value!r}</v></c>"


def too_long(row: int, column: Column) -> GiveUp:
    """Give the error for a text that no cell holds."""
    return GiveUp(
        f"the text in row {row}, column {column.name!r} has more than {LONGEST_TEXT:,} characters, which is all that a "
        "cell of Excel holds; shorten it in the report"
    )
