"""The finished table: a snapshot file that any number of readers may open, and what its columns mean."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from mmflow.cells import Cell, Column, ColumnType, Direction, FooterRow, Role
from mmflow.csv_text import CsvDialect

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
    "write_table",
]


class Table:
    """A snapshot on disk. Immutable; each reader opens its own connection, so threads may share it."""

    path: Path
    columns: tuple[Column, ...]
    footer: tuple[FooterRow, ...]
    notices: tuple[str, ...]

    @classmethod
    def open(cls, path: Path) -> Table:
        """Open a snapshot that :func:`write_table` made."""
        raise NotImplementedError

    def __len__(self) -> int:
        """Count the rows, footer not included."""
        raise NotImplementedError

    def rows(self) -> Iterator[tuple[Cell, ...]]:
        """Give the rows in order."""
        raise NotImplementedError

    def batches(self, size: int = 10_000) -> Iterator[list[tuple[Cell, ...]]]:
        """Give the rows in order, ``size`` at a time."""
        raise NotImplementedError

    def csv(self, dialect: CsvDialect | None = None) -> Iterator[bytes]:
        """Give the table as CSV in UTF-8, in chunks."""
        raise NotImplementedError

    def parquet(self, path: Path) -> None:
        """Write the rows as a Parquet file."""
        raise NotImplementedError


@contextmanager
def open_database(spill: Path) -> Iterator[DuckDBPyConnection]:
    """Open a private DuckDB database in memory that spills into the folder ``spill`` and is gone at the end."""
    raise NotImplementedError


def write_table(
    connection: DuckDBPyConnection,
    query: str,
    *,
    columns: Sequence[Column],
    path: Path,
    footer: Sequence[FooterRow] = (),
    notices: Sequence[str] = (),
) -> Table:
    """Write what ``query`` gives, in its order, as a snapshot at ``path``, atomically.

    The connection may be shut off from the file system as long as it was allowed the snapshot's folder
    (``SET allowed_directories``) before: the rows go straight to the file, with no copy of them in memory.
    """
    raise NotImplementedError


def make_table(
    rows: Sequence[Sequence[Cell]],
    *,
    columns: Sequence[Column],
    path: Path,
    footer: Sequence[FooterRow] = (),
    notices: Sequence[str] = (),
) -> Table:
    """Write a small table from values at hand: for tests of sinks and for lists of a few hundred rows."""
    raise NotImplementedError
