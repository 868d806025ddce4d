"""References in the text of formulas, and how they follow rows, columns and sheets that move.

Modelled: ``A1``, ``$B$2``, ``A1:C3``, ``A:C``, ``2:5``, each with or without ``Sheet!`` before it; texts in quotes are
left alone; what is deleted becomes ``#REF!``. A range grows when rows are inserted inside it and not at its edges.
Formulas are not calculated: see ``cells.py``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from mmflow_sheets.testing.grid import (
    COLUMNS,
    ROWS,
    index_column,
    letter_column,
    quote_title,
    unquote_title,
)

Move = Callable[[int, int], tuple[int, int] | None]  # a half-open span to where it went; None when nothing is left

_TITLE = r"(?P<title>'(?:[^']|'')*'|[A-Za-z_][\w.]*)!"
_CELL = r"\$?[A-Za-z]{1,3}\$?[1-9]\d*"
_REFERENCE: Final = re.compile(
    r'(?P<text>"(?:[^"]|"")*")'
    rf"|(?:{_TITLE})?(?<![\w.$])"
    rf"(?P<cells>{_CELL}(?::{_CELL})?|\$?[A-Za-z]{{1,3}}:\$?[A-Za-z]{{1,3}}|\$?[1-9]\d*:\$?[1-9]\d*)(?![\w(.])"
)
_PART: Final = re.compile(r"(\$?)([A-Za-z]*)(\$?)(\d*)")
LOST: Final = "#REF!"


def move_references(formula: str, home: str, sheet: str, dimension: str, move: Move) -> str:
    """Give a formula that stands in the sheet ``home`` after rows or columns of ``sheet`` have moved."""

    def replace(match: re.Match[str]) -> str:
        title = unquote_title(match["title"]) if match["title"] else home
        if match["text"] or title != sheet:
            return match[0]
        moved = _move_cells(match["cells"], dimension, move)
        return LOST if moved is None else f"{match['title']}!{moved}" if match["title"] else moved

    return _REFERENCE.sub(replace, formula)


def rename_sheet(formula: str, old: str, new: str | None) -> str:
    """Give a formula after a sheet has another title, or is gone."""

    def replace(match: re.Match[str]) -> str:
        if match["text"] or not match["title"] or unquote_title(match["title"]) != old:
            return match[0]
        return f"{quote_title(new)}!{match['cells']}" if new is not None else LOST

    return _REFERENCE.sub(replace, formula)


def _move_cells(cells: str, dimension: str, move: Move) -> str | None:
    first, colon, last = cells.partition(":")
    corners = [_split_corner(text) for text in (first, last or first)]
    spot = 1 if dimension == COLUMNS else 3
    if not corners[0][spot]:
        return cells  # rows move, and whole columns are meant
    read, write = (index_column, letter_column) if dimension == COLUMNS else (_read_row, _write_row)
    start, end = (read(corner[spot]) for corner in corners)
    moved = move(min(start, end), max(start, end) + 1)
    if moved is None:
        return None
    edges = moved if start <= end else (moved[1] - 1, moved[0] + 1)
    corners[0][spot], corners[1][spot] = write(edges[0]), write(edges[1] - 1)
    return "".join(corners[0]) + (colon and ":" + "".join(corners[1]))


def _split_corner(text: str) -> list[str]:
    match = _PART.fullmatch(text)
    assert match is not None
    dollar, letters, second, digits = match.groups()
    return [dollar, letters, second, digits] if letters else ["", "", dollar or second, digits]


def _read_row(digits: str) -> int:
    return int(digits) - 1


def _write_row(index: int) -> str:
    return str(index + 1)


def insert_span(at: int, count: int) -> Move:
    """Give how spans move when ``count`` rows are inserted before ``at``."""

    def move(start: int, end: int) -> tuple[int, int]:
        return (start + count * (start >= at), end + count * (end > at))

    return move


def delete_span(first: int, last: int) -> Move:
    """Give how spans move when the rows from ``first`` to before ``last`` are deleted."""

    def shift(index: int) -> int:
        return index - max(0, min(index, last) - first)

    def move(start: int, end: int) -> tuple[int, int] | None:
        moved = shift(start), shift(end)
        return moved if moved[0] < moved[1] else None

    return move


__all__ = ["COLUMNS", "LOST", "ROWS", "Move", "delete_span", "insert_span", "move_references", "rename_sheet"]
