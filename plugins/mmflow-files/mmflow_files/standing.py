"""What a delivery would replace: the rows that stand in a file now, with their types."""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from mmflow import Cell, Column, GiveUp, Replacement, RunInfo, Table, moment_text, place_file
from mmflow_files.merge import open_bytes, open_text, split_records, write_header
from mmflow_files.options import CsvOptions, FileOptions, JsonlOptions, ParquetOptions, python_form
from mmflow_files.parquet import read_rows
from mmflow_files.parts import place_parts, split_table
from mmflow_files.rolling import check_columns, unreadable

Row = tuple[Cell, ...]
ReadFile = Callable[[Path, Table], Iterator[Row]]
ReadCell = Callable[[str], Cell]
# What the formula guard puts its mark before.
GUARDED = re.compile(r"'([ \t\n\f\r]*[=+\-@\uFF1D\uFF0B\uFF0D\uFF20]|[\t\r\n])")


def read_csv(table: Table, options: CsvOptions, run: RunInfo) -> Iterator[Row]:
    """Give the rows of a CSV file that the delivery would replace; :class:`GiveUp` when it is not one of this report.

    A text that begins with ``'`` comes back without it where the formula guard may have put it there, and times
    without their offset are taken for the plant's.
    """
    return read_files(table, options, run, partial(read_csv_rows, options=options))


def read_jsonl(table: Table, options: JsonlOptions, run: RunInfo) -> Iterator[Row]:
    """Give the rows of a JSON Lines file that the delivery would replace."""
    return read_files(table, options, run, read_jsonl_rows)


def read_parquet(table: Table, options: ParquetOptions, run: RunInfo) -> Iterator[Row]:
    """Give the rows of a Parquet file that the delivery would replace."""
    return read_files(table, options, run, read_rows)


def read_files(table: Table, options: FileOptions, run: RunInfo, read: ReadFile) -> Iterator[Row]:
    """Give the rows of the file, or files, that stand where this delivery would write."""
    replacement = Replacement.of(table, run) if options.mode == "replace_window" else None
    for path in list_files(table, options, run):
        for row in read(path, table) if path.is_file() else ():
            if replacement is None or covers(replacement, row):
                yield row


def covers(replacement: Replacement, row: Row) -> bool:
    """Tell whether a delivery would replace a row."""
    site = "" if replacement.site is None else str(row[replacement.site] or "")
    return replacement.covers(site, moment_text(row[replacement.time]))


def list_files(table: Table, options: FileOptions, run: RunInfo) -> list[Path]:
    """Give the files that the delivery would write."""
    if not options.split_by:
        return [place_file(options.path, run)]
    with TemporaryDirectory(prefix="mmflow-") as folder:
        found = [values for values, _ in split_table(table, options, Path(folder))]
    return place_parts(found, table.columns, options, run)


def read_csv_rows(path: Path, table: Table, options: CsvOptions) -> Iterator[Row]:
    """Give the rows of one CSV file, without those under the table."""
    dialect, readers = options.dialect(), [cell_reader(column, options) for column in table.columns]
    labels = {row.values[0] for row in table.footer} - {None}
    expected = next(split_records(io.StringIO(write_header(table, dialect), newline=""), dialect))[1]
    try:
        with open_text(path, options.encoding) as file:
            records = split_records(file, dialect)
            if options.header != "none":
                check_columns(path, next(records, ("", expected))[1], expected)
            for number, (_, cells) in enumerate(records, start=1):
                if options.footer == "drop" or labels.isdisjoint(cells[:1]):
                    yield read_cells(path, number, cells, readers, options.empty)
    except (UnicodeError, csv.Error, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise GiveUp(f"{path} is not CSV in {options.encoding}; mend it, or move it away ({error})") from None


def read_cells(path: Path, number: int, cells: list[str], readers: list[ReadCell], empty: str) -> Row:
    """Give the values of a record."""
    try:
        return tuple(None if text == empty else read(text) for text, read in zip(cells, readers, strict=True))
    except (ValueError, KeyError):
        raise unreadable(path, f"record {number}", f"{len(readers)} cells as the options say") from None


def cell_reader(column: Column, options: CsvOptions) -> ReadCell:
    """Give the function that reads a value of a column from its text; it raises :class:`ValueError`."""
    form = options.form

    def read_time(text: str) -> datetime:
        found = datetime.strptime(text, python_form(form.datetime_format))  # noqa: DTZ007  may lack %z
        return (found if found.tzinfo else found.replace(tzinfo=ZoneInfo(column.zone))).astimezone(UTC)

    readers: dict[str, ReadCell] = {
        "text": lambda text: text[1:] if options.formula_guard == "prefix" and GUARDED.match(text) else text,
        "number": lambda text: float(text.replace(form.decimal, ".")),
        "integer": int,
        "date": lambda text: datetime.strptime(text, python_form(form.date_format)).date(),  # noqa: DTZ007
        "datetime": read_time,
        "boolean": lambda text: {"true": True, "false": False}[text.lower()],
    }
    return readers[column.type]


def read_jsonl_rows(path: Path, table: Table) -> Iterator[Row]:
    """Give the rows of one JSON Lines file."""
    names, decoder = [column.name for column in table.columns], msgspec.json.Decoder(dict[str, Any])
    with open_bytes(path) as file:
        for number, line in enumerate(file, start=1):
            try:
                row = decoder.decode(line)
                check_columns(path, row, names)
                yield tuple(read_json(row[column.name], column) for column in table.columns)
            except ValueError:
                raise unreadable(path, f"line {number}", "a JSON object as this report writes it") from None


def read_json(value: Any, column: Column) -> Cell:
    """Give a value of JSON the type of its column."""
    if isinstance(value, str) and column.type == "date":
        return date.fromisoformat(value)
    if isinstance(value, str) and column.type == "datetime":
        return datetime.fromisoformat(value).astimezone(UTC)
    return value  # type: ignore[no-any-return]
