"""``batchUpdate``: every request is applied, or none is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from mmflow_sheets.testing import dimensions, edits, metadata, objects, tabs
from mmflow_sheets.testing.book import Book
from mmflow_sheets.testing.envelope import ApiError, Json, Refusal, refuse_call, refuse_feature
from mmflow_sheets.testing.reading import hide_zero

HANDLERS: Final[dict[str, Callable[[Book, Json], Json]]] = {
    "addBanding": objects.add_banding,
    "addChart": objects.add_chart,
    "addConditionalFormatRule": objects.add_rule,
    "addNamedRange": objects.add_named,
    "addProtectedRange": objects.add_protection,
    "addSheet": tabs.add_sheet,
    "appendCells": edits.append_cells,
    "appendDimension": dimensions.append_rows,
    "autoResizeDimensions": dimensions.resize_rows,
    "clearBasicFilter": objects.clear_filter,
    "createDeveloperMetadata": metadata.create_metadata,
    "deleteBanding": objects.delete_banding,
    "deleteConditionalFormatRule": objects.delete_rule,
    "deleteDeveloperMetadata": metadata.delete_metadata,
    "deleteDimension": dimensions.delete_rows,
    "deleteEmbeddedObject": objects.delete_chart,
    "deleteNamedRange": objects.delete_named,
    "deleteProtectedRange": objects.delete_protection,
    "deleteRange": edits.delete_range,
    "deleteSheet": tabs.delete_sheet,
    "insertDimension": dimensions.insert_rows,
    "insertRange": edits.insert_range,
    "repeatCell": edits.repeat_cell,
    "setBasicFilter": objects.set_filter,
    "setDataValidation": edits.set_validation,
    "updateBanding": objects.update_banding,
    "updateBorders": edits.update_borders,
    "updateCells": edits.update_cells,
    "updateChartSpec": objects.update_chart,
    "updateConditionalFormatRule": objects.update_rule,
    "updateDeveloperMetadata": metadata.update_metadata,
    "updateDimensionProperties": dimensions.update_rows,
    "updateEmbeddedObjectPosition": objects.move_chart,
    "updateNamedRange": objects.update_named,
    "updateProtectedRange": objects.update_protection,
    "updateSheetProperties": tabs.update_sheet,
    "updateSpreadsheetProperties": tabs.update_book,
}
NEEDED: Final = {  # parts without which a request means nothing
    "deleteDimension": "range",
    "deleteRange": "range",
    "insertDimension": "range",
    "insertRange": "range",
    "repeatCell": "range",
    "setDataValidation": "range",
    "updateBorders": "range",
}


def apply_batch(book: Book, requests: list[Json], editor: str) -> list[Json]:
    """Apply all requests to a copy and take it over at the end; give the replies, one for each request."""
    if not requests:
        raise refuse_call("Must specify at least one request.", "requests")
    draft = book.copy()
    draft.editor = editor
    replies = [_apply(draft, place, *next(iter(request.items()))) for place, request in enumerate(requests)]
    book.adopt(draft)
    return replies


def _apply(draft: Book, place: int, kind: str, body: Json) -> Json:
    handler = HANDLERS.get(kind)
    if handler is None:
        raise refuse_feature(f"The request {kind}")
    try:
        _require_part(kind, body)
        reply = handler(draft, body)
    except Refusal as refusal:
        raise refuse_call(f"Invalid requests[{place}].{kind}: {refusal}") from None
    except ApiError as error:
        if error.code != 400 or str(error).startswith("Invalid requests"):
            raise
        raise refuse_call(f"Invalid requests[{place}].{kind}: {error}") from None
    return {kind: hide_zero(reply)} if reply else {}


def _require_part(kind: str, body: Json) -> None:
    if kind in NEEDED and NEEDED[kind] not in body:
        raise Refusal(f"{NEEDED[kind]} must be specified.")
