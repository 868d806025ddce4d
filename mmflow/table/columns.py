"""Lays texts out in columns for people to read, safely: what data holds cannot steer the terminal."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from mmflow.text import show_text

if TYPE_CHECKING:
    from mmflow.table import Cell, Column

GAP = "  "


def align_texts(
    headings: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[bool], *, widest: int
) -> Iterator[str]:
    """Give a heading line, a rule, and a line for each row, without trailing blanks.

    ``right`` says for each column whether it is bound to the right, as numbers are. A text that takes more than
    ``widest`` places is cut and ends in ``…``, since it would push all others away.
    """
    listed = [[cut_text(show_text(cell), widest) for cell in row] for row in (headings, *rows)]
    widths = [max(map(measure_text, column)) for column in zip(*listed, strict=True)]
    listed.insert(1, ["-" * width for width in widths])
    for row in listed:
        padded = (pad_text(cell, width, bound) for cell, width, bound in zip(row, widths, right, strict=True))
        yield GAP.join(padded).rstrip()


def cut_text(text: str, widest: int) -> str:
    """Give the part of a text that takes at most ``widest`` places of a terminal, with its last one as ``…``."""
    if measure_text(text) <= widest:
        return text
    end = widest - 1
    while measure_text(text[:end]) >= widest:
        end -= 1
    return text[:end] + "…"


def pad_text(text: str, width: int, right: bool) -> str:
    """Fill a text with blanks to ``width`` places of a terminal."""
    blanks = " " * (width - measure_text(text))
    return blanks + text if right else text + blanks


def measure_text(text: str) -> int:
    """Count the places that a text takes on a terminal: wide characters take two, combining marks none."""
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in text)
    return len(text) + wide - sum(unicodedata.combining(char) > 0 for char in text)


def show_cell(cell: Cell, column: Column) -> str:
    """Write a value as people read it: rounded as the column says, times in the column's zone, null as nothing."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        return show_number(cell, column.decimals)
    if isinstance(cell, datetime):
        return cell.astimezone(ZoneInfo(column.zone)).isoformat(" ", "minutes")
    return str(cell)


def show_number(number: float, decimals: int | None) -> str:
    """Write a number in plain decimals, never with an exponent."""
    if decimals is not None:
        return f"{number:.{decimals}f}"
    text = f"{number:.9f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
