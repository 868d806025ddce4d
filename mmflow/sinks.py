"""What a sink is: the declaration that a plugin gives, what the engine hands it, and what it hands back.

The one sink of the engine itself stands at the end: ``console`` prints the table.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from mmflow.errors import GiveUp
from mmflow.job import SinkKeys
from mmflow.options import Options
from mmflow.table.columns import align_texts, show_cell
from mmflow.text import show_lines

if TYPE_CHECKING:
    from mmflow.table import Table
    from mmflow.windows import Span

Semantics = Literal["transactional", "replace_window", "upsert", "append", "message"]
Presence = Literal["absent", "present", "unknown"]
COMMON_KEYS = frozenset(key.encode_name for key in msgspec.structs.fields(SinkKeys))  # no sink has them as its own


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
    spans: tuple[tuple[str, Span], ...]  # (site, span) of the sites that answered, in the order of the job
    time_column: str  # the column that places a row in time ("" when the report has no time group)
    extracted_at: datetime
    root: Path
    output: Path  # every file a sink writes stays under it
    output_mode: int
    job_folder: Path  # templates are looked up here
    names: Mapping[str, str]  # a text for each of mmflow.paths.PATH_WORDS
    connection: Options | None = None
    previous: Receipt | None = None
    attachments: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)  # always empty: nothing fills it yet
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

    ``validate(options, time_column) -> Iterable[(key, message)]`` finds what single options cannot say about
    themselves, such as two that contradict each other. It is called offline, once no option is an unresolved ``${…}``
    reference; ``time_column`` is "" when the report has no time group.

    ``check(options, run)`` is called by ``mmflow validate --live`` and ``render(table, options, run)`` by ``mmflow
    preview``. Nothing calls ``read``, ``probe``, ``notify`` and ``read_window`` yet: they are for the daemon, which is
    to come, and may change until it does.

    >>> SinkType(name="csv", summary="A CSV file.", options=CsvOptions, deliver="mmflow_files.deliver:deliver_csv")
    """

    name: str
    summary: str
    options: type[Options]
    deliver: Reference
    connection: type[Options] | None = None
    modes: tuple[str, ...] = ("replace",)
    semantics: Semantics = "transactional"
    validate: Reference | None = None
    check: Reference | None = None  # check(options, run) -> None: can it be reached? writes nothing
    render: Reference | None = None  # render(table, options, run) -> str | bytes: what preview shows
    read: Reference | None = None  # not called yet: read(options, run) -> rows as they stand, for a diff
    probe: Reference | None = None  # not called yet: probe(options, run) -> Presence: after a crash
    notify: Reference | None = None  # not called yet: notify(text, options) -> None
    read_window: Reference | None = None  # not called yet: read_window(options, root) -> WindowSpec
    distribution: str = ""  # filled in by the registry

    def __post_init__(self) -> None:
        """Refuse what no job could name; the registry then names the plugin."""
        if not re.fullmatch(r"[a-z][a-z0-9_-]{0,62}", self.name):
            raise ValueError(f"a sink cannot be named {self.name!r}, expected small letters, digits, - and _")
        if not issubclass(self.options, Options):
            raise TypeError(f"the options of sink {self.name!r} are no subclass of mmflow.options.Options")
        if taken := COMMON_KEYS & {option.encode_name for option in msgspec.structs.fields(self.options)}:
            raise ValueError(f"sink {self.name!r} has an option {min(taken)!r}, which every sink of a job has already")


def find_function(reference: Reference) -> Callable[..., Any]:
    """Give the function itself, importing its module now when it was named by text."""
    if callable(reference):
        return reference
    from pkgutil import resolve_name

    found = resolve_name(reference)
    if not callable(found):
        raise TypeError(f"{reference} is not a function")
    return found  # type: ignore[no-any-return]


WIDEST_CELL: Final = 40  # places of a terminal


class ConsoleOptions(Options):
    """Options of the console sink."""

    rows: Annotated[int, Meta(ge=1, description="Print at most this many rows.", examples=[20])] = 50


def render_console(table: Table, options: ConsoleOptions, run: RunInfo) -> str:
    """Give the text that the console sink prints: a heading, aligned columns, what was cut off, and the notices.

    Cells are cut to :data:`WIDEST_CELL` places.
    """
    from itertools import chain, islice

    shown = chain(islice(table.rows(), options.rows), (row.values for row in table.footer))
    texts = [[show_cell(cell, column) for cell, column in zip(row, table.columns, strict=True)] for row in shown]
    numbers = [column.type in ("number", "integer") for column in table.columns]
    aligned = align_texts([column.label for column in table.columns], texts, numbers, widest=WIDEST_CELL)
    lines = [f"{run.job}, {run.names['date']}", *aligned]
    if (hidden := len(table) - options.rows) > 0:
        lines.append(f"and {hidden} more row{'s' * (hidden != 1)}; 'rows' says how many are printed")
    lines += [show_lines(f"note: {notice}") for notice in table.notices]
    return "\n".join(lines) + "\n"


def print_table(table: Table, options: ConsoleOptions, run: RunInfo) -> Receipt:
    """Print the table to stdout; characters that the terminal cannot show become question marks."""
    import sys

    encoding = sys.stdout.encoding or "utf-8"
    try:
        sys.stdout.write(render_console(table, options, run).encode(encoding, "replace").decode(encoding))
        sys.stdout.flush()
    except BrokenPipeError as error:  # mmflow run daily | head -1
        raise GiveUp("the table was not printed: nobody reads the output any more") from error
    return Receipt(rows=len(table))


CONSOLE = SinkType(
    name="console",
    summary="Print the table.",
    options=ConsoleOptions,
    deliver=print_table,
    render=render_console,
)
