"""Delivers a workbook: made new as a whole, or filled; beside the old one while somebody has that open."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO, Final

from msgspec import structs

from mmflow import (
    Cell,
    GiveUp,
    Partial,
    Receipt,
    Rendering,
    Replacement,
    RunInfo,
    Table,
    TryLater,
    align_texts,
    file_receipt,
    place_file,
    replace_file,
    show_cell,
)
from mmflow_excel.earlier import Earlier, merge_earlier, read_window
from mmflow_excel.filling import check_target, fill_template, read_target
from mmflow_excel.options import ExcelOptions
from mmflow_excel.pages import Page, list_pages
from mmflow_excel.pending import AGAIN_AFTER, find_lock, is_open, list_pending, pending_name, remove_pending
from mmflow_excel.rows import Rows
from mmflow_excel.workbook import write_workbook

SHOWN_ROWS: Final = 20
WIDEST_CELL: Final = 40


def deliver_excel(table: Table, options: ExcelOptions, run: RunInfo) -> Receipt:
    """Write the workbook.

    While another program has it open, a file beside it gets the content, and :class:`Partial` says that the workbook
    itself is to be tried again.
    """
    path = place_file(options.path, run)
    if (lock := find_lock(path, run.clock.now())) is not None:
        return put_aside(path, f"{lock.name} says that somebody has it open", table, options, run)
    try:
        receipt = write_file(path, path, table, options, run)
    except TryLater as error:
        if not is_open(error):
            raise
        return put_aside(path, str(error), table, options, run)
    remove_pending(path, run)
    return receipt


def put_aside(path: Path, why: str, table: Table, options: ExcelOptions, run: RunInfo) -> Receipt:
    """Write the file beside an open workbook and raise :class:`Partial`, or :class:`TryLater` when it is to wait."""
    if options.when_open == "wait":
        raise TryLater(f"{path} cannot be replaced: {why}; close it there", after=AGAIN_AFTER)
    aside = pending_name(path, run)
    receipt = write_file(path, aside, table, options, run)
    remove_pending(path, run, keep=aside)
    found = f"{path.name} was left as it is: {why}; the new numbers are in {aside.name} beside it"
    raise Partial(receipt, retry=(path.name,), why=found, after=AGAIN_AFTER)


def write_file(path: Path, target: Path, table: Table, options: ExcelOptions, run: RunInfo) -> Receipt:
    """Write what belongs at ``path`` to the file ``target``."""
    plan = prepare(path, table, options, run)
    with replace_file(target, run.output_mode) as draft:
        plan.write(draft.file)
    receipt = file_receipt(draft, len(table), run)
    sheets = {"sheets": len(plan.pages)} if plan.pages else {}
    return structs.replace(receipt, details={**receipt.details, **sheets})


@dataclass(frozen=True, slots=True)
class Plan:
    """A workbook that is about to be written; ``pages`` are its sheets with tables, none when one is filled."""

    write: Callable[[BinaryIO], object]
    pages: Sequence[Page] = ()


def prepare(path: Path, table: Table, options: ExcelOptions, run: RunInfo) -> Plan:
    """Plan the workbook; what cannot be written is refused here, but for texts that are too long."""
    if options.target:
        source = find_source(path, options, run)
        return Plan(partial(fill_template, source, table, options, run))
    pages = list_pages(table, find_rows(path, table, options, run), options)
    return Plan(partial(write_workbook, pages=pages, table=table, options=options, run=run), pages)


def find_rows(path: Path, table: Table, options: ExcelOptions, run: RunInfo) -> Rows:
    """Give the rows of the table, with those of an earlier workbook that stay."""
    if options.mode == "replace":
        return Rows.of_table(table)
    replacement = Replacement.of(table, run)
    earlier = find_earlier(path)
    return Rows.of_table(table) if earlier is None else merge_earlier(earlier, options.sheet, table, replacement)


def find_earlier(path: Path) -> Path | None:
    """Give the workbook as the delivery before left it: what waits beside it is newer than itself."""
    return next(reversed(list_pending(path)), path if path.is_file() else None)


def find_source(path: Path, options: ExcelOptions, run: RunInfo) -> Path:
    """Give the workbook that is filled: the template, or the workbook that is there."""
    earlier = find_earlier(path)
    if earlier is not None and (options.mode == "replace_window" or not options.template):
        return earlier
    if not options.template:
        raise GiveUp(f"there is no workbook {path} to be filled; put one there, or name a template")
    return find_template(options.template, run)


def find_template(name: str, run: RunInfo) -> Path:
    """Give the path of a template in the folder of the job; it may lie anywhere under the root."""
    found = Path(os.path.realpath(run.job_folder / name))
    if not found.is_relative_to(os.path.realpath(run.root)):
        raise GiveUp(f"the template {name} lies outside of {run.root}; put it beside the job")
    if not found.is_file():
        raise GiveUp(f"there is no template {found}; put it beside the job, or mend its name")
    return found


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
        rows = read_window(path, options.sheet, table, Replacement.of(table, run))
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
