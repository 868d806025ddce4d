"""Values as a cell of Excel holds them: shares instead of percent, days as numbers, what is too large as text."""

from __future__ import annotations

import math
from datetime import date, datetime
from typing import TypeAlias
from zoneinfo import ZoneInfo

from mmflow import Cell, Column
from mmflow_excel.cellxml import LARGEST_WHOLE, day_number, time_number
from mmflow_excel.formats import divide_by

Value: TypeAlias = str | int | float | bool | None


def sheet_value(cell: Cell, column: Column) -> Value:
    """Give a cell of the report as it stands in a sheet; a label in the place of a day stays a text."""
    if isinstance(cell, str | bool) or cell is None:
        return cell
    if isinstance(cell, datetime):
        local = cell.astimezone(ZoneInfo(column.zone)).replace(tzinfo=None)
        number = time_number(local)
        return local.isoformat(" ") if number is None else number
    if isinstance(cell, date):
        day = day_number(cell)
        return cell.isoformat() if day is None else day
    if isinstance(cell, int) and abs(cell) > LARGEST_WHOLE:
        return str(cell)
    return cell / by if (by := divide_by(column)) != 1 else cell


def point_value(cell: Cell, column: Column) -> Value:
    """Give a cell as it is stored with a chart, where a text must not look like an infinite number."""
    value = sheet_value(cell, column)
    if isinstance(value, str) and not is_finite(value):
        return f"{value} "
    return value


def is_finite(text: str) -> bool:
    """Tell whether a text is anything but one that Python reads as infinite, or as no number."""
    try:
        return math.isfinite(float(text))
    except ValueError:
        return True
