"""Rows and columns that are inserted, deleted or shifted, and everything that moves with them.

Modelled after what Google shows: cells, sizes of rows and columns, formulas of all tabs, named ranges, developer
metadata, conditional formats, bandings, filters, protections, merges, charts and their sources all follow. A range
grows when something is inserted inside it, not at its edges. A named range whose cells are all deleted is not shown
any more, and its name stays taken until a person deletes it (known of Google: the API cannot see it, and refuses the
name).
Assumption: conditional formats, bandings, protections and metadata that lose all their cells are gone.
"""

from __future__ import annotations

from typing import Any, Final

from mmflow_sheets.testing.book import SIZE, Book, Sheet
from mmflow_sheets.testing.envelope import Json, Refusal
from mmflow_sheets.testing.formulas import Move, delete_span, insert_span, move_references, rename_sheet
from mmflow_sheets.testing.grid import COLUMNS, INDEXES, ROWS

ENDLESS: Final = 1 << 40
RANGE_KEYS: Final = frozenset({"sheetId", *INDEXES[ROWS], *INDEXES[COLUMNS]})
SPAN_KEYS: Final = frozenset({"sheetId", "dimension", "startIndex", "endIndex"})
SPOT_KEYS: Final = frozenset({"sheetId", "rowIndex", "columnIndex"})
SPOT: Final = {ROWS: "rowIndex", COLUMNS: "columnIndex"}
NEED: Final = {  # an object without this is nothing any more
    "conditionalFormats": "ranges",
    "bandedRanges": "range",
    "protectedRanges": "range",
    "merges": "endRowIndex",
}


def insert_dimension(book: Book, sheet: Sheet, dimension: str, at: int, count: int, *, from_before: bool) -> None:
    """Insert rows or columns, with the formats of those before or after them."""
    sheet.grid[SIZE[dimension]] += count
    book.check_size()
    _move_all(book, sheet, dimension, insert_span(at, count))
    _inherit_formats(sheet, dimension, at - 1 if from_before else at + count, range(at, at + count))


def delete_dimension(book: Book, sheet: Sheet, dimension: str, first: int, last: int) -> None:
    """Delete rows or columns; a grid keeps at least one that is not frozen."""
    kept = sheet.grid[SIZE[dimension]] - (last - first)
    frozen = sheet.grid.get("frozenRowCount" if dimension == ROWS else "frozenColumnCount", 0)
    word = "rows" if dimension == ROWS else "columns"
    if kept < 1:
        raise Refusal(f"You can't delete all the {word} on the sheet.")
    if kept <= frozen:
        raise Refusal(f"Sorry, it is not possible to delete all non-frozen {word}.")
    sheet.grid[SIZE[dimension]] = kept
    _move_all(book, sheet, dimension, delete_span(first, last))


def resize_grid(book: Book, sheet: Sheet, dimension: str, size: int) -> None:
    """Give a grid another size: what lies behind the new end is gone."""
    present = sheet.grid[SIZE[dimension]]
    if size < present:
        delete_dimension(book, sheet, dimension, size, present)
    sheet.grid[SIZE[dimension]] = size
    book.check_size()


def forget_sheet(book: Book, sheet: Sheet) -> None:
    """Take everything away that points into a sheet that is gone."""
    for dimension in (ROWS, COLUMNS):
        _move_places(book, sheet.id, dimension, lambda _start, _end: None)
    book.metadata = [one for one in book.metadata if one["location"].get("sheetId") != sheet.id]
    rename_references(book, sheet.title, None)


def rename_references(book: Book, old: str, new: str | None) -> None:
    """Write the formulas that name a sheet anew."""
    for other in book.sheets:
        _change_formulas(other, lambda text: rename_sheet(text, old, new))


def _move_all(book: Book, sheet: Sheet, dimension: str, move: Move) -> None:
    _move_cells(sheet, dimension, move)
    _move_places(book, sheet.id, dimension, move)
    for other in book.sheets:
        home = other.title
        _change_formulas(other, lambda text, home=home: move_references(text, home, sheet.title, dimension, move))


