"""Decides what goes into each column of a target: a column of the report, a formula, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final
from xml.sax.saxutils import escape

from mmflow import Column, GiveUp
from mmflow_excel.filling.book import Book, Target
from mmflow_excel.filling.formulas import names_cells, shift_formula
from mmflow_excel.filling.styles import Styles, read_styles
from mmflow_excel.filling.survey import Formula, Survey
from mmflow_excel.places import Area
from mmflow_excel.sheetxml import SheetColumn

A_DAY: Final = {"ms": 86_400_000, "s": 86_400, "min": 1440, "h": 24}  # units that go into a day, Excel's unit of time
KEYS: Final[tuple[Callable[[Column], str], ...]] = (lambda column: column.name, lambda column: column.label)


def plan_columns(book: Book, target: Target, survey: Survey, columns: Sequence[Column]) -> list[SheetColumn]:
    """Give what goes into each column of the target, in its order; :class:`GiveUp` lists what has no place in it."""
    headings = target.headings or survey.headings
    placed = match_headings(headings, columns)
    if missing := [column for place, column in enumerate(columns) if place not in placed]:
        raise no_place(book, target, headings, missing)
    styles = read_styles(book)
    return [
        fill_column(book, target, survey, at, columns, place, styles)
        if place is not None
        else extra_column(book, target, survey, at)
        for at, place in enumerate(placed)
    ]


def match_headings(headings: Sequence[str], columns: Sequence[Column]) -> list[int | None]:
    """Give for each heading the place of its column in the report, by name or label, exactly before loosely."""
    placed: list[int | None] = [None] * len(headings)
    for change in (str, loosen):
        for key in KEYS:
            for place, column in enumerate(columns):
                wanted = change(key(column))
                at = next(
                    (at for at, text in enumerate(headings) if placed[at] is None and change(text) == wanted), None
                )
                if place not in placed and at is not None:
                    placed[at] = place
    return placed


def loosen(text: str) -> str:
    """Give a heading as people read it: letter case and spacing do not count."""
    return " ".join(text.split()).casefold()


def no_place(book: Book, target: Target, headings: Sequence[str], missing: Sequence[Column]) -> GiveUp:
    """Give the error for columns of the report that a target lacks."""
    wanted = ", ".join(f"{column.label!r} ({column.name})" for column in missing)
    found = ", ".join(repr(heading) for heading in headings if heading) or "no headings"
    return book.package.refuse(
        f"has no column in {target.name!r} for {wanted}; its headings in row {target.area.top} of sheet "
        f"{target.sheet.name!r} are {found}; add a column with that heading, or leave it out of the report"
    )


def fill_column(
    book: Book,
    target: Target,
    survey: Survey,
    at: int,
    columns: Sequence[Column],
    place: int,
    styles: Styles,
) -> SheetColumn:
    """Give the column of a target that takes values of the report, in the format of its first row."""
    column, style = columns[place], survey.styles[at]
    if column.type in ("date", "datetime") and not shows_moment(column, style, styles):
        style = styles.find_days(style)
        if style is None:
            heading = (target.headings or survey.headings)[at]
            raise book.package.refuse(
                f"has a column {heading!r} in {target.name!r} that is not formatted as a date; give its first row of "
                f"data, row {target.body.top} of sheet {target.sheet.name!r}, a date format"
            )
    return SheetColumn(column=column, place=place, style=style, divisor=find_divisor(column, style, styles))


def shows_moment(column: Column, style: int | None, styles: Styles) -> bool:
    """Tell whether people see a day, or a time, in a cell of this format."""
    return styles.shows_days(style) or (column.type == "datetime" and styles.shows_times(style))


def find_divisor(column: Column, style: int | None, styles: Styles) -> float:
    """Tell what numbers are divided by, so that they show under a format as they are meant."""
    if column.unit == "%" and styles.shows_percent(style):
        return 100
    return A_DAY.get(column.unit, 1) if styles.shows_times(style) else 1


def extra_column(book: Book, target: Target, survey: Survey, at: int) -> SheetColumn:
    """Give a column of a target that the report has not: its formula goes down all rows, or it stays empty."""
    formula = survey.formulas[at]
    if formula is None and target.formulas and target.formulas[at]:
        formula = Formula(target.formulas[at])
    if formula is None:
        return SheetColumn(style=survey.styles[at])
    if not formula.text:
        heading = (target.headings or survey.headings)[at]
        raise book.package.refuse(
            f"shares the formula of column {heading!r} in {target.name!r} with cells above it; enter it anew in row "
            f"{target.body.top} of sheet {target.sheet.name!r}"
        )
    write = partial(write_formula, formula, target.body.top, target.area.left + at)
    if formula.array or names_cells(formula.text):
        return SheetColumn(style=survey.styles[at], formula=write)
    same = write(target.body.top)
    return SheetColumn(style=survey.styles[at], formula=lambda _: same)


def write_formula(formula: Formula, top: int, column: int, row: int) -> str:
    """Write the formula of the first row as it stands in another."""
    kind = f' t="array" ref="{Area(row, column, row, column)}"' if formula.array else ""
    return f"<f{kind}>{escape(shift_formula(formula.text, row - top))}</f>"
