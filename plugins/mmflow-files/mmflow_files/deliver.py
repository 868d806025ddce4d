"""Writes the table as a file: as a whole, or into a file that keeps the rows of other days."""

from __future__ import annotations

import codecs
import gzip
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from itertools import chain
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

import msgspec

from mmflow import (
    Cell,
    GiveUp,
    Receipt,
    Replacement,
    RunInfo,
    Table,
    file_receipt,
    place_file,
    replace_file,
    shorten_cell,
)
from mmflow_files.merge import merge_csv, merge_jsonl
from mmflow_files.options import CsvOptions, FileOptions, JsonlOptions, ParquetOptions, is_packed
from mmflow_files.parquet import merge_parquet
from mmflow_files.parts import WriteFile, deliver_parts
from mmflow_files.sidecar import write_schema

UTF_8_MARKS = {"utf-8": b"", "utf-8-sig": codecs.BOM_UTF8}


def deliver_csv(table: Table, options: CsvOptions, run: RunInfo) -> Receipt:
    """Write a CSV file. A text that the encoding lacks raises :class:`GiveUp`, and the old file stays."""
    return deliver_files(table, options, run, partial(write_csv, options=options, run=run))


def deliver_jsonl(table: Table, options: JsonlOptions, run: RunInfo) -> Receipt:
    """Write a JSON Lines file in UTF-8, keys in the order of the columns; times have the offset of the plant."""
    return deliver_files(table, options, run, partial(write_jsonl, options=options, run=run))


def deliver_parquet(table: Table, options: ParquetOptions, run: RunInfo) -> Receipt:
    """Write a Parquet file; times are instants in UTC."""
    return deliver_files(table, options, run, partial(write_parquet, options=options, run=run))


def deliver_files(table: Table, options: FileOptions, run: RunInfo, write: WriteFile) -> Receipt:
    """Write the one file that the path means, or one for each value of ``split_by``; each with its schema if wished."""

    def write_both(part: Table, path: Path) -> Receipt:
        receipt = write(part, path)
        if options.sidecar == "none":
            return receipt
        beside = write_schema(path, part, options, run).name
        return msgspec.structs.replace(receipt, more=(str(PurePosixPath(receipt.path).with_name(beside)),))

    if options.split_by:
        return deliver_parts(table, options, run, write_both)
    with order_rows(table, options, run) as ordered:
        return write_both(ordered, place_file(options.path, run))


@contextmanager
def order_rows(table: Table, options: FileOptions, run: RunInfo) -> Iterator[Table]:
    """Give the table in the order of time for a file that keeps other rows, so that the whole file is in that order."""
    names = [column.name for column in table.columns]
    if options.mode == "replace" or run.time_column not in names:
        yield table
        return
    run.store.mkdir(parents=True, exist_ok=True, mode=0o700)
    with TemporaryDirectory(dir=run.store, prefix=".sorted-") as folder:
        yield table.sort(run.time_column, Path(folder) / "sorted.parquet")


def write_csv(table: Table, path: Path, *, options: CsvOptions, run: RunInfo) -> Receipt:
    """Write one CSV file."""
    replacement = find_replacement(table, options, run)
    if replacement and path.is_file():
        chunks = encode_texts(merge_csv(path, table, options, replacement), options.encoding)
    else:
        chunks = csv_chunks(table, options)
    return write_file(path, chunks, table, run)


def write_jsonl(table: Table, path: Path, *, options: JsonlOptions, run: RunInfo) -> Receipt:
    """Write one JSON Lines file."""
    replacement = find_replacement(table, options, run)
    lines = json_lines(table)
    if replacement and path.is_file():
        lines = merge_jsonl(path, table, lines, replacement)
    return write_file(path, lines, table, run)


def write_parquet(table: Table, path: Path, *, options: ParquetOptions, run: RunInfo) -> Receipt:
    """Write one Parquet file."""
    replacement = find_replacement(table, options, run)
    with replace_file(path, run.output_mode) as draft, draft.scratch() as scratch:
        if replacement and path.is_file():
            made = merge_parquet(path, table, scratch, replacement)
        else:
            made = scratch / "new.parquet"
            table.parquet(made)
        with made.open("rb") as file:
            shutil.copyfileobj(file, draft.file)
    return file_receipt(draft, len(table), run)


def render_csv(table: Table, options: CsvOptions, _run: RunInfo) -> str:
    """Give the text of the file as it would be without earlier rows."""
    return b"".join(table.csv(options.dialect())).decode()


def render_jsonl(table: Table, _options: JsonlOptions, _run: RunInfo) -> str:
    """Give the text of the file as it would be without earlier rows."""
    return b"".join(json_lines(table)).decode()


def find_replacement(table: Table, options: FileOptions, run: RunInfo) -> Replacement | None:
    """Say which rows of an earlier file are replaced, when the others are to be kept."""
    return Replacement.of(table, run) if options.mode == "replace_window" else None


def write_file(path: Path, chunks: Iterable[bytes], table: Table, run: RunInfo) -> Receipt:
    """Put the chunks in the place of a file, packed when its name ends in .gz; the same chunks give the same bytes."""
    with replace_file(path, run.output_mode) as draft:
        if is_packed(path.name):
            with gzip.GzipFile(filename="", mode="wb", fileobj=draft.file, mtime=0) as packed:
                packed.writelines(chunks)
        else:
            draft.file.writelines(chunks)
    return file_receipt(draft, len(table), run)


def csv_chunks(table: Table, options: CsvOptions) -> Iterator[bytes]:
    """Give the table as CSV in the encoding of the options; in UTF-8, just as the table writes it."""
    chunks = table.csv(options.dialect())
    if options.encoding in UTF_8_MARKS:
        return chain([UTF_8_MARKS[options.encoding]], chunks)
    return encode_texts(codecs.iterdecode(chunks, "utf-8"), options.encoding)


def encode_texts(texts: Iterable[str], encoding: str) -> Iterator[bytes]:
    """Give the bytes of texts, the byte order mark of the encoding first."""
    try:
        yield from codecs.iterencode(texts, encoding)
    except UnicodeEncodeError as error:
        char = error.object[error.start]
        found = f"{char!r} (U+{ord(char):04X}) cannot be written in {encoding}"
        raise GiveUp(f"{found}; use 'encoding: utf-8-sig'") from None


def json_lines(table: Table) -> Iterator[bytes]:
    """Give one JSON object for each row, many lines at a time."""
    encoder = msgspec.json.Encoder()
    names = [column.name for column in table.columns]
    zones = [ZoneInfo(column.zone) for column in table.columns]
    for batch in table.batches():
        yield encoder.encode_lines([dict(zip(names, map(show_cell, row, zones), strict=True)) for row in batch])


def show_cell(cell: Cell, zone: ZoneInfo) -> Cell:
    """Give an instant in the zone in which people see it, and a whole number without a fraction."""
    return cell.astimezone(zone) if isinstance(cell, datetime) else shorten_cell(cell)
