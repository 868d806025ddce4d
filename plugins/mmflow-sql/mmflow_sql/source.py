"""Reads the finished table for a database: checked first, then as lines, rows or a stream, with the lineage added.

The snapshot is read by a small database of its own, which writes the texts that are loaded: a row of Python values
costs ten times as much.
"""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from mmflow import Column, GiveUp, RunInfo, StateError, Table
from mmflow_sql.address import Kind
from mmflow_sql.layout import END, EXTRACTED, JOB, RUN, SITE, START, Layout

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

BATCH: Final = 2_000  # rows; few enough that long texts stay within bounds
# As the engine's own: small, and no extension is looked for on disk or on the network.
SETTINGS: Final[Mapping[str, str | bool | int | float | list[str]]] = {
    "memory_limit": "192MB",
    "threads": 2,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}
SIZED: Final = ("mysql", "mssql")  # their names have a length
PADDED: Final = ("mysql",)  # blanks at the end of a name do not tell it from another

# How each database writes an instant of UTC, in strftime words.
STAMPS: Final[Mapping[Kind, str]] = {
    "postgresql": "%Y-%m-%d %H:%M:%S.%f+00",
    "sqlite": "%Y-%m-%dT%H:%M:%S.%fZ",
    "mysql": "%Y-%m-%d %H:%M:%S.%f",
    "mssql": "%Y-%m-%d %H:%M:%S.%f +00:00",
}


def quote_name(name: str) -> str:
    """Write a name as SQL, whatever it holds."""
    return '"' + name.replace('"', '""') + '"'


def quote_text(text: str) -> str:
    """Write a text as SQL, whatever it holds."""
    return "'" + text.replace("'", "''") + "'"


