"""Draws charts of Excel's own from the cells of a page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from mmflow import Cell, Column, GiveUp
from mmflow_excel.formats import choose_format
from mmflow_excel.options import Chart, ExcelOptions
from mmflow_excel.pages import FIRST_ROW, Page, find_places
from mmflow_excel.pareto import list_numbers
from mmflow_excel.values import Value, sheet_value

KINDS: Final[Mapping[str, dict[str, str]]] = {
    "column": {"type": "column"},
    "bar": {"type": "bar"},
    "line": {"type": "line"},
    "stacked": {"type": "column", "subtype": "stacked"},
    "pareto": {"type": "column"},
}
SIZE: Final = {"width": 640, "height": 320}  # pixels
ROWS_HIGH: Final = 17  # rows of a sheet that a chart covers, and one between
COLUMNS_WIDE: Final = 11
REMEMBERED: Final = 1_000  # points that are stored with the chart, for viewers that do not work it out


def draw_chart(book: Any, chart: Chart, page: Page, options: ExcelOptions) -> Any:
    """Give the chart; its lines, when it has some, lie over it and have an axis on the right."""
    drawn = book.add_chart(KINDS[chart.type])
    numbers, lines = find_numbers(chart, page), find_places(chart.line, page)
    if not numbers:
        raise GiveUp(f"the chart {chart.title!r} of sheet {page.name!r} has no column of numbers; name one under y")
    add_series(drawn, chart, page, numbers, second=False)
    title_axes(drawn, chart, page, options.formats, numbers)
    if lines:
        over = book.add_chart({"type": "line"})
        add_series(over, chart, page, lines, second=True)
        over.set_y2_axis({"num_format": choose_format(page.columns[lines[0]], options.formats), **share_axis(chart)})
        drawn.combine(over)
    drawn.set_size(SIZE)
    drawn.show_blanks_as("gap")
    if any(page.columns[place].name in options.hidden for place in (find_names(chart, page), *numbers, *lines)):
        drawn.show_hidden_data()
    if len(numbers) + len(lines) > 1:
        drawn.set_legend({"position": "bottom"})
    else:
        drawn.set_legend({"none": True})
    return drawn


def find_numbers(chart: Chart, page: Page) -> list[int]:
    """Give the places of the columns to draw: as named, else every one of a pivot, else the first number."""
    numbers = list_numbers(page.columns)
    if chart.y:
        return [place for place in find_places(chart.y, page) if place in numbers]
    return numbers if page.crosswise else numbers[:1]


def find_names(chart: Chart, page: Page) -> int:
    """Give the place of the column that names what is drawn: as named, else the first."""
    return next(iter(find_places([chart.x], page)), 0)


def add_series(drawn: Any, chart: Chart, page: Page, places: Sequence[int], *, second: bool) -> None:
    """Add a series for each column, by the addresses of its cells and with their values as they are now."""
    count = max(1, min(page.rows.length, chart.rows or page.rows.length))
    names = find_names(chart, page)
    top, bottom = FIRST_ROW - 1, FIRST_ROW + count - 2
    remembered = page.rows.head(min(count, REMEMBERED))
    for place in places:
        drawn.add_series(
            {
                "name": [page.name, 0, place],
                "categories": [page.name, top, names, bottom, names],
                "values": [page.name, top, place, bottom, place],
                "categories_data": [point_value(row[names], page.columns[names]) for row in remembered],
                "values_data": [point_value(row[place], page.columns[place]) for row in remembered],
                "y2_axis": second,
            }
        )


def point_value(cell: Cell, column: Column) -> Value | None:
    """Give a cell as it is stored with a chart: XlsxWriter takes a text such as inf for a number, and fails."""
    value = sheet_value(cell, column)
    return f"{value} " if isinstance(value, str) and not is_finite(value) else value


def is_finite(text: str) -> bool:
    """Tell whether a text is anything but one that Python reads as infinite, or as no number."""
    try:
        return math.isfinite(float(text))
    except ValueError:
        return True


def title_axes(drawn: Any, chart: Chart, page: Page, formats: Mapping[str, str], numbers: Sequence[int]) -> None:
    """Set the heading, and what stands at the axes; names are never placed by their size, as Excel does with days."""
    drawn.set_title({"name": chart.title} if chart.title else {"none": True})
    names = page.columns[find_names(chart, page)]
    lying = chart.type == "bar"
    set_names, set_values = drawn.set_x_axis, drawn.set_y_axis
    if lying:  # XlsxWriter speaks of the axes as they lie
        set_names, set_values = set_values, set_names
    axis: dict[str, Any] = {"text_axis": True}
    if names.type in ("date", "datetime"):
        axis["num_format"] = choose_format(names, formats)
    if lying:
        axis["reverse"] = True  # the first row at the top, as in the sheet
    set_names(axis | ({"name": chart.x_title} if chart.x_title else {}))
    values: dict[str, Any] = {"num_format": choose_format(page.columns[numbers[0]], formats)}
    if chart.y_title:
        values["name"] = chart.y_title
    bounds = {"min": chart.y_min, "max": chart.y_max}
    set_values(values | {key: bound for key, bound in bounds.items() if bound is not None})


def share_axis(chart: Chart) -> dict[str, float]:
    """Give the bounds of the axis on which a Pareto chart has its shares."""
    return {"min": 0, "max": 1} if chart.type == "pareto" else {}


def place_beside(number: int, page: Page) -> tuple[int, int]:
    """Give the cell, counted from 0, at which a chart beside a table begins."""
    return 1 + number * ROWS_HIGH, len(page.columns) + 1


def place_alone(number: int) -> tuple[int, int]:
    """Give the cell at which a chart of a sheet of charts begins: two side by side."""
    down, side = divmod(number, 2)
    return 1 + down * ROWS_HIGH, 1 + side * COLUMNS_WIDE
