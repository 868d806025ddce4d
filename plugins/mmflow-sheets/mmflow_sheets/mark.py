"""What a delivery notes at the tab, invisibly: which table stands there and which deliveries made it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime
from typing import Final

import msgspec

from mmflow import GiveUp, RunInfo
from mmflow_sheets.service import Metadata

KEY: Final = "mmflow"
VERSION: Final = 1
REMEMBERED: Final = 40  # deliveries; what all sinks note at one tab may have 30,000 characters
SHORT: Final = 16  # letters of a hash that tell deliveries apart


class Delivered(msgspec.Struct, frozen=True):
    """One delivery that is in the tab, or was replaced by a later one; ``sha256`` is shortened."""

    key: str
    generation: int
    sha256: str
    extracted: datetime


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """What is noted. ``columns`` are the names of the table, ``units`` what they are in.

    ``lit`` holds the places of those with traffic lights. ``tab`` and ``anchor`` are what the job said, ``keyed`` tells
    of a hidden column with the key of each row's delivery, ``range_id`` is "" until it has been read once.
    """

    version: int = VERSION
    sink: str
    tab: str
    anchor: str
    columns: tuple[str, ...]
    units: tuple[str, ...]
    header: bool
    footer: int = 0
    lit: tuple[int, ...] = ()
    keyed: bool = False
    range_id: str = ""
    range_name: str = ""
    last: tuple[Delivered, ...] = ()

    @property
    def width(self) -> int:
        """How many columns were written."""
        return len(self.columns) + self.keyed

    def find(self, run: RunInfo) -> Delivered | None:
        """Give what is known of this very delivery."""
        key = short_key(run)
        return next((one for one in self.last if (one.key, one.generation) == (key, run.generation)), None)

    def knows(self, run: RunInfo, sha256: str) -> bool:
        """Tell whether just these rows, taken at the same time, are those of this very delivery."""
        found = self.find(run)
        return found is not None and (found.sha256, found.extracted) == (sha256[:SHORT], run.extracted_at)

    def check_order(self, run: RunInfo) -> None:
        """Raise :class:`GiveUp` when a newer generation of this delivery, of newer numbers, is already there."""
        key = short_key(run)
        for one in self.last:
            if one.key == key and one.generation > run.generation and one.extracted > run.extracted_at:
                found = f"generation {one.generation} of this delivery is already there, extracted later"
                raise GiveUp(f"{found}; generation {run.generation} is older and is not written over it")


def name_sink(run: RunInfo) -> str:
    """Name a sink among all jobs."""
    return f"{run.job}/{run.sink}"


def short_key(run: RunInfo) -> str:
    """Give the key of a delivery in a form that has room in a cell and says nothing to strangers."""
    return hashlib.sha256(run.key.encode()).hexdigest()[:SHORT]


def read_marks(found: Iterable[Metadata], sink: str) -> Iterable[tuple[int, Mark]]:
    """Give what this sink has noted, each with the id of the note; what cannot be read is not ours."""
    for note in found:
        if note.metadata_key != KEY:
            continue
        try:
            mark = msgspec.json.decode(note.metadata_value, type=Mark)
        except msgspec.MsgspecError:
            continue
        if mark.sink == sink and mark.version > VERSION:
            raise GiveUp("the tab was written by a newer version of mmflow; upgrade mmflow")
        if mark.sink == sink:
            yield note.metadata_id, mark


def add_delivery(earlier: Iterable[Delivered], run: RunInfo, sha256: str) -> tuple[Delivered, ...]:
    """Give the deliveries that are remembered after this one."""
    key = short_key(run)
    others = [one for one in earlier if one.key != key]
    return (*others[1 - REMEMBERED :], Delivered(key, run.generation, sha256[:SHORT], run.extracted_at))
