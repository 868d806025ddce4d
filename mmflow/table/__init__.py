"""The finished table: a snapshot file that any number of readers may open, and what its columns mean.

The snapshot is a Parquet file. Its description (columns, footer, notices) lies in the file's own metadata, so that the
file alone is enough to deliver, to explain and to compare it later.
"""

from __future__ import annotations

import shutil
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from mmflow.atomic import replace_path
from mmflow.errors import GiveUp, StateError
from mmflow.table.cells import (
    SQL_TYPES,
    Cell,
    Column,
    ColumnType,
    Direction,
    FooterRow,
    Role,
    quote_name,
    quote_text,
    shorten_cell,
)
from mmflow.table.database import (
    escape_path,
    explain_failure,
    open_database,
    open_reader,
    read_snapshot,
    share_database,
    unreadable,
)
from mmflow.table.description import decode_description, encode_description
from mmflow.table.dialect import CsvDialect

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = [
    "Cell",
    "Column",
    "ColumnType",
    "CsvDialect",
    "Direction",
    "FooterRow",
    "Role",
    "Table",
    "make_table",
    "open_database",
    "share_database",
    "shorten_cell",
    "write_table",
]

# A row group is built in memory: so many cells fit beside the rest, however wide the table is.
CELLS_A_GROUP = 500_000
ROWS_A_GROUP = (2_048, 122_880)  # the smallest that the database takes, and what it likes best
INTEGERS = frozenset("TINYINT SMALLINT INTEGER BIGINT HUGEINT UTINYINT USMALLINT UINTEGER UBIGINT".split())  # noqa: SIM905
# Types of a query that become the column's type without losing anything but digits past a double.
ACCEPTED = {
    "text": frozenset({"VARCHAR"}),
    "number": INTEGERS | {"DOUBLE", "FLOAT", "DECIMAL"},
    "integer": INTEGERS,
    "date": frozenset({"DATE"}),
    "datetime": frozenset({"TIMESTAMP", "TIMESTAMP WITH TIME ZONE"}),
    "boolean": frozenset({"BOOLEAN"}),
}


