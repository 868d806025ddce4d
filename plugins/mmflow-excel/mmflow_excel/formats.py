"""How values look in a workbook: number formats by unit, and the width of columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from mmflow import Cell, Column, show_cell

DAY: Final = "yyyy-mm-dd"
TIME: Final = "yyyy-mm-dd hh:mm"
GENERAL: Final = "General"
NARROWEST: Final = 8
WIDEST: Final = 50
WIDEST_HEADING: Final = 22  # longer ones are broken into lines
FILTER_BUTTON: Final = 3  # places that it takes beside the heading


def choose_format(column: Column, formats: Mapping[str, str]) -> str:
    """Give the number format of a column: the job's own, or one by its type, unit and decimals."""
    if own := formats.get(column.name):
        return own
    if column.type in ("number", "integer"):
        return number_format(column)
    return {"date": DAY, "datetime": TIME}.get(column.type, GENERAL)


def number_format(column: Column) -> str:
    """Give the format of numbers; those without unit and decimals are shown as they are."""
    if column.type == "integer":
        return "0" if column.role in ("id", "group") else "#,##0"
    if column.unit == "%":
        return f"0{fraction(1 if column.decimals is None else column.decimals)}%"
    if column.decimals is None:
        return GENERAL
    return ("0" if column.unit == "ratio" else "#,##0") + fraction(column.decimals)


def fraction(decimals: int) -> str:
    """Give the part of a format behind the point."""
    return "." + "0" * decimals if decimals else ""


def divide_by(column: Column) -> int:
    """Give what cells are divided by: Excel shows 0.875 as 87.5 % and knows it for a share."""
    return 100 if column.unit == "%" and column.type == "number" else 1


def fold_names(zone: str, year: int) -> tuple[str, str]:
    """Give the names of summer and winter time of a zone: where clocks go back, an hour comes once under each.

    Both are "" where they do not change.
    """
    moments = (datetime(year, month, day, tzinfo=UTC) for month in range(1, 13) for day in (1, 15))
    seen = {moment.astimezone(ZoneInfo(zone)) for moment in moments}
    found = {(local.utcoffset() or timedelta(), local.tzname() or "") for local in seen}
    if len(found) < 2:
        return "", ""
    return max(found)[1], min(found)[1]


def fold_of(instant: datetime, zone: ZoneInfo) -> int | None:
    """Tell which of two equal times on the wall an instant is (0 or 1), None when its time comes once."""
    local = instant.astimezone(zone)
    other = local.replace(fold=1 - local.fold)
    return None if other.utcoffset() == local.utcoffset() else local.fold


def name_time(form: str, name: str) -> str:
    """Add the name of summer or winter time to a format of times."""
    return f'{form}" {name}"' if name else form


def measure_column(column: Column, heading: str, form: str, cells: Iterable[Cell]) -> int:
    """Give the width of a column for its heading and some of its cells, within bounds."""
    widest = max((len(show_wide(cell, column, form)) for cell in cells), default=0)
    return min(WIDEST, max(NARROWEST, widest + 2, min(len(heading) + FILTER_BUTTON, WIDEST_HEADING)))


def show_wide(cell: Cell, column: Column, form: str) -> str:
    """Write a cell about as wide as Excel shows it; a text by its longest line."""
    if isinstance(cell, str):
        return max(cell[:1000].split("\n"), key=len)
    if isinstance(cell, date) and cell is not None:
        return form.replace('"', "")
    text = show_cell(cell, column)
    groups = (len(text.partition(".")[0]) - 1) // 3 if "," in form else 0
    return text + " " * groups + ("%" if form.endswith("%") else "")


def pick_column(rows: Sequence[Sequence[Cell]], place: int) -> Iterable[Cell]:
    """Give the cells of one column."""
    return (row[place] for row in rows)
