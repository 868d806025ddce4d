"""The raw tables of a run: every answer, checked against its slice, in one private database that spills to disk.

Memory is bounded by the largest single answer, not by their number: answers are read one after the other, and what
exceeds the database's limit goes to the run's folder.
"""

from __future__ import annotations

import glob
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct

from mmflow.catalogue import GROUPS
from mmflow.errors import BadResponse, GiveUp, TryLater
from mmflow.fetch import Answer, Spool
from mmflow.job import Job
from mmflow.load.idle import list_unsaid
from mmflow.load.rows import GROUP_TYPES, Field, FieldType, RowReader, join_names, list_fields
from mmflow.load.strays import refuse_strays
from mmflow.plan import BUCKETS, Constants, Plan, Query, QueryKey
from mmflow.question import ask_groups
from mmflow.table import open_database
from mmflow.table.cells import quote_name, quote_text
from mmflow.table.database import is_full
from mmflow.text import show_start

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

PLACE = "#place"  # the place of a row's time in its span, from 0: what makes two days of two spans partners

ROWS_AT_ONCE = 5_000
# The database takes in a hundred thousand rows of one statement in half the time it needs for those of fifteen.
BATCH_BYTES = 32_000_000

_SQL_TYPES: dict[FieldType, str] = {
    "text": "VARCHAR",
    "id": "VARCHAR",
    "date": "DATE",
    "instant": "TIMESTAMPTZ",
    "time": "TIMESTAMPTZ",
    "number": "DOUBLE",
}


@dataclass(frozen=True, slots=True)
class Raw:
    """The tables of a run, one for each kind of query in its plan: ``rows``, ``totals``, ``previous`` and so on.

    Their columns are those of :meth:`RawForm.columns`, in the service's names and units. No key comes twice. Use it in
    a ``with`` block, whose end closes the database.
    """

    connection: DuckDBPyConnection
    forms: Mapping[QueryKey, RawForm]
    notices: tuple[str, ...]
    spill: Path
    stack: ExitStack

    def __enter__(self) -> Self:
        """Hand itself on."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the database and delete what it spilled."""
        self.stack.close()


@dataclass(frozen=True, slots=True)
class RawForm:
    """The columns of one raw table."""

    table: QueryKey
    fields: tuple[Field, ...]  # those of the answers
    buckets: tuple[str, ...] = ()  # week, month, quarter: the same for a whole slice
    weekday: bool = False  # named by the day
    counts: Literal["hour", "day", ""] = ""  # the finest time group shown: what places are counted in, else buckets
    drops: bool = False  # leaves out time outside every shift

    @property
    def columns(self) -> dict[str, str]:
        """Give the SQL type of each column by its name."""
        ours = {"site": "VARCHAR", **dict.fromkeys(self.buckets, "VARCHAR"), PLACE: "BIGINT"}
        if self.weekday:
            ours["weekday"] = "VARCHAR"
        return ours | {field.name: _SQL_TYPES[field.type] for field in self.fields}

    @property
    def keys(self) -> dict[str, str]:
        """Give the SQL that tells two rows apart, by group: the id where the row has one, since names may repeat."""
        groups = (field.name for field in self.fields if field.type in GROUP_TYPES)
        return {name: key_sql(name) for name in ("site", *self.buckets, *groups)}


def key_sql(group: str, table: str = "") -> str:
    """Write the SQL that identifies a member of a group: its id, else its name. ``table`` is an alias with its dot."""
    column = GROUPS[group].id_column if group in GROUPS else ""
    name = table + quote_name(group)
    return f"coalesce({table}{quote_name(column)}, {name})" if column else name


def load(plan: Plan, job: Job, spool: Spool, folder: Path) -> Raw:
    """Read every answer of the spool into the database, which spills under ``folder``.

    Raises :class:`BadResponse` when an answer is not what was asked, or when two rows of one key differ.
    """
    tables = [query for query in plan.queries if query.key != "planned"]  # which no report shows
    forms = {query.key: describe_form(query.key, plan, job) for query in tables}
    spill = folder / "spill"
    with ExitStack() as stack, explain_limits(spill):
        connection = stack.enter_context(open_database(spill))
        notices = [*map(str, spool.missing), *list_unfinished(plan, spool.extracted_at), *list_unsaid(plan, spool)]
        for form in forms.values():
            create_table(connection, form)
            for query in tables:
                if query.key == form.table:
                    notices += load_query(connection, form, query, list_answers(query, spool), folder)
                    groups = [field.name for field in form.fields if field.type in GROUP_TYPES]
                    refuse_strays(connection, form.table, groups, query.site, spool.found.get(query.site, {}))
            notices += drop_repeated(connection, form)
        return Raw(connection, forms, tuple(dict.fromkeys(notices)), spill, stack.pop_all())


