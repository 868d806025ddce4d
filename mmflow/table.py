"""The finished table: a snapshot file that any number of readers may open, and what its columns mean."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Literal

Cell = str | int | float | bool | date | datetime | None
ColumnType = Literal["text", "number", "integer", "date", "datetime", "boolean"]
Role = Literal["group", "id", "metric", "derived", "compare"]


@dataclass(frozen=True, slots=True)
class Column:
    """What one column holds. Values are in ``unit``; ``decimals`` and ``direction`` are for showing only.

    A ``datetime`` column holds UTC instants; ``zone`` is the IANA name of the zone in which people see them.
    """

    name: str
    label: str
    type: ColumnType
    role: Role = "metric"
    unit: str = ""
    decimals: int | None = None
    direction: Literal["up", "down", ""] = ""
    description: str = ""
    zone: str = "UTC"


@dataclass(frozen=True, slots=True)
class FooterRow:
    """A row that stands under the table: one value for each column; its label stands in the first text group."""

    kind: Literal["rest", "total"]
    values: tuple[Cell, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvDialect:
    """How a table is written as CSV."""

    delimiter: str = ","
    quoting: Literal["minimal", "all", "none"] = "minimal"
    decimal: Literal[".", ","] = "."
    null: str = ""
    date_format: str = "%Y-%m-%d"
    datetime_format: str = "%Y-%m-%dT%H:%M:%S%:z"
    newline: Literal["\r\n", "\n"] = "\r\n"
    header: Literal["labels", "names", "none"] = "labels"
    formula_guard: Literal["prefix", "none", "reject"] = "prefix"
    footer: bool = True


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

    def csv(self, dialect: CsvDialect = CsvDialect()) -> Iterator[bytes]:  # noqa: B008  # frozen
        """Give the table as CSV in UTF-8, in chunks."""
        raise NotImplementedError

    def parquet(self, path: Path) -> None:
        """Write the rows as a Parquet file."""
        raise NotImplementedError


def write_table(
    source: object, columns: Sequence[Column], footer: Sequence[FooterRow], notices: Sequence[str], path: Path
) -> Table:
    """Write what ``source`` gives through ``__arrow_c_stream__`` as a snapshot, atomically."""
    raise NotImplementedError
