"""Developer metadata: what programs remember in a spreadsheet, and how it is found again.

All callers count as one project, so that both visibilities are seen by all of them.
"""

from __future__ import annotations

from collections.abc import Iterable

from mmflow_sheets.testing.book import Book
from mmflow_sheets.testing.envelope import Json, Refusal
from mmflow_sheets.testing.grid import COLUMNS, ROWS, Area
from mmflow_sheets.testing.masks import read_fields, set_fields

MAX_TEXT = 30_000  # characters of keys and values together: of the spreadsheet, and of each sheet
VISIBILITIES = {"DOCUMENT", "PROJECT"}
KINDS = {ROWS: "ROW", COLUMNS: "COLUMN"}


def create_metadata(book: Book, request: Json) -> Json:
    """Remember something at a place."""
    wanted = dict(request.get("developerMetadata", {}))
    wanted["metadataId"] = wanted.get("metadataId") or book.new_id()
    if any(one["metadataId"] == wanted["metadataId"] for one in book.metadata):
        raise Refusal(f"Developer metadata with id {wanted['metadataId']} already exists.")
    book.metadata.append(_check_metadata(book, wanted))
    _check_room(book)
    return {"developerMetadata": dict(book.metadata[-1])}


def _check_metadata(book: Book, wanted: Json) -> Json:
    if not wanted.get("metadataKey"):
        raise Refusal("Developer metadata must have a metadataKey.")
    if wanted.get("visibility") not in VISIBILITIES:
        raise Refusal("Developer metadata must have a visibility specified.")
    return wanted | {"location": _check_location(book, wanted.get("location", {}))}


def _check_location(book: Book, location: Json) -> Json:
    if location.get("spreadsheet"):
        return {"locationType": "SPREADSHEET", "spreadsheet": True}
    if "dimensionRange" in location:
        span = location["dimensionRange"]
        size = book.sheet(span["sheetId"]).size[span.get("dimension") == COLUMNS]
        start, end = span.get("startIndex", 0), span.get("endIndex", size)
        if span.get("dimension") not in KINDS or end - start != 1 or not 0 <= start < size:
            raise Refusal("The dimensionRange of developer metadata must be exactly one row or column of the grid.")
        return {
            "locationType": KINDS[span["dimension"]],
            "dimensionRange": span | {"startIndex": start, "endIndex": end},
        }
    if "sheetId" in location:
        return {"locationType": "SHEET", "sheetId": book.sheet(location["sheetId"], "sheet").id}
    raise Refusal("Developer metadata must have a location specified.")


def _check_room(book: Book) -> None:
    used: dict[object, int] = {}
    for one in book.metadata:
        home = _home(one["location"])
        used[home] = used.get(home, 0) + len(one["metadataKey"]) + len(one.get("metadataValue", ""))
    if max(used.values(), default=0) > MAX_TEXT:
        raise Refusal(f"Developer metadata exceeds the limit of {MAX_TEXT} characters of a sheet or spreadsheet.")


def _home(location: Json) -> int | None:
    sheet_id: int | None = location.get("dimensionRange", location).get("sheetId")
    return sheet_id


def update_metadata(book: Book, request: Json) -> Json:
    """Change all metadata that the filters find."""
    found = find_metadata(book, request.get("dataFilters", []))
    mask, wanted = read_fields(request, "DeveloperMetadata"), request.get("developerMetadata", {})
    changed = []
    for old in found:
        new = _check_metadata(book, set_fields(old, wanted, mask) | {"metadataId": old["metadataId"]})
        book.metadata[book.metadata.index(old)] = new
        changed.append(new)
    _check_room(book)
    return {"developerMetadata": [dict(one) for one in changed]}


def delete_metadata(book: Book, request: Json) -> Json:
    """Forget all metadata that the filter finds."""
    found = find_metadata(book, [request.get("dataFilter", {})])
    book.metadata = [one for one in book.metadata if one not in found]
    return {"deletedDeveloperMetadata": found}


def find_metadata(book: Book, filters: Iterable[Json]) -> list[Json]:
    """Give the metadata that any of the filters finds, oldest first."""
    wanted = list(filters)
    if not wanted:
        raise Refusal("At least one data filter must be specified.")
    return [one for one in book.metadata if any(matches(book, one, data_filter) for data_filter in wanted)]


def matches(book: Book, one: Json, data_filter: Json) -> bool:
    """Tell whether a filter finds a piece of metadata."""
    if "developerMetadataLookup" in data_filter:
        return _fits_lookup(book, one, data_filter["developerMetadataLookup"])
    area = filter_area(book, data_filter)
    place = locate_metadata(book, one["location"])
    return place is not None and place.lies_in(area)


def filter_area(book: Book, data_filter: Json) -> Area:
    """Give the cells that a filter names."""
    if "a1Range" in data_filter:
        return book.area(book.locate(data_filter["a1Range"]))
    if "gridRange" in data_filter:
        return book.area(data_filter["gridRange"])
    raise Refusal("A data filter must be specified.")


def locate_metadata(book: Book, location: Json) -> Area | None:
    """Give the cells that metadata belongs to; None for that of the spreadsheet."""
    if "dimensionRange" in location:
        span = location["dimensionRange"]
        sheet = book.sheet(span["sheetId"])
        rows, columns = sheet.size
        start, end = span["startIndex"], span["endIndex"]
        return (
            Area(sheet.id, start, 0, end, columns) if span["dimension"] == ROWS else Area(sheet.id, 0, start, rows, end)
        )
    return book.sheet(location["sheetId"]).whole if "sheetId" in location else None


def _fits_lookup(book: Book, one: Json, lookup: Json) -> bool:
    if any(
        one.get(key) != lookup[key]
        for key in ("metadataId", "metadataKey", "metadataValue", "visibility")
        if lookup.get(key)
    ):
        return False
    if lookup.get("locationType") and one["location"]["locationType"] != lookup["locationType"]:
        return False
    return "metadataLocation" not in lookup or _fits_location(book, one["location"], lookup)


def _fits_location(book: Book, location: Json, lookup: Json) -> bool:
    wanted = lookup["metadataLocation"]
    if lookup.get("locationMatchingStrategy") != "INTERSECTING_LOCATION":
        return location == _check_location(book, wanted)
    if wanted.get("spreadsheet"):
        return True
    here, there = locate_metadata(book, location), locate_metadata(book, _check_location(book, wanted))
    return here is None or there is None or here.meets(there)


def search_metadata(book: Book, request: Json) -> Json:
    """Answer ``developerMetadata.search``."""
    filters = request.get("dataFilters", [])
    found = find_metadata(book, filters)
    matched = [
        {"developerMetadata": one, "dataFilters": [each for each in filters if matches(book, one, each)]}
        for one in found
    ]
    return {"matchedDeveloperMetadata": matched} if matched else {}
