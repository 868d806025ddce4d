"""The note on the first cell: what the table is about and what readers must know of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from zoneinfo import ZoneInfo

from mmflow import RunInfo, Table
from mmflow_sheets.options import SheetsOptions

LONGEST: Final = 5_000  # characters


def write_note(table: Table, options: SheetsOptions, run: RunInfo) -> str:
    """Give the text of the note, "" when there is nothing to say."""
    lines = [*(describe_run(run) if options.note == "about" else ()), *list_notices(table, run)]
    return "\n".join(lines)[:LONGEST]


def describe_run(run: RunInfo) -> Iterator[str]:
    """Say which report this is, of which days, and when its numbers were taken."""
    yield f"{run.job}: {run.facts.description}" if run.facts.description else run.job
    yield f"{run.names['site']}, {run.names['date']}"
    zone = run.spans[0][1].zone if run.spans else "UTC"
    yield f"extracted {run.extracted_at.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M} ({zone})"


def list_notices(table: Table, run: RunInfo) -> Iterator[str]:
    """Give what readers must see."""
    yield from table.notices
    for site, reason in run.facts.missing:
        yield f"{site} is missing: {reason}"
