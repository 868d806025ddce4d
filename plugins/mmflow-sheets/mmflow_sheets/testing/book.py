"""The state of a spreadsheet: its tabs, their cells, and what hangs on them."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Final

from mmflow_sheets.testing.envelope import Json, Refusal, refuse_call
from mmflow_sheets.testing.grid import (
    COLUMNS,
    INDEXES,
    MAX_CELLS,
    MAX_COLUMNS,
    ROWS,
    Area,
    letter_column,
    quote_title,
    read_cells,
    split_title,
    unquote_title,
)

SIZE: Final = {ROWS: "rowCount", COLUMNS: "columnCount"}
OBJECTS: Final = ("charts", "conditionalFormats", "bandedRanges", "protectedRanges", "merges")
TOO_LARGE: Final = (
    f"This action would increase the number of cells in the workbook above the limit of {MAX_CELLS} cells."
)
PROTECTED: Final = (
    "You are trying to edit a protected cell or object. "
    "Please contact the spreadsheet owner to remove protection if you need to edit."
)


@dataclass(slots=True)
class Sheet:
    """One tab. ``cells`` is row by column; a cell is replaced and never changed, so copies share it."""

    properties: Json
    cells: dict[int, dict[int, Json]] = field(default_factory=dict)
    formula_rows: set[int] = field(default_factory=set)  # rows that may hold formulas
    dimensions: dict[str, dict[int, Json]] = field(default_factory=lambda: {ROWS: {}, COLUMNS: {}})
    objects: dict[str, list[Json]] = field(default_factory=lambda: {name: [] for name in OBJECTS})
    basic_filter: Json | None = None

    @property
    def id(self) -> int:
        """Its sheetId."""
        return int(self.properties["sheetId"])

    @property
    def title(self) -> str:
        """What stands on the tab."""
        return str(self.properties["title"])

    @property
    def grid(self) -> Json:
        """Its gridProperties, to read or change."""
        grid: Json = self.properties["gridProperties"]
        return grid

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of the grid."""
        return int(self.grid["rowCount"]), int(self.grid["columnCount"])

    @property
    def whole(self) -> Area:
        """All of its grid."""
        return Area(self.id, 0, 0, *self.size)

    def cell(self, row: int, column: int) -> Json:
        """Give a cell; {} when nothing was ever entered."""
        return self.cells.get(row, {}).get(column, {})

    def put(self, row: int, column: int, cell: Json) -> None:
        """Replace a cell."""
        if cell:
            self.cells.setdefault(row, {})[column] = cell
            if "formulaValue" in cell.get("userEnteredValue", ()):
                self.formula_rows.add(row)
        elif (line := self.cells.get(row)) is not None:
            line.pop(column, None)
            if not line:
                del self.cells[row]

    def list_cells(self, area: Area) -> Iterator[tuple[int, int, Json]]:
        """Give the cells of an area in which something was entered."""
        rows = sorted(row for row in self.cells if area.top <= row < area.bottom)
        for row in rows:
            for column in sorted(column for column in self.cells[row] if area.left <= column < area.right):
                yield row, column, self.cells[row][column]

    def last_row(self, area: Area) -> int:
        """Give the row behind the last value of an area (its top when it has none)."""
        valued = (row for row, _, cell in self.list_cells(area) if cell.get("userEnteredValue"))
        return max(valued, default=area.top - 1) + 1

    def copy(self) -> Sheet:
        """Give a copy that can be changed."""
        return Sheet(
            deepcopy(self.properties),
            {row: dict(line) for row, line in self.cells.items()},
            set(self.formula_rows),
            deepcopy(self.dimensions),
            deepcopy(self.objects),
            deepcopy(self.basic_filter),
        )


