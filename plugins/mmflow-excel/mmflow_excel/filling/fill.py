"""Fills a target from beginning to end: looks at the workbook, refuses what cannot be, and writes the new one."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import BinaryIO, Protocol

from mmflow import Cell, Column, Replacement, RunInfo, Table
from mmflow_excel.filling.book import Book, Target, find_tables, find_target, read_book
from mmflow_excel.filling.formulas import names_cells
from mmflow_excel.filling.kept import Kept, Mover, body_rows, find_kept
from mmflow_excel.filling.layout import plan_columns
from mmflow_excel.filling.package import copy_parts, open_package
from mmflow_excel.filling.parts import edit_parts, edit_tail, is_filtered
from mmflow_excel.filling.reading import cell_of, read_texts, read_value, read_xml
from mmflow_excel.filling.rewrite import Refill
from mmflow_excel.filling.sheet import FORMULA, CellXml
from mmflow_excel.filling.survey import Survey, survey_sheet, within
from mmflow_excel.places import LAST_ROW, Area, name_column, read_area
from mmflow_excel.sheetxml import BATCH, SheetColumn, cell_rows


class FillOptions(Protocol):
    """What the options of a sink say about filling."""

    @property
    def template(self) -> str:
        """Name of the template in the folder of the job, "" when there is none."""

    @property
    def target(self) -> str:
        """Name of the table, or of the range, that is filled."""

    @property
    def mode(self) -> str:
        """Whether rows of other days stay (``replace_window``) or not (``replace``)."""


def fill_template(template: Path, table: Table, options: FillOptions, run: RunInfo, out: BinaryIO) -> int:
    """Write the workbook ``template`` to ``out`` with the table in ``options.target``; gives the rows written.

    With ``mode: replace_window`` rows of other days stay, unless ``template`` is the template of the options: then its
    rows are only an example. It is read only, and may be the file that ``out`` takes the place of.
    :class:`mmflow.GiveUp` says what is wrong with it. Totals of the report are not written.
    """
    example = bool(options.template) and template == Path(os.path.realpath(run.job_folder / options.template))
    replacement = Replacement.of(table, run) if options.mode == "replace_window" else None
    with open_package(template) as package:
        book = read_book(package)
        filling = Filling(book, find_target(book, options.target), table.columns)
        kept = Kept() if replacement is None or example else filling.find_kept(replacement)
        if not example:
            check_strays(book, filling.target, filling.columns, kept)
        filling.write(table, kept, out)
    return len(table)


class Filling:
    """A target and what goes into it."""

    def __init__(self, book: Book, target: Target, columns: Sequence[Column]) -> None:
        """Look at the sheet; :class:`mmflow.GiveUp` when columns do not fit."""
        self.book, self.target, self.report = book, target, columns
        self.survey = survey_sheet(book, target)
        self.prefix = self.survey.words_prefix.decode()
        self.columns = plan_columns(book, target, self.survey, columns)

    def find_kept(self, replacement: Replacement) -> Kept:
        """Tell which rows stay."""
        return find_kept(self.book, self.target, self.columns, self.report, replacement)

    def write(self, table: Table, kept: Kept, out: BinaryIO) -> None:
        """Write the workbook."""
        area = grow_area(self.target, max(1, len(table) + len(kept)))
        check_room(self.book, self.target, self.survey, area)
        tail = edit_tail(self.target, area, self.survey.tail, self.survey.tail_elements)
        unhide = is_filtered(self.target, self.survey.tail_elements)
        refill = Refill(self.target, self.survey, area, tail, unhide)
        formulas = self.survey.has_formulas or any(column.formula for column in self.columns)
        edits = edit_parts(self.book, self.target, area, drop_chain=formulas)
        write_sheet = partial(refill.write, rows=self.rows(table, kept))
        copy_parts(self.book.package, out, {**edits, self.target.sheet.part: write_sheet})

    def rows(self, table: Table, kept: Kept) -> Iterator[str]:
        """Give the cells of all rows of data: those that stay before, new ones, those that stay after."""
        top = self.target.body.top
        if not len(table) and not kept:
            empty = [tuple(None for _ in self.report)]
            return self.new_rows([empty], top)
        start = top + len(kept.before)
        mover = Mover(self.book, self.target, self.columns, self.prefix)
        new = self.new_rows(table.batches(BATCH), start)
        return chain(mover.rows(kept.before, top), new, mover.rows(kept.after, start + len(table)))

    def new_rows(self, batches: Iterable[Sequence[Sequence[Cell]]], top: int) -> Iterator[str]:
        """Give the cells of rows of the report."""
        return cell_rows(
            batches,
            self.columns,
            first_row=top,
            first_column=self.target.area.left,
            base_1904=self.book.base_1904,
            prefix=self.prefix,
        )

    def read_cell(
        self, row: int, cell: CellXml | None, column: Column, divisor: float, texts: Mapping[int, str]
    ) -> Cell:
        """Give the cell of the report that a cell of the sheet stands for."""
        value = read_value(cell, texts) if cell else None
        try:
            return cell_of(value, column, divisor=divisor, base_1904=self.book.base_1904)
        except (ValueError, TypeError, OverflowError):
            at = f"{self.target.sheet.name}!{name_column(cell.column) if cell else ''}{row}"
            raise self.book.package.refuse(f"holds {value!r} in {at}, expected {column.type}; mend that cell") from None


def grow_area(target: Target, rows: int) -> Area:
    """Give the area of a target with so many rows of data."""
    area = target.area
    return Area(area.top, area.left, area.top + target.header_rows + rows + target.totals_rows - 1, area.right)


def check_room(book: Book, target: Target, survey: Survey, area: Area) -> None:
    """Refuse to overwrite what stands below a target, and to move totals that would be wrong then."""
    name, sheet = target.name, target.sheet.name
    if area.bottom > LAST_ROW:
        raise book.package.refuse(f"would have {area.bottom:,} rows in sheet {sheet!r}, and Excel has {LAST_ROW:,}")
    if survey.below and survey.below[0] <= area.bottom:
        cell = f"{sheet}!{name_column(survey.below[1])}{survey.below[0]}"
        raise book.package.refuse(
            f"holds something in {cell}, where rows of {name!r} have to go, which now reaches to row {area.bottom}; "
            "move it elsewhere, best to another sheet"
        )
    for other in find_tables(book):
        if other.sheet == target.sheet and other.part != target.part and other.area.meets(area):
            raise book.package.refuse(
                f"has a table {other.name!r} where rows of {name!r} have to go; move it elsewhere"
            )
    taken = Area(target.body.top, area.left, max(area.bottom, target.area.bottom), area.right)
    for element in survey.tail_elements:
        merged = read_area(element.get("ref")) if element.name == "mergeCell" else None
        if merged and merged.meets(taken):
            raise book.package.refuse(f"has merged cells {sheet}!{merged} where rows of {name!r} go; unmerge them")
    if area.bottom != target.area.bottom:
        check_totals(book, target, survey)


def check_totals(book: Book, target: Target, survey: Survey) -> None:
    """Refuse to move totals that name cells, since they would still name the old ones."""
    for cell in survey.totals:
        found = FORMULA.search(cell.inside)
        if found and names_cells(text := read_xml(found[2] or b"")):
            at = f"{target.sheet.name}!{name_column(cell.column)}{target.area.bottom}"
            raise book.package.refuse(
                f"has a total ={text} in {at} that names cells, and the table {target.name!r} changes its length; name "
                "the column instead, as in =SUBTOTAL(109,[Downtime])"
            )


def check_strays(book: Book, target: Target, columns: Sequence[SheetColumn], kept: Kept) -> None:
    """Refuse to lose what somebody entered beside rows that are replaced."""
    extra = {target.area.left + at for at, column in enumerate(columns) if not column.column and not column.formula}
    if not extra:
        return
    stay = kept.before | kept.after
    for row in body_rows(book, target):
        for cell in within(row, target.area) if row.number not in stay else ():
            if cell.column in extra and not cell.empty:
                raise book.package.refuse(
                    f"holds something in {target.sheet.name}!{name_column(cell.column)}{row.number}, in a column of "
                    f"{target.name!r} that the report has not and that has no formula; its rows are replaced, so empty "
                    "that column, or move it out of the table"
                )


def check_book(template: Path) -> None:
    """Raise :class:`mmflow.GiveUp` for a workbook that cannot be filled, whatever the target."""
    with open_package(template) as package:
        read_book(package)


def check_target(template: Path, target: str) -> tuple[str, ...]:
    """Give the headings of a target; :class:`mmflow.GiveUp` when the workbook, or the target in it, cannot be filled.

    For ``check``: reads only, and says of the target what can be said without a report.
    """
    with open_package(template) as package:
        book = read_book(package)
        found = find_target(book, target)
        survey = survey_sheet(book, found)
        check_room(book, found, survey, found.area)
        return found.headings or survey.headings


def plan_target(path: Path, target: str, columns: Sequence[Column]) -> tuple[tuple[str, ...], list[SheetColumn]]:
    """Give the headings of a target, and what a delivery of these columns writes under each; for ``render``."""
    with open_package(path) as package:
        book = read_book(package)
        filling = Filling(book, find_target(book, target), columns)
        return filling.target.headings or filling.survey.headings, filling.columns


def read_target(path: Path, target: str, columns: Sequence[Column]) -> Iterator[tuple[Cell, ...]]:
    """Give the rows that stand in a target now, as cells of these columns of a report; for ``read``."""
    with open_package(path) as package:
        book = read_book(package)
        filling = Filling(book, find_target(book, target), columns)
        left = filling.target.area.left
        places = {
            column.place: (left + at, column.divisor) for at, column in enumerate(filling.columns) if column.column
        }
        texts = read_texts(book, chain.from_iterable(row.cells() for row in body_rows(book, filling.target)))
        for row in body_rows(book, filling.target):
            cells = {cell.column: cell for cell in within(row, filling.target.area)}
            if any(cell.filled for cell in cells.values()):
                yield tuple(
                    filling.read_cell(row.number, cells.get(places[at][0]), column, places[at][1], texts)
                    for at, column in enumerate(columns)
                )
