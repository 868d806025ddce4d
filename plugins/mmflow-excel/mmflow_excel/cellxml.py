"""Writes values as Excel's XML has them: escaped texts, exact numbers, days as serial numbers."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from mmflow import Cell, Column, GiveUp

LONGEST_TEXT: Final = 32_767  # UTF-16 units, which is how Excel counts
LARGEST_WHOLE: Final = 2**53  # beyond it a number of Excel's stands for several whole numbers
DAY: Final = timedelta(days=1)
LEAP_GAP: Final = 60  # Excel has a 29 February 1900, its day 60
BASE_1900: Final = date(1899, 12, 30).toordinal()
BASE_1904: Final = date(1904, 1, 1).toordinal()

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


def day_number(day: date, *, base_1904: bool = False) -> int | None:
    """Give the serial number of a day, None for one before Excel's first."""
    if base_1904:
        number = day.toordinal() - BASE_1904
        return number if number >= 0 else None
    number = day.toordinal() - BASE_1900
    number -= number <= LEAP_GAP
    return number if number > 0 else None


def time_number(moment: datetime, *, base_1904: bool = False) -> float | None:
    """Give the serial number of a time without a zone, None for one before Excel's first day."""
    day = day_number(moment.date(), base_1904=base_1904)
    if day is None:
        return None
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    return day + (moment - midnight) / DAY


def read_number(number: float, *, base_1904: bool = False) -> datetime:
    """Give the time that a serial number stands for, to the millisecond; raises :class:`ValueError` or overflow."""
    days = int(number // 1)
    milliseconds = round((number - days) * 86_400_000)
    ordinal = days + (BASE_1904 if base_1904 else BASE_1900 + (days < LEAP_GAP))
    if days < 0 or (days == LEAP_GAP and not base_1904):
        raise ValueError(f"{number} is no day")
    return datetime.fromordinal(ordinal) + timedelta(milliseconds=milliseconds)


def write_tail(cell: Cell, column: Column, *, base_1904: bool) -> str:
    """Give what follows the style in a cell's XML: type and inside; raises :class:`TooLongError`."""
    number: float | None = None
    if isinstance(cell, bool):
        return f' t="b"><v>{int(cell)}</v></c>'
    if isinstance(cell, datetime):
        cell = cell.astimezone(ZoneInfo(column.zone)).replace(tzinfo=None)
        number = time_number(cell, base_1904=base_1904)
    elif isinstance(cell, date):
        number = day_number(cell, base_1904=base_1904)
    elif isinstance(cell, int) and abs(cell) <= LARGEST_WHOLE:
        number = cell
    elif isinstance(cell, float):
        number = cell + 0.0  # Excel has no -0
    if number is not None:
        return f"><v>{number!r}</v></c>"
    text = cell.isoformat(" ") if isinstance(cell, datetime) else str(cell)
    return f' t="inlineStr">{text_body(text)}</c>'


def too_long(row: int, column: Column) -> GiveUp:
    """Give the error for a text that no cell holds."""
    return GiveUp(
        f"the text in row {row}, column {column.name!r} has more than {LONGEST_TEXT:,} characters, which is all that a "
        "cell of Excel holds; shorten it in the report"
    )