@dataclass(frozen=True, slots=True)
class Table:
    """A snapshot on disk. Immutable; each reader opens its own connection, so threads may share it.

    Columns, their order and their types come from the job. Reading raises :class:`StateError` when the file is gone or
    damaged; a reader that stops early closes the generator, or lets go of it.
    """

    path: Path
    columns: tuple[Column, ...]
    footer: tuple[FooterRow, ...]
    notices: tuple[str, ...]
    length: int

    @classmethod
    def open(cls, path: Path) -> Table:
        """Open a snapshot; :class:`StateError` when the file is missing, damaged, foreign, or from a newer version."""
        with read_snapshot(path) as connection:
            described = connection.execute(
                "SELECT value FROM parquet_kv_metadata(?) WHERE decode(key) = 'mmflow'", [escape_path(path)]
            ).fetchone()
            counted = connection.execute(
                "SELECT num_rows FROM parquet_file_metadata(?)", [escape_path(path)]
            ).fetchone()
        if described is None or counted is None:
            raise StateError(f"{path} is a Parquet file, but no snapshot of mmflow; run the report again")
        columns, footer, notices = decode_description(path, described[0])
        return cls(path, columns, footer, notices, counted[0])

    def __len__(self) -> int:
        """Count the rows, footer not included."""
        return self.length

    def rows(self) -> Iterator[tuple[Cell, ...]]:
        """Give the rows in order; instants are aware, in UTC."""
        return chain.from_iterable(self.batches())

    def batches(self, size: int = 10_000) -> Generator[list[tuple[Cell, ...]], None, None]:
        """Give the rows in order, ``size`` at a time (at least 1), in bounded memory."""
        if size < 1:
            raise ValueError("a batch has at least one row")
        return self._read_batches(size)

    def _read_batches(self, size: int) -> Generator[list[tuple[Cell, ...]], None, None]:
        cells = write_cells(self.columns)
        times = [place for place, column in enumerate(self.columns) if column.type == "datetime"]
        with read_snapshot(self.path) as connection:
            cursor = connection.execute(f"SELECT {cells} FROM read_parquet(?)", [escape_path(self.path)])
            while batch := cursor.fetchmany(size):
                yield mark_utc(batch, times) if times else batch

    def csv(self, dialect: CsvDialect | None = None) -> Generator[bytes, None, None]:
        """Give the table as CSV in UTF-8, in chunks of whole lines, in bounded memory.

        Whole numbers have no decimals, others their shortest exact form without an exponent. :class:`GiveUp` names row
        and column of what the dialect cannot carry, before the first chunk.
        """
        from mmflow.table.csv_text import write_csv

        with read_snapshot(self.path) as connection:
            yield from write_csv(connection, escape_path(self.path), self.columns, self.footer, dialect or CsvDialect())

    def parquet(self, path: Path) -> None:
        """Write the rows as a Parquet file, replacing what is there; raises :class:`OSError` when that cannot be."""
        try:
            shutil.copyfile(self.path, path)
        except FileNotFoundError as error:
            if self.path.is_file():
                raise
            raise unreadable(self.path) from error

    def split(self, names: Sequence[str], folder: Path) -> Iterator[tuple[tuple[Cell, ...], Table]]:
        """Give a table for each combination of values in these columns, in the order in which they come.

        The tables have the same columns and notices and no footer; their files lie in ``folder`` and are the caller's
        to remove.
        """
        named = ", ".join(map(quote_name, names))
        source = f"read_parquet({quote_text(escape_path(self.path))}, file_row_number = true)"
        firsts = f"SELECT {named}, min(file_row_number) AS first FROM {source} GROUP BY {named}"
        kinds = [column for name in names for column in self.columns if column.name == name]
        times = [place for place, column in enumerate(kinds) if column.type == "datetime"]
        with read_snapshot(self.path) as connection:
            found = connection.execute(f"SELECT {write_cells(kinds)} FROM ({firsts}) ORDER BY first").fetchall()
        for number, row in enumerate(mark_utc(found, times) if times and found else found):
            wanted = " AND ".join(
                f"{quote_name(name)} {match_cell(cell)}" for name, cell in zip(names, row, strict=True)
            )
            path = folder / f"part-{number}.parquet"
            with read_snapshot(self.path) as connection:
                query = f"SELECT * EXCLUDE (file_row_number) FROM {source} WHERE {wanted}"
                yield row, write_table(connection, query, columns=self.columns, path=path, notices=self.notices)

    def sort(self, name: str, path: Path) -> Table:
        """Give the table with its rows in the order of one column, null first, at ``path``; ties stay as they are.

        It has the same columns and notices and no footer; the file is the caller's to remove.
        """
        source = f"read_parquet({quote_text(escape_path(self.path))}, file_row_number = true)"
        order = f"ORDER BY {quote_name(name)} NULLS FIRST, file_row_number"
        query = f"SELECT * EXCLUDE (file_row_number) FROM (SELECT * FROM {source} {order})"
        with read_snapshot(self.path, path.parent / "spill") as connection:
            return write_table(connection, query, columns=self.columns, path=path, notices=self.notices)

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Give the rows to any library that reads Arrow streams, in batches of up to a million rows."""
        with read_snapshot(self.path) as connection:
            query = f"SELECT * FROM read_parquet({quote_text(escape_path(self.path))})"
            return connection.sql(query).__arrow_c_stream__(requested_schema)


def write_table(
    connection: DuckDBPyConnection,
    query: str,
    *,
    columns: Sequence[Column],
    path: Path,
    footer: Sequence[FooterRow] = (),
    notices: Sequence[str] = (),
) -> Table:
    """Write what ``query`` gives, in its order, as a snapshot at ``path``: the whole new file or the old one.

    The connection may be shut off from the file system, as long as it was allowed the snapshot's folder
    (``SET allowed_directories``) before: the rows go straight to the file, without a copy in memory. It needs a folder
    to spill into when the table is large. Times without a zone are taken as UTC.

    Raises :class:`ValueError` when the query does not give the columns, :class:`GiveUp` for a number that is not
    finite, :class:`TryLater` when the disk is full. What is wrong with the query itself is let through as
    ``duckdb.Error``.
    """
    checked = cast_columns(connection, query, columns)
    description = encode_description(columns, footer, notices)
    with explain_failure(path), replace_path(path) as draft:
        counted = connection.execute(
            f"COPY ({checked}) TO ? (FORMAT parquet, USE_TMP_FILE false, ROW_GROUP_SIZE ?, KV_METADATA {{mmflow: ?}})",
            [str(draft), choose_group(len(columns)), description],
        ).fetchone()
        check_finite(draft, columns)
    return Table(path, tuple(columns), tuple(footer), tuple(notices), counted[0] if counted else 0)


def make_table(
    rows: Sequence[Sequence[Cell]],
    *,
    columns: Sequence[Column],
    path: Path,
    footer: Sequence[FooterRow] = (),
    notices: Sequence[str] = (),
) -> Table:
    """Write a small table from values at hand: for tests of sinks and for lists of a few hundred rows."""
    declared = ", ".join(f"{quote_name(column.name)} {SQL_TYPES[column.type]}" for column in columns)
    with open_reader(None) as connection:
        connection.execute(f"CREATE OR REPLACE TEMP TABLE made ({declared})")
        if rows:
            connection.executemany(f"INSERT INTO made VALUES ({', '.join('?' * len(columns))})", rows)
        return write_table(connection, "SELECT * FROM made", columns=columns, path=path, footer=footer, notices=notices)


def write_cells(columns: Sequence[Column]) -> str:
    """Write what is selected of columns: instants as plain UTC, which :func:`mark_utc` makes aware.

    The database gives aware times only with a library that nobody else needs.
    """
    return ", ".join(
        f"make_timestamp(epoch_us({quote_name(column.name)}))" if column.type == "datetime" else quote_name(column.name)
        for column in columns
    )


def match_cell(cell: Cell) -> str:
    """Write the condition that a column holds this cell: a text, a number, a day or an instant, or null."""
    if cell is None:
        return "IS NULL"
    if isinstance(cell, date):  # a datetime is one too
        return f"= {'TIMESTAMPTZ' if isinstance(cell, datetime) else 'DATE'} {quote_text(str(cell))}"
    return f"= {quote_text(cell) if isinstance(cell, str) else cell}"


def choose_group(columns: int) -> int:
    """Give the number of rows that are built in memory at a time for a table so wide."""
    least, most = ROWS_A_GROUP
    return min(most, max(least, CELLS_A_GROUP // columns))


def cast_columns(connection: DuckDBPyConnection, query: str, columns: Sequence[Column]) -> str:
    """Give the query with exactly the types of the columns; :class:`ValueError` when it gives something else."""
    given = [(name, kind) for name, kind, *_ in connection.execute(f"DESCRIBE SELECT * FROM ({query})").fetchall()]
    if [name for name, _ in given] != [column.name for column in columns]:
        raise ValueError(f"the query gives {[name for name, _ in given]}, expected {[c.name for c in columns]}")
    for (name, kind), column in zip(given, columns, strict=True):
        if kind.split("(")[0] not in ACCEPTED[column.type] | {'"NULL"'}:
            raise ValueError(f"column {name!r} is {kind} in the query, expected {column.type}")
    casts = ", ".join(f"CAST({quote_name(c.name)} AS {SQL_TYPES[c.type]}) AS {quote_name(c.name)}" for c in columns)
    return f"SELECT {casts} FROM ({query})"


def check_finite(path: Path, columns: Sequence[Column]) -> None:
    """Read the numbers of a file back; :class:`GiveUp` when one of them is not finite."""
    numbers = [column for column in columns if column.type == "number"]
    if not numbers:
        return
    counts = ", ".join(f"count(*) FILTER (WHERE NOT isfinite({quote_name(c.name)}))" for c in numbers)
    with read_snapshot(path) as connection:
        found = connection.execute(f"SELECT {counts} FROM read_parquet(?)", [escape_path(path)]).fetchone()
    for column, count in zip(numbers, found or (), strict=True):
        if count:
            what = f"{count} number{'s' * (count != 1)} that {'are' if count != 1 else 'is'} not finite"
            raise GiveUp(f"column {column.name!r} holds {what}; expected numbers or null")


def mark_utc(batch: list[tuple[Cell, ...]], times: Sequence[int]) -> list[tuple[Cell, ...]]:
    """Say of the times in a batch, found at these places of each row, that they are in UTC."""
    columns = list(zip(*batch, strict=True))
    for place in times:
        columns[place] = tuple(
            cell.replace(tzinfo=UTC) if isinstance(cell, datetime) else cell for cell in columns[place]
        )
    return list(zip(*columns, strict=True))