class Stream:
    """Rows as any library may take them that knows Arrow."""

    def __init__(self, give: Callable[[], Any]) -> None:
        self._give = give

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Begin the stream."""
        return self._give().__arrow_c_stream__(requested_schema)


@dataclass(frozen=True, slots=True)
class Source:
    """The rows of a delivery, open for reading."""

    database: DuckDBPyConnection
    snapshot: str  # the rows as SQL
    layout: Layout
    run: RunInfo

    def refuse_rows(self, kind: Kind) -> None:
        """Raise :class:`GiveUp` for the first row that this kind of database cannot hold, before it is asked."""
        checks = list(list_checks(self.layout, self.run, kind))
        found = (f", min(file_row_number) FILTER (WHERE {condition})" for _, condition, _ in checks)
        ((_, *places),) = self.database.execute(f"SELECT count(*){''.join(found)} FROM {self.snapshot}").fetchall()
        faults = [(place, *check) for place, check in zip(places, checks, strict=True) if place is not None]
        if faults:
            place, column, _, words = min(faults)
            raise GiveUp(f"row {place + 1}, column {column!r}: {words}")
        if self.layout.key:
            self.refuse_twins(kind)

    def refuse_twins(self, kind: Kind) -> None:
        """Raise :class:`GiveUp` when two rows have one key: the second would take the place of the first."""
        texts = {column.name for column in self.layout.report if column.type == "text"}
        names = ["site" if name == SITE else name for name in self.layout.key if name != SITE or self.site_column]
        form = "rtrim({})" if kind in PADDED else "{}"
        keys = (form.format(quote_name(name)) if name in texts else quote_name(name) for name in names)
        groups = ", ".join(keys) or "()"
        query = f"SELECT min(file_row_number), max(file_row_number) FROM {self.snapshot} GROUP BY {groups}"
        for first, second in self.database.execute(f"{query} HAVING count(*) > 1 LIMIT 1").fetchall():
            key = ", ".join(self.layout.key)
            found = f"rows {first + 1} and {second + 1} have the same key ({key})"
            raise GiveUp(f"{found}; name columns in 'key' that tell rows apart")

    @property
    def site_column(self) -> bool:
        """Tell whether the report says of each row which site it is of."""
        return any(column.name == "site" for column in self.layout.report)

    def lines(self) -> Iterator[bytes]:
        """Give the rows as PostgreSQL reads them with COPY, in text format; many lines at a time."""
        cells = [write_cell(column, "postgresql") for column in self.layout.report]
        cells += self.write_lineage(STAMPS["postgresql"])
        escaped = (f"coalesce({cell}, '\\N')" for cell in cells)
        line = f"concat({', chr(9), '.join(escaped)}, chr(10))"
        cursor = self.database.execute(f"SELECT {line} FROM {self.snapshot}")
        while batch := cursor.fetchmany(BATCH):
            yield "".join(row[0] for row in batch).encode()

    def rows(self, kind: Kind) -> Iterator[list[tuple[Any, ...]]]:
        """Give the rows as values for the statements of a database, many at a time; times are texts."""
        cells = ", ".join(write_value(column, kind) for column in self.layout.report)
        place = next((place for place, column in enumerate(self.layout.report) if column.name == "site"), None)
        ends = self.list_ends(STAMPS[kind])
        alone = next(iter(ends.values()), ())
        cursor = self.database.execute(f"SELECT {cells} FROM {self.snapshot}")
        while batch := cursor.fetchmany(BATCH):
            yield [row + alone for row in batch] if place is None else [row + ends[row[place]] for row in batch]

    def stream(self) -> Stream:
        """Give the rows as an Arrow stream, with the lineage as the last columns."""
        names = [quote_name(column.name) for column in self.layout.report]
        stamps = self.write_lineage("%Y-%m-%d %H:%M:%S.%f+00")
        own = [
            f"CAST({value} AS TIMESTAMPTZ) AS {name}" if name in (START, END, EXTRACTED) else f"{value} AS {name}"
            for name, value in zip(self.layout.lineage, stamps, strict=True)
        ]
        return Stream(lambda: self.database.sql(f"SELECT {', '.join([*names, *own])} FROM {self.snapshot}"))

    def list_ends(self, stamp: str) -> dict[str, tuple[str, ...]]:
        """Give for each site what stands in the columns of ours, with times as ``stamp`` says."""
        return {
            site: tuple(self.lineage_text(name, site, span.start, span.end, stamp) for name in self.layout.lineage)
            for site, span in self.run.spans
        }

    def lineage_text(self, name: str, site: str, start: datetime, end: datetime, stamp: str) -> str:
        """Give what stands in a column of ours for a site."""
        moments = {START: start, END: end, EXTRACTED: self.run.extracted_at}
        if name in moments:
            return moments[name].astimezone(UTC).strftime(stamp)
        return {JOB: self.run.job, SITE: site, RUN: self.run.run}[name]

    def write_lineage(self, stamp: str) -> list[str]:
        """Give the columns of ours as SQL, by the site of a row."""
        ends = self.list_ends(stamp)
        if not ends:
            return ["NULL"] * len(self.layout.lineage)
        columns = list(zip(*ends.values(), strict=True))
        if not self.site_column:
            return [quote_text(values[0]) for values in columns]
        return [write_choice(dict(zip(ends, values, strict=True))) for values in columns]


@contextmanager
def open_source(table: Table, layout: Layout, run: RunInfo) -> Iterator[Source]:
    """Open the rows of a delivery; :class:`StateError` when the snapshot cannot be read."""
    import duckdb

    check_sites(layout, run, len(table))
    snapshot = f"read_parquet({quote_text(glob.escape(str(table.path)))}, file_row_number = true)"
    with TemporaryDirectory(prefix="mmflow-") as spill:
        database = duckdb.connect(config={**SETTINGS, "temp_directory": spill})
        try:
            database.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
            yield Source(database, snapshot, layout, run)
        except duckdb.OutOfMemoryException as error:
            need = f"the snapshot {table.path} cannot be read in {SETTINGS['memory_limit']} of memory"
            raise GiveUp(f"{need}; ask for fewer columns or shorter texts") from error
        except duckdb.Error as error:  # those of a database that is delivered to have become ours on their way here
            raise StateError(f"the snapshot {table.path} is missing or damaged; run the report again") from error
        finally:
            database.close()


def check_sites(layout: Layout, run: RunInfo, rows: int) -> None:
    """Raise :class:`GiveUp` when nobody can tell which site a row is of."""
    named = any(column.name == "site" for column in layout.report)
    if rows and not named and len(run.spans) != 1:
        raise GiveUp(f"the report is about {len(run.spans)} sites and has no column 'site'; add site to group_by")


def write_choice(values: Mapping[str, str]) -> str:
    """Write a value that depends on the site of a row."""
    if len(set(values.values())) == 1:
        return quote_text(next(iter(values.values())))
    return "CASE site " + " ".join(f"WHEN {quote_text(s)} THEN {quote_text(v)}" for s, v in values.items()) + " END"


def list_checks(layout: Layout, run: RunInfo, kind: Kind) -> Iterator[tuple[str, str, str]]:
    """Give what no row may hold: the column, the condition as SQL, and the words for it."""
    for column in layout.report:
        name = quote_name(column.name)
        if column.type == "text":
            yield (
                column.name,
                f"contains({name}, chr(0))",
                "the text holds NUL, which not every database keeps; clean it",
            )
        if column.name in layout.widths and kind in SIZED:
            most = layout.widths[column.name]
            words = f"the text is longer than {most} characters, the most that {kind} keeps in a name; shorten it there"
            yield column.name, f"length({name}) > {most}", words
        if column.name in layout.key:
            words = "there is no value, and upsert knows rows by it; name columns in 'key' that are never empty"
            yield column.name, f"{name} IS NULL", words
        if column.name == "site":
            sites = ", ".join(quote_text(site) for site, _ in run.spans) or "NULL"
            yield (
                "site",
                f"({name} IN ({sites})) IS NOT TRUE",
                "it is none of the sites that were asked; this is a bug",
            )


def write_cell(column: Column, kind: Kind) -> str:
    """Write a cell as text in the way of COPY; null stays null."""
    name = quote_name(column.name)
    if column.type == "text":
        for char, escape in (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r")):
            name = f"replace({name}, chr({ord(char)}), {quote_text(escape)})"
        return name
    return write_time(column, kind) or f"CAST({name} AS VARCHAR)"


def write_value(column: Column, kind: Kind) -> str:
    """Write a cell as a value: times as texts, all else as it is."""
    return write_time(column, kind) or quote_name(column.name)


def write_time(column: Column, kind: Kind) -> str:
    """Write a day or an instant as text, "" for anything else."""
    name = quote_name(column.name)
    if column.type == "date":
        return f"CAST({name} AS VARCHAR)"
    if column.type == "datetime":
        return f"strftime(make_timestamp(epoch_us({name})), {quote_text(STAMPS[kind])})"
    return ""