@dataclass(slots=True)
class Book:
    """A spreadsheet. ``editor`` is who changes it just now; "" is its owner, whom no protection stops."""

    id: str
    properties: Json
    sheets: list[Sheet] = field(default_factory=list)
    named: list[Json] = field(default_factory=list)
    metadata: list[Json] = field(default_factory=list)
    shared: dict[str, str] = field(default_factory=dict)  # address to "writer" or "reader"
    editor: str = ""
    last_id: int = 1_000_000

    def copy(self) -> Book:
        """Give a copy that can be changed and thrown away."""
        sheets = [sheet.copy() for sheet in self.sheets]
        named, metadata, properties = deepcopy(self.named), deepcopy(self.metadata), deepcopy(self.properties)
        return Book(self.id, properties, sheets, named, metadata, self.shared, self.editor, self.last_id)

    def adopt(self, draft: Book) -> None:
        """Take over what was done to a copy."""
        self.properties, self.sheets, self.named = draft.properties, draft.sheets, draft.named
        self.metadata, self.last_id = draft.metadata, draft.last_id

    def new_id(self) -> int:
        """Give an id that nothing has yet: large and far from the last, as Google's are."""
        self.last_id += 7_919
        return self.last_id

    def sheet(self, sheet_id: int, what: str = "grid") -> Sheet:
        """Give the sheet with this id."""
        found = next((sheet for sheet in self.sheets if sheet.id == sheet_id), None)
        if found is None:
            raise Refusal(f"No {what} with id: {sheet_id}")
        return found

    def titled(self, title: str) -> Sheet | None:
        """Give the sheet of this title; Google does not look at capitals."""
        return next((sheet for sheet in self.sheets if sheet.title.lower() == title.lower()), None)

    def area(self, grid_range: Json) -> Area:
        """Give what a ``GridRange`` means in its grid, or refuse what lies outside."""
        sheet = self.sheet(grid_range["sheetId"])
        rows = _bound_span(grid_range, ROWS, sheet)
        columns = _bound_span(grid_range, COLUMNS, sheet)
        return Area(sheet.id, rows[0], columns[0], rows[1], columns[1])

    def locate(self, text: str) -> Json:
        """Give the ``GridRange`` of ``Data!A2:C``, of a tab or of a named range, unbounded where the text is."""
        title, cells = split_title(text)
        if title is None and (named := self.find_named(text)) is not None:
            return dict(named["range"])
        if title is None and (whole := self.titled(unquote_title(text))) is not None:
            return {"sheetId": whole.id}
        found = self.sheets[0] if title is None else self.titled(title)
        inside = read_cells(cells)
        if found is None or inside is None:
            raise refuse_call(f"Unable to parse range: {text}")
        return {"sheetId": found.id} | inside

    def find_named(self, name: str) -> Json | None:
        """Give the named range of this name that still has a place."""
        return next((one for one in self.named if one["name"].lower() == name.lower() and "range" in one), None)

    def check_size(self) -> None:
        """Refuse grids that are too large together."""
        sizes = [sheet.size for sheet in self.sheets]
        if sum(rows * columns for rows, columns in sizes) > MAX_CELLS:
            raise Refusal(TOO_LARGE)
        if any(columns > MAX_COLUMNS for _, columns in sizes):
            raise Refusal(f"This action would increase the number of columns above the limit of {MAX_COLUMNS} columns.")

    def guard(self, area: Area) -> None:
        """Refuse a change where somebody else protected the cells."""
        if any(
            not self.may_edit(one) and self.covers(one, area)
            for one in self.sheet(area.sheet_id).objects["protectedRanges"]
        ):
            raise Refusal(PROTECTED)

    def may_edit(self, protection: Json) -> bool:
        """Tell whether whoever changes the book may change what is protected."""
        users = protection.get("editors", {}).get("users", ())
        return not self.editor or bool(protection.get("warningOnly")) or self.editor in users

    def covers(self, protection: Json, area: Area) -> bool:
        """Tell whether a protection covers any cell of the area."""
        free = [self.area(one) for one in protection.get("unprotectedRanges", ())]
        return self.area(self.protected_range(protection)).meets(area) and not any(area.lies_in(one) for one in free)

    def protected_range(self, protection: Json) -> Json:
        """Give the range of a protection, which may be that of a named range."""
        name_id = protection.get("namedRangeId")
        named = next((one for one in self.named if name_id and one["namedRangeId"] == name_id), None)
        found: Json = (named or protection)["range"]
        return found


def make_sheet(sheet_id: int, title: str, rows: int = 1000, columns: int = 26) -> Sheet:
    """Give an empty tab as Google makes it."""
    grid = {"rowCount": rows, "columnCount": columns}
    return Sheet({"sheetId": sheet_id, "title": title, "sheetType": "GRID", "gridProperties": grid})


def _bound_span(grid_range: Json, dimension: str, sheet: Sheet) -> tuple[int, int]:
    first, last = INDEXES[dimension]
    size = sheet.size[dimension == COLUMNS]
    start, end = grid_range.get(first, 0), grid_range.get(last, size)
    if start < 0 or end <= start:
        raise Refusal(f"Range is not valid: {first}[{start}] must be at least 0 and less than {last}[{end}].")
    if end > size:
        raise Refusal(f"Range ({_name_range(grid_range, sheet)}) exceeds grid limits. {limits(sheet)}")
    return start, end


def limits(sheet: Sheet) -> str:
    """Give the sentence about the size of a grid."""
    return f"Max rows: {sheet.size[0]}, max columns: {sheet.size[1]}"


def _name_range(grid_range: Json, sheet: Sheet) -> str:
    rows, columns = sheet.size
    top, left = grid_range.get("startRowIndex", 0), grid_range.get("startColumnIndex", 0)
    bottom, right = grid_range.get("endRowIndex", rows), grid_range.get("endColumnIndex", columns)
    first, last = f"{letter_column(left)}{top + 1}", f"{letter_column(right - 1)}{bottom}"
    return f"{quote_title(sheet.title)}!{first}" + (f":{last}" if first != last else "")
