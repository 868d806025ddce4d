"""Names of cells and ranges, as Excel writes them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

LAST_ROW: Final = 1_048_576
LAST_COLUMN: Final = 16_384
CELL: Final = re.compile(r"\$?([A-Za-z]{1,3})\$?([1-9][0-9]{0,6})")


@dataclass(frozen=True, slots=True)
class Area:
    """A rectangle of cells; rows and columns count from 1, and the last ones belong to it."""

    top: int
    left: int
    bottom: int
    right: int

    def __str__(self) -> str:
        """Write it as ``A1:D10``."""
        first, last = (
            f"{name_column(column)}{row}" for column, row in ((self.left, self.top), (self.right, self.bottom))
        )
        return first if first == last else f"{first}:{last}"

    def meets(self, other: Area) -> bool:
        """Tell whether both share a cell."""
        return (
            self.top <= other.bottom
            and other.top <= self.bottom
            and self.left <= other.right
            and other.left <= self.right
        )

    def join(self, other: Area) -> Area:
        """Give the smallest area that holds both."""
        return Area(
            min(self.top, other.top),
            min(self.left, other.left),
            max(self.bottom, other.bottom),
            max(self.right, other.right),
        )

    def absolute(self) -> str:
        """Write it as ``$A$1:$D$10``."""
        return re.sub(r"([A-Z]+)([0-9]+)", r"$\1$\2", str(self))


def name_column(number: int) -> str:
    """Give the letters of a column."""
    letters = ""
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(65 + rest) + letters
    return letters


def count_column(letters: str) -> int:
    """Give the number of a column from its letters."""
    number = 0
    for letter in letters.upper():
        number = number * 26 + ord(letter) - 64
    return number


def read_area(text: str) -> Area | None:
    """Read ``B3`` or ``$B$3:$D$4``; None for anything else."""
    corners = [CELL.fullmatch(part) for part in text.strip().split(":")]
    if not 1 <= len(corners) <= 2 or not all(corners):
        return None
    found = [(int(corner[2]), count_column(corner[1])) for corner in corners if corner]
    rows, columns = zip(*found, strict=True)
    if max(rows) > LAST_ROW or max(columns) > LAST_COLUMN:
        return None
    return Area(min(rows), min(columns), max(rows), max(columns))


def split_reference(text: str) -> tuple[str, Area] | None:
    """Read ``Input!$B$3:$D$4`` or ``'My sheet'!A1`` into sheet and area; None for anything else."""
    sheet, mark, cells = text.strip().removeprefix("=").rpartition("!")
    area = read_area(cells)
    if not mark or area is None:
        return None
    if sheet.startswith("'") and sheet.endswith("'") and len(sheet) > 2:
        return sheet[1:-1].replace("''", "'"), area
    return sheet, area
