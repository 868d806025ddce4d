"""Requests that write cells. Masks decide which parts of a cell are written; all other parts stay."""

from __future__ import annotations

from mmflow_sheets.testing.book import Book, Sheet, limits
from mmflow_sheets.testing.cells import write_cell
from mmflow_sheets.testing.envelope import Json, Refusal, refuse_feature
from mmflow_sheets.testing.grid import COLUMNS, ROWS, Area
from mmflow_sheets.testing.masks import Mask, read_fields
from mmflow_sheets.testing.moves import resize_grid


def update_cells(book: Book, request: Json) -> Json:
    """Write rows from a start, or into a range whose other cells are cleared of the fields of the mask."""
    mask, rows = read_fields(request, "CellData"), request.get("rows", [])
    if "range" in request:
        area = book.area(request["range"])
    elif "start" in request:
        area = _open_area(book, request["start"])
    else:
        raise Refusal("One of 'start' or 'range' must be set.")
    sheet = book.sheet(area.sheet_id)
    _write_rows(book, sheet, area, rows, mask)
    if "range" in request:
        _clear_rest(sheet, area, rows, mask)
    return {}


def _open_area(book: Book, start: Json) -> Area:
    sheet = book.sheet(start["sheetId"])
    top, left = start.get("rowIndex", 0), start.get("columnIndex", 0)
    if not (0 <= top < sheet.size[0] and 0 <= left < sheet.size[1]):
        raise Refusal(f"GridCoordinate [{top}, {left}] is outside the grid. {limits(sheet)}")
    return Area(sheet.id, top, left, *sheet.size)


def _write_rows(book: Book, sheet: Sheet, area: Area, rows: list[Json], mask: Mask) -> None:
    width = max((len(row.get("values", ())) for row in rows), default=0)
    if area.top + len(rows) > area.bottom:
        raise Refusal(f"Attempting to write row: {area.bottom}, beyond the last requested row of: {area.bottom - 1}")
    if area.left + width > area.right:
        raise Refusal(
            f"Attempting to write column: {area.right}, beyond the last requested column of: {area.right - 1}"
        )
    if rows and width:
        book.guard(Area(sheet.id, area.top, area.left, area.top + len(rows), area.left + width))
    for row, line in enumerate(rows, area.top):
        for column, cell in enumerate(line.get("values", ()), area.left):
            sheet.put(row, column, write_cell(sheet.cell(row, column), cell, mask))


def _clear_rest(sheet: Sheet, area: Area, rows: list[Json], mask: Mask) -> None:
    written = [len(row.get("values", ())) for row in rows]
    for row, line in list(sheet.cells.items()):
        if area.top <= row < area.bottom:
            place = row - area.top
            left = area.left + (written[place] if place < len(written) else 0)
            for column in [column for column in line if left <= column < area.right]:
                sheet.put(row, column, write_cell(line[column], {}, mask))


def append_cells(book: Book, request: Json) -> Json:
    """Write rows behind the last row that has a value, adding rows to the grid as needed."""
    if "tableId" in request:
        raise refuse_feature("appendCells.tableId")
    sheet = book.sheet(request.get("sheetId", 0))
    rows, mask = request.get("rows", []), read_fields(request, "CellData")
    top = sheet.last_row(sheet.whole)
    if (needed := top + len(rows)) > sheet.size[0]:
        resize_grid(book, sheet, ROWS, needed)
    _write_rows(book, sheet, Area(sheet.id, top, 0, *sheet.size), rows, mask)
    return {}


def repeat_cell(book: Book, request: Json) -> Json:
    """Write one cell all over a range. Assumption: a formula is repeated as it stands, its references do not move."""
    area, mask, cell = book.area(request["range"]), read_fields(request, "CellData"), request.get("cell", {})
    sheet = book.sheet(area.sheet_id)
    book.guard(area)
    if not cell or not any(cell.get(name) for name in cell):
        targets = [(row, column) for row, column, _ in sheet.list_cells(area)]
    else:
        targets = [(row, column) for row in range(area.top, area.bottom) for column in range(area.left, area.right)]
    for row, column in targets:
        sheet.put(row, column, write_cell(sheet.cell(row, column), cell, mask))
    return {}


def set_validation(book: Book, request: Json) -> Json:
    """Set or clear the rule for what may be entered."""
    cell = {"dataValidation": request["rule"]} if "rule" in request else {}
    return repeat_cell(book, {"range": request["range"], "cell": cell, "fields": "dataValidation"})


EDGES = ("top", "bottom", "left", "right")


def update_borders(book: Book, request: Json) -> Json:
    """Draw the borders of a range and those inside it; a side that is not named stays as it is."""
    area = book.area(request["range"])
    book.guard(area)
    sheet = book.sheet(area.sheet_id)
    for row in range(area.top, area.bottom):
        for column in range(area.left, area.right):
            named = {side: request[key] for side, key in _name_sides(area, row, column) if key in request}
            cell = sheet.cell(row, column)
            style = cell.get("userEnteredFormat", {})
            if named:
                borders = {
                    side: line
                    for side, line in (style.get("borders", {}) | named).items()
                    if line.get("style") != "NONE"
                }
                sheet.put(row, column, cell | {"userEnteredFormat": style | {"borders": borders}})
    return {}


def _name_sides(area: Area, row: int, column: int) -> list[tuple[str, str]]:
    return [
        ("top", "top" if row == area.top else "innerHorizontal"),
        ("bottom", "bottom" if row == area.bottom - 1 else "innerHorizontal"),
        ("left", "left" if column == area.left else "innerVertical"),
        ("right", "right" if column == area.right - 1 else "innerVertical"),
    ]


def insert_range(book: Book, request: Json) -> Json:
    """Push the cells of a range down or to the right; the grid grows for values that would fall off.

    Only cells move; what Google does then to named ranges and formulas is not modelled.
    """
    return _shift_cells(book, request, forward=True)


def delete_range(book: Book, request: Json) -> Json:
    """Delete the cells of a range and pull up those below it, or those to its right. Only cells move."""
    return _shift_cells(book, request, forward=False)


def _shift_cells(book: Book, request: Json, *, forward: bool) -> Json:
    dimension = request.get("shiftDimension", "DIMENSION_UNSPECIFIED")
    if dimension not in {ROWS, COLUMNS}:
        raise Refusal("shiftDimension must be ROWS or COLUMNS.")
    area = book.area(request["range"])
    sheet, down = book.sheet(area.sheet_id), dimension == ROWS
    height, width = area.bottom - area.top, area.right - area.left
    tail = Area(
        sheet.id, area.top, area.left, sheet.size[0] if down else area.bottom, area.right if down else sheet.size[1]
    )
    book.guard(tail)
    found = list(sheet.list_cells(tail))
    for row, column, _ in found:
        sheet.put(row, column, {})
    step = 1 if forward else -1
    kept = [(row, column, cell) for row, column, cell in found if forward or not _is_inside(area, row, column)]
    moved = [(row + step * height * down, column + step * width * (not down), cell) for row, column, cell in kept]
    for name, needed in (
        (ROWS, max((one[0] for one in moved), default=0)),
        (COLUMNS, max((one[1] for one in moved), default=0)),
    ):
        if needed >= sheet.size[name == COLUMNS]:
            resize_grid(book, sheet, name, needed + 1)
    for row, column, cell in moved:
        sheet.put(row, column, cell)
    return {}


def _is_inside(area: Area, row: int, column: int) -> bool:
    return area.top <= row < area.bottom and area.left <= column < area.right
