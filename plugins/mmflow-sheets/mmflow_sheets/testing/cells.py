"""One cell: what is written into it, what it then shows, and what Google refuses to put there.

A cell is a ``CellData`` as it was entered. Cells are never changed in place, so that copies of a sheet can share them.

Formulas are not calculated. A test gives a result with the formula (``sheet.put("D2", formula="=TODAY()",
result=46000)``); without one the cell is ``#LOADING`` as at Google before a calculation ends, so that nobody takes a
made-up number for real.
"""

from __future__ import annotations

from typing import Any, Final

from mmflow_sheets.testing.envelope import Json, Refusal, refuse_feature
from mmflow_sheets.testing.formats import check_pattern, format_value
from mmflow_sheets.testing.grid import MAX_CHARACTERS
from mmflow_sheets.testing.masks import Mask, set_fields

OUTPUT_ONLY: Final = frozenset({"effectiveValue", "effectiveFormat", "formattedValue", "hyperlink"})
LOADING: Final = {"errorValue": {"type": "LOADING", "message": "Loading..."}}
RESULT: Final = "\0result"  # of a formula, given by a test; never part of an answer
STORED: Final = frozenset({"userEnteredValue", "userEnteredFormat", "note", "dataValidation", "textFormatRuns", RESULT})


def write_cell(old: Json, new: Json, mask: Mask) -> Json:
    """Give the cell after a write by a field mask: named fields are set or cleared, others stay."""
    if "userEnteredValue" in new:
        check_value(new["userEnteredValue"])
    check_pattern(**new.get("userEnteredFormat", {}).get("numberFormat", {}))
    cell = set_fields(old, new, mask)
    if RESULT in cell and (not mask or "userEnteredValue" in mask):
        cell = {name: value for name, value in cell.items() if name != RESULT}
    if cell.keys() <= STORED and all(cell.values()):
        return cell
    cell = {name: value for name, value in cell.items() if value and name not in OUTPUT_ONLY}
    if unknown := cell.keys() - STORED:
        raise refuse_feature(f"CellData.{min(unknown)}")
    return cell


def check_value(value: Json) -> None:
    """Refuse a value that no cell takes."""
    if "numberValue" in value or "boolValue" in value:
        return
    if any(_count_characters(value.get(name, "")) > MAX_CHARACTERS for name in ("stringValue", "formulaValue")):
        raise Refusal(f"Your input contains more than the maximum of {MAX_CHARACTERS} characters in a single cell.")
    if "formulaValue" in value and not value["formulaValue"].startswith("="):
        raise Refusal("A formulaValue must begin with '='.")
    if "errorValue" in value:
        raise Refusal("errorValue cannot be written; it is for reading only.")


def _count_characters(text: str) -> int:
    """Count as Java does, in which a character beyond the first plane counts twice (an assumption about Google)."""
    return len(text) if len(text) * 2 <= MAX_CHARACTERS else len(text.encode("utf-16-le", "surrogatepass")) // 2


def effective_value(cell: Json) -> Json | None:
    """Give the value that the cell shows, as an ``ExtendedValue``."""
    entered = cell.get("userEnteredValue")
    if entered and "formulaValue" in entered:
        result: Json = cell.get(RESULT, LOADING)
        return result
    return entered or None


def formatted_value(cell: Json) -> str | None:
    """Give the text that people see."""
    value = effective_value(cell)
    return None if value is None else format_value(value, cell.get("userEnteredFormat", {}).get("numberFormat", {}))


def plain_value(value: Json | None) -> Any:
    """Give what is in an ``ExtendedValue``: a number, a text, a truth, or the name of an error."""
    if not value:
        return None
    if "errorValue" in value:
        return f"#{value['errorValue'].get('type', 'ERROR')}"
    return next(iter(value.values()))


def extend_value(value: Any) -> Json:
    """Give an ``ExtendedValue`` for a plain value; a text that begins with ``=`` stays a text."""
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int | float):
        return {"numberValue": value}
    return {"stringValue": str(value)}
