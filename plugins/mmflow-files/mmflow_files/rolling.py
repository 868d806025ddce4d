"""Files that many deliveries share: rows of the time that a delivery is about are replaced, all others stay.

The rows of a delivery stand between those before its first moment and those after, so that the file is in the order
of time whatever the order of the deliveries, and delivering twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

from mmflow import GiveUp, Replacement

Raw = TypeVar("Raw", str, bytes)


class Row(NamedTuple, Generic[Raw]):
    """A row of an earlier file, as it was written."""

    raw: Raw
    site: str
    moment: str


def merge_rows(read: Callable[[], Iterator[Row[Raw]]], new: Iterable[Raw], replacement: Replacement) -> Iterator[Raw]:
    """Give the rows to keep with the new ones among them; ``read`` gives the earlier rows and is called twice."""
    start = replacement.start
    for row in read():
        if row.moment < start and not replacement.covers(row.site, row.moment):
            yield row.raw
    yield from new
    for row in read():
        if row.moment >= start and not replacement.covers(row.site, row.moment):
            yield row.raw


def check_columns(path: Path, found: Iterable[str], expected: Iterable[str]) -> None:
    """Raise :class:`GiveUp` when an earlier file holds another table."""
    theirs, ours = list(found), list(expected)
    if theirs != ours:
        what = f"{path} holds the columns {', '.join(theirs)}, expected {', '.join(ours)}"
        raise GiveUp(f"{what}; move that file away, or use another path")


def unreadable(path: Path, place: str, expected: str) -> GiveUp:
    """Give the error for a place in an earlier file that cannot be understood."""
    return GiveUp(f"{path}, {place}: expected {expected}; mend that line, or move the file away")
