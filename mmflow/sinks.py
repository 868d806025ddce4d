"""What a sink is: the declaration that a plugin gives, what the engine hands it, and what it hands back.

The one sink of the engine itself stands at the end: ``console`` prints the table.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TextIO

import msgspec
from msgspec import Meta

from mmflow.clock import Clock, SystemClock
from mmflow.errors import GiveUp
from mmflow.job import SinkKeys
from mmflow.options import Options
from mmflow.table.columns import align_texts, show_cell
from mmflow.text import show_lines

if TYPE_CHECKING:
    from httpx import Client

    from mmflow.table import Table
    from mmflow.windows import Span

Semantics = Literal["transactional", "replace_window", "upsert", "append", "message"]
Presence = Literal["absent", "present", "unknown"]
COMMON_KEYS = frozenset(key.encode_name for key in msgspec.structs.fields(SinkKeys))  # no sink has them as its own


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """What a sink can prove about a delivery; stored in the ledger as JSON.

    ``rows`` counts the rows written without totals; a receipt of less than none, or of more than 63 bits count, proves
    nothing. ``path`` is relative to the root, ``sha256`` is of the bytes as written, ``more`` holds the paths of
    further files when there is more than one, ``details`` anything else worth showing in ``mmflow runs show``.
    """

    rows: int
    path: str = ""
    sha256: str = ""
    more: tuple[str, ...] = ()
    details: dict[str, str | int | float | bool | None] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """What is known of a report before it runs: the names of its columns in order, of its groups, and its job.

    ``columns`` may hold names that a run leaves out, such as the comparison of an own column that is a text. ``group``
    columns lead them. ``time_column`` is "" when the report has no time group, ``totals`` tells whether rows stand
    under the table.
    """

    job: str
    columns: tuple[str, ...]
    groups: tuple[str, ...]
    time_column: str = ""
    totals: bool = False
    units: Mapping[str, str] = field(default_factory=dict)  # of the columns whose unit is known before
    connection: Options | None = None  # as written, references unresolved; None when it cannot be read like that


class MovedCell(msgspec.Struct, frozen=True, kw_only=True):
    """A cell that a restated table holds otherwise, or a row that is new or gone, which has no ``column``.

    ``row`` is what the row is known by, by column. Days and instants are ISO 8601.
    """

    row: dict[str, str | int | float | bool | None]
    change: Literal["changed", "new", "gone"]
    column: str = ""
    before: str | int | float | bool | None = None
    after: str | int | float | bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MovedWindow:
    """An earlier window that has other numbers by now: ``total`` cells and rows, of which the first are in ``cells``.

    Its days are production days of the first site.
    """

    first_day: date
    last_day: date
    total: int
    cells: tuple[MovedCell, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What readers of a report want to know of it beside its numbers.

    ``moved`` are the windows of the same job that were restated since its report before, and have moved.
    """

    description: str = ""
    owner: str = ""
    filter: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    exclude: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    missing: tuple[tuple[str, str], ...] = ()  # (site, reason) of those that are not in the table
    moved: tuple[MovedWindow, ...] = ()


