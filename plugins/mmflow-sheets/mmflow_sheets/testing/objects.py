"""Requests about what hangs on cells: named ranges, conditional formats, charts, filters, bandings, protections."""

from __future__ import annotations

import re
from collections.abc import Callable
from copy import deepcopy
from typing import Any

from mmflow_sheets.testing.book import Book
from mmflow_sheets.testing.envelope import Json, Refusal, refuse_feature
from mmflow_sheets.testing.grid import read_cells
from mmflow_sheets.testing.masks import read_fields, set_fields


def add_named(book: Book, request: Json) -> Json:
    """Name a range."""
    named = request.get("namedRange", {})
    _check_named(book, named)
    found = {"namedRangeId": named.get("namedRangeId") or f"nr{book.new_id():x}"}
    if any(one["namedRangeId"] == found["namedRangeId"] for one in book.named):
        raise Refusal(f"A named range with id {found['namedRangeId']} already exists.")
    book.named.append(found | {"name": named["name"], "range": named["range"]})
    return {"namedRange": dict(book.named[-1])}


def _check_named(book: Book, named: Json) -> None:
    name = named.get("name", "")
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,249}", name) or read_cells(name) or name.lower() in {"true", "false"}:
        raise Refusal(f'The name "{name}" is not valid for a named range.')
    if any(
        one["name"].lower() == name.lower() and one["namedRangeId"] != named.get("namedRangeId") for one in book.named
    ):
        raise Refusal(f'A named range with the name "{name}" already exists.')
    if "range" not in named:
        raise Refusal("A named range needs a range.")
    book.area(named["range"])


def update_named(book: Book, request: Json) -> Json:
    """Change the name or the range behind a name."""
    wanted = request.get("namedRange", {})
    found = _find(book.named, "namedRangeId", wanted.get("namedRangeId", ""), "NamedRange")
    changed = set_fields(found, wanted, read_fields(request, "NamedRange")) | {"namedRangeId": found["namedRangeId"]}
    _check_named(book, changed)
    book.named[book.named.index(found)] = changed
    return {}


def delete_named(book: Book, request: Json) -> Json:
    """Forget a name; the cells stay."""
    book.named.remove(_find(book.named, "namedRangeId", request.get("namedRangeId", ""), "NamedRange"))
    return {}


def _find(objects: list[Json], key: str, wanted: Any, what: str) -> Json:
    found = next((one for one in objects if one.get(key) == wanted), None)
    if found is None:
        raise Refusal(f"No {what} with id: {wanted}")
    return found


def add_rule(book: Book, request: Json) -> Json:
    """Add a conditional format at its place among those of the tab."""
    rule = _check_rule(book, request.get("rule", {}))
    rules = book.sheet(rule["ranges"][0]["sheetId"]).objects["conditionalFormats"]
    rules.insert(_check_index(request.get("index", 0), len(rules)), rule)
    return {}


def _check_rule(book: Book, rule: Json) -> Json:
    if not rule.get("ranges"):
        raise Refusal("A conditional format needs at least one range.")
    areas = [book.area(one) for one in rule["ranges"]]
    if len({area.sheet_id for area in areas}) > 1:
        raise Refusal("All ranges of a conditional format must be on the same sheet.")
    if "gradientRule" not in rule and not rule.get("booleanRule", {}).get("condition", {}).get("type"):
        raise Refusal("A conditional format needs a booleanRule with a condition, or a gradientRule.")
    return rule


def _check_index(index: int, last: int) -> int:
    if not 0 <= index <= last:
        raise Refusal(f"No conditional format on sheet at index: {index}")
    return index


def update_rule(book: Book, request: Json) -> Json:
    """Replace a conditional format, or move it."""
    rule, index = request.get("rule"), request.get("index", 0)
    sheet_id = rule["ranges"][0]["sheetId"] if rule and rule.get("ranges") else request.get("sheetId", 0)
    rules = book.sheet(sheet_id).objects["conditionalFormats"]
    _check_index(index, len(rules) - 1)
    old = rules.pop(index)
    new, place = (_check_rule(book, rule), index) if rule else (old, request.get("newIndex", 0))
    rules.insert(_check_index(place, len(rules)), new)
    return {"oldRule": old, "newRule": new, "oldIndex": index, "newIndex": place}


def delete_rule(book: Book, request: Json) -> Json:
    """Delete the conditional format at an index."""
    rules = book.sheet(request.get("sheetId", 0)).objects["conditionalFormats"]
    return {"rule": rules.pop(_check_index(request.get("index", 0), len(rules) - 1))}


def add_chart(book: Book, request: Json) -> Json:
    """Put a chart on a tab, over its cells."""
    chart = deepcopy(request.get("chart", {}))
    position = chart.setdefault("position", {})
    if position.get("newSheet") or "sheetId" in position:
        raise refuse_feature("addChart on a sheet of its own")
    spot = position.setdefault("overlayPosition", {}).setdefault("anchorCell", {"sheetId": book.sheets[0].id})
    _check_spec(book, chart.get("spec", {}))
    rows, columns = book.sheet(spot["sheetId"]).size
    if not (0 <= spot.get("rowIndex", 0) < rows and 0 <= spot.get("columnIndex", 0) < columns):
        raise Refusal("The anchor cell of a chart must lie within the grid.")
    charts = book.sheet(spot["sheetId"]).objects["charts"]
    chart["chartId"] = chart.get("chartId") or book.new_id()
    if any(one["chartId"] == chart["chartId"] for sheet in book.sheets for one in sheet.objects["charts"]):
        raise Refusal(f"A chart with id {chart['chartId']} already exists.")
    charts.append(chart)
    return {"chart": deepcopy(chart)}


