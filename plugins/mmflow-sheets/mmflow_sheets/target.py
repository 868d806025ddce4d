"""Finds where the table goes: the tab, the cells of the delivery before, and what was noted about them.

The cells are remembered by a named range, which moves when people insert rows above it, rename the tab or drag the
table elsewhere.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from mmflow import GiveUp, RunInfo, suggest_name
from mmflow_sheets.grid import Rect, quote_tab, read_cell
from mmflow_sheets.mark import KEY, Mark, name_sink, read_marks
from mmflow_sheets.options import SheetsOptions
from mmflow_sheets.service import GridRange, NamedRange, Sheet, Spreadsheet

GRID: Final = "GRID"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a table goes. ``old`` holds the cells of the delivery before, None when there was none.

    ``rows`` and ``columns`` are the size of the tab, 0 when it is ``new``; ``elsewhere`` counts the cells of all other
    tabs. ``note`` is the id of what was noted as ``mark``, ``turn`` the id of what is noted next.
    """

    sheet: int
    title: str
    new: bool
    rows: int
    columns: int
    elsewhere: int
    corner: tuple[int, int]
    old: Rect | None = None
    mark: Mark | None = None
    note: int | None = None
    turn: int
    range_id: str = ""
    range_name: str = ""
    merges: tuple[Rect, ...] = ()
    charts: frozenset[int] = frozenset()

    @property
    def grid(self) -> Rect:
        """All cells of the tab."""
        return Rect(0, 0, self.rows, self.columns)

    def address(self, cells: Rect) -> str:
        """Name cells with their tab, as Google wants it."""
        return f"{quote_tab(self.title)}!{cells}"

    def show(self, cells: Rect) -> str:
        """Name cells with their tab, as people read it."""
        return f"{self.title}!{cells}"


def find_target(book: Spreadsheet, options: SheetsOptions, run: RunInfo) -> Target:
    """Find it in the spreadsheet as it is now; :class:`GiveUp` says what is missing or was changed."""
    if options.range:
        return find_named(book, options, run)
    sheet = find_tab(book, options, run)
    corner = read_cell(options.anchor)
    if sheet is None:
        return plan_tab(book, options, run, corner)
    note, mark = find_mark(sheet, run)
    named = find_range(book, sheet, mark)
    old = read_range(named.range, sheet) if named and named.range else None
    if mark and old:
        check_width(mark, old, sheet)
    moved = mark is not None and mark.anchor != options.anchor
    return describe_target(
        book,
        sheet,
        corner=old.corner if old and not moved else corner,
        old=old,
        mark=mark,
        note=note,
        range_id=named.named_range_id if named else "",
        range_name=named.name if named else choose_name(book, run),
    )


def find_named(book: Spreadsheet, options: SheetsOptions, run: RunInfo) -> Target:
    """Find a target that people have named."""
    named = next((one for one in book.named_ranges if one.name.lower() == options.range.lower()), None)
    if named is None:
        near = suggest_name(options.range, [one.name for one in book.named_ranges])
        hint = f"did you mean {near!r}?" if near else "name the cells (Data, Named ranges), or use tab"
        raise GiveUp(f"range: the spreadsheet has no named range {options.range!r}; {hint}")
    cells = named.range
    sheet = next((one for one in book.sheets if cells and one.properties.sheet_id == cells.sheet_id), None)
    if cells is None or sheet is None:
        raise GiveUp(f"range: the cells of the named range {options.range!r} were deleted; name others so, or use tab")
    check_grid(sheet)
    old = read_range(cells, sheet)
    note, mark = find_mark(sheet, run)
    if mark and options.mode != "replace":
        check_width(mark, old, sheet)
    return describe_target(
        book,
        sheet,
        corner=old.corner,
        old=old,
        mark=mark,
        note=note,
        range_id=named.named_range_id,
        range_name=named.name,
    )


def find_tab(book: Spreadsheet, options: SheetsOptions, run: RunInfo) -> Sheet | None:
    """Find the tab by its name, or, when people have renamed it, by what was noted; None when it is to be added."""
    wanted = options.tab.casefold()
    for sheet in book.sheets:
        if sheet.properties.title.casefold() == wanted:
            return check_grid(sheet)
    for sheet in book.sheets:
        _, mark = find_mark(sheet, run)
        if mark and mark.tab == options.tab:
            run.log.warning("the tab %s is now called %s; it is filled as before", options.tab, sheet.properties.title)
            return sheet
    if options.create_tab:
        return None
    titles = [sheet.properties.title for sheet in book.sheets]
    near = suggest_name(options.tab, titles)
    hint = f"did you mean {near!r}?" if near else "add it, or allow it with create_tab: true"
    raise GiveUp(f"tab: the spreadsheet has no tab {options.tab!r}; {hint}")


def check_grid(sheet: Sheet) -> Sheet:
    """Give a tab that has cells; :class:`GiveUp` for one that is a chart or a view of other data."""
    if sheet.properties.sheet_type != GRID:
        raise GiveUp(f"tab: {sheet.properties.title!r} has no cells of its own; name another")
    return sheet


