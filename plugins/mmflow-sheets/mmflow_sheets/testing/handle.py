"""What a test sees of a spreadsheet: its state as Python data, and edits as a person would make them.

Nothing here goes over HTTP, needs a token or counts as a request.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from mmflow_sheets.testing.batch import apply_batch
from mmflow_sheets.testing.book import Book, Sheet
from mmflow_sheets.testing.cells import RESULT, check_value, effective_value, extend_value, formatted_value, plain_value
from mmflow_sheets.testing.document import load_document
from mmflow_sheets.testing.envelope import Json
from mmflow_sheets.testing.grid import Area, read_cells, write_a1
from mmflow_sheets.testing.reading import show_book
from mmflow_sheets.testing.service import Service


class Spreadsheet:
    """One spreadsheet of the server."""

    def __init__(self, service: Service, book: Book) -> None:
        self._service = service
        self._book = book

    @property
    def id(self) -> str:
        """Its id."""
        return self._book.id

    @property
    def url(self) -> str:
        """Its address in a browser."""
        return f"https://docs.google.com/spreadsheets/d/{self.id}/edit#gid=0"

    @property
    def titles(self) -> list[str]:
        """The tabs, from left to right."""
        with self._service.lock:
            return [sheet.title for sheet in self._book.sheets]

    @property
    def named(self) -> dict[str, str]:
        """The named ranges, as ``Data!A1:C20``; "" for one whose cells were deleted, which the API does not show."""
        with self._service.lock:
            return {one["name"]: self._name_area(one) for one in self._book.named}

    @property
    def metadata(self) -> list[Json]:
        """All developer metadata, oldest first."""
        with self._service.lock:
            return deepcopy(self._book.metadata)

    def tab(self, title: str) -> Tab:
        """Give a tab by its title."""
        with self._service.lock:
            found = self._book.titled(title)
        if found is None:
            raise LookupError(f"found no tab {title!r}, expected one of {', '.join(self.titles)}")
        return Tab(self, found.id)

    def state(self) -> Json:
        """Give everything, as ``spreadsheets.get`` with all cells does, to compare before and after."""
        with self._service.lock:
            self._book.editor = ""
            return deepcopy(show_book(self._book, {}, [], grid_data=True))

    def apply(self, *requests: Json) -> list[Json]:
        """Do what the owner would do, by requests of ``batchUpdate``; protections do not count."""
        body = load_document().check("BatchUpdateSpreadsheetRequest", {"requests": deepcopy(list(requests))})
        with self._service.lock:
            return apply_batch(self._book, body["requests"], "")

    def share(self, email: str, role: str = "writer") -> None:
        """Let somebody in as ``writer`` or ``reader``; any other role shuts them out."""
        with self._service.lock:
            self._book.shared[email] = role

    def protect(self, place: str) -> None:
        """Let nobody but the owner edit a tab or a range of it: ``Data`` or ``Data!A1:C3``."""
        with self._service.lock:
            found = self._book.locate(place)
        self.apply(
            {"addProtectedRange": {"protectedRange": {"range": found, "editors": {"users": ["owner@example.com"]}}}}
        )

    def name_range(self, name: str, place: str) -> None:
        """Name a range: ``spreadsheet.name_range("report", "Data!B2:E20")``."""
        with self._service.lock:
            found = self._book.locate(place)
        self.apply({"addNamedRange": {"namedRange": {"name": name, "range": found}}})

    def _name_area(self, one: Json) -> str:
        if "range" not in one:
            return ""
        area = self._book.area(one["range"])
        return write_a1(self._book.sheet(area.sheet_id).title, area)


class Tab:
    """One tab of a spreadsheet; it stays the same tab when it is renamed."""

    def __init__(self, spreadsheet: Spreadsheet, sheet_id: int) -> None:
        self._spreadsheet = spreadsheet
        self.id = sheet_id

    @property
    def _sheet(self) -> Sheet:
        return self._spreadsheet._book.sheet(self.id)  # noqa: SLF001  # both are one view

    @property
    def title(self) -> str:
        """What stands on it."""
        return self._sheet.title

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of its grid."""
        return self._sheet.size

    @property
    def properties(self) -> Json:
        """Its ``SheetProperties``, such as frozen rows."""
        return deepcopy(self._sheet.properties)

    @property
    def charts(self) -> list[Json]:
        """Its charts."""
        return deepcopy(self._sheet.objects["charts"])

    @property
    def conditional_formats(self) -> list[Json]:
        """Its conditional formats, the first in force first."""
        return deepcopy(self._sheet.objects["conditionalFormats"])

    @property
    def protected_ranges(self) -> list[Json]:
        """Its protections."""
        return deepcopy(self._sheet.objects["protectedRanges"])

    @property
    def banded_ranges(self) -> list[Json]:
        """Its alternating colours."""
        return deepcopy(self._sheet.objects["bandedRanges"])

    @property
    def basic_filter(self) -> Json | None:
        """Its filter."""
        return deepcopy(self._sheet.basic_filter)

    def dimension(self, index: int, kind: str = "COLUMNS") -> Json:
        """Give the properties of a column or (``"ROWS"``) a row: ``{"pixelSize": 80}``, ``{"hiddenByUser": True}``."""
        return dict(self._sheet.dimensions[kind].get(index, {}))

    def values(self, cells: str = "") -> list[list[Any]]:
        """Give what the cells show: numbers, texts, truths, None; empty rows and cells at the end are left out."""
        return self._list(cells, lambda cell: plain_value(effective_value(cell)))

    def formatted(self, cells: str = "") -> list[list[str | None]]:
        """Give the texts that people see."""
        return self._list(cells, formatted_value)

    def formulas(self, cells: str = "") -> list[list[Any]]:
        """Give what was entered: formulas as their text, anything else as its value."""
        return self._list(cells, lambda cell: plain_value(cell.get("userEnteredValue")))

    def formats(self, cells: str = "") -> list[list[Json | None]]:
        """Give the formats that were set (``userEnteredFormat``); None for a cell without one."""
        return self._list(cells, lambda cell: deepcopy(cell.get("userEnteredFormat")))

    def cell(self, place: str) -> Json:
        """Give a cell as it was entered: ``tab.cell("B2")["userEnteredValue"]``."""
        area = self._area(place)
        with self._spreadsheet._service.lock:  # noqa: SLF001
            found = self._sheet.cell(area.top, area.left)
        return {name: deepcopy(part) for name, part in found.items() if name != RESULT}

    def put(
        self, place: str, value: Any = None, *, formula: str = "", result: Any = None, form: Json | None = None
    ) -> None:
        """Enter a value into a cell (None empties it), or a formula with the result it shall show.

        ``form`` replaces the ``userEnteredFormat``; without it the format stays.
        """
        area = self._area(place)
        with self._spreadsheet._service.lock:  # noqa: SLF001
            old = self._sheet.cell(area.top, area.left)
            cell = {name: part for name, part in old.items() if name not in {"userEnteredValue", RESULT}}
            if formula:
                cell |= {"userEnteredValue": {"formulaValue": formula}}
                cell |= {RESULT: extend_value(result)} if result is not None else {}
            elif value is not None:
                cell |= {"userEnteredValue": extend_value(value)}
                check_value(cell["userEnteredValue"])
            cell |= {"userEnteredFormat": form} if form is not None else {}
            self._sheet.put(area.top, area.left, cell)

    def insert_rows(self, at: int, count: int = 1) -> None:
        """Insert empty rows before the row with this index, or behind the last one, as a person would."""
        self._insert("ROWS", at, count)

    def delete_rows(self, at: int, count: int = 1) -> None:
        """Delete rows."""
        self._spreadsheet.apply({"deleteDimension": {"range": self._span("ROWS", at, count)}})

    def insert_columns(self, at: int, count: int = 1) -> None:
        """Insert empty columns."""
        self._insert("COLUMNS", at, count)

    def delete_columns(self, at: int, count: int = 1) -> None:
        """Delete columns."""
        self._spreadsheet.apply({"deleteDimension": {"range": self._span("COLUMNS", at, count)}})

    def rename(self, title: str) -> None:
        """Give the tab another title."""
        properties = {"sheetId": self.id, "title": title}
        self._spreadsheet.apply({"updateSheetProperties": {"properties": properties, "fields": "title"}})

    def delete(self) -> None:
        """Delete the tab."""
        self._spreadsheet.apply({"deleteSheet": {"sheetId": self.id}})

    def _insert(self, dimension: str, at: int, count: int) -> None:
        is_behind = at >= self.size[dimension == "COLUMNS"]
        request = {"range": self._span(dimension, at, count), "inheritFromBefore": is_behind}
        self._spreadsheet.apply({"insertDimension": request})

    def _span(self, dimension: str, at: int, count: int) -> Json:
        return {"sheetId": self.id, "dimension": dimension, "startIndex": at, "endIndex": at + count}

    def _area(self, cells: str) -> Area:
        inside = read_cells(cells) if cells else {}
        if inside is None:
            raise ValueError(f"found {cells!r}, expected cells such as B2 or A1:C20")
        return self._spreadsheet._book.area({"sheetId": self.id} | inside)  # noqa: SLF001

    def _list(self, cells: str, show: Any) -> list[list[Any]]:
        with self._spreadsheet._service.lock:  # noqa: SLF001
            area = self._area(cells)
            lines: list[list[Any]] = []
            for row, column, cell in self._sheet.list_cells(area):
                if (shown := show(cell)) is not None:
                    lines += [[] for _ in range(row - area.top + 1 - len(lines))]
                    line = lines[row - area.top]
                    line += [None] * (column - area.left - len(line)) + [shown]
            return lines
