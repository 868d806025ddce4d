"""Looks into a spreadsheet without writing: whether a delivery could work, what stands there, which days are asked."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from typing import Final

from mmflow import Cell, GiveUp, Presence, RunInfo, Table
from mmflow_sheets.cells import Value
from mmflow_sheets.deliver import is_delivered
from mmflow_sheets.earlier import Earlier
from mmflow_sheets.grid import Rect, quote_tab
from mmflow_sheets.options import SheetsOptions
from mmflow_sheets.serials import EARLIEST, LATEST, serial_day, serial_local
from mmflow_sheets.service import GridRange, Sheet, Spreadsheet, open_service
from mmflow_sheets.target import Target, find_target, read_range

Day = date | datetime
_CELLS: Final = re.compile(r"\$?[A-Z]{1,3}\$?[1-9]\d{0,6}(:\$?[A-Z]{1,3}\$?[1-9]\d{0,6})?")


def check_sheets(options: SheetsOptions, run: RunInfo) -> None:
    """Ask for token, spreadsheet and tab; whether the account may edit shows only where cells are protected."""
    with open_service(run, options.id) as service:
        book = service.describe()
        target = find_target(book, options, run)
        check_protection(book, target, service.asked.address)


def check_protection(book: Spreadsheet, target: Target, address: str) -> None:
    """Raise :class:`GiveUp` when cells of the table are protected against this account."""
    cells = target.old or Rect.of_size(target.corner, 1, 1)
    for sheet in book.sheets:
        if sheet.properties.sheet_id != target.sheet:
            continue
        for found in sheet.protected_ranges:
            locked = not found.warning_only and not found.requesting_user_can_edit
            if locked and is_closed(cells, found.range, found.unprotected_ranges, sheet):
                where = target.show(read_range(found.range, sheet))
                raise GiveUp(f"{where} is protected; let {address} edit it, or take the protection away")


def is_closed(cells: Rect, protected: GridRange, opened: Sequence[GridRange], sheet: Sheet) -> bool:
    """Tell whether any of the cells may not be edited."""
    left = [cells.clip(read_range(protected, sheet))]
    for hole in opened:
        left = [piece for part in left for piece in part.minus(read_range(hole, sheet))]
    return any(not part.empty for part in left)


def probe_sheets(options: SheetsOptions, run: RunInfo) -> Presence:
    """Tell whether this delivery is in the spreadsheet, by what it would have noted there."""
    with open_service(run, options.id) as service:
        return "present" if is_delivered(service.describe(), run) else "absent"


def read_sheets(table: Table, options: SheetsOptions, run: RunInfo) -> Iterator[tuple[Cell, ...]]:
    """Give the rows that this delivery would take the place of; none before the first."""
    with open_service(run, options.id) as service:
        target = find_target(service.describe(), options, run)
        if target.old is None or target.mark is None or target.old.empty:
            return
        [found] = service.read_cells([target.address(target.old)])
    earlier = Earlier.of(found, target.title, target.old, target.mark)
    yield from earlier.convert_rows(table, earlier.sort_rows(table, options, run))


def read_window(options: SheetsOptions, cells: str, run: RunInfo) -> tuple[Day, Day]:
    """Give the two days, or times of the plant, that stand in cells such as ``Charts!D2:F2``.

    Two days are both included. As soon as one of them has a time of day both are times, the last excluded; a last day
    without one then means its whole day.
    """
    tab, cut, inner = cells.rpartition("!")
    if not _CELLS.fullmatch(inner):
        raise GiveUp(f"{cells!r} are no cells; write them as Charts!D2:F2")
    title = tab.strip("'").replace("''", "'") if cut else options.tab
    where = f"{quote_tab(title)}!{inner}"
    with open_service(run, options.id) as service:
        found = service.read_cells([where])
    days = [day for grid in found for row in grid for value in row if (day := find_day(value)) is not None]
    if len(days) != 2:
        found_days = f"{len(days)} day{'s' * (len(days) != 1)}"
        raise GiveUp(f"{cells} hold {found_days}, expected two: the first and the last; write them as dates")
    return pair_days(days[0], days[1], cells)


def find_day(value: Value) -> Day | None:
    """Give the day or time in a cell: a number of Google's, or a text such as 2026-11-01; None for anything else."""
    plain = value.plain
    if isinstance(plain, str):
        return parse_day(plain.strip())
    if plain is None or isinstance(plain, bool) or not EARLIEST <= plain < LATEST:
        return None
    return serial_day(plain) if plain == int(plain) else serial_local(plain).replace(fold=0)


def parse_day(text: str) -> Day | None:
    """Give the day or the time of a text in ISO form, without a zone; None for any other text."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return None if moment.tzinfo else moment


def pair_days(first: Day, last: Day, cells: str) -> tuple[Day, Day]:
    """Make both of one kind; :class:`GiveUp` when they are the wrong way round."""
    if isinstance(first, datetime) or isinstance(last, datetime):
        first = first if isinstance(first, datetime) else datetime.combine(first, time())
        last = last if isinstance(last, datetime) else datetime.combine(last + timedelta(days=1), time())
        wrong = last <= first
    else:
        wrong = last < first
    if wrong:
        raise GiveUp(f"{cells}: the last ({last}) lies before the first ({first}); change them")
    return first, last
