"""What a sink is: the declaration that a plugin gives, what the engine hands it, and what it hands back."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import msgspec

from mmflow.options import Options
from mmflow.table import Table
from mmflow.windows import Span

Semantics = Literal["transactional", "replace_window", "upsert", "append", "message"]
Presence = Literal["absent", "present", "unknown"]


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """What a sink can prove about a delivery; stored in the ledger as JSON.

    ``rows`` counts the rows written without totals, ``path`` is relative to the root, ``sha256`` is of the bytes as
    written, ``details`` holds anything else worth showing in ``mmflow runs show``.
    """

    rows: int
    path: str = ""
    sha256: str = ""
    details: dict[str, str | int | float | bool | None] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInfo:
    """What the engine hands to a sink beside the table. Times are aware; spans are UTC and half-open."""

    run: str  # id of the execution
    job: str
    sink: str  # the sink's name in the job
    slot: datetime  # the due instant, UTC
    key: str  # the delivery's key: equal keys replace each other
    generation: int  # rises when the same key is delivered anew
    fence: int  # rises when another worker takes the delivery over
    spans: tuple[tuple[str, Span], ...]  # (site, span) in the order of the job
    time_column: str  # the column that places a row in time ("" when the report has no time group)
    extracted_at: datetime
    root: Path
    output: Path  # every file a sink writes stays under it
    output_mode: int
    job_folder: Path  # templates are looked up here
    names: Mapping[str, str]  # words for path templates: date, job, site, run, first_day, last_day, time
    connection: Options | None = None
    previous: Receipt | None = None
    attachments: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)
    log: logging.Logger = field(default_factory=lambda: logging.getLogger("mmflow.sink"))


class Partial(Exception):  # noqa: N818  # a result, named for what it is
    """Part of a delivery is done: ``receipt`` says which, ``retry`` names what is left to try again."""

    def __init__(self, receipt: Receipt, *, retry: tuple[str, ...] = ()) -> None:
        super().__init__(f"partly delivered; {len(retry)} left to retry")
        self.receipt = receipt
        self.retry = retry


# A function, or where to find it ("mmflow_files.deliver:deliver_csv"), so that listing sinks imports nothing heavy.
Reference = str | Callable[..., Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkType:
    """A kind of destination, as a plugin declares it.

    ``deliver(table, options, run) -> Receipt`` is called with the finished :class:`~mmflow.table.Table`, an instance of
    ``options`` and a :class:`RunInfo`. It raises :class:`~mmflow.errors.TryLater`, :class:`~mmflow.errors.GiveUp` or
    :class:`~mmflow.errors.Unknown`, and must leave the destination as it was unless it returns. Delivering the same key
    twice must leave the destination equal to delivering it once.

    >>> SinkType(name="csv", summary="A CSV file.", options=CsvOptions, deliver="mmflow_files.csv:deliver")
    """

    name: str
    summary: str
    options: type[Options]
    deliver: Reference
    connection: type[Options] | None = None
    modes: tuple[str, ...] = ("replace",)
    semantics: Semantics = "transactional"
    check: Reference | None = None  # check(options, run) -> None: can it be reached? writes nothing
    render: Reference | None = None  # render(table, options, run) -> str | bytes: what preview shows
    read: Reference | None = None  # read(options, run) -> rows as they stand, for a diff
    probe: Reference | None = None  # probe(options, run) -> Presence: after a crash
    notify: Reference | None = None  # notify(text, options) -> None
    read_window: Reference | None = None  # read_window(options, root) -> WindowSpec
    distribution: str = ""  # filled in by the registry


def find_function(reference: Reference) -> Callable[..., Any]:
    """Give the function itself, importing its module now when it was named by text."""
    if callable(reference):
        return reference
    from pkgutil import resolve_name

    found = resolve_name(reference)
    if not callable(found):
        raise TypeError(f"{reference} is not a function")
    return found  # type: ignore[no-any-return]
