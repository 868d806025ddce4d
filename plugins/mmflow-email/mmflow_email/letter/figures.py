"""Writes cells for readers of a letter: rounded, with thousands separators, units and days of the week."""

from __future__ import annotations

from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from mmflow import Cell, Column

UNKNOWN: Final = "\N{EN DASH}"
LONGEST: Final = 160  # characters of a cell; the whole text is in the attached files
LARGEST: Final = 1e15  # from here on digits are no longer all real
SHORT: Final = ("", "ratio", "%", "parts", "parts/h")  # units that need no word beside the number
WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")  # English whatever the locale

MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def write_cell(cell: Cell, column: Column) -> str:
    """Write a value; null is a dash, a ratio is in percent."""
    if cell is None:
        return UNKNOWN
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, int | float):
        return write_number(cell, column)
    if isinstance(cell, datetime):
        return write_instant(cell, column.zone)
    return write_day(cell) if isinstance(cell, date) else tidy_text(cell)


def write_number(number: float, column: Column) -> str:
    """Write a number of a column, with the sign of percent where it is a share."""
    percent = column.unit in ("ratio", "%")
    return round_number(number * scale_of(column), decimals_of(column)) + (" %" if percent else "")


def write_change(number: float, column: Column) -> str:
    """Write a difference with its sign; shares differ by points."""
    text = round_number(number * scale_of(column), decimals_of(column))
    sign = "+" if number > 0 and text.strip("0.,") else ""
    return f"{sign}{text}" + (" pt" if column.unit in ("ratio", "%") else "")


def write_quantity(cell: Cell, column: Column) -> str:
    """Write a value with its unit, for a sentence."""
    text = write_cell(cell, column)
    return text if column.unit in SHORT or text == UNKNOWN else f"{text} {column.unit}"


def bare_label(column: Column) -> str:
    """Give the heading without the unit at its end."""
    return tidy_text(column.label.removesuffix(f" ({column.unit})") if column.unit else column.label)


def scale_of(column: Column) -> int:
    """Give what a cell is multiplied with to be shown."""
    return 100 if column.unit == "ratio" else 1


def decimals_of(column: Column) -> int | None:
    """Give how many decimals are shown; None: as many as there are."""
    if column.unit != "ratio":
        return column.decimals
    return 1 if column.decimals is None else max(column.decimals - 2, 0)


def round_number(number: float, decimals: int | None) -> str:
    """Write a number with thousands separators, very large and very small ones with an exponent."""
    if abs(number) >= LARGEST or (decimals is None and 0 < abs(number) < 1e-6):
        return f"{number:.4g}"
    text = f"{number:,.6f}".rstrip("0").rstrip(".") if decimals is None else f"{number:,.{decimals}f}"
    return text if text.strip("-0.,") else text.removeprefix("-")


def write_day(day: date) -> str:
    """Write ``Sat 2026-11-21``."""
    return f"{WEEKDAYS[day.weekday()]} {day.isoformat()[:10]}"


def write_short(cell: Cell, column: Column) -> str:
    """Write a value for a picture, where days have little room."""
    if isinstance(cell, datetime):
        local = cell.astimezone(ZoneInfo(column.zone))
        return f"{local.day} {MONTHS[local.month - 1]} {local:%H:%M}"
    if isinstance(cell, date):
        return f"{WEEKDAYS[cell.weekday()]} {cell.day} {MONTHS[cell.month - 1]}"
    return write_cell(cell, column)


def write_instant(instant: datetime, zone: str) -> str:
    """Write the time on the wall with the name of its offset, so that the two hours of a clock change differ."""
    local = instant.astimezone(ZoneInfo(zone))
    return f"{local:%Y-%m-%d %H:%M} {local.tzname()}"


def tidy_text(text: str, most: int = LONGEST) -> str:
    """Make a text from data one visible line: no controls, no marks that turn the direction, cut when it has no end."""
    start = " ".join(text[: most * 2].split())
    shown = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in start)
    return shown if len(shown) <= most and len(text) <= most * 2 else shown[: most - 1] + "…"
