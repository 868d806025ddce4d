"""Places in a grid: areas of cells, the names people write for them, and the limits of Google Sheets."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from mmflow_sheets.testing.envelope import Json

MAX_CELLS: Final = 10_000_000  # of all grids of a spreadsheet, empty ones too
MAX_COLUMNS: Final = 18_278  # ZZZ
MAX_CHARACTERS: Final = 50_000  # of a cell

ROWS: Final = "ROWS"
COLUMNS: Final = "COLUMNS"
INDEXES: Final = {ROWS: ("startRowIndex", "endRowIndex"), COLUMNS: ("startColumnIndex", "endColumnIndex")}

_CORNER = r"(?P<{0}column>[A-Za-z]{{1,3}})?(?P<{0}row>[1-9]\d*)?"
_A1 = re.compile(rf"{_CORNER.format('first_')}(?::{_CORNER.format('last_')})?")


@dataclass(frozen=True, slots=True)
class Area:
    """Cells of one sheet, half-open and within its grid."""

    sheet_id: int
    top: int
    left: int
    bottom: int
    right: int

    def meets(self, other: Area) -> bool:
        """Tell whether both have a cell in common."""
        return (
            self.sheet_id == other.sheet_id
            and max(self.top, other.top) < min(self.bottom, other.bottom)
            and max(self.left, other.left) < min(self.right, other.right)
        )

    def lies_in(self, other: Area) -> bool:
        """Tell whether no cell of it is outside the other."""
        return (
            self.sheet_id == other.sheet_id
            and other.top <= self.top
            and self.bottom <= other.bottom
            and other.left <= self.left
            and self.right <= other.right
        )

    def grid_range(self) -> Json:
        """Give it as the API writes it."""
        return {
            "sheetId": self.sheet_id,
            "startRowIndex": self.top,
            "endRowIndex": self.bottom,
            "startColumnIndex": self.left,
            "endColumnIndex": self.right,
        }


def letter_column(index: int) -> str:
    """Give the letters of a column: 0 is A, 26 is AA."""
    letters = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        letters = chr(65 + rest) + letters
    return letters


def index_column(letters: str) -> int:
    """Give the index of the letters of a column."""
    index = 0
    for letter in letters.upper():
        index = index * 26 + ord(letter) - 64
    return index - 1


def quote_title(title: str) -> str:
    """Give the title of a sheet as it stands before the ``!`` of a range."""
    is_plain = re.fullmatch(r"[A-Za-z_]\w*", title, re.ASCII) and read_cells(title) is None
    return title if is_plain else f"'{title.replace(chr(39), chr(39) * 2)}'"


def split_title(text: str) -> tuple[str | None, str]:
    """Part ``'My sheet'!A1:B2`` into the title and the cells; a text without ``!`` has no title."""
    title, mark, cells = text.rpartition("!")
    return (unquote_title(title), cells) if mark else (None, text)


def unquote_title(title: str) -> str:
    """Take the quotes from a title."""
    quoted = re.fullmatch(r"'((?:[^']|'')*)'", title)
    return quoted[1].replace("''", "'") if quoted else title


def read_cells(text: str) -> Json | None:
    """Read ``B2:D``, ``C:E``, ``2:5`` or ``B7`` as a range without a sheet; None when it is none."""
    match = _A1.fullmatch(text)
    if not match or not text:
        return None
    first = (match["first_column"], match["first_row"])
    last = (match["last_column"], match["last_row"]) if ":" in text else first
    if first == (None, None) or last == (None, None) or (":" not in text and None in first):
        return None
    columns = sorted(index_column(letters) for letters in (first[0], last[0]) if letters)
    rows = sorted(int(digits) - 1 for digits in (first[1], last[1]) if digits)
    return _bound("Column", columns, first[0], last[0]) | _bound("Row", rows, first[1], last[1])


def _bound(name: str, indexes: list[int], first: str | None, last: str | None) -> Json:
    start = {f"start{name}Index": indexes[0]} if first else {}
    return start | ({f"end{name}Index": indexes[-1] + 1} if last else {})


def write_a1(title: str, area: Area) -> str:
    """Give an area as the API answers it: ``Data!A1:C20``."""
    first = f"{letter_column(area.left)}{area.top + 1}"
    last = f"{letter_column(area.right - 1)}{area.bottom}"
    return f"{quote_title(title)}!{first}" + (f":{last}" if first != last else "")
