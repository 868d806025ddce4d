"""Reads a sheet once and notes what has to be known of a target before it is filled."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from mmflow_excel.filling.book import Book, Target
from mmflow_excel.filling.markup import MOST_DIGITS, Element, find_elements, get_attribute
from mmflow_excel.filling.reading import read_texts, read_value, read_xml
from mmflow_excel.filling.sheet import FORMULA, CellXml, RowXml, SheetXml, formula_attribute
from mmflow_excel.places import Area, name_column, read_area

COLUMN: Final = re.compile(rb"<(?:[\w.-]+:)?col\s[^>]*>")
TRUE: Final = (b"1", b"true")
HEIGHT: Final = (b"ht", b"customHeight")


@dataclass(frozen=True, slots=True)
class Formula:
    """A formula as it stands in the first row of data; ``text`` is "" when it is written in another cell."""

    text: str
    array: bool = False


@dataclass(slots=True)
class Survey:
    """What stands where: lists have an entry for each column of the target.

    ``below`` is the first cell under the target, in its columns, that holds anything.
    """

    headings: tuple[str, ...] = ()
    styles: list[int | None] = field(default_factory=list)
    formulas: list[Formula | None] = field(default_factory=list)
    height: dict[str, str] = field(default_factory=dict)
    totals: list[CellXml] = field(default_factory=list)
    has_formulas: bool = False
    below: tuple[int, int] | None = None
    tail: bytes = b""
    tail_elements: list[Element] = field(default_factory=list)
    words_prefix: bytes = b""
    last_row: int = 0


def survey_sheet(book: Book, target: Target) -> Survey:
    """Read the sheet of a target."""
    survey = Survey()
    first: RowXml | None = None
    heading_cells: list[CellXml] = []
    with book.package.open(target.sheet.part) as file:
        sheet = SheetXml(file, target.sheet.part)
        body = target.body
        for row in sheet.rows():
            if row.number <= survey.last_row:
                raise book.package.refuse(
                    f"has rows of sheet {target.sheet.name!r} out of order; save it anew in Excel"
                )
            survey.last_row = row.number
            if row.number == target.area.top and target.header_rows:
                heading_cells = within(row, target.area)
            if body.top <= row.number <= target.area.bottom:
                first = row if row.number == body.top else first
                note_formulas(book, target, survey, row)
            if row.number == target.area.bottom and target.totals_rows:
                survey.totals = within(row, target.area)
            if row.number > target.area.bottom and survey.below is None:
                survey.below = next(
                    ((row.number, cell.column) for cell in within(row, target.area) if not cell.empty), None
                )
        read_tail(survey, sheet, target.sheet.part)
    note_first(survey, target, sheet.head, first)
    texts = read_texts(book, heading_cells)
    shown = {cell.column: read_value(cell, texts) for cell in heading_cells}
    survey.headings = tuple(show_heading(shown.get(column)) for column in range(body.left, body.right + 1))
    return survey


def within(row: RowXml, area: Area) -> list[CellXml]:
    """Give the cells of a row that stand in the columns of an area."""
    return [cell for cell in row.cells() if area.left <= cell.column <= area.right]


def show_heading(value: object) -> str:
    """Give a heading as a text, whatever its cell holds."""
    return "" if value is None else str(int(value) if isinstance(value, float) and value.is_integer() else value)


def note_formulas(book: Book, target: Target, survey: Survey, row: RowXml) -> None:
    """Note that a row has formulas; :class:`mmflow.GiveUp` for one that others outside of the data depend on."""
    if b"<" + row.words.prefix + b"f" not in row.inside:
        return
    for cell in within(row, target.area):
        if found := FORMULA.search(cell.inside):
            survey.has_formulas = True
            spread = formula_attribute(found[1], b"ref")
            area = read_area(spread.decode()) if spread else None
            if area and row.number <= target.body.bottom and not holds(target.body, area):
                at = f"{name_column(cell.column)}{row.number}"
                raise book.package.refuse(
                    f"has a formula in {target.sheet.name}!{at} that reaches over {area}, outside of {target.name!r}; "
                    "enter it anew outside"
                )


def holds(outer: Area, inner: Area) -> bool:
    """Tell whether an area lies within another."""
    return outer.join(inner) == outer


def note_first(survey: Survey, target: Target, head: bytes, first: RowXml | None) -> None:
    """Note formats, formulas and height of the first row of data; a format may come from the row or the column."""
    cells = {cell.column: cell for cell in within(first, target.area)} if first else {}
    ruled = first is not None and get_attribute(first.tag, b"customFormat") in TRUE
    row_style = read_count(get_attribute(first.tag, b"s")) if first and ruled else None
    column_styles = list(read_columns(head))
    for column in range(target.area.left, target.area.right + 1):
        cell = cells.get(column)
        style = next((style for low, high, style in column_styles if low <= column <= high), None)
        style = style if row_style is None else row_style
        survey.styles.append(cell.style or 0 if cell else style)
        found = FORMULA.search(cell.inside) if cell else None
        survey.formulas.append(
            Formula(read_xml(found[2] or b""), formula_attribute(found[1], b"t") == b"array") if found else None
        )
    if first:
        survey.height = {name.decode(): said.decode() for name in HEIGHT if (said := get_attribute(first.tag, name))}


def read_columns(head: bytes) -> Iterator[tuple[int, int, int]]:
    """Give the formats of whole columns: first and last column, and the format."""
    for found in COLUMN.finditer(head):
        low, high, style = (read_count(get_attribute(found[0], name)) for name in (b"min", b"max", b"style"))
        if low and high and style:
            yield low, high, style


def read_count(text: bytes | None) -> int | None:
    """Read a whole number."""
    return int(text) if text and text.isdigit() and len(text) <= MOST_DIGITS else None


def read_tail(survey: Survey, sheet: SheetXml, part: str) -> None:
    """Read what stands behind the rows: merged cells and filters."""
    prefix = sheet.words.prefix
    opening = b"<%sworksheet>" % prefix + (b"" if sheet.empty else b"<%ssheetData>" % prefix)
    survey.words_prefix, survey.tail = prefix, sheet.tail
    found = find_elements(opening + sheet.tail, part)
    for element in found:
        element.start, element.inside, element.end = (
            at - len(opening) for at in (element.start, element.inside, element.end)
        )
    survey.tail_elements = [element for element in found if element.start >= 0]
