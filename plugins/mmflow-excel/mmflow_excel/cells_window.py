"""Reads the window of a report from cells of a workbook, such as ``Input!B3:D4``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final, Protocol

from mmflow import GiveUp, RunInfo, place_file
from mmflow_excel.filling.book import Book, Sheet, read_book
from mmflow_excel.filling.markup import get_attribute
from mmflow_excel.filling.package import open_package
from mmflow_excel.filling.reading import Value, read_texts, read_value
from mmflow_excel.filling.sheet import FORMULA, CellXml, SheetXml
from mmflow_excel.filling.styles import Styles, read_styles
from mmflow_excel.places import Area, name_column, read_area, split_reference
from mmflow_excel.sources import find_earlier, find_template
from mmflow_excel.values import read_clock, read_number

MOMENT: Final = re.compile(r"(\d{4}-\d\d-\d\d)(?:[ T](\d\d?:\d\d(?::\d\d)?))?")
TIME: Final = re.compile(r"\d\d?:\d\d(?::\d\d)?")
MIDNIGHT: Final = time()
LARGEST: Final = 10_000  # cells that are looked at


class WindowOptions(Protocol):
    """What the options of a sink say about its workbook."""

    @property
    def path(self) -> str:
        """Template of the workbook's name under the output folder."""

    @property
    def template(self) -> str:
        """Name of the workbook in the job's folder that it is made from, "" when there is none."""


def read_window(options: WindowOptions, cells: str, run: RunInfo) -> tuple[date, date] | tuple[datetime, datetime]:
    """Give the two moments that stand in ``cells`` (a range or a name) of the workbook at ``options.path``.

    While that one is open, what waits beside it is read; where there is none yet, ``options.template`` in the job's
    folder. Cells are read line by line; those without a date are passed over, and a time of day belongs to the date
    before it. Two days are both included; two naive times of the plant are a half-open window.
    :class:`mmflow.GiveUp` names sheet and cell of what is wrong.
    """
    path = place_file(options.path, run)
    source = find_earlier(path)
    if source is None:
        if not options.template:
            raise GiveUp(f"there is no workbook {path} to read {cells} from; put it there, or name a template")
        source = find_template(options.template, run)
    with open_package(source) as package:
        book = read_book(package)
        sheet, area = find_cells(book, cells)
        return choose_moments(book, f"{sheet.name}!{area}", list(read_moments(book, sheet, area)))


def find_cells(book: Book, cells: str) -> tuple[Sheet, Area]:
    """Find the sheet and the range that are meant, also by a name."""
    named = next((one for one in book.names() if one.get("name").casefold() == cells.strip().casefold()), None)
    text = named.text if named else cells
    found = split_reference(text)
    alone = read_area(cells)
    if alone and len(book.sheets) == 1:
        found = book.sheets[0].name, alone
    if found is None:
        what = f"the name {cells!r} for {text!r}" if named else f"no name {cells!r}"
        raise book.package.refuse(f"has {what}, expected a range with its sheet, such as Input!B3:D4")
    sheet = next((one for one in book.sheets if one.name.casefold() == found[0].casefold()), None)
    if sheet is None:
        listed = ", ".join(one.name for one in book.sheets)
        raise book.package.refuse(f"has no sheet {found[0]!r}, which {cells!r} names; it has {listed}")
    area = found[1]
    if (area.bottom - area.top + 1) * (area.right - area.left + 1) > LARGEST:
        raise book.package.refuse(f"is asked for a window in {cells!r}, which are too many cells; name those two")
    return sheet, area


@dataclass(frozen=True, slots=True)
class Seen:
    """What a cell holds: a day or a time, or something else that is not taken for one."""

    cell: str
    shown: str
    moment: datetime | None = None
    clock: timedelta | None = None
    timed: bool = False  # a moment that is written with its time of day, be it midnight


def read_moments(book: Book, sheet: Sheet, area: Area) -> Iterator[Seen]:
    """Give what the cells hold, line by line, without those that are empty."""
    styles = read_styles(book)
    found = list(read_cells(book, sheet, area))
    texts = read_texts(book, [cell for _, cell in found])
    for row, cell in found:
        name = f"{sheet.name}!{name_column(cell.column)}{row}"
        value = read_value(cell, texts)
        if get_attribute(cell.tag, b"t") == b"e":
            raise book.package.refuse(f"shows the error {value} in {name}, expected a date; mend its formula")
        if value is None and FORMULA.search(cell.inside):
            raise book.package.refuse(f"has a formula in {name} without its value; open it in Excel and save it")
        if value is not None and value != "":
            yield see_cell(book, name, value, styles, cell.style)


