"""Reads back the text files that a delivery is merged into, and gives their new content, in bounded memory."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import IO, Any, TextIO, cast

import msgspec

from mmflow import Column, CsvDialect, GiveUp, Replacement, Table, moment_text
from mmflow_files.options import CsvOptions, is_packed, python_form
from mmflow_files.rolling import Row, check_columns, merge_rows, unreadable


def merge_csv(path: Path, table: Table, options: CsvOptions, replacement: Replacement) -> Iterator[str]:
    """Give the text of a CSV file with the delivery in it; kept rows stay as they were written, to the letter."""
    header = write_header(table, options.dialect())
    new = (chunk.decode() for chunk in table.csv(replace(options.dialect(), header="none")))
    yield header
    yield from merge_rows(lambda: read_csv(path, header, table, options, replacement), new, replacement)


def write_header(table: Table, dialect: CsvDialect) -> str:
    """Give the first record of the table as CSV."""
    with closing(table.csv(dialect)) as chunks:  # it holds a connection
        return next(split_records(io.StringIO(next(chunks).decode(), newline=""), dialect))[0]


def read_csv(
    path: Path, header: str, table: Table, options: CsvOptions, replacement: Replacement
) -> Iterator[Row[str]]:
    """Give the rows of an earlier CSV file; :class:`GiveUp` when it is not one of this report."""
    dialect = options.dialect()
    read_moment = moment_reader(table.columns[replacement.time], options)
    try:
        with open_text(path, options.encoding) as file:
            records = split_records(file, dialect)
            expected = next(split_records([header], dialect))[1]
            check_columns(path, next(records, ("", expected))[1], expected)
            for number, (raw, cells) in enumerate(records, start=2):
                if len(cells) != len(expected):
                    raise unreadable(path, f"record {number}", f"{len(expected)} cells, found {len(cells)}")
                yield make_row(path, number, end_record(raw, dialect), cells, replacement, read_moment)
    except (UnicodeError, csv.Error, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise GiveUp(f"{path} is not CSV in {options.encoding}; mend it, or move it away ({error})") from None


def open_bytes(path: Path) -> IO[bytes]:
    """Open a file to read, unpacked when its name says that it is packed."""
    return cast("IO[bytes]", gzip.open(path, "rb")) if is_packed(path.name) else path.open("rb")


def open_text(path: Path, encoding: str) -> TextIO:
    """Open a file to read its text, line breaks as they are."""
    return io.TextIOWrapper(open_bytes(path), encoding=encoding, newline="")


def make_row(
    path: Path,
    number: int,
    raw: str,
    cells: list[str],
    replacement: Replacement,
    read_moment: Callable[[str], str],
) -> Row[str]:
    """Find site and moment in the cells of a record."""
    try:
        moment = read_moment(cells[replacement.time])
    except ValueError:
        raise unreadable(path, f"record {number}", "a time as the options say") from None
    return Row(raw, "" if replacement.site is None else cells[replacement.site], moment)


def split_records(lines: Iterable[str], dialect: CsvDialect) -> Iterator[tuple[str, list[str]]]:
    """Give each record as it stands in the file, and its cells."""
    taken: list[str] = []

    def take() -> Iterator[str]:
        for line in lines:
            taken.append(line)
            yield line

    quotes = None if dialect.quoting == "none" else '"'
    for cells in csv.reader(take(), delimiter=dialect.delimiter, quotechar=quotes, strict=True):
        yield "".join(taken), cells
        taken.clear()


def end_record(raw: str, dialect: CsvDialect) -> str:
    """Give a record its line break, which editors leave away at the end of a file."""
    return raw if raw.endswith(("\n", "\r")) else raw + dialect.newline


def moment_reader(column: Column, options: CsvOptions) -> Callable[[str], str]:
    """Give the function that reads the moment of a row from its cell; it raises :class:`ValueError`."""
    form = python_form(options.form.datetime_format if column.type == "datetime" else options.form.date_format)

    @lru_cache(maxsize=4096)
    def read_moment(text: str) -> str:
        if column.type == "datetime":
            return moment_text(datetime.strptime(text, form))  # noqa: DTZ007  the check saw to it that %z is there
        if column.type == "date":
            return datetime.strptime(text, form).date().isoformat()  # noqa: DTZ007  a day has no zone
        return text

    return read_moment


def merge_jsonl(path: Path, table: Table, new: Iterable[bytes], replacement: Replacement) -> Iterator[bytes]:
    """Give the lines of a JSON Lines file with the delivery among them; kept lines stay as they were written."""
    yield from merge_rows(lambda: read_jsonl(path, table, replacement), new, replacement)


def read_jsonl(path: Path, table: Table, replacement: Replacement) -> Iterator[Row[bytes]]:
    """Give the lines of an earlier file; :class:`GiveUp` when they are not rows of this report."""
    names = [column.name for column in table.columns]
    time = table.columns[replacement.time]
    decoder = msgspec.json.Decoder(dict[str, Any])
    with open_bytes(path) as file:
        for number, line in enumerate(file, start=1):
            try:
                row = decoder.decode(line)
                check_columns(path, row, names)
                moment = row[time.name]
                moment = moment_text(datetime.fromisoformat(moment)) if time.type == "datetime" else str(moment)
            except (ValueError, TypeError):
                raise unreadable(path, f"line {number}", f"an object with a time in {time.name!r}") from None
            yield Row(line if line.endswith(b"\n") else line + b"\n", str(row.get("site", "")), moment)
