"""Field masks: ``userEnteredValue,note`` in requests, ``sheets(properties,data)`` in answers."""

from __future__ import annotations

import re
from typing import Any

from mmflow_sheets.testing.document import Document, load_document
from mmflow_sheets.testing.envelope import Json, Refusal, refuse_call

Mask = dict[str, Any]  # a field to the mask below it; an empty mask means all of it
EVERYTHING = "*"


def parse_mask(text: str) -> Mask:
    """Read a mask; ``*`` alone is an empty mask, which means everything."""
    tokens = re.findall(r"[\w*]+|\S", text)
    mask, rest = _parse_list(tokens, 0)
    if rest != len(tokens):
        raise refuse_call(f"Invalid field mask: {text}", "fields")
    return _simplify(mask)


def _simplify(mask: Mask) -> Mask:
    return {} if EVERYTHING in mask else {name: _simplify(inner) for name, inner in mask.items()}


def _parse_list(tokens: list[str], at: int) -> tuple[Mask, int]:
    mask: Mask = {}
    while True:
        at = _parse_path(tokens, at, mask)
        if at >= len(tokens) or tokens[at] != ",":
            return mask, at
        at += 1


def _parse_path(tokens: list[str], at: int, mask: Mask) -> int:
    """Read one path into the mask and give the place behind it; a path of all wins over a path of a part."""
    if at >= len(tokens) or not re.fullmatch(r"[\w*]+", tokens[at]):
        raise refuse_call("Invalid field mask: expected the name of a field", "fields")
    name, at = tokens[at], at + 1
    is_known_whole = mask.get(name) == {} and name in mask
    inner = {} if is_known_whole else mask.setdefault(name, {})
    if at < len(tokens) and tokens[at] in "./":
        return _parse_path(tokens, at + 1, inner)
    if at < len(tokens) and tokens[at] == "(":
        listed, at = _parse_list(tokens, at + 1)
        if at >= len(tokens) or tokens[at] != ")":
            raise refuse_call("Invalid field mask: a parenthesis is not closed", "fields")
        inner.update(listed)
        at += 1
    else:
        mask[name] = {}
    return at


def check_mask(document: Document, schema: str, mask: Mask, path: str = "") -> None:
    """Refuse a mask that names what the schema has not; what lies in maps is not looked at."""
    for name, inner in mask.items():
        found = document.field(schema, name)
        if found is None:
            raise refuse_call(
                f"Request contains an invalid argument: Cannot find matching fields for path '{path}{name}'.", "fields"
            )
        if found:
            check_mask(document, found, inner, f"{path}{name}.")


def keep_fields(value: Any, mask: Mask) -> Any:
    """Give what the mask leaves of an answer; what holds nothing any more is left out, as Google does."""
    if not mask:
        return value
    if isinstance(value, list):
        return [keep_fields(item, mask) for item in value]
    if not isinstance(value, dict):
        return value
    inner = {name: keep_fields(value[name], mask[name]) for name in value if name in mask}
    return {name: item for name, item in inner.items() if item != {}}


def wants(mask: Mask, *path: str) -> bool:
    """Tell whether an answer by this mask holds the field."""
    for name in path:
        if not mask:
            return True
        if name not in mask:
            return False
        mask = mask[name]
    return True


def below(mask: Mask, *path: str) -> Mask:
    """Give the mask of a field that the mask wants."""
    for name in path:
        mask = mask.get(name, {})
    return mask


def set_fields(old: Json, new: Json, mask: Mask) -> Json:
    """Give ``old`` with the fields of the mask as in ``new``: set where it has them, cleared where not."""
    if not mask:
        return new
    if not old and is_within(new, mask):
        return new  # most cells are written into an empty grid
    result = dict(old)
    for name, inner in mask.items():
        value = new.get(name)
        if inner and (isinstance(value, dict) or value is None):
            value = set_fields(result.get(name) or {}, value or {}, inner) or None
        if value is None:
            result.pop(name, None)
        else:
            result[name] = value
    return result


def read_fields(request: Json, schema: str) -> Mask:
    """Give the mask of an update, or refuse one that is missing or names what the schema has not."""
    if not request.get("fields"):
        raise Refusal("At least one field must be listed in 'fields'. (Use '*' to indicate all fields.)")
    mask = parse_mask(request["fields"])
    check_mask(load_document(), schema, mask)
    return mask


def is_within(new: Json, mask: Mask) -> bool:
    """Tell whether a value says nothing but what the mask names."""
    for name, value in new.items():
        inner = mask.get(name)
        if inner is None or (inner and not (isinstance(value, dict) and is_within(value, inner))):
            return False
    return True
