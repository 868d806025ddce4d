"""Says before a delivery what is in its way, what it would write, and what stands there now."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from itertools import chain, islice
from pathlib import Path
from typing import Final

from mmflow import Cell, GiveUp, Rendering, Replacement, RunInfo, Table, align_texts, place_file, show_cell
from mmflow_excel.deliver import prepare
from mmflow_excel.earlier import Earlier
from mmflow_excel.filling import check_book, check_target, plan_target, read_target
from mmflow_excel.merge import replaced_rows
from mmflow_excel.options import ExcelOptions
from mmflow_excel.pages import Page
from mmflow_excel.sheetxml import SheetColumn
from mmflow_excel.sources import find_source

SHOWN_ROWS: Final = 20
WIDEST_CELL: Final = 40


def check_excel(options: ExcelOptions, run: RunInfo) -> None:
    """Raise what is in the way of a delivery: a folder that cannot be written, a template that cannot be filled."""
    path = place_file(options.path, run)
    if path.is_dir():
        raise GiveUp(f"{path} is a folder; choose another path")
    nearest = next(folder for folder in path.parents if folder.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        raise GiveUp(f"this user may not write to {nearest}; check its permissions")
    if path.exists() and not os.access(path, os.W_OK):
        raise GiveUp(f"{path} is write-protected; check its permissions")
    if options.target:
        check_filling(path, options, run)


def check_filling(path: Path, options: ExcelOptions, run: RunInfo) -> None:
    """Raise what is wrong with the workbook that is filled, after the option that names it."""
    with after_option("template" if options.template else "path"):
        source = find_source(path, options, run)
    example = Path(os.path.realpath(run.job_folder / options.template))
    with after_option("template" if source == example else "path"):
        check_book(source)
    with after_option("target"):
        check_target(source, options.target)


@contextmanager
def after_option(option: str) -> Iterator[None]:
    """Begin the message of :class:`mmflow.GiveUp` with the option that is to be mended."""
    try:
        yield
    except GiveUp as error:
        raise GiveUp(f"{option}: {error}") from error


def read_excel(table: Table, options: ExcelOptions, run: RunInfo) -> Iterator[tuple[Cell, ...]]:
    """Give the rows that stand now where a delivery would write."""
    path = place_file(options.path, run)
    if not path.is_file():
        return iter(())
    if options.target:
        return read_target(path, options.target, table.columns)
    if options.mode == "replace_window":
        rows = replaced_rows(path, options.sheet, table, Replacement.of(table, run))
    else:
        rows = Earlier(path, options.sheet, table.columns).rows()
    return map(tuple, rows)


def render_excel(table: Table, options: ExcelOptions, run: RunInfo) -> Rendering:
    """Give the workbook as it would be written, and a text that lists its sheets and first rows."""
    path = place_file(options.path, run)
    plan, content = prepare(path, table, options, run), BytesIO()
    plan.write(content)
    if options.target:
        text = describe_filled(path.name, find_source(path, options, run), table, options)
    else:
        text = describe_pages(path.name, plan.pages, options)
    return Rendering(text, content.getvalue(), path.suffix)


def describe_pages(name: str, pages: Sequence[Page], options: ExcelOptions) -> str:
    """List the sheets of a workbook, then the first rows of the first."""
    lines, charts = [f"{name}:"], count_charts(pages)
    for page in pages:
        drawn = f", charts: {count}" if (count := charts.pop(page.name.lower(), ("", 0))[1]) else ""
        lines.append(f"  {page.name}: {count_rows(page.rows.length)}, columns: {len(page.columns)}{drawn}")
    lines += [f"  {sheet}: charts: {count}" for sheet, count in charts.values()]
    lines += ["  About"] * options.about
    shown = chain.from_iterable(map(show_rows, pages[:1]))
    return "\n".join([*lines, "", *shown]) + "\n"


def count_charts(pages: Sequence[Page]) -> dict[str, tuple[str, int]]:
    """Give the sheets on which charts stand, by their names in small letters, with how many."""
    found: dict[str, tuple[str, int]] = {}
    for page in pages:
        for chart in page.charts:
            name, count = found.get((chart.sheet or page.name).lower(), (chart.sheet or page.name, 0))
            found[name.lower()] = (name, count + 1)
    return found


def show_rows(page: Page) -> Iterator[str]:
    """Write the first rows of a page, and what stands under it, for a terminal."""
    rows = chain(islice(page.rows, SHOWN_ROWS), page.footer)
    texts = [[show_cell(cell, column) for cell, column in zip(row, page.columns, strict=True)] for row in rows]
    numbers = [column.type in ("number", "integer") for column in page.columns]
    yield from align_texts(page.headings, texts, numbers, widest=WIDEST_CELL)
    if (hidden := page.rows.length - SHOWN_ROWS) > 0:
        yield f"and {hidden} more"
    yield from page.notices


def describe_filled(name: str, source: Path, table: Table, options: ExcelOptions) -> str:
    """Say how many rows a target gets, then list the first of them under its own headings."""
    headings, columns = plan_target(source, options.target, table.columns)
    texts = [[show_place(row, column) for column in columns] for row in islice(table.rows(), SHOWN_ROWS)]
    numbers = [column.column is not None and column.column.type in ("number", "integer") for column in columns]
    lines = [f"{name}: {count_rows(len(table))} in {options.target}", ""]
    lines += align_texts(headings, texts, numbers, widest=WIDEST_CELL)
    if (hidden := len(table) - SHOWN_ROWS) > 0:
        lines.append(f"and {hidden} more")
    return "\n".join(lines) + "\n"


def show_place(row: Sequence[Cell], column: SheetColumn) -> str:
    """Write what a column of a target gets; what Excel computes has no value yet."""
    if column.column is not None:
        return show_cell(row[column.place], column.column)
    return "=" if column.formula else ""


def count_rows(count: int) -> str:
    """Write how many rows."""
    return f"{count} row{'s' * (count != 1)}"
