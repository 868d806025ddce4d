"""Finds the rows of a target that a delivery leaves there, and moves them to where they then stand."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from xml.sax.saxutils import escape

from mmflow import Column, GiveUp, Replacement, moment_text
from mmflow_excel.filling.book import Book, Target
from mmflow_excel.filling.formulas import names_cells, shift_formula
from mmflow_excel.filling.reading import cell_of, read_value, read_xml, shared_number
from mmflow_excel.filling.sheet import FORMULA, CellXml, RowXml, SheetXml, formula_attribute
from mmflow_excel.filling.strings import read_strings
from mmflow_excel.filling.survey import within
from mmflow_excel.places import name_column
from mmflow_excel.sheetxml import SheetColumn, add_prefix


def body_rows(book: Book, target: Target) -> Iterator[RowXml]:
    """Give the rows of data of a target that are written in its sheet."""
    body = target.body
    with book.package.open(target.sheet.part) as file:
        for row in SheetXml(file, target.sheet.part).rows():
            if row.number > body.bottom:
                return
            if row.number >= body.top:
                yield row


@dataclass(frozen=True, slots=True)
class Kept:
    """The numbers of the rows that stay, before the new ones and after them."""

    before: frozenset[int] = frozenset()
    after: frozenset[int] = frozenset()

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.before) + len(self.after)


def find_kept(
    book: Book, target: Target, columns: Sequence[SheetColumn], report: Sequence[Column], replacement: Replacement
) -> Kept:
    """Tell which rows stay; :class:`GiveUp` names a cell that holds no time."""
    places = {column.place: target.area.left + at for at, column in enumerate(columns) if column.column}
    time, site = places[replacement.time], None if replacement.site is None else places[replacement.site]
    wanted = {
        number
        for row in body_rows(book, target)
        for column in (time, site)
        if column and (cell := row.cell(column)) and (number := shared_number(cell)) is not None
    }
    texts = read_strings(book, wanted)
    kept: dict[str, set[int]] = {"before": set(), "after": set(), "": set()}
    for row in body_rows(book, target):
        moments = read_moments(book, target, row, row.cell(time), texts, report[replacement.time])
        if "" in moments and not any(cell.filled for cell in within(row, target.area)):
            continue  # the one row that a table has without data
        found = row.cell(site) if site else None
        name = read_site(found, texts)
        places_then = {find_place(name, moment, replacement) for moment in moments}
        if len(places_then) > 1:
            raise twice(book, target, row, report[replacement.time])
        kept[places_then.pop()].add(row.number)
    return Kept(frozenset(kept["before"]), frozenset(kept["after"]))


def read_site(cell: CellXml | None, texts: dict[int, str]) -> str:
    """Give the site of a row; a number that somebody typed as its name counts as it was typed."""
    value = read_value(cell, texts) if cell else None
    return f"{value:.15g}" if isinstance(value, float) else str(value or "")


def find_place(site: str, moment: str, replacement: Replacement) -> str:
    """Tell whether a row stays before the new ones, after them, or not at all."""
    if replacement.covers(site, moment):
        return ""
    return "before" if moment < replacement.start else "after"


def twice(book: Book, target: Target, row: RowXml, column: Column) -> GiveUp:
    """Give the error for a time on the wall that came twice, of which only one is replaced."""
    return book.package.refuse(
        f"holds a time in row {row.number} of {target.name!r} that the clocks of {column.zone} showed twice, and only "
        "one of both is to be replaced; use a window of whole days"
    )


def read_moments(
    book: Book, target: Target, row: RowXml, cell: CellXml | None, texts: dict[int, str], column: Column
) -> set[str]:
    """Give the moment of a row as :class:`Replacement` compares it, or both when the clocks showed it twice."""
    value = read_value(cell, texts) if cell else None
    try:
        return {moment_text(cell_of(value, column, base_1904=book.base_1904, fold=fold)) for fold in (0, 1)}
    except (ValueError, OverflowError, TypeError):
        at = f"{target.sheet.name}!{name_column(cell.column) if cell else ''}{row.number}"
        kind = {"date": "a day", "datetime": "a time"}.get(column.type, "a text")
        raise book.package.refuse(
            f"holds {value!r} in {at}, expected {kind} by which replace_window places the row; mend or remove that row"
        ) from None


class Mover:
    """Gives the cells of rows that stay as they stand in other rows; values and formats to the letter."""

    def __init__(self, book: Book, target: Target, columns: Sequence[SheetColumn], prefix: str) -> None:
        self.book, self.target, self.columns, self.prefix = book, target, columns, prefix
        self.reference = re.compile(rf'(<{re.escape(prefix)}c r="[A-Z]+)[0-9]+(?=")'.encode())

    def rows(self, numbers: frozenset[int], first_row: int) -> Iterator[str]:
        """Give the cells of the rows with these numbers, which stand from ``first_row`` on then."""
        new = first_row
        for row in body_rows(self.book, self.target) if numbers else ():
            if row.number in numbers:
                yield self.move_row(row, new)
                new += 1

    def move_row(self, row: RowXml, new: int) -> str:
        """Give the cells of one row; those with nothing but values and plain formulas at once."""
        if row.lies_within(self.target.area) and all(map(stays_true, FORMULA.findall(row.inside))):
            return self.reference.sub(rb"\g<1>%d" % new, row.inside).decode()
        cells = {cell.column: cell for cell in within(row, self.target.area)}
        placed = enumerate(self.columns, self.target.area.left)
        return "".join(self.move_cell(cells.get(at), column, at, row.number, new) for at, column in placed)

    def move_cell(self, cell: CellXml | None, column: SheetColumn, at: int, old: int, new: int) -> str:
        """Give one cell; a formula of the target's own is written anew."""
        if column.formula:
            style = "" if column.style is None else f' s="{column.style}"'
            inside = add_prefix(column.formula(new), self.prefix)
            return f'<{self.prefix}c r="{name_column(at)}{new}"{style}>{inside}</{self.prefix}c>'
        if cell is None:
            return ""
        tag = cell.numbered(new).decode()
        return tag if tag.endswith("/>") else f"{tag}{self.move_inside(cell, old, new)}</{self.prefix}c>"

    def move_inside(self, cell: CellXml, old: int, new: int) -> str:
        """Give the inside of a cell; a formula that somebody entered moves with it."""
        found = FORMULA.search(cell.inside)
        if not found:
            return cell.inside.decode()
        if not is_normal(found[1]) or not found[2]:
            at = f"{self.target.sheet.name}!{name_column(cell.column)}{old}"
            raise self.book.package.refuse(f"holds a formula in {at} that cannot be moved; enter a value there")
        return f"<{self.prefix}f>{escape(shift_formula(read_xml(found[2]), new - old))}</{self.prefix}f>"


def stays_true(formula: tuple[bytes, bytes]) -> bool:
    """Tell whether a formula, given as its attributes and its text, means the same in every row."""
    attributes, text = formula
    return is_normal(attributes) and is_plain(text)


def is_normal(attributes: bytes) -> bool:
    """Tell whether a formula belongs to its cell alone."""
    return formula_attribute(attributes, b"t") in (None, b"normal")


@lru_cache(maxsize=1024)
def is_plain(text: bytes) -> bool:
    """Tell whether a formula is written here and names no cells; columns have the same in all rows."""
    return bool(text) and not names_cells(read_xml(text))
