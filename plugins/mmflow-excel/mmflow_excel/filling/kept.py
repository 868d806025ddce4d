"""Finds the rows of a target that a delivery leaves there, and moves them to where they then stand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from mmflow import Column, GiveUp, Replacement, moment_text
from mmflow_excel.filling.book import Book, Target
from mmflow_excel.filling.formulas import shift_formula
from mmflow_excel.filling.sheet import FORMULA, CellXml, RowXml, SheetXml
from mmflow_excel.filling.strings import read_strings
from mmflow_excel.filling.survey import within
from mmflow_excel.filling.values import cell_of, read_value, read_xml, shared_number
from mmflow_excel.places import name_column
from mmflow_excel.sheetxml import SheetColumn


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
        for cell in row.cells()
        if cell.column in (time, site) and (number := shared_number(cell)) is not None
    }
    texts = read_strings(book, wanted)
    kept: dict[str, set[int]] = {"before": set(), "after": set(), "": set()}
    for row in body_rows(book, target):
        cells = {cell.column: cell for cell in within(row, target.area)}
        if not any(cell.filled for cell in cells.values()):
            continue  # the one row that a table has without data
        moments = read_moments(book, target, row, cells.get(time), texts, report[replacement.time])
        name = str(read_value(cells[site], texts)) if site in cells else ""
        places_then = {find_place(name, moment, replacement) for moment in moments}
        if len(places_then) > 1:
            raise twice(book, target, row, report[replacement.time])
        kept[places_then.pop()].add(row.number)
    return Kept(frozenset(kept["before"]), frozenset(kept["after"]))


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


def move_rows(
    book: Book, target: Target, columns: Sequence[SheetColumn], rows: frozenset[int], first_row: int, prefix: str
) -> Iterator[str]:
    """Give the cells of rows that stay, as they stand from ``first_row`` on; values and formats to the letter."""
    number = first_row
    if not rows:
        return
    for row in body_rows(book, target):
        if row.number in rows:
            cells = {cell.column: cell for cell in within(row, target.area)}
            yield "".join(
                move_cell(
                    book,
                    target,
                    cells.get(target.area.left + at),
                    column,
                    target.area.left + at,
                    row.number,
                    number,
                    prefix,
                )
                for at, column in enumerate(columns)
            )
            number += 1


def move_cell(
    book: Book, target: Target, cell: CellXml | None, column: SheetColumn, at: int, old: int, new: int, prefix: str
) -> str:
    """Give one cell of a row that stays; a formula of the target's own is written anew."""
    letters = name_column(at)
    if column.formula:
        style = "" if column.style is None else f' s="{column.style}"'
        inside = column.formula(new).replace("<f", f"<{prefix}f").replace("</f", f"</{prefix}f")
        return f'<{prefix}c r="{letters}{new}"{style}>{inside}</{prefix}c>'
    if cell is None:
        return ""
    tag = cell.numbered(letters, new).decode()
    if tag.endswith("/>"):
        return tag
    return f"{tag}{move_inside(book, target, cell, letters, old, new, prefix)}</{prefix}c>"


def move_inside(book: Book, target: Target, cell: CellXml, letters: str, old: int, new: int, prefix: str) -> str:
    """Give the inside of a cell; a formula that somebody entered moves with it."""
    found = FORMULA.search(cell.inside)
    if not found:
        return cell.inside.decode()
    if found[1].strip() or not found[2]:
        at = f"{target.sheet.name}!{letters}{old}"
        raise GiveUp(f"{book.package.path} holds a formula in {at} that cannot be moved; enter a value there")
    return f"<{prefix}f>{escape(shift_formula(read_xml(found[2]), new - old))}</{prefix}f>"
