"""What a workbook says of itself: which window, of which sites, read when, and what to know about the numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from mmflow import RunInfo, Span, Table

Line = tuple[str, str]
OPEN: Final = "The window was not over when the numbers were read: they will change until it is."
EARLIER: Final = "Rows of days that are not in this window are from earlier runs, as the numbers were then."
SETTLED: Final = (
    "Down time may still be given other reasons, and parts may be corrected; a later run then shows other numbers."
)


def list_facts(table: Table, run: RunInfo, *, rolling: bool) -> Iterator[Line]:
    """Give what the sheet About says, in lines of two cells; a line without a first word goes on the one before.

    ``rolling`` tells that rows of other windows stand in the workbook too.
    """
    yield "Report", run.job
    yield from with_label("Description", [run.facts.description])
    yield from with_label("Owner", [run.facts.owner])
    for site, span in run.spans:
        yield from list_span(site, span)
    if rolling:
        yield "Other days", EARLIER
    yield "Read at", show_both(run.extracted_at, zone_of(run))
    yield "Due at", show_both(run.slot, zone_of(run))
    yield from with_label("Missing", [f"{site}: {reason}" for site, reason in run.facts.missing])
    yield from with_label("Only", list_filter(run.facts.filter))
    yield from with_label("Without", list_filter(run.facts.exclude))
    yield from with_label("Notes", table.notices)
    still_open = any(span.end > run.extracted_at for _, span in run.spans)
    yield from with_label("May change", [OPEN, SETTLED] if still_open else [SETTLED])
    yield from with_label("Times", list_zones(table))
    yield "Empty cells", "The value is not known; that is not 0."
    yield "Run", run.run


def with_label(label: str, texts: Iterable[str]) -> Iterator[Line]:
    """Give texts as lines, the label at the first alone; nothing when there are none."""
    for text in texts:
        if text:
            yield label, text
            label = ""


def list_span(site: str, span: Span) -> Iterator[Line]:
    """Give the window of one site in the time of the plant and in UTC; the end is the first moment after it."""
    days = f"{span.first_day}" + (f" to {span.last_day}" if span.last_day != span.first_day else "")
    yield "Site", site
    yield "Production days", f"{days} ({span.why})" if span.why else days
    yield (
        "Window, plant time",
        f"{show_local(span.start, span.zone)} to {show_local(span.end, span.zone)} ({span.zone})",
    )
    yield "Window, UTC", f"{span.start:%Y-%m-%d %H:%M} to {span.end:%Y-%m-%d %H:%M}, {span.hours:g} hours"


def show_local(instant: datetime, zone: str) -> str:
    """Write a time as the plant's clock shows it, with the name of summer or winter time."""
    return f"{instant.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M %Z}"


def show_both(instant: datetime, zone: str) -> str:
    """Write a time of the plant and in UTC."""
    return f"{show_local(instant, zone)} ({instant:%Y-%m-%d %H:%M} UTC)"


def zone_of(run: RunInfo) -> str:
    """Give the zone of the first site."""
    return run.spans[0][1].zone if run.spans else "UTC"


def list_filter(filters: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Write what a report is limited to."""
    return [f"{name}: {', '.join(values)}" for name, values in filters.items()]


def list_zones(table: Table) -> list[str]:
    """Say in which zone the times of the table are shown."""
    zones = dict.fromkeys(column.zone for column in table.columns if column.type == "datetime")
    return [
        f"Times in the sheets are those on the clocks of {zone}; an hour that the clocks show twice bears the name of "
        "summer or winter time."
        for zone in zones
    ]
