"""Every slice of a plan becomes one file on disk, complete and well-formed, before anything else happens."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from mmflow.plan import Slice


@dataclass(frozen=True, slots=True)
class Answer:
    """The raw JSON answer to one slice, whole and on disk; ``bytes`` and ``sha256`` are of the unpacked file."""

    slice: Slice
    path: Path
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Missing:
    """A site that gave no complete answer; ``reason`` is one sentence for the reader of the report."""

    site: str
    reason: str


@dataclass(frozen=True, slots=True)
class Spool:
    """What was fetched: answers in the order of the plan, none of a missing site; ``extracted_at`` is UTC."""

    folder: Path
    answers: tuple[Answer, ...]
    missing: tuple[Missing, ...]
    extracted_at: datetime