@contextmanager
def explain_limits(spill: Path) -> Iterator[None]:
    """Turn the end of the database's memory, or of the disk that it spills to, into an error that says what to do."""
    import duckdb

    try:
        yield
    except (duckdb.OutOfMemoryException, duckdb.IOException) as error:
        if is_full(error):
            raise TryLater(f"cannot write to {spill}: the disk is full; make room") from error
        if isinstance(error, duckdb.IOException):
            raise GiveUp(f"cannot work in {spill.parent}; check the folder and its permissions") from error
        raise GiveUp("the report is too large for the memory it may use; ask for fewer rows") from error


def list_unfinished(plan: Plan, extracted_at: datetime) -> Iterator[str]:
    """Say of which sites the window was still running, or had not even begun, when the service was asked."""
    for site, span in plan.spans:
        moment = span.start if span.start >= extracted_at else span.end
        local = f"{moment.astimezone(ZoneInfo(span.zone)):%Y-%m-%d %H:%M} {span.zone}"
        if span.start >= extracted_at:
            yield f"the window of {site} begins only at {local}: there can be no numbers yet"
        elif span.end > extracted_at:
            yield f"the window of {site} ends only at {local}: its numbers are not complete yet"


def describe_form(key: QueryKey, plan: Plan, job: Job) -> RawForm:
    """Say which columns a table has: from the job alone, so that an empty answer has them too."""
    if key in ("totals", "previous_totals"):
        return RawForm(key, list_fields((), plan.metrics))
    return RawForm(
        key,
        list_fields(ask_groups(job), plan.metrics),
        tuple(name for name in plan.groups if name in BUCKETS),
        weekday="weekday" in plan.groups,
        counts="hour" if "hour" in plan.groups else "day" if "day" in plan.groups else "",
        drops=job.report.no_shift == "drop",
    )


def create_table(connection: DuckDBPyConnection, form: RawForm) -> None:
    """Make the empty table."""
    columns = ", ".join(f"{quote_name(name)} {kind}" for name, kind in form.columns.items())
    connection.execute(f"CREATE TABLE {form.table} ({columns})")


def list_answers(query: Query, spool: Spool) -> list[Answer]:
    """Give the answers to a query: one for each slice, or none when its site is missing."""
    found = [answer for answer in spool.answers if (answer.slice.query, answer.slice.site) == (query.key, query.site)]
    wanted = 0 if query.site in {missing.site for missing in spool.missing} else len(query.slices)
    if len(found) != wanted:
        raise BadResponse(f"{query.site} has {len(found)} answers for {wanted} requests; fetch the report again")
    return found


def load_query(
    connection: DuckDBPyConnection, form: RawForm, query: Query, answers: Sequence[Answer], folder: Path
) -> Iterator[str]:
    """Add the rows of one site and give the notices about them.

    While the database takes in some answers the next are read.
    """
    reader = RowReader(form.fields, drop_no_shift=form.drops)
    with ThreadPoolExecutor(1) as inserter:
        inserting: Future[None] | None = None
        for constants, batch in batch_answers(form, query, answers):
            # Never the same name twice: the database remembers files that it has read.
            lines = folder / f"{batch[0].path.stem}.ndjson"
            write_rows((reader.read(answer, query.span) for answer in batch), lines)
            if inserting:
                inserting.result()
            inserting = inserter.submit(insert_rows, connection, form, lines, constants)
        if inserting:
            inserting.result()
    if reader.extra:
        yield f"{query.site} sent columns that nobody asked for ({join_names(reader.extra)}); they are left out"
    if reader.misplaced:
        rows = f"{reader.misplaced} row{'s' * (reader.misplaced != 1)}"
        yield f"{query.site} sent {rows} of times outside the window, left out here"


def batch_answers(
    form: RawForm, query: Query, answers: Sequence[Answer]
) -> Iterator[tuple[Mapping[str, str], Sequence[Answer]]]:
    """Give neighbours that lack the same columns, with the SQL of these: as many as one statement takes in well."""
    for constants, alike in groupby(answers, lambda answer: row_constants(form, query, answer)):
        batch: list[Answer] = []
        size = 0
        for answer in alike:
            batch.append(answer)
            size += answer.bytes
            if size >= BATCH_BYTES:
                yield constants, batch
                batch, size = [], 0
        if batch:
            yield constants, batch


