"""Merges a delivery into a Parquet file, with a database of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from glob import escape
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from mmflow import Cell, GiveUp, Replacement, Table, TryLater
from mmflow_files.rolling import check_columns

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# What Linux, Windows and the database say of a full disk.
FULL = re.compile("no space left|not enough space|quota exceeded|max_temp_directory_size", re.IGNORECASE)
# As the engine's own: small, and no extension is looked for on disk or on the network.
SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "memory_limit": "128MB",
    "threads": 2,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}
# The moment of a row as Replacement has it, in SQL, by the type of its column; rows without one stand first.
MOMENTS = {
    "text": "coalesce({}, '')",
    "date": "coalesce(CAST({} AS VARCHAR), '')",
    "datetime": "coalesce(strftime(make_timestamp(epoch_us({})), '%Y-%m-%dT%H:%M:%S.%f'), '')",
}


def merge_parquet(path: Path, table: Table, scratch: Path, replacement: Replacement) -> Path:
    """Give a Parquet file, made in ``scratch``, with the rows of the table among those of ``path`` to keep.

    Raises :class:`GiveUp` when ``path`` holds something else, and :class:`TryLater` when the disk is full.
    """
    new, made = scratch / "new.parquet", scratch / "merged.parquet"
    table.parquet(new)
    with open_database(path, scratch / "spill") as database:
        check_columns(path, *(describe_parquet(database, one) for one in (path, new)))
        query, values = write_merge(table, replacement)
        files = {"old": escape(str(path)), "new": escape(str(new)), "made": str(made)}
        database.execute(f"COPY ({query}) TO $made (FORMAT parquet, COMPRESSION zstd)", files | values)
    return made


@contextmanager
def open_database(path: Path, spill: Path) -> Iterator[DuckDBPyConnection]:
    """Open a small database that spills to the disk, to merge into ``path``; its failures become errors of ours."""
    import duckdb

    with duckdb.connect(config={**SETTINGS, "temp_directory": str(spill)}) as database:
        # Times in UTC; progress would be drawn on stdout.
        database.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
        try:
            yield database
        except (duckdb.IOException, duckdb.OutOfMemoryException) as error:
            found = "the disk is full; make room" if FULL.search(str(error)) else str(error).splitlines()[0]
            raise TryLater(f"cannot merge the report into {path}: {found}") from error


def read_rows(path: Path, table: Table) -> Iterator[tuple[Cell, ...]]:
    """Give the rows of a Parquet file; :class:`GiveUp` when it is not one of this report."""
    times = {column.name for column in table.columns if column.type == "datetime"}
    names = [column.name for column in table.columns]
    quoted = {name: '"' + name.replace('"', '""') + '"' for name in names}
    cells = ", ".join(f"make_timestamp(epoch_us({quoted[name]}))" if name in times else quoted[name] for name in names)
    with TemporaryDirectory(prefix="mmflow-") as spill, open_database(path, Path(spill)) as database:
        check_columns(path, [found.rpartition(" (")[0] for found in describe_parquet(database, path)], names)
        cursor = database.execute(" ".join(("SELECT", cells, "FROM read_parquet(?)")), [escape(str(path))])
        while batch := cursor.fetchmany(10_000):
            for row in batch:
                yield tuple(cell.replace(tzinfo=UTC) if isinstance(cell, datetime) else cell for cell in row)


def describe_parquet(database: DuckDBPyConnection, path: Path) -> list[str]:
    """Give the columns of a Parquet file with their types; :class:`GiveUp` when it is something else."""
    import duckdb

    try:
        found = database.execute("DESCRIBE SELECT * FROM read_parquet(?)", [escape(str(path))]).fetchall()
    except duckdb.InvalidInputException:
        raise GiveUp(f"{path} is not a Parquet file; move it away, or use another path") from None
    return [f"{name} ({kind})" for name, kind, *_ in found]


def write_merge(table: Table, replacement: Replacement) -> tuple[str, dict[str, str]]:
    """Give the query for the rows before the delivery, the delivery, and the rows after; and its values."""
    time = table.columns[replacement.time]
    moment = MOMENTS[time.type].format(f'"{time.name}"')
    values = {"start": replacement.start}
    covered = []
    for number, (site, first, last) in enumerate(replacement.ranges):
        values |= {f"first{number}": first, f"last{number}": last}
        within = f"{moment} BETWEEN $first{number} AND $last{number}"
        if replacement.site is not None:
            values |= {f"site{number}": site}
            within += f" AND site IS NOT DISTINCT FROM $site{number}"
        covered.append(f"({within})")
    kept = " ".join(("SELECT * FROM read_parquet($old) WHERE NOT (", " OR ".join(covered), ") AND", moment))
    new = "SELECT * FROM read_parquet($new)"
    return " UNION ALL ".join((f"{kept} < $start", new, f"{kept} >= $start")), values
