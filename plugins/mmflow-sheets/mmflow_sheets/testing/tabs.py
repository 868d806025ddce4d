"""Requests about tabs and about the spreadsheet as a whole."""

from __future__ import annotations

from mmflow_sheets.testing.book import SIZE, Book, Sheet, make_sheet
from mmflow_sheets.testing.envelope import Json, Refusal, refuse_feature
from mmflow_sheets.testing.grid import COLUMNS, ROWS
from mmflow_sheets.testing.masks import read_fields, set_fields
from mmflow_sheets.testing.moves import forget_sheet, rename_references, resize_grid


def add_sheet(book: Book, request: Json) -> Json:
    """Add a tab: 1000 rows and 26 columns unless the grid is given."""
    wanted = request.get("properties", {})
    if wanted.get("sheetType", "GRID") != "GRID":
        raise refuse_feature(f"addSheet of type {wanted['sheetType']}")
    sheet_id = wanted.get("sheetId") if "sheetId" in wanted else book.new_id()
    if sheet_id < 0 or any(sheet.id == sheet_id for sheet in book.sheets):
        raise Refusal(f"A sheet with id {sheet_id} cannot be added: ids are unique and not negative.")
    title = wanted.get("title") or _free_title(book)
    _check_title(book, title)
    grid = wanted.get("gridProperties", {})
    sheet = make_sheet(sheet_id, title, grid.get("rowCount") or 1000, grid.get("columnCount") or 26)
    sheet.properties |= {name: value for name, value in wanted.items() if name not in {"gridProperties", "index"}}
    sheet.properties |= {"sheetId": sheet_id, "title": title}
    sheet.properties["gridProperties"] = grid | sheet.grid
    _check_grid(sheet)
    book.sheets.insert(min(wanted.get("index", len(book.sheets)), len(book.sheets)), sheet)
    book.check_size()
    return {"properties": show_properties(book, sheet)}


def _free_title(book: Book) -> str:
    number = len(book.sheets) + 1
    while book.titled(f"Sheet{number}"):
        number += 1
    return f"Sheet{number}"


def _check_title(book: Book, title: str) -> None:
    if book.titled(title):
        raise Refusal(f'A sheet with the name "{title}" already exists. Please enter another name.')
    if not title or len(title) > 100:
        raise Refusal("The name of a sheet must have between 1 and 100 characters.")


def _check_grid(sheet: Sheet) -> None:
    rows, columns = sheet.size
    if rows < 1 or columns < 1:
        raise Refusal("rowCount and columnCount must be at least 1.")
    for name, size in (("frozenRowCount", rows), ("frozenColumnCount", columns)):
        if not 0 <= sheet.grid.get(name, 0) < size:
            raise Refusal(f"You can't freeze all visible rows or columns on the sheet ({name}).")
        if not sheet.grid.get(name, 1):
            del sheet.grid[name]


def show_properties(book: Book, sheet: Sheet) -> Json:
    """Give the properties of a tab as answers hold them, with its place."""
    return sheet.properties | {"index": book.sheets.index(sheet), "gridProperties": dict(sheet.grid)}


def delete_sheet(book: Book, request: Json) -> Json:
    """Delete a tab, never the last."""
    sheet = book.sheet(request.get("sheetId", 0), "sheet")
    if len(book.sheets) == 1:
        raise Refusal("You can't remove all the sheets in a document.")
    if any(not book.may_edit(one) for one in sheet.objects["protectedRanges"]):
        book.guard(sheet.whole)
    book.sheets.remove(sheet)
    forget_sheet(book, sheet)
    return {}


def update_sheet(book: Book, request: Json) -> Json:
    """Set properties of a tab; its grid may grow, and shrink with what lies behind the end."""
    wanted, mask = request.get("properties", {}), read_fields(request, "SheetProperties")
    sheet = book.sheet(wanted.get("sheetId", 0), "sheet")
    changed = set_fields(show_properties(book, sheet), wanted, mask)
    if changed.get("title") != sheet.title:
        _check_title(book, changed.get("title", ""))
        rename_references(book, sheet.title, changed["title"])
    sizes = changed.get("gridProperties", {})
    _check_grid(Sheet({"gridProperties": {"rowCount": 0, "columnCount": 0} | sizes}))
    shrinking = sorted(SIZE, key=lambda dimension: sizes[SIZE[dimension]] > sheet.grid[SIZE[dimension]])
    sheet.grid.pop("frozenRowCount", None)
    sheet.grid.pop("frozenColumnCount", None)
    for dimension in shrinking:
        if sizes[SIZE[dimension]] < sheet.grid[SIZE[dimension]]:
            _guard_shrinking(book, sheet, dimension, sizes[SIZE[dimension]])
        resize_grid(book, sheet, dimension, sizes[SIZE[dimension]])
    index = changed.pop("index", book.sheets.index(sheet))
    frozen = {name: value for name, value in sizes.items() if value}
    sheet.properties = changed | {"sheetId": sheet.id, "gridProperties": sheet.grid | frozen}
    book.sheets.remove(sheet)
    book.sheets.insert(index, sheet)
    return {}


def _guard_shrinking(book: Book, sheet: Sheet, dimension: str, size: int) -> None:
    name = {ROWS: "startRowIndex", COLUMNS: "startColumnIndex"}[dimension]
    book.guard(book.area({"sheetId": sheet.id, name: size}))


def update_book(book: Book, request: Json) -> Json:
    """Set properties of the spreadsheet."""
    mask = read_fields(request, "SpreadsheetProperties")
    book.properties = set_fields(book.properties, request.get("properties", {}), mask)
    if not book.properties.get("title"):
        raise Refusal("The title of a spreadsheet cannot be empty.")
    return {}
