"""Draws charts of Excel's own from the cells of a page."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final

from mmflow import Cell, Column, GiveUp
from mmflow_excel.formats import choose_format
from mmflow_excel.options import Chart, ExcelOptions
from mmflow_excel.pages import FIRST_ROW, Page, find_places
from mmflow_excel.pareto import check_amount, check_names, list_numbers
from mmflow_excel.rows import Row
from mmflow_excel.values import Value, sheet_value

KINDS: Final[Mapping[str, dict[str, str]]] = {
    "column": {"type": "column"},
    "bar": {"type": "bar"},
    "line": {"type": "line"},
    "stacked": {"type": "column", "subtype": "stacked"},
    "pareto": {"type": "column"},
}
WIDTH: Final = 640  # pixels, as all that follow; of a chart with few names
HEIGHT: Final = 320
LARGEST: Final = 1_600  # width and height
NAME_WIDE: Final = 24  # what a name takes along the lower axis
NAME_HIGH: Final = 18  # beside a bar, or in a legend
ROW_HIGH: Final = 20  # a row of a sheet
LONGEST_LEGEND: Final = 12  # names under a chart
MOST_SERIES: Final = 255  # that Excel draws
FROM_ZERO: Final = ("column", "bar", "stacked", "pareto")  # whose lengths are compared
REMEMBERED: Final = 1_000  # points that are stored with the chart, for viewers that do not work it out


def draw_chart(book: Any, chart: Chart, page: Page, options: ExcelOptions) -> Any:
    """Give the chart; its lines, when it has some, lie over it and have an axis on the right."""
    drawn = book.add_chart(KINDS[chart.type])
    numbers, lines = find_numbers(chart, page), find_places(chart.line, page)
    check_chart(chart, page, numbers, lines)
    add_series(drawn, chart, page, numbers, second=False)
    title_axes(drawn, chart, page, options.formats, numbers)
    if lines:
        over = book.add_chart({"type": "line"})
        add_series(over, chart, page, lines, second=True)
        over.set_y2_axis({"num_format": choose_format(page.columns[lines[0]], options.formats), **share_axis(chart)})
        drawn.combine(over)
    drawn.set_size(measure_chart(chart, page))
    drawn.show_blanks_as("gap")
    if any(page.columns[place].name in options.hidden for place in (find_names(chart, page), *numbers, *lines)):
        drawn.show_hidden_data()
    drawn.set_legend(place_legend(len(numbers) + len(lines)))
    return drawn


def check_chart(chart: Chart, page: Page, numbers: Sequence[int], lines: Sequence[int]) -> None:
    """Raise :class:`GiveUp` for a chart that Excel does not draw, or that would mislead."""
    where = f"the {chart.type} chart {chart.title!r} of sheet {page.name!r}"
    if not numbers:
        raise GiveUp(f"{where} has no column of numbers; name one under y")
    if (count := len(numbers) + len(lines)) > MOST_SERIES:
        raise GiveUp(f"{where} would draw {count:,} columns, Excel draws {MOST_SERIES}; name some under y")
    if chart.type == "stacked":
        for place in numbers:
            check_amount(page.columns[place], where)
    if chart.type == "line" and not page.crosswise:
        name = find_names(chart, page)
        check_names((row[name] for row in drawn_rows(chart, page)), page.columns[name], where)


def drawn_rows(chart: Chart, page: Page) -> Iterator[Row]:
    """Give the rows that a chart draws."""
    return islice(page.rows, chart.rows)


def measure_chart(chart: Chart, page: Page) -> dict[str, int]:
    """Give the width and height in pixels: room for each name along its axis, and for a legend of many columns."""
    names = min(page.rows.length, chart.rows or page.rows.length)
    width, height = (0, names) if chart.type == "bar" else (names, 0)
    height = max(height, len(find_numbers(chart, page)))
    return {
        "width": min(LARGEST, max(WIDTH, width * NAME_WIDE)),
        "height": min(LARGEST, max(HEIGHT, height * NAME_HIGH)),
    }


def count_rows_high(chart: Chart, page: Page) -> int:
    """Count the rows of a sheet that a chart takes, with one between it and the next."""
    return -(-measure_chart(chart, page)["height"] // ROW_HIGH) + 1


def place_legend(series: int) -> dict[str, Any]:
    """Say where the legend stands: beside the chart when there are many names in it."""
    if series == 1:
        return {"none": True}
    return {"position": "bottom" if series <= LONGEST_LEGEND else "right"}


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
    bounds = {"min": find_bottom(chart, page, numbers), "max": chart.y_max}
    set_values(values | {key: bound for key, bound in bounds.items() if bound is not None})


def find_bottom(chart: Chart, page: Page, numbers: Sequence[int]) -> float | None:
    """Give where the axis of the numbers begins: as told, at 0 for columns and bars of amounts, else as Excel likes."""
    if chart.y_min is not None or chart.type not in FROM_ZERO:
        return chart.y_min
    drawn = (row[place] for row in drawn_rows(chart, page) for place in numbers)
    negative = any(isinstance(cell, int | float) and cell < 0 for cell in drawn)
    return None if negative or (chart.y_max is not None and chart.y_max <= 0) else 0


def share_axis(chart: Chart) -> dict[str, float]:
    """Give the bounds of the axis on which a Pareto chart has its shares."""
    return {"min": 0, "max": 1} if chart.type == "pareto" else {}


def place_chart(used: int, host: Page | None) -> tuple[int, int]:
    """Give the cell, counted from 0, at which a chart begins: right of a table, below ``used`` rows of other charts."""
    return 1 + used, len(host.columns) + 1 if host else 1