def write_rows(answers: Iterable[Sequence[Struct]], path: Path) -> None:
    """Write the rows of answers as lines of JSON, some at a time to save memory."""
    encoder = msgspec.json.Encoder()
    with path.open("wb") as file:
        for rows in answers:
            for start in range(0, len(rows), ROWS_AT_ONCE):
                file.write(encoder.encode_lines(rows[start : start + ROWS_AT_ONCE]))


def row_constants(form: RawForm, query: Query, answer: Answer) -> dict[str, str]:
    """Give the SQL of the columns that the answer itself does not have."""
    constants = {"site": query.site, **{name: str(value) for name, value in answer.slice.constants}}
    ours = {name: quote_text(value) for name, value in constants.items()} | {PLACE: place_sql(form, query, answer)}
    return ours | ({"weekday": 'dayname("day")'} if form.weekday else {})


def place_sql(form: RawForm, query: Query, answer: Answer) -> str:
    """Write the SQL of the place in the span, counted in the finest time group that the report shows."""
    if form.counts == "hour":
        return f"""floor((epoch("hour") - {query.span.start.timestamp()}) / 3600)::BIGINT"""
    if form.counts == "day":
        return f"\"day\" - DATE '{query.span.first_day}'"
    buckets: dict[Constants, int] = {}
    for piece in query.slices:
        buckets.setdefault(piece.constants, len(buckets))
    return str(buckets[answer.slice.constants])


def insert_rows(connection: DuckDBPyConnection, form: RawForm, path: Path, ours: Mapping[str, str]) -> None:
    """Add the rows of a file of JSON lines, whose types were checked before, to the table; the file goes."""
    kinds = ", ".join(f"{quote_text(field.name)}: '{_SQL_TYPES[field.type]}'" for field in form.fields)
    values = ", ".join(ours.get(name, quote_name(name)) for name in form.columns)
    # Given types, the reader neither guesses nor looks for partitions in the path, whose wildcards are escaped.
    connection.execute(
        f"INSERT INTO {form.table} SELECT {values} FROM read_json(?, format = 'newline_delimited', "
        f"compression = 'none', hive_partitioning = false, columns = {{{kinds}}})",
        [glob.escape(str(path))],
    )
    path.unlink()


def drop_repeated(connection: DuckDBPyConnection, form: RawForm) -> Iterator[str]:
    """Leave one of identical rows; raises :class:`BadResponse` for two rows of one key that differ.

    Hashes of keys are compared first, which takes little memory; only when some are equal are whole rows looked at.
    """
    keys = ", ".join(form.keys.values())
    repeated = f"SELECT hash({keys}) AS h FROM {form.table} GROUP BY h HAVING count(*) > 1"
    if connection.execute(f"SELECT 1 FROM ({repeated}) LIMIT 1").fetchone() is None:
        return
    before = count_rows(connection, form.table)
    connection.execute(f"CREATE TABLE single AS SELECT DISTINCT * FROM {form.table}")
    connection.execute(f"DROP TABLE {form.table}; ALTER TABLE single RENAME TO {form.table}")
    refuse_conflicts(connection, form, keys)
    if dropped := before - count_rows(connection, form.table):
        yield f"{dropped} row{'s' * (dropped != 1)} came twice with the same figures, counted once"


def refuse_conflicts(connection: DuckDBPyConnection, form: RawForm, keys: str) -> None:
    """Raise :class:`BadResponse` naming the first key that two different rows have."""
    shown = ", ".join(f"any_value({quote_name(name)})::VARCHAR" for name in form.keys)
    found = connection.execute(
        f"SELECT {shown} FROM {form.table} GROUP BY {keys} HAVING count(*) > 1 ORDER BY ALL LIMIT 1"
    ).fetchone()
    if found:
        where = ", ".join(f"{name} {show_start(str(value))}" for name, value in zip(form.keys, found, strict=True))
        raise BadResponse(
            f"two rows for {where} hold different figures, and nothing says which is right; fetch them again"
        )


def count_rows(connection: DuckDBPyConnection, table: str) -> int:
    """Count the rows of a table."""
    found = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
    return int(found[0]) if found else 0
