"""Instants as people in a zone read them, written by the database.

The zone data of Python decides, as it does for windows: the database brings its own, which may be of another year.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from zoneinfo import ZoneInfo

from mmflow.table.cells import quote_text
from mmflow.table.dialect import FORMAT_PART, OFFSETS

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
DAY = timedelta(days=1) // MICROSECOND


@dataclass(frozen=True, slots=True)
class Offset:
    """A zone is ``east`` microseconds ahead of UTC before the instant ``until`` (microseconds since 1970)."""

    until: int
    east: int
    text: str  # +01:00


OFFSET_TEXTS: Mapping[str, Callable[[Offset], str]] = {
    "%:z": lambda one: quote_text(one.text),
    "%z": lambda one: quote_text(one.text.replace(":", "")),
}


def list_offsets(zone: str, first: int, last: int) -> list[Offset]:
    """Give the offsets of a zone from ``first`` to ``last``, microseconds since 1970; the last has no end."""
    place = ZoneInfo(zone)
    offsets = []
    for start in range(first, last, DAY):
        end = min(start + DAY, last)
        if offset_at(place, start) != offset_at(place, end):
            offsets.append(Offset(find_change(place, start, end), *offset_at(place, start)))
    return [*offsets, Offset(0, *offset_at(place, last))]


def offset_at(zone: ZoneInfo, instant: int) -> tuple[int, str]:
    """Give how far a zone is ahead of UTC, in microseconds and as text."""
    local = (EPOCH + instant * MICROSECOND).astimezone(zone)
    ahead = local.utcoffset() or timedelta()
    return ahead // MICROSECOND, local.isoformat(timespec="seconds")[19:]


def find_change(zone: ZoneInfo, before: int, after: int) -> int:
    """Give the first instant, to the microsecond, that has the offset of ``after``; one change lies between."""
    old = offset_at(zone, before)
    while after - before > 1:
        middle = (before + after) // 2
        before, after = (middle, after) if offset_at(zone, middle) == old else (before, middle)
    return after


def write_time(instant: str, form: str, offsets: Sequence[Offset]) -> str:
    """Give the SQL of an instant (microseconds since 1970) as a text in its zone."""
    local = f"make_timestamp({instant} + {choose_offset(instant, offsets, lambda one: str(one.east))})"
    pieces = []
    for is_offset, parts in groupby(FORMAT_PART.findall(form), OFFSETS.__contains__):
        if is_offset:
            pieces += [choose_offset(instant, offsets, OFFSET_TEXTS[part]) for part in parts]
        else:
            pieces.append(f"strftime({local}, {quote_text(''.join(parts))})")
    return f"if({instant} IS NULL, NULL, {' || '.join(pieces)})"


def choose_offset(instant: str, offsets: Sequence[Offset], show: Callable[[Offset], str]) -> str:
    """Give the SQL that picks what holds at an instant."""
    *earlier, last = offsets
    cases = " ".join(f"WHEN {instant} < {one.until} THEN {show(one)}" for one in earlier)
    return f"CASE {cases} ELSE {show(last)} END" if cases else show(last)
