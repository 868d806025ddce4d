"""Delivers a table to Google Sheets: look, read what has to stay, write everything in one step."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from mmflow import MmflowError, Receipt, RunInfo, Table, TryLater, Unknown
from mmflow_sheets.batch import Batch
from mmflow_sheets.complaints import NameTaken, Refused
from mmflow_sheets.content import Content, make_content
from mmflow_sheets.grid import Rect
from mmflow_sheets.layout import plan_layout
from mmflow_sheets.mark import name_sink, read_marks
from mmflow_sheets.options import SheetsOptions
from mmflow_sheets.service import Service, Spreadsheet, Unanswered, open_service
from mmflow_sheets.standing import read_standing
from mmflow_sheets.target import Target, find_target, next_name

NAMES: Final = 3  # tried for the cells of the table


def deliver_sheets(table: Table, options: SheetsOptions, run: RunInfo) -> Receipt:
    """Write the table; when this very delivery is already there, nothing is written again.

    :class:`TryLater` and :class:`GiveUp` mean that the spreadsheet is as it was. :class:`Unknown` means that the
    request was sent, no answer came, and Google could not be asked either.
    """
    content = make_content(table, options, run)
    with open_service(run, options.id) as service:
        book = service.describe()
        target = find_target(book, options, run)
        if is_there(target, content, run):
            run.log.info("this delivery is already in %s", target.title)
            return make_receipt(content, book, target, target.old, service, written=False)
        standing = read_standing(service, target, content, table, options, run)
        layout = plan_layout(target, content, standing, options)
        write_named(service, Batch(table, options, run, target, content, layout), book)
        return make_receipt(content, book, target, layout.new, service, written=True)


def is_there(target: Target, content: Content, run: RunInfo) -> bool:
    """Tell whether just this was delivered before; :class:`GiveUp` when something newer was."""
    if target.mark is None:
        return False
    target.mark.check_order(run)
    return target.mark.knows(run, content.sha256)


def write_named(service: Service, batch: Batch, book: Spreadsheet, names: int = NAMES) -> None:
    """Write; when the name for the cells belongs to something that nobody sees, try the next of so many names."""
    try:
        write_once(service, batch.encode(), batch.run)
    except NameTaken:
        if names == 1:
            raise
        other = replace(batch.target, range_name=next_name(batch.target.range_name))
        write_named(service, replace(batch, target=other), book, names - 1)
    except Refused as refusal:
        if is_changed(service, book):
            raise TryLater(f"the spreadsheet was changed between look and write; {refusal}") from refusal
        raise


def is_changed(service: Service, book: Spreadsheet) -> bool:
    """Tell whether the spreadsheet is another than it was, so that a refusal may be about what is gone by now."""
    try:
        return service.describe() != book
    except MmflowError:
        return False


def write_once(service: Service, body: bytes, run: RunInfo) -> None:
    """Send the request; when nobody answers, look whether it was applied."""
    try:
        service.write(body)
    except Unanswered as unanswered:
        cause = unanswered.cause
        try:
            arrived = is_delivered(service.describe(), run)
        except MmflowError as error:
            raise Unknown(f"{cause}, and it cannot be found out whether the table was written: {error}") from unanswered
        if not arrived:
            after = cause.after if isinstance(cause, TryLater) else None
            raise TryLater(f"{cause}; nothing was written", after=after) from unanswered


def is_delivered(book: Spreadsheet, run: RunInfo) -> bool:
    """Tell whether any tab holds the note of this delivery."""
    notes = (read_marks(sheet.developer_metadata, name_sink(run)) for sheet in book.sheets)
    return any(mark.find(run) for found in notes for _, mark in found)


def make_receipt(
    content: Content, book: Spreadsheet, target: Target, cells: Rect | None, service: Service, *, written: bool
) -> Receipt:
    """Say what was written where."""
    return Receipt(
        rows=content.rows,
        sha256=content.sha256,
        details={
            "spreadsheet": book.spreadsheet_url or service.asked.spreadsheet,
            "tab": target.title,
            "range": str(cells) if cells else "",
            "calls": service.calls,
            "written": written,
        },
    )