def read_cells(book: Book, sheet: Sheet, area: Area) -> Iterator[tuple[int, CellXml]]:
    """Give the cells of an area that are written in the sheet, with their rows."""
    with book.package.open(sheet.part) as file:
        for row in SheetXml(file, sheet.part).rows():
            if row.number > area.bottom:
                return
            if row.number >= area.top:
                yield from ((row.number, cell) for cell in row.cells() if area.left <= cell.column <= area.right)


def see_cell(book: Book, name: str, value: Value, styles: Styles, style: int | None) -> Seen:
    """Tell what a value is: by its form when it is a text, by the format of its cell when it is a number."""
    if isinstance(value, str):
        return see_text(name, value.strip())
    if isinstance(value, bool) or value is None:
        return Seen(name, str(value))
    day = styles.shows_days(style)
    if styles.shows_clock(style) and 0 <= value <= 1:
        clock = read_clock(value)
        return Seen(name, str(clock), clock=clock)
    if day:
        try:
            moment = read_number(value, base_1904=book.base_1904)
        except (ValueError, OverflowError):
            raise book.package.refuse(f"holds {value!r} in {name}, which is no date") from None
        timed = styles.shows_clock(style) or moment.time() != MIDNIGHT
        return Seen(name, f"{moment:%Y-%m-%d %H:%M}", moment, timed=timed)
    return Seen(name, f"{value:.15g} (not formatted as a date)")


def see_text(name: str, text: str) -> Seen:
    """Tell whether a text is a day or a time as ISO 8601 writes them; others depend on the country."""
    shown = repr(text[:40])
    try:
        if found := MOMENT.fullmatch(text):
            midnight = datetime.combine(date.fromisoformat(found[1]), MIDNIGHT)
            return Seen(name, shown, midnight + parse_clock(found[2] or "0:00"), timed=bool(found[2]))
        if TIME.fullmatch(text):
            return Seen(name, shown, clock=parse_clock(text))
    except ValueError:
        pass  # 2026-02-30 is shown among what is no date
    return Seen(name, shown)


def parse_clock(text: str) -> timedelta:
    """Read a time of day; :class:`ValueError` for 25:00."""
    clock = time.fromisoformat(text.zfill(5 if text.count(":") == 1 else 8))
    return timedelta(hours=clock.hour, minutes=clock.minute, seconds=clock.second)


def choose_moments(book: Book, where: str, seen: list[Seen]) -> tuple[date, date] | tuple[datetime, datetime]:
    """Give the two moments among what was seen."""
    moments: list[tuple[datetime, bool]] = []  # and whether it has a time of day
    for one in seen:
        if one.moment is not None:
            moments.append((one.moment, one.timed))
        elif one.clock is not None:
            if not moments or moments[-1][1]:
                raise book.package.refuse(f"holds the time {one.shown} in {one.cell} without a date before it")
            moments[-1] = (moments[-1][0] + one.clock, True)
    if len(moments) != 2:
        listed = ", ".join(f"{one.cell.rpartition('!')[2]} {one.shown}" for one in seen[:20]) or "nothing"
        hint = "write them as dates, or as text like 2026-11-01 or 2026-11-01 06:00"
        raise book.package.refuse(f"holds {len(moments)} dates in {where}, expected 2; found {listed}; {hint}")
    return order_moments(book, where, *moments)


def order_moments(
    book: Book, where: str, begin: tuple[datetime, bool], end: tuple[datetime, bool]
) -> tuple[date, date] | tuple[datetime, datetime]:
    """Give days, or times when both have a time of day, or the end alone; from has to be before to."""
    (first, timed), (last, end_timed) = begin, end
    days = not timed and not end_timed
    if timed and not end_timed:
        found = f"{first:%Y-%m-%d %H:%M} and then {last:%Y-%m-%d}"
        raise book.package.refuse(f"holds {found} in {where}; write the time of day at which the window ends, too")
    if first > last or (first == last and not days):
        found = f"{first:%Y-%m-%d %H:%M} and then {last:%Y-%m-%d %H:%M}"
        raise book.package.refuse(f"holds {found} in {where}; expected the earlier one first")
    return (first.date(), last.date()) if days else (first, last)