def _move_cells(sheet: Sheet, dimension: str, move: Move) -> None:
    sheet.dimensions[dimension] = _move_keys(sheet.dimensions[dimension], move)
    if dimension == ROWS:
        sheet.cells = _move_keys(sheet.cells, move)
        sheet.formula_rows = set(_move_keys(dict.fromkeys(sheet.formula_rows), move))
    else:
        lines = {row: _move_keys(line, move) for row, line in sheet.cells.items()}
        sheet.cells = {row: line for row, line in lines.items() if line}


def _move_keys(found: dict[int, Any], move: Move) -> dict[int, Any]:
    moved = ((move(index, index + 1), value) for index, value in found.items())
    return {span[0]: value for span, value in moved if span is not None}


def _inherit_formats(sheet: Sheet, dimension: str, source: int, targets: range) -> None:
    if dimension == ROWS:
        formats = [
            (column, cell["userEnteredFormat"])
            for column, cell in sheet.cells.get(source, {}).items()
            if "userEnteredFormat" in cell
        ]
        places = [(row, column, style) for row in targets for column, style in formats]
    else:
        found = [
            (row, line[source]["userEnteredFormat"])
            for row, line in sheet.cells.items()
            if "userEnteredFormat" in line.get(source, {})
        ]
        places = [(row, column, style) for row, style in found for column in targets]
    for row, column, style in places:
        sheet.put(row, column, {"userEnteredFormat": style})


def _change_formulas(sheet: Sheet, change: Any) -> None:
    for row in list(sheet.formula_rows):
        for column, cell in list(sheet.cells.get(row, {}).items()):
            text = cell.get("userEnteredValue", {}).get("formulaValue")
            if text and (changed := change(text)) != text:
                sheet.put(row, column, cell | {"userEnteredValue": {"formulaValue": changed}})


def _move_places(book: Book, sheet_id: int, dimension: str, move: Move) -> None:
    book.named = move_tree(book.named, sheet_id, dimension, move)
    moved = move_tree(book.metadata, sheet_id, dimension, move)
    book.metadata = [
        one
        for one in moved
        if one["location"]["locationType"] not in {"ROW", "COLUMN"} or "dimensionRange" in one["location"]
    ]
    for sheet in book.sheets:
        for name, objects in sheet.objects.items():
            found = move_tree(objects, sheet_id, dimension, move)
            sheet.objects[name] = [
                one for one in found if name not in NEED or one.get(NEED[name]) or "namedRangeId" in one
            ]
        if sheet.basic_filter is not None:
            changed = move_tree(sheet.basic_filter, sheet_id, dimension, move)
            sheet.basic_filter = changed if "range" in changed else None


def move_tree(node: Any, sheet_id: int, dimension: str, move: Move) -> Any:
    """Give any JSON with the places in it moved; a place that is gone is missing from the result."""
    if isinstance(node, list):
        return [moved for one in node if (moved := move_tree(one, sheet_id, dimension, move)) is not None]
    if not isinstance(node, dict):
        return node
    if "sheetId" in node and node["sheetId"] == sheet_id and (found := _find_mover(node, dimension)):
        return found(node, dimension, move)
    moved_items = ((name, move_tree(value, sheet_id, dimension, move)) for name, value in node.items())
    return {name: value for name, value in moved_items if value is not None}


def _find_mover(node: Json, dimension: str) -> Any:
    keys = node.keys()
    if keys <= RANGE_KEYS:
        return _move_range
    if keys <= SPAN_KEYS and node.get("dimension") == dimension:
        return _move_span
    return _move_spot if keys <= SPOT_KEYS else None


def _move_range(node: Json, dimension: str, move: Move) -> Json | None:
    return _move_edges(node, *INDEXES[dimension], move)


def _move_span(node: Json, _dimension: str, move: Move) -> Json | None:
    return _move_edges(node, "startIndex", "endIndex", move)


def _move_edges(node: Json, first: str, last: str, move: Move) -> Json | None:
    moved = move(node.get(first, 0), node.get(last, ENDLESS))
    if moved is None:
        return None
    return node | {name: edge for name, edge in zip((first, last), moved, strict=True) if name in node}


def _move_spot(node: Json, dimension: str, move: Move) -> Json:
    name = SPOT[dimension]
    moved = move(node.get(name, 0), ENDLESS)
    return node | {name: moved[0]} if moved else node