def plan_tab(book: Spreadsheet, options: SheetsOptions, run: RunInfo, corner: tuple[int, int]) -> Target:
    """Describe a tab that is to be added."""
    used = {sheet.properties.sheet_id for sheet in book.sheets}
    sheet = make_number(f"{name_sink(run)}/{options.tab}")
    while sheet in used:
        sheet += 1
    return Target(
        sheet=sheet,
        title=options.tab,
        new=True,
        rows=0,
        columns=0,
        elsewhere=count_cells(book.sheets),
        corner=corner,
        turn=choose_turn(book, None),
        range_name=choose_name(book, run),
    )


def describe_target(
    book: Spreadsheet,
    sheet: Sheet,
    *,
    corner: tuple[int, int],
    old: Rect | None,
    mark: Mark | None,
    note: int | None,
    range_id: str,
    range_name: str,
) -> Target:
    """Describe a tab that is there."""
    size = sheet.properties.grid_properties
    return Target(
        sheet=sheet.properties.sheet_id,
        title=sheet.properties.title,
        new=False,
        rows=size.row_count,
        columns=size.column_count,
        elsewhere=count_cells(one for one in book.sheets if one is not sheet),
        corner=corner,
        old=old,
        mark=mark,
        note=note,
        turn=choose_turn(book, sheet),
        range_id=range_id,
        range_name=range_name,
        merges=tuple(read_range(merge, sheet) for merge in sheet.merges),
        charts=frozenset(chart.chart_id for one in book.sheets for chart in one.charts),
    )


def choose_turn(book: Spreadsheet, sheet: Sheet | None) -> int:
    """Choose the id of the next note at a tab by what is noted there now.

    Two deliveries that start from the same notes choose the same id, and Google gives it out only once: the later one
    is refused as a whole, since what it has planned is no longer what stands there.
    """
    found = [note for one in book.sheets for note in one.developer_metadata]
    here = [note for note in (sheet.developer_metadata if sheet else ()) if note.metadata_key == KEY]
    number = make_number(repr(sorted((note.metadata_id, note.metadata_value) for note in here)))
    used = {note.metadata_id for note in found}
    while number in used:
        number += 1
    return number


def find_mark(sheet: Sheet, run: RunInfo) -> tuple[int | None, Mark | None]:
    """Give what this sink has noted at a tab."""
    return next(iter(read_marks(sheet.developer_metadata, name_sink(run))), (None, None))


def find_range(book: Spreadsheet, sheet: Sheet, mark: Mark | None) -> NamedRange | None:
    """Find the named range of an earlier delivery, by its id, or by its name when the id was not known yet.

    None, or a range without cells, when people have deleted the name or all rows of the table.
    """
    if mark is None:
        return None
    here = sheet.properties.sheet_id
    ours = [one for one in book.named_ranges if one.range is None or one.range.sheet_id == here]
    by_id = (one for one in ours if mark.range_id and one.named_range_id == mark.range_id)
    by_name = (one for one in ours if one.name == mark.range_name)
    return next(by_id, next(by_name, None))


def read_range(found: GridRange, sheet: Sheet) -> Rect:
    """Give a range of Google's, whose open ends are those of the tab."""
    size = sheet.properties.grid_properties
    bottom = size.row_count if found.end_row_index is None else found.end_row_index
    right = size.column_count if found.end_column_index is None else found.end_column_index
    return Rect(found.start_row_index, found.start_column_index, bottom, right)


def check_width(mark: Mark, old: Rect, sheet: Sheet) -> None:
    """Raise :class:`GiveUp` when people inserted or deleted columns within the table."""
    if old.width != mark.width:
        what = f"the table in {sheet.properties.title}!{old} has {old.width} columns, and {mark.width} were written"
        raise GiveUp(f"{what}; undo what was inserted or deleted within it: other columns belong beside the table")


def choose_name(book: Spreadsheet, run: RunInfo) -> str:
    """Give a name for the cells of this sink that nothing else is seen to have."""
    used = {one.name.lower() for one in book.named_ranges}
    name = "mmflow_" + re.sub(r"[^A-Za-z0-9_]", "_", f"{run.job}_{run.sink}")
    while name.lower() in used:
        name = next_name(name)
    return name


def next_name(name: str) -> str:
    """Give the next name that may be free: data, data__2, data__3."""
    stem, _, number = name.rpartition("__")
    return f"{stem}__{int(number) + 1}" if stem and number.isdecimal() else f"{name}__2"


def count_cells(sheets: Iterable[Sheet]) -> int:
    """Count the cells of tabs, empty ones too, as Google does for its limit."""
    sizes = (sheet.properties.grid_properties for sheet in sheets)
    return sum(size.row_count * size.column_count for size in sizes)


def make_number(text: str) -> int:
    """Make a number from a text, to be the id of a tab or a chart."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1 | 1