def _check_spec(book: Book, spec: Json) -> None:
    kinds = [name for name in spec if name.endswith("Chart")]
    if not kinds:
        raise Refusal("A chart needs a spec that says its kind, such as basicChart.")
    for source in _list_sources(spec):
        book.area(source)


def _list_sources(node: Any) -> list[Json]:
    if isinstance(node, list):
        return [source for one in node for source in _list_sources(one)]
    if not isinstance(node, dict):
        return []
    own = list(node["sources"]) if isinstance(node.get("sources"), list) else []
    return own + [source for name, one in node.items() if name != "sources" for source in _list_sources(one)]


def update_chart(book: Book, request: Json) -> Json:
    """Replace what a chart shows; its place stays."""
    _check_spec(book, request.get("spec", {}))
    _owner_of(book, "charts", "chartId", request.get("chartId", 0), "chart")[1]["spec"] = request["spec"]
    return {}


def _owner_of(book: Book, kind: str, key: str, wanted: int, what: str) -> tuple[list[Json], Json]:
    for sheet in book.sheets:
        for one in sheet.objects[kind]:
            if one.get(key) == wanted:
                return sheet.objects[kind], one
    raise Refusal(f"No {what} with id: {wanted}")


def delete_chart(book: Book, request: Json) -> Json:
    """Take a chart away."""
    charts, chart = _owner_of(book, "charts", "chartId", request.get("objectId", 0), "embedded object")
    charts.remove(chart)
    return {}


def move_chart(book: Book, request: Json) -> Json:
    """Set the place of a chart."""
    _, chart = _owner_of(book, "charts", "chartId", request.get("objectId", 0), "chart")
    wanted = request.get("newPosition", {})
    if request.get("fields") and "overlayPosition" in wanted:
        mask = read_fields(request, "OverlayPosition")
        chart["position"] = {
            "overlayPosition": set_fields(chart["position"]["overlayPosition"], wanted["overlayPosition"], mask)
        }
    else:
        raise refuse_feature("updateEmbeddedObjectPosition without an overlayPosition and fields")
    return {"position": deepcopy(chart["position"])}


def set_filter(book: Book, request: Json) -> Json:
    """Give a tab its filter; there is one, so it replaces the last."""
    wanted = request.get("filter", {})
    if "tableId" in wanted or "range" not in wanted:
        raise refuse_feature("setBasicFilter without a range")
    book.sheet(book.area(wanted["range"]).sheet_id).basic_filter = wanted
    return {}


def clear_filter(book: Book, request: Json) -> Json:
    """Take the filter of a tab away."""
    book.sheet(request.get("sheetId", 0)).basic_filter = None
    return {}


def _make_family(kind: str, name: str, key: str, what: str, check: Callable[[Book, Json], None]) -> Any:
    """Give the handlers that add, update and delete objects of a kind; all three work alike."""
    schema = name[0].upper() + name[1:]

    def add(book: Book, request: Json) -> Json:
        wanted = dict(request.get(name, {}))
        check(book, wanted)
        wanted[key] = wanted.get(key) or book.new_id()
        objects = book.sheet(_home(book, wanted)).objects[kind]
        objects.append(wanted)
        return {name: deepcopy(wanted)}

    def update(book: Book, request: Json) -> Json:
        wanted = request.get(name, {})
        objects, found = _owner_of(book, kind, key, wanted.get(key, 0), what)
        changed = set_fields(found, wanted, read_fields(request, schema)) | {key: found[key]}
        objects.remove(found)
        check(book, changed)
        book.sheet(_home(book, changed)).objects[kind].append(changed)
        return {}

    def delete(book: Book, request: Json) -> Json:
        objects, found = _owner_of(book, kind, key, request.get(key, 0), what)
        if kind == "protectedRanges" and not book.may_edit(found):
            raise Refusal("You do not have permission to delete this protected range.")
        objects.remove(found)
        return {}

    return add, update, delete


def _home(book: Book, wanted: Json) -> int:
    return int(book.protected_range(wanted)["sheetId"])


def _check_banding(book: Book, wanted: Json) -> None:
    if "range" not in wanted or not wanted.keys() & {"rowProperties", "columnProperties"}:
        raise Refusal("A banded range needs a range, and rowProperties or columnProperties.")
    area = book.area(wanted["range"])
    for other in book.sheet(area.sheet_id).objects["bandedRanges"]:
        if other.get("bandedRangeId") != wanted.get("bandedRangeId") and book.area(other["range"]).meets(area):
            raise Refusal(
                "You cannot add alternating background colors to a range that "
                "already has alternating background colors."
            )


def _check_protection(book: Book, wanted: Json) -> None:
    if "tableId" in wanted:
        raise refuse_feature("protectedRange.tableId")
    if "range" not in wanted and "namedRangeId" not in wanted:
        raise Refusal("A protected range needs a range or a namedRangeId.")
    book.area(book.protected_range(wanted))
    if book.editor and not wanted.get("warningOnly"):  # whoever protects cells may edit them
        users = wanted.setdefault("editors", {}).setdefault("users", [])
        if book.editor not in users:
            users.append(book.editor)


add_banding, update_banding, delete_banding = _make_family(
    "bandedRanges", "bandedRange", "bandedRangeId", "banded range", _check_banding
)
add_protection, update_protection, delete_protection = _make_family(
    "protectedRanges", "protectedRange", "protectedRangeId", "protected range", _check_protection
)
