"""``spreadsheets.get``: the state as Google answers it, as far as the field mask asks for it.

Google leaves ``sheetId`` out of ranges of the sheet 0, and so does this. Without a mask ``includeGridData`` decides
about cells; with one, the mask does.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from mmflow_sheets.testing.book import Book, Sheet
from mmflow_sheets.testing.cells import RESULT, effective_value, formatted_value
from mmflow_sheets.testing.envelope import Json
from mmflow_sheets.testing.grid import COLUMNS, ROWS, Area
from mmflow_sheets.testing.masks import Mask, below, keep_fields, wants
from mmflow_sheets.testing.moves import RANGE_KEYS, SPAN_KEYS, SPOT_KEYS
from mmflow_sheets.testing.tabs import show_properties

DEFAULT_FORMAT: Final[Json] = {
    "backgroundColor": {"red": 1, "green": 1, "blue": 1},
    "padding": {"top": 2, "right": 3, "bottom": 2, "left": 3},
    "verticalAlignment": "BOTTOM",
    "wrapStrategy": "OVERFLOW_CELL",
    "textFormat": {"fontFamily": "arial,sans,sans-serif", "fontSize": 10, "bold": False, "italic": False},
}
PIXELS: Final = {ROWS: 21, COLUMNS: 100}


def show_book(book: Book, mask: Mask, areas: list[Area], *, grid_data: bool) -> Json:
    """Give a ``Spreadsheet``; with areas only the tabs that they are on, and their cells only."""
    ids = {area.sheet_id for area in areas}
    sheets = [sheet for sheet in book.sheets if not areas or sheet.id in ids]
    parts: Json = {
        "spreadsheetId": book.id,
        "properties": book.properties,
        "sheets": [_show_sheet(book, sheet, below(mask, "sheets"), areas, grid_data=grid_data) for sheet in sheets],
        "namedRanges": hide_zero([one for one in book.named if "range" in one]),
        "developerMetadata": [one for one in book.metadata if one["location"].get("spreadsheet")],
        "spreadsheetUrl": f"https://docs.google.com/spreadsheets/d/{book.id}/edit",
    }
    return keep_fields({name: part for name, part in parts.items() if part or name == "sheets"}, mask)  # type: ignore[no-any-return]


def _show_sheet(book: Book, sheet: Sheet, mask: Mask, areas: list[Area], *, grid_data: bool) -> Json:
    shown: Json = {"properties": show_properties(book, sheet)}
    if wants(mask, "data") and (grid_data or "data" in mask):
        own = [area for area in areas if area.sheet_id == sheet.id] or [sheet.whole]
        shown["data"] = [_show_area(book, sheet, area, below(mask, "data")) for area in own]
    shown |= {name: hide_zero(objects) for name, objects in sheet.objects.items() if objects}
    for one in shown.get("protectedRanges", ()):
        one["requestingUserCanEdit"] = book.may_edit(one)
    if sheet.basic_filter is not None:
        shown["basicFilter"] = hide_zero(sheet.basic_filter)
    if metadata := [one for one in book.metadata if one["location"].get("sheetId") == sheet.id]:
        shown["developerMetadata"] = metadata
    return shown


def _show_area(book: Book, sheet: Sheet, area: Area, mask: Mask) -> Json:
    shown: Json = {"startRow": area.top, "startColumn": area.left}
    shown = {name: start for name, start in shown.items() if start}
    if wants(mask, "rowData"):
        rows = _show_rows(sheet, area, below(mask, "rowData", "values"), book.properties.get("defaultFormat", {}))
        shown |= {"rowData": rows} if rows else {}
    for name, dimension, span in (
        ("rowMetadata", ROWS, range(area.top, area.bottom)),
        ("columnMetadata", COLUMNS, range(area.left, area.right)),
    ):
        if wants(mask, name):
            shown[name] = _show_dimension(book, sheet, dimension, span)
    return shown


def _show_dimension(book: Book, sheet: Sheet, dimension: str, span: Iterable[int]) -> list[Json]:
    found: dict[int, list[Json]] = {}
    for one in book.metadata:
        place = one["location"].get("dimensionRange", {})
        if place.get("sheetId") == sheet.id and place["dimension"] == dimension:
            found.setdefault(place["startIndex"], []).append(one)
    sizes = sheet.dimensions[dimension]
    shown: list[Json] = [{"pixelSize": PIXELS[dimension]} | sizes.get(index, {}) for index in span]
    first = next(iter(span), 0)
    for index, metadata in found.items():
        if 0 <= index - first < len(shown):
            shown[index - first] |= {"developerMetadata": metadata}
    return shown


def _show_rows(sheet: Sheet, area: Area, mask: Mask, default: Json) -> list[Json]:
    rows: list[Json] = []
    for row in sorted(row for row in sheet.cells if area.top <= row < area.bottom):
        line = sheet.cells[row]
        last = max((column for column in line if area.left <= column < area.right), default=-1)
        if last < 0:
            continue
        rows += [{} for _ in range(row - area.top - len(rows))]
        values = [show_cell(line[at], mask, default) if at in line else {} for at in range(area.left, last + 1)]
        rows.append({"values": values})
    return rows


def show_cell(cell: Json, mask: Mask, default: Json | None = None) -> Json:
    """Give a cell with what it shows, as far as the mask wants it."""
    shown = {name: part for name, part in cell.items() if name != RESULT and (not mask or name in mask)}
    if wants(mask, "effectiveValue") and (value := effective_value(cell)) is not None:
        shown["effectiveValue"] = value
    if wants(mask, "formattedValue") and (text := formatted_value(cell)) is not None:
        shown["formattedValue"] = text
    if wants(mask, "effectiveFormat"):
        shown["effectiveFormat"] = merge(default or DEFAULT_FORMAT, cell.get("userEnteredFormat", {}))
    return shown


def merge(old: Json, new: Json) -> Json:
    """Give ``old`` with everything that ``new`` says."""
    both = {
        name: merge(old[name], value) if isinstance(value, dict) and isinstance(old.get(name), dict) else value
        for name, value in new.items()
    }
    return old | both


def hide_zero(node: Any) -> Any:
    """Give places without the ``sheetId`` of the sheet 0, as Google leaves them out."""
    if isinstance(node, list):
        return [hide_zero(one) for one in node]
    if not isinstance(node, dict):
        return node
    is_place = any(node.keys() <= keys for keys in (RANGE_KEYS, SPAN_KEYS, SPOT_KEYS))
    return {
        name: hide_zero(value) for name, value in node.items() if not (is_place and name == "sheetId" and value == 0)
    }
