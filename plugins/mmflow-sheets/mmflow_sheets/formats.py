"""How numbers, days and times of each column are shown, in the pattern words of Google Sheets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from mmflow import Column
from mmflow_sheets.options import SheetsOptions

# The colours of traffic lights as backgrounds on which black text is easy to read.
COLOURS: Final[Mapping[str, tuple[float, float, float]]] = {
    "red": (0.96, 0.70, 0.68),
    "amber": (1.0, 0.90, 0.60),
    "green": (0.72, 0.88, 0.75),
}


def number_format(column: Column, options: SheetsOptions) -> dict[str, str] | None:
    """Give the format of a column, None for one that Google chooses by itself."""
    if column.type == "date":
        return {"type": "DATE", "pattern": options.date_format}
    if column.type == "datetime":
        return {"type": "DATE_TIME", "pattern": options.datetime_format}
    if column.type == "integer":
        return {"type": "NUMBER", "pattern": "0" if column.role in ("group", "id") else "#,##0"}
    if column.type != "number" or column.decimals is None:
        return {"type": "PERCENT", "pattern": "0.0%"} if column.type == "number" and column.unit == "ratio" else None
    if column.unit == "ratio":
        return {"type": "PERCENT", "pattern": f"{show_decimals('0', max(column.decimals - 2, 0))}%"}
    if column.unit == "%":
        return {"type": "NUMBER", "pattern": show_decimals("0", column.decimals) + '"%"'}
    return {"type": "NUMBER", "pattern": show_decimals("#,##0", column.decimals)}


def show_decimals(pattern: str, decimals: int) -> str:
    """Add decimals to a pattern."""
    return f"{pattern}.{'0' * decimals}" if decimals else pattern


def light_cell(colour: str | None) -> dict[str, object]:
    """Give a cell with the background of a colour, or with none."""
    if colour is None:
        return {}
    red, green, blue = COLOURS[colour]
    style = {"rgbColor": {"red": red, "green": green, "blue": blue}}
    return {"userEnteredFormat": {"backgroundColorStyle": style}}
