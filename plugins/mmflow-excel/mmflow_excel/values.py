"""Values as a cell of Excel holds them: days as numbers, shares instead of percent, what is too large as text."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Final, TypeAlias
from zoneinfo import ZoneInfo

from mmflow import Cell, Column
from mmflow_excel.formats import divide_by

Value: TypeAlias = str | int | float | bool

LARGEST_WHOLE: Final = 2**53  # beyond it a number of Excel's stands for several whole numbers
DAY: Final = timedelta(days=1)
MILLISECONDS: Final = 86_400_000  # of a day
LEAP_GAP: Final = 60  # Excel has a 29 February 1900, its day 60
BASE_1900: Final = date(1899, 12, 30).toordinal()
BASE_1904: Final = date(1904, 1, 1).toordinal()


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
    ordinal = days + (BASE_1904 if base_1904 else BASE_1900 + (days < LEAP_GAP))
    if days < 0 or (days == LEAP_GAP and not base_1904):
        raise ValueError(f"{number} is no day")
    return datetime.fromordinal(ordinal) + read_clock(number - days)


def read_clock(share: float) -> timedelta:
    """Give the time of day that a share of a day stands for, to the millisecond."""
    return timedelta(milliseconds=round(share * MILLISECONDS))


def plain_value(cell: Cell, column: Column, *, base_1904: bool = False) -> Value:
    """Give a cell of the report, which is known, as a number, a text or a boolean; a text stays one in any column."""
    number: float | None = None
    if isinstance(cell, str | bool):
        return cell
    if isinstance(cell, datetime):
        cell = cell.astimezone(ZoneInfo(column.zone)).replace(tzinfo=None)
        number = time_number(cell, base_1904=base_1904)
    elif isinstance(cell, date):
        number = day_number(cell, base_1904=base_1904)
    elif isinstance(cell, float):
        number = cell + 0.0  # Excel has no -0
    elif isinstance(cell, int) and abs(cell) <= LARGEST_WHOLE:
        number = cell
    if number is not None:
        return number
    return cell.isoformat(" ") if isinstance(cell, datetime) else str(cell)


def sheet_value(cell: Cell, column: Column) -> Value | None:
    """Give a cell of the report as it stands in a workbook that is made new: percent as shares."""
    if cell is None:
        return None
    value, by = plain_value(cell, column), divide_by(column)
    return value if by == 1 or isinstance(value, str | bool) else value / by
