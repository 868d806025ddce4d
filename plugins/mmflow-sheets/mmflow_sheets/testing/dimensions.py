"""Requests about whole rows and columns."""

from __future__ import annotations

from mmflow_sheets.testing.book import SIZE, Book, Sheet
from mmflow_sheets.testing.envelope import Json, Refusal, refuse_feature
from mmflow_sheets.testing.grid import COLUMNS, ROWS, Area
from mmflow_sheets.testing.masks import read_fields, set_fields
from mmflow_sheets.testing.moves import delete_dimension, insert_dimension, resize_grid

WORDS = {ROWS: "row", COLUMNS: "column"}
LETTER_WIDTH = 8  # pixels; what autoResizeDimensions gives is an assumption


def _read_span(book: Book, found: Json, *, inserting: bool = False) -> tuple[Sheet, str, int, int]:
    """Give the sheet, the dimension, and the span that a ``DimensionRange`` means."""
    sheet, dimension = book.sheet(found["sheetId"]), str(found.get("dimension", ""))
    if dimension not in SIZE:
        raise Refusal("A dimension must be specified: ROWS or COLUMNS.")
    size = int(sheet.grid[SIZE[dimension]])
    start, end = int(found.get("startIndex", 0)), int(found.get("endIndex", size))
    if start < 0 or end <= start:
        raise Refusal(f"startIndex[{start}] must be at least 0 and less than endIndex[{end}].")
    if start > size or (not inserting and (start >= size or end > size)):
        word = WORDS[dimension]
        raise Refusal(
            f"Range is outside the grid: {word} index {max(start, end - 1)} but there are only {size} {word}s."
        )
    return sheet, dimension, start, end


def _span_area(sheet: Sheet, dimension: str, start: int, end: int) -> Area:
    rows, columns = sheet.size
    return Area(sheet.id, start, 0, end, columns) if dimension == ROWS else Area(sheet.id, 0, start, rows, end)


def append_rows(book: Book, request: Json) -> Json:
    """Add empty rows or columns at the end."""
    sheet, dimension = book.sheet(request.get("sheetId", 0)), request.get("dimension")
    if dimension not in SIZE or request.get("length", 0) < 1:
        raise Refusal("A dimension and a length of at least 1 must be specified.")
    resize_grid(book, sheet, dimension, sheet.grid[SIZE[dimension]] + request["length"])
    return {}


def insert_rows(book: Book, request: Json) -> Json:
    """Insert empty rows or columns."""
    sheet, dimension, start, end = _read_span(book, request["range"], inserting=True)
    from_before = request.get("inheritFromBefore", False)
    if from_before and start == 0:
        raise Refusal("inheritFromBefore cannot be true when inserting at index 0.")
    size = sheet.grid[SIZE[dimension]]
    if start >= size and not from_before:
        raise Refusal(
            f"range.startIndex[{start}] must be less than the grid size ({size}) if inheritFromBefore is false."
        )
    insert_dimension(book, sheet, dimension, start, end - start, from_before=from_before)
    return {}


def delete_rows(book: Book, request: Json) -> Json:
    """Delete rows or columns."""
    sheet, dimension, start, end = _read_span(book, request["range"])
    book.guard(_span_area(sheet, dimension, start, end))
    delete_dimension(book, sheet, dimension, start, end)
    return {}


def update_rows(book: Book, request: Json) -> Json:
    """Set the properties of rows or columns: size, hidden."""
    if "range" not in request:
        raise refuse_feature("updateDimensionProperties.dataSourceSheetRange")
    sheet, dimension, start, end = _read_span(book, request["range"])
    mask = read_fields(request, "DimensionProperties")
    for index in range(start, end):
        changed = set_fields(sheet.dimensions[dimension].get(index, {}), request.get("properties", {}), mask)
        sheet.dimensions[dimension][index] = {name: value for name, value in changed.items() if value is not False}
    return {}


def resize_rows(book: Book, request: Json) -> Json:
    """Fit widths to texts: rows keep their height, a column gets eight pixels for each letter."""
    if "dimensions" not in request:
        raise refuse_feature("autoResizeDimensions.dataSourceSheetDimensions")
    sheet, dimension, start, end = _read_span(book, request["dimensions"])
    if dimension == COLUMNS:
        widths = dict.fromkeys(range(start, end), 2)
        for _, column, cell in sheet.list_cells(_span_area(sheet, dimension, start, end)):
            widths[column] = max(widths[column], len(str(next(iter(cell.get("userEnteredValue", {"": ""}).values())))))
        for column, letters in widths.items():
            old = sheet.dimensions[COLUMNS].get(column, {})
            sheet.dimensions[COLUMNS][column] = old | {"pixelSize": LETTER_WIDTH * (letters + 1)}
    return {}
