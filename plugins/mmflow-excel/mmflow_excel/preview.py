"""Says before a delivery what is in its way, what it would write, and what stands there now."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from io import BytesIO
from itertools import chain, islice
from typing import Final

from mmflow import Cell, GiveUp, Rendering, Replacement, RunInfo, Table, align_texts, place_file, show_cell
from mmflow_excel.deliver import prepare
from mmflow_excel.earlier import Earlier, replaced_rows
from mmflow_excel.filling import check_target, read_target
from mmflow_excel.options import ExcelOptions
from mmflow_excel.pages import Page
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
        check_target(find_source(path, options, run), options.target)


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
    text = describe_pages(path.name, plan.pages, options)
    if not plan.pages:
        text = f"{path.name}: {count_rows(len(table))} in {options.target}\n"
    return Rendering(text, content.getvalue(), path.suffix)


def describe_pages(name: str, pages: Sequence[Page], options: ExcelOptions) -> str:
    """List the sheets of a workbook, then the first rows of the first."""
    lines = [f"{name}:"]
    for page in pages:
        charts = f", charts: {len(page.charts)}" if page.charts else ""
        lines.append(f"  {page.name}: {count_rows(page.rows.length)}, columns: {len(page.columns)}{charts}")
    lines += ["  About"] * options.about
    shown = chain.from_iterable(map(show_rows, pages[:1]))
    return "\n".join([*lines, "", *shown]) + "\n"


def show_rows(page: Page) -> Iterator[str]:
    """Write the first rows of a page, and what stands under it, for a terminal."""
    rows = chain(islice(page.rows, SHOWN_ROWS), page.footer)
    texts = [[show_cell(cell, column) for cell, column in zip(row, page.columns, strict=True)] for row in rows]
    numbers = [column.type in ("number", "integer") for column in page.columns]
    yield from align_texts(page.headings, texts, numbers, widest=WIDEST_CELL)
    if (hidden := page.rows.length - SHOWN_ROWS) > 0:
        yield f"and {hidden} more"
    yield from page.notices


def count_rows(count: int) -> str:
    """Write how many rows."""
    return f"{count} row{'s' * (count != 1)}"
