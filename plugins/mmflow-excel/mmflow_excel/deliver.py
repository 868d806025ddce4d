"""Delivers a workbook: made new as a whole, or filled; beside the old one while somebody has that open."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

from msgspec import structs

from mmflow import Partial, Receipt, Replacement, RunInfo, Table, TryLater, file_receipt, place_file, replace_file
from mmflow_excel.filling import fill_template
from mmflow_excel.merge import merge_earlier
from mmflow_excel.options import ExcelOptions
from mmflow_excel.pages import Page, list_pages
from mmflow_excel.pending import AGAIN_AFTER, find_lock, is_open, pending_name, remove_pending
from mmflow_excel.rows import Rows
from mmflow_excel.sources import find_earlier, find_source
from mmflow_excel.workbook import write_workbook


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
