"""From a call to its answer: the route, the check of everything in it, who may do it, and the method itself."""

from __future__ import annotations

import gc
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import RLock
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

import msgspec

from mmflow_sheets.testing.access import Access, Caller, check_scopes
from mmflow_sheets.testing.batch import apply_batch
from mmflow_sheets.testing.book import Book, make_sheet
from mmflow_sheets.testing.document import Document, Method, load_document
from mmflow_sheets.testing.envelope import ApiError, Json, Refusal, refuse_call, refuse_feature
from mmflow_sheets.testing.faults import Quota
from mmflow_sheets.testing.masks import Mask, check_mask, keep_fields, parse_mask
from mmflow_sheets.testing.metadata import filter_area, find_metadata, locate_metadata, search_metadata
from mmflow_sheets.testing.reading import DEFAULT_FORMAT, show_book
from mmflow_sheets.testing.tabs import add_sheet
from mmflow_sheets.testing.values import (
    append_values,
    clear_values,
    get_values,
    read_area,
    read_options,
    write_values,
)

KNOWN_QUERY: Final = {"fields", "prettyPrint", "quotaUser", "key", "alt"}  # of the parameters that every method has


@dataclass(slots=True)
class Call:
    """One call of a method, with everything in it checked; ``mask`` is that of the answer."""

    method: Method
    query: Json
    body: Json
    caller: Caller
    mask: Mask
    book: Book | None = None

    @property
    def target(self) -> Book:
        """The spreadsheet that the path names."""
        assert self.book is not None
        return self.book


@dataclass(slots=True)
class Service:
    """The spreadsheets, and what may be done with them; one call at a time."""

    access: Access
    quota: Quota
    books: dict[str, Book] = field(default_factory=dict)
    lock: RLock = field(default_factory=RLock)
    document: Document = field(default_factory=load_document)

    def answer(
        self, http: str, path: str, query: str, authorization: str, body: bytes
    ) -> tuple[Json, Json | None, str]:
        """Give the answer, the body as it was understood, and who called; raise what is no success."""
        with pause_collector():
            return self._answer(http, path, query, authorization, body)

    def _answer(
        self, http: str, path: str, query: str, authorization: str, body: bytes
    ) -> tuple[Json, Json | None, str]:
        method, arguments = self._route(http, path)
        caller = self.access.identify(authorization)
        check_scopes(caller, method.scopes, method.name)
        self.quota.count(caller.email, is_read=any(scope.endswith("readonly") for scope in method.scopes))
        asked, mask = self._read_query(method, query)
        understood = self._read_body(method, body)
        call = Call(method, asked | arguments, understood, caller, mask)
        with self.lock:
            call.book = self._open_book(call)
            handler = METHODS.get(method.name)
            if handler is None:
                raise refuse_feature(f"The method {method.name}")
            try:
                document = handler(self, call)
            except Refusal as refusal:
                raise refuse_call(str(refusal)) from None
            return keep_fields(document, mask), understood if method.request else None, caller.email

    def _route(self, http: str, path: str) -> tuple[Method, Json]:
        matches = [(method, match) for method in self.document.methods if (match := method.pattern.fullmatch(path))]
        for method, match in matches:
            if method.http == http:
                texts = {name: unquote(text) for name, text in match.groupdict().items()}
                return method, _convert(method, texts)
        raise ApiError(404, f"The requested URL {path} was not found for {http}.")

    def _read_query(self, method: Method, query: str) -> tuple[Json, Mask]:
        asked: dict[str, Any] = {}
        for name, text in parse_qsl(query, keep_blank_values=True):
            prop = method.parameters.get(name) or self.document.parameters.get(name)
            if prop is None or prop.get("location") == "path":
                raise refuse_call(
                    f'Invalid JSON payload received. Unknown name "{name}": Cannot bind query parameter. '
                    f"Field '{name}' could not be found in request message."
                )
            if name not in method.parameters and (name not in KNOWN_QUERY or (name == "alt" and text != "json")):
                raise refuse_feature(f"The query parameter {name}={text}")
            asked[name] = [*asked.get(name, ()), text] if prop.get("repeated") else text
        mask = parse_mask(asked.pop("fields")) if asked.get("fields") else {}
        check_mask(self.document, method.response, mask)
        return _convert(method, asked), mask

    def _read_body(self, method: Method, body: bytes) -> Json:
        if not method.request:
            if body.strip():
                raise refuse_call(f'Invalid JSON payload received. Unknown name "": a {method.http} has no body.')
            return {}
        try:
            value = msgspec.json.decode(body) if body.strip() else {}
        except msgspec.DecodeError:
            raise refuse_call("Invalid JSON payload received. Unexpected token.") from None
        checked: Json = self.document.check(method.request, value)
        return checked

    def _open_book(self, call: Call) -> Book | None:
        book_id = call.query.get("spreadsheetId")
        if book_id is None:
            return None
        book = self.books.get(book_id)
        if book is None:
            raise ApiError(404)
        role = book.shared.get(call.caller.email)
        reads = any(scope.endswith("readonly") for scope in call.method.scopes) or call.method.name in READING
        if role != "writer" and not (role == "reader" and reads):
            raise ApiError(403)
        return book

    def open_new(self, title: str, tabs: list[Json], properties: Json | None = None) -> Book:
        """Make a spreadsheet, with one tab named Sheet1 unless there are others."""
        defaults = {
            "locale": "en_US",
            "autoRecalc": "ON_CHANGE",
            "timeZone": "America/New_York",
            "defaultFormat": DEFAULT_FORMAT,
        }
        book = Book(f"1{secrets.token_urlsafe(32)}", defaults | (properties or {}) | {"title": title})
        for place, one in enumerate(tabs):
            wanted = one if "sheetId" in one or place else one | {"sheetId": 0}
            add_sheet(book, {"properties": wanted})
        if not tabs:
            book.sheets.append(make_sheet(0, "Sheet1"))
        self.books[book.id] = book
        return book


