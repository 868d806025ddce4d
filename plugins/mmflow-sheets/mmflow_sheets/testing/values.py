"""The ``spreadsheets.values`` calls: cells as lists of plain values, named by ranges such as ``Data!A2:C``.

Reading clips a range to the grid when it begins inside; writing outside the grid is refused, except by ``append``.
A table that ``append`` looks for is taken to be all rows down to the last value in the columns of the range.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from mmflow_sheets.testing.book import Book, Sheet, limits
from mmflow_sheets.testing.cells import check_value, effective_value, extend_value, formatted_value, plain_value
from mmflow_sheets.testing.entered import enter_value
from mmflow_sheets.testing.envelope import Json, Refusal, refuse_call
from mmflow_sheets.testing.grid import COLUMNS, INDEXES, ROWS, Area, write_a1
from mmflow_sheets.testing.moves import insert_dimension, resize_grid

MOMENTS: Final = {"DATE", "TIME", "DATE_TIME"}


def read_area(book: Book, text: str) -> Area:
    """Give the cells that a text means, cut to the grid."""
    found = book.locate(text)
    sheet = book.sheet(found["sheetId"])
    for dimension, size in zip((ROWS, COLUMNS), sheet.size, strict=True):
        first, last = INDEXES[dimension]
        if found.get(first, 0) >= size:
            raise refuse_call(f"Range ({text}) exceeds grid limits. {limits(sheet)}")
        if found.get(last, 0) > size:
            found[last] = size
    return book.area(found)


def get_values(book: Book, text: str, options: Json) -> Json:
    """Answer ``values.get``; rows and cells that are empty at the end are left out."""
    area = read_area(book, text)
    sheet = book.sheet(area.sheet_id)
    lines: list[list[Any]] = [[] for _ in range(area.bottom - area.top)]
    for row, column, cell in sheet.list_cells(area):
        shown = _show_value(cell, options)
        if shown != "":
            line = lines[row - area.top]
            line += [""] * (column - area.left - len(line)) + [shown]
    if options.get("majorDimension") == COLUMNS:
        lines = _turn(lines)
    while lines and not lines[-1]:
        lines.pop()
    major = options.get("majorDimension") or ROWS
    answer: Json = {"range": write_a1(sheet.title, area), "majorDimension": major}
    return answer | ({"values": lines} if lines else {})


def _turn(lines: list[list[Any]]) -> list[list[Any]]:
    width = max(map(len, lines), default=0)
    turned = [[line[at] if at < len(line) else "" for line in lines] for at in range(width)]
    for line in turned:
        while line and line[-1] == "":
            line.pop()
    return turned


def _show_value(cell: Json, options: Json) -> Any:
    how = options.get("valueRenderOption", "FORMATTED_VALUE")
    entered = cell.get("userEnteredValue", {})
    if how == "FORMULA" and "formulaValue" in entered:
        return entered["formulaValue"]
    kind = cell.get("userEnteredFormat", {}).get("numberFormat", {}).get("type")
    is_text = kind in MOMENTS and options.get("dateTimeRenderOption") == "FORMATTED_STRING"
    value = effective_value(cell)
    if value is None:
        return ""
    return formatted_value(cell) if how == "FORMATTED_VALUE" or is_text or "errorValue" in value else plain_value(value)


def write_values(book: Book, value_range: Json, options: Json) -> Json:
    """Do ``values.update``: write from the first cell of a range, within it unless it is one cell."""
    text = value_range["range"]
    area = book.area(book.locate(text))
    sheet, lines = book.sheet(area.sheet_id), _read_lines(value_range)
    if (area.bottom - area.top, area.right - area.left) == (1, 1):
        area = Area(sheet.id, area.top, area.left, *sheet.size)
        beyond = f"Range ({text}) exceeds grid limits. {limits(sheet)}"
    else:
        beyond = f"Requested writing within range [{write_a1(sheet.title, area)}], but tried writing outside of it"
    width = max(map(len, lines), default=0)
    if area.top + len(lines) > area.bottom or area.left + width > area.right:
        raise refuse_call(beyond)
    return _write_lines(book, sheet, (area.top, area.left), lines, options)


def _read_lines(value_range: Json) -> list[list[Any]]:
    lines = value_range.get("values", [])
    for row, line in enumerate(lines):
        for column, value in enumerate(line):
            if isinstance(value, list | dict):
                kind = "list_value" if isinstance(value, list) else "struct_value"
                raise refuse_call(f"Invalid values[{row}][{column}]: {kind}")
    if value_range.get("majorDimension") == COLUMNS:
        width = max(map(len, lines), default=0)
        return [[line[at] if at < len(line) else None for line in lines] for at in range(width)]
    return [list(line) for line in lines]


def _write_lines(book: Book, sheet: Sheet, start: tuple[int, int], lines: list[list[Any]], options: Json) -> Json:
    top, left = start
    width = max(map(len, lines), default=0)
    area = Area(sheet.id, top, left, top + max(len(lines), 1), left + max(width, 1))
    book.guard(area)
    enter = ENTER[options["valueInputOption"]]
    count = 0
    for row, line in enumerate(lines, top):
        for column, value in enumerate(line, left):
            if value is not None:
                sheet.put(row, column, _enter_cell(sheet.cell(row, column), value, enter))
                count += 1
    written = {"updatedRange": write_a1(sheet.title, area), "updatedRows": len(lines), "updatedColumns": width}
    answer: Json = {"spreadsheetId": book.id, **written, "updatedCells": count}
    if options.get("includeValuesInResponse"):
        how = {"valueRenderOption": "responseValueRenderOption", "dateTimeRenderOption": "responseDateTimeRenderOption"}
        shown = {name: options[key] for name, key in how.items() if key in options}
        answer["updatedData"] = get_values(book, write_a1(sheet.title, area), shown)
    return {name: value for name, value in answer.items() if value != 0}


Enter = Callable[[Any], tuple[Json, Json | None]]
ENTER: Final[dict[str, Enter]] = {"RAW": lambda value: (extend_value(value), None), "USER_ENTERED": enter_value}


def _enter_cell(old: Json, value: Any, enter: Enter) -> Json:
    entered, style = enter(value)
    cell = {name: part for name, part in old.items() if name in {"userEnteredFormat", "note", "dataValidation"}}
    if entered == {"stringValue": ""}:
        return cell
    check_value(entered)
    if style and "numberFormat" not in cell.get("userEnteredFormat", {}):
        cell["userEnteredFormat"] = cell.get("userEnteredFormat", {}) | {"numberFormat": style}
    return cell | {"userEnteredValue": entered}


def append_values(book: Book, value_range: Json, options: Json) -> Json:
    """Do ``values.append``: write below the table in the range, adding rows to the grid as needed."""
    area, lines = read_area(book, value_range["range"]), _read_lines(value_range)
    sheet = book.sheet(area.sheet_id)
    columns = Area(sheet.id, area.top, area.left, sheet.size[0], max(area.right, area.left + 1))
    top = sheet.last_row(columns)
    width = max(map(len, lines), default=0)
    if area.left + width > sheet.size[1]:
        resize_grid(book, sheet, COLUMNS, area.left + width)
    if options.get("insertDataOption") == "INSERT_ROWS" and top < sheet.size[0] and lines:
        insert_dimension(book, sheet, ROWS, top, len(lines), from_before=top > 0)
    elif top + len(lines) > sheet.size[0]:
        resize_grid(book, sheet, ROWS, top + len(lines))
    updates = _write_lines(book, sheet, (top, area.left), lines, options)
    answer: Json = {"spreadsheetId": book.id, "updates": updates}
    if top > area.top:
        table = Area(sheet.id, area.top, area.left, top, area.right)
        answer["tableRange"] = write_a1(sheet.title, table)
    return answer


def clear_values(book: Book, text: str) -> str:
    """Do ``values.clear``: values go, formats stay; give the range that was cleared."""
    area = read_area(book, text)
    sheet = book.sheet(area.sheet_id)
    book.guard(area)
    for row, column, cell in list(sheet.list_cells(area)):
        kept = {name: part for name, part in cell.items() if name in {"userEnteredFormat", "note", "dataValidation"}}
        sheet.put(row, column, kept)
    return write_a1(sheet.title, area)


def read_options(options: Json) -> Json:
    """Refuse a write that does not say how its values are meant."""
    if options.get("valueInputOption") not in ENTER:
        raise refuse_call("'valueInputOption' is required but not specified", "value_input_option")
    return options


def name_refusal(refusal: Refusal) -> Exception:
    """Give a refusal as the values calls tell it: without the place of a request."""
    return refuse_call(str(refusal))