def refuse_http() -> Client:
    """Stand in where no settings say how the network is reached."""
    raise GiveUp("there is no way to the network here")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInfo:
    """What the engine hands to a sink beside the table. Times are aware; spans are UTC and half-open."""

    run: str  # id of the execution
    job: str
    sink: str  # the sink's name in the job
    kind: Literal["schedule", "manual", "backfill", "restate"] = "manual"
    slot: datetime  # the due instant, UTC
    key: str  # the delivery's key: equal keys replace each other
    generation: int  # rises when the same key is delivered anew; the tries of one delivery share it
    fence: int  # rises when another worker takes the delivery over, and with each try
    spans: tuple[tuple[str, Span], ...]  # (site, span) of the sites that answered, in the order of the job
    time_column: str  # the column that places a row in time ("" when the report has no time group)
    extracted_at: datetime
    facts: Facts = Facts()
    root: Path
    output: Path  # every file a sink writes stays under it
    output_mode: int
    job_folder: Path  # templates are looked up here
    store: Path  # a private folder of this sink of this job, kept from run to run; made when first used
    names: Mapping[str, str]  # a text for each of mmflow.paths.PATH_WORDS
    connection: Options | None = None
    previous: Receipt | None = None
    to: tuple[str, ...] = ()  # a message goes only there, whatever the options say
    attachments: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)  # by sink named in the option attach
    open_http: Callable[[], Client] = field(default=refuse_http)  # an httpx client: proxy and company CA are set
    clock: Clock = field(default_factory=SystemClock)
    log: logging.Logger = field(default_factory=lambda: logging.getLogger("mmflow.sink"))


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeItem:
    """One thing that people are told, in sentences that hold no secret. Times are UTC.

    ``kind`` is one of those that ``notify: on`` knows, or a word for what is about the daemon itself; ``job``, ``slot``
    and ``run`` are empty then, and where there are none. ``reason`` is what happened, ``hits`` who has the report all
    the same and who has not, ``advice`` what to do, ``command`` the command line that does it ("" for none). ``zone``
    is the IANA zone in which people read its times, "" for UTC.
    """

    kind: str
    reason: str
    job: str = ""
    slot: datetime | None = None
    run: str = ""
    state: str = ""  # of the run, or of a slot without one
    advice: str = ""
    command: str = ""
    temporary: bool = False  # nobody has to do anything unless it lasts
    at: datetime | None = None  # when it happened
    hits: str = ""
    zone: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A message to the people who answer for jobs. ``id`` is the same at each try, so that it can be told only once.

    ``text`` is plain text of several lines and says all that ``items`` say, the oldest first, those of equal reasons
    together. ``to`` names people as the jobs do, by an address or not.
    """

    id: str
    subject: str
    text: str
    to: tuple[str, ...]
    items: tuple[NoticeItem, ...]
    created: datetime  # of the oldest item


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeInfo:
    """What the engine hands to a notifier beside the notice. What is printed elsewhere than there becomes log lines."""

    root: Path
    output: Path  # every file stays under it
    output_mode: int
    store: Path  # a private folder of this type, kept; made when first used
    connection: Options | None = None
    open_http: Callable[[], Client] = field(default=refuse_http)  # an httpx client: proxy and company CA are set
    clock: Clock = field(default_factory=SystemClock)
    log: logging.Logger = field(default_factory=lambda: logging.getLogger("mmflow.notify"))
    terminal: TextIO | None = None  # where who watches the daemon reads what is printed; None where nobody can


class Partial(Exception):  # noqa: N818  # a result, named for what it is
    """Part of a delivery is done: ``receipt`` says which part, ``why`` is a sentence about the rest.

    ``retry`` names what may still succeed: it is tried again, with ``receipt`` as ``run.previous``, after ``after``
    seconds. When it is empty nothing can be done about the rest: the delivery is done, and its run degraded.
    """

    def __init__(
        self, receipt: Receipt, *, retry: tuple[str, ...] = (), why: str = "", after: float | None = None
    ) -> None:
        super().__init__(why or f"partly delivered; left: {', '.join(retry) or 'nothing that can be tried again'}")
        self.receipt = receipt
        self.retry = retry
        self.after = after


class Skip(Exception):  # noqa: N818  # a result, named for what it is
    """There is nothing to deliver, and that is in order; the reason is a sentence for ``mmflow runs show``."""


@dataclass(frozen=True, slots=True)
class Rendering:
    """What a sink would write, when it is more than a text: ``text`` for the terminal, and the file itself.

    ``mmflow preview JOB --sink NAME`` prints the text; with ``--save FOLDER`` or ``--open`` it writes ``content`` to a
    file named with ``suffix`` (``.xlsx``, ``.html``).
    """

    text: str
    content: bytes
    suffix: str


# A function, or where to find it ("mmflow_files.deliver:deliver_csv"), so that listing sinks imports nothing heavy.
Reference = str | Callable[..., Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkType:
    """A kind of destination, as a plugin declares it.

    ``deliver(table, options, run) -> Receipt`` is called with the finished :class:`~mmflow.table.Table`, an instance of
    ``options`` and a :class:`RunInfo`. It raises :class:`~mmflow.errors.TryLater`, :class:`~mmflow.errors.GiveUp` or
    :class:`~mmflow.errors.Unknown`, and must leave the destination as it was unless it returns. Delivering the same key
    twice must leave the destination equal to delivering it once.

    The tries of one delivery share ``run.key`` and ``run.generation``. It may also raise :class:`Partial` (done in
    part) or :class:`Skip` (nothing to be done).

    ``validate(options, outline) -> Iterable[(key, message)]`` finds what single options cannot say about themselves,
    such as two that contradict each other, or a column that the report has not. It is called offline, once no option is
    an unresolved ``${…}`` reference. ``key`` is an option, or a path in it: ``("sheets", 0, "columns")``.

    ``validate_connection(connection) -> Iterable[(key, message)]`` does the same for the options of a connection.

    ``check(options, run)`` is called by ``mmflow validate --live``: it raises what is in the way and writes nothing.
    ``render(table, options, run) -> str | Rendering`` is what ``mmflow preview --sink`` shows. ``read(table, options,
    run) -> Iterable[row]`` gives, for ``preview --diff``, the rows that stand now where this delivery would write, with
    the cells of ``table.columns`` (aware instants, numbers as numbers). ``probe(options, run) -> Presence`` tells,
    after a try that ended without a word, whether the delivery ``run.key``, ``run.generation`` is at the destination.
    ``recipients(options) -> Iterable[str]`` names who gets a message, before it goes. ``read_window(options, cells,
    run)`` gives the first and the last day (both included), or two naive times of the plant (the last excluded), that
    stand in cells such as ``Input!B3:D4`` of the destination.

    ``notify(notice, options, info) -> None`` tells people what happened: a :class:`Notice`, an instance of
    ``notice_options``, and a :class:`NoticeInfo`. It raises :class:`~mmflow.errors.TryLater` or
    :class:`~mmflow.errors.GiveUp` when nobody was told, and is then called again with the same notice. A type without
    ``deliver`` only tells people: it stands under ``notify: via``, and takes no table. ``check_notify(options, info)``
    is called by ``mmflow doctor``: it raises what is in the way, and tells nobody. ``validate_notify(options, people,
    connection) -> Iterable[(key, message)]`` finds offline what is wrong with a block and with whom it is to tell;
    ``key`` is an option, the index of one of ``people``, who may be references, or "" when nobody would be told.

    Options with these names mean the same everywhere: ``path`` is a file under the output folder, ``attach`` names
    sinks of the job whose files are wanted in ``run.attachments``.

    >>> SinkType(name="csv", summary="A CSV file.", options=CsvOptions, deliver="mmflow_files.deliver:deliver_csv")
    """

    name: str
    summary: str
    options: type[Options] = Options
    deliver: Reference | None = None
    connection: type[Options] | None = None
    validate_connection: Reference | None = None
    modes: tuple[str, ...] = ("replace",)
    semantics: Semantics = "transactional"
    validate: Reference | None = None
    check: Reference | None = None
    render: Reference | None = None
    read: Reference | None = None
    probe: Reference | None = None
    recipients: Reference | None = None
    read_window: Reference | None = None
    notify: Reference | None = None
    check_notify: Reference | None = None
    validate_notify: Reference | None = None
    notice_options: type[Options] = Options
    distribution: str = ""  # filled in by the registry

    def __post_init__(self) -> None:
        """Refuse what no job could name; the registry then names the plugin."""
        if not re.fullmatch(r"[a-z][a-z0-9_-]{0,62}", self.name):
            raise ValueError(f"a sink cannot be named {self.name!r}, expected small letters, digits, - and _")
        if self.deliver is None and self.notify is None:
            raise ValueError(f"sink {self.name!r} has neither a function deliver nor notify")
        if not (issubclass(self.options, Options) and issubclass(self.notice_options, Options)):
            raise TypeError(f"the options of sink {self.name!r} are no subclass of mmflow.options.Options")
        if taken := COMMON_KEYS.intersection(self.options.__struct_encode_fields__):
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
    notify="mmflow.notices.ways:print_notice",
)