@contextmanager
def pause_collector() -> Iterator[None]:
    """Let Python's collector rest: looking at millions of new cells again and again more than doubles the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _convert(method: Method, texts: Json) -> Json:
    """Give the parameters of a query or path with their types; those of every method stay texts."""
    return {
        name: READ_TEXT[method.parameters[name]["type"]](text, name, method.parameters[name])
        if name in method.parameters and not isinstance(text, list)
        else text
        for name, text in texts.items()
    }


def _read_truth(text: str, name: str, _prop: Json) -> bool:
    if text.lower() not in {"true", "false"}:
        raise refuse_call(f"Invalid value at '{name}' (TYPE_BOOL), \"{text}\"", name)
    return text.lower() == "true"


def _read_int(text: str, name: str, _prop: Json) -> int:
    if not text.lstrip("-").isdecimal():
        raise refuse_call(f"Invalid value at '{name}' (TYPE_INT32), \"{text}\"", name)
    return int(text)


def _read_text(text: str, name: str, prop: Json) -> str:
    if "enum" in prop and text not in prop["enum"]:
        raise refuse_call(f"Invalid value at '{name}' (TYPE_ENUM), \"{text}\"", name)
    return text


READ_TEXT: Final[dict[str, Callable[[str, str, Json], Any]]] = {
    "boolean": _read_truth,
    "integer": _read_int,
    "string": _read_text,
}


def _change(book: Book, editor: str, change: Callable[[Book], Json]) -> Json:
    """Do something to a copy, and take the copy over when it went well."""
    draft = book.copy()
    draft.editor = editor
    answer = change(draft)
    book.adopt(draft)
    return answer


def _create(service: Service, call: Call) -> Json:
    wanted = call.body
    if wanted.keys() - {"properties", "sheets"}:
        raise refuse_feature(f"spreadsheets.create with {min(wanted.keys() - {'properties', 'sheets'})}")
    if any(sheet.keys() - {"properties"} for sheet in wanted.get("sheets", ())):
        raise refuse_feature("spreadsheets.create with more of a sheet than its properties")
    properties = wanted.get("properties", {})
    tabs = [sheet.get("properties", {}) for sheet in wanted.get("sheets", [])]
    book = service.open_new(properties.get("title") or "Untitled spreadsheet", tabs, properties)
    book.shared[call.caller.email] = "writer"
    return show_book(book, call.mask, [], grid_data=False)


def _get(_service: Service, call: Call) -> Json:
    book = _as_editor(call)
    areas = [read_area(book, text) for text in call.query.get("ranges", ())]
    return show_book(book, call.mask, areas, grid_data=bool(call.query.get("includeGridData")) and not call.mask)


def _as_editor(call: Call) -> Book:
    """Give the spreadsheet as the caller sees it: who may edit what depends on that."""
    call.target.editor = call.caller.email
    return call.target


def _get_filtered(_service: Service, call: Call) -> Json:
    book, areas = _as_editor(call), []
    for data_filter in call.body.get("dataFilters", ()):
        if "developerMetadataLookup" in data_filter:
            found = [locate_metadata(book, one["location"]) for one in find_metadata(book, [data_filter])]
            areas += [area or book.sheets[0].whole for area in found]
        else:
            areas.append(filter_area(book, data_filter))
    return show_book(book, call.mask, areas, grid_data=bool(call.body.get("includeGridData")) and not call.mask)


def _batch_update(_service: Service, call: Call) -> Json:
    body, book = call.body, call.target
    replies = apply_batch(book, body.get("requests", []), call.caller.email)
    answer: Json = {"spreadsheetId": book.id, "replies": replies}
    if body.get("includeSpreadsheetInResponse"):
        areas = [read_area(book, text) for text in body.get("responseRanges", ())]
        inner = call.mask.get("updatedSpreadsheet", {})
        answer["updatedSpreadsheet"] = show_book(
            book, inner, areas, grid_data=bool(body.get("responseIncludeGridData"))
        )
    return answer


def _values_get(_service: Service, call: Call) -> Json:
    return get_values(call.target, call.query["range"], call.query)


def _values_batch_get(_service: Service, call: Call) -> Json:
    found = [get_values(call.target, text, call.query) for text in call.query.get("ranges", ())]
    return {"spreadsheetId": call.target.id} | ({"valueRanges": found} if found else {})


def _check_range(call: Call) -> Json:
    """Give the values of a call, which may name the range of the path again but no other."""
    wanted = call.query["range"]
    if call.body.get("range", wanted) != wanted:
        raise refuse_call(f"Requested writing within range [{wanted}], but the body names {call.body['range']}")
    return call.body | {"range": wanted}


def _values_update(_service: Service, call: Call) -> Json:
    value_range, options = _check_range(call), read_options(call.query)
    return _change(call.target, call.caller.email, lambda draft: write_values(draft, value_range, options))


def _values_append(_service: Service, call: Call) -> Json:
    value_range, options = _check_range(call), read_options(call.query)
    return _change(call.target, call.caller.email, lambda draft: append_values(draft, value_range, options))


def _values_batch_update(_service: Service, call: Call) -> Json:
    options, data = read_options(call.body), call.body.get("data", [])

    def write(draft: Book) -> Json:
        return {"responses": [write_values(draft, one, options) for one in data]}

    answer = _change(call.target, call.caller.email, write)
    names = {
        "totalUpdatedRows": "updatedRows",
        "totalUpdatedColumns": "updatedColumns",
        "totalUpdatedCells": "updatedCells",
    }
    totals = {total: sum(one.get(name, 0) for one in answer["responses"]) for total, name in names.items()}
    sheets = len({one["updatedRange"].rpartition("!")[0] for one in answer["responses"]})
    return {"spreadsheetId": call.target.id, "totalUpdatedSheets": sheets} | totals | answer


def _values_clear(_service: Service, call: Call) -> Json:
    cleared = _clear_all(call, [call.query["range"]])
    return {"spreadsheetId": call.target.id, "clearedRange": cleared[0]}


def _values_batch_clear(_service: Service, call: Call) -> Json:
    return {"spreadsheetId": call.target.id, "clearedRanges": _clear_all(call, call.body.get("ranges", []))}


def _clear_all(call: Call, texts: list[str]) -> list[str]:
    answer = _change(
        call.target, call.caller.email, lambda draft: {"cleared": [clear_values(draft, text) for text in texts]}
    )
    cleared: list[str] = answer["cleared"]
    return cleared


def _metadata_get(_service: Service, call: Call) -> Json:
    found = [one for one in call.target.metadata if one["metadataId"] == call.query["metadataId"]]
    if not found:
        raise ApiError(404)
    return dict(found[0])


READING: Final = {
    "spreadsheets.getByDataFilter",
    "spreadsheets.developerMetadata.get",
    "spreadsheets.developerMetadata.search",
}
METHODS: Final[dict[str, Callable[[Service, Call], Json]]] = {
    "spreadsheets.create": _create,
    "spreadsheets.get": _get,
    "spreadsheets.getByDataFilter": _get_filtered,
    "spreadsheets.batchUpdate": _batch_update,
    "spreadsheets.values.get": _values_get,
    "spreadsheets.values.batchGet": _values_batch_get,
    "spreadsheets.values.update": _values_update,
    "spreadsheets.values.append": _values_append,
    "spreadsheets.values.clear": _values_clear,
    "spreadsheets.values.batchClear": _values_batch_clear,
    "spreadsheets.values.batchUpdate": _values_batch_update,
    "spreadsheets.developerMetadata.get": _metadata_get,
    "spreadsheets.developerMetadata.search": lambda _, call: search_metadata(call.target, call.body),
}
