"""Places in a tab: rectangles of cells, the way Google counts them (from 0, end excluded) and people name them (A1)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

LARGEST_SHEET: Final = 10_000_000  # cells of all tabs of a spreadsheet together
MOST_COLUMNS: Final = 18_278
LONGEST_TEXT: Final = 50_000  # characters of a cell
_A1: Final = re.compile(r"([A-Z]{1,3})([1-9]\d*)")


def column_name(place: int) -> str:
    """Give the letters of a column, counted from 0: A, …, Z, AA."""
    name = ""
    place += 1
    while place:
        place, rest = divmod(place - 1, 26)
        name = chr(ord("A") + rest) + name
    return name


def read_cell(text: str) -> tuple[int, int]:
    """Give row and column, from 0, of a cell such as ``B4``; :class:`ValueError` for anything else."""
    found = _A1.fullmatch(text)
    if not found:
        raise ValueError(f"{text!r} is no cell")
    column = 0
    for letter in found[1]:
        column = column * 26 + ord(letter) - ord("A") + 1
    return int(found[2]) - 1, column - 1


def quote_tab(title: str) -> str:
    """Write the title of a tab as it stands before ``!``."""
    return "'" + title.replace("'", "''") + "'"


@dataclass(frozen=True, slots=True)
class Rect:
    """Cells of one tab: rows from ``top`` up to ``bottom``, columns from ``left`` up to ``right``, ends excluded."""

    top: int
    left: int
    bottom: int
    right: int

    @classmethod
    def of_size(cls, corner: tuple[int, int], height: int, width: int) -> Rect:
        """Give the cells below and right of a corner (row, column)."""
        return cls(corner[0], corner[1], corner[0] + height, corner[1] + width)

    @property
    def height(self) -> int:
        """How many rows there are."""
        return self.bottom - self.top

    @property
    def width(self) -> int:
        """How many columns there are."""
        return self.right - self.left

    @property
    def corner(self) -> tuple[int, int]:
        """The first cell (row, column)."""
        return self.top, self.left

    @property
    def empty(self) -> bool:
        """Whether there is no cell in it."""
        return self.top >= self.bottom or self.left >= self.right

    def __str__(self) -> str:
        """Name the cells: ``A1:D20``."""
        return f"{column_name(self.left)}{self.top + 1}:{column_name(self.right - 1)}{self.bottom}"

    def holds(self, row: int, column: int) -> bool:
        """Tell whether a cell is in it."""
        return self.top <= row < self.bottom and self.left <= column < self.right

    def overlaps(self, other: Rect) -> bool:
        """Tell whether they have a cell in common."""
        return not self.clip(other).empty

    def clip(self, other: Rect) -> Rect:
        """Give the cells that are in both; it may be empty."""
        return Rect(
            max(self.top, other.top), max(self.left, other.left),
            min(self.bottom, other.bottom), min(self.right, other.right),
        )  # fmt: skip

    def minus(self, other: Rect | None) -> Iterator[Rect]:
        """Give the cells that are not in the other, as at most four rectangles."""
        if other is None or not self.overlaps(other):
            yield self
            return
        inside = self.clip(other)
        pieces = (
            Rect(self.top, self.left, inside.top, self.right),
            Rect(inside.top, self.left, inside.bottom, inside.left),
            Rect(inside.top, inside.right, inside.bottom, self.right),
            Rect(inside.bottom, self.left, self.bottom, self.right),
        )
        yield from (piece for piece in pieces if not piece.empty)

    def join(self, other: Rect | None) -> Rect:
        """Give the smallest rectangle with both in it."""
        if other is None:
            return self
        return Rect(
            min(self.top, other.top), min(self.left, other.left),
            max(self.bottom, other.bottom), max(self.right, other.right),
        )  # fmt: skip

    def rows(self, first: int, last: int) -> Rect:
        """Give some of its rows, counted from its own top, ``last`` excluded."""
        return Rect(self.top + first, self.left, self.top + last, self.right)

    def column(self, place: int) -> Rect:
        """Give one of its columns, counted from its own left."""
        return Rect(self.top, self.left + place, self.bottom, self.left + place + 1)

    def on(self, sheet: int) -> dict[str, int]:
        """Give it as Google's ``GridRange``."""
        return {
            "sheetId": sheet,
            "startRowIndex": self.top,
            "endRowIndex": self.bottom,
            "startColumnIndex": self.left,
            "endColumnIndex": self.right,
        }
