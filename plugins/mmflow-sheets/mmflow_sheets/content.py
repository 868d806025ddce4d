"""The table as Google wants its cells, already as JSON, so that many rows take little memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from mmflow import Cell, Column, LightRule, RunInfo, Table, find_lights
from mmflow_sheets.cells import CellData, Value, check_text, pick_value, read_cell, write_cell, write_plain
from mmflow_sheets.mark import short_key
from mmflow_sheets.options import SheetsOptions

Colour = str | None
ENCODER: Final = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Content:
    """What is written of one delivery. ``body`` and ``footer`` are rows of ``RowData``, joined by commas.

    ``colours`` holds for each rule of the lights the colour of each row. ``key`` fills the hidden column of each row,
    "" when there is none.
    """

    columns: tuple[Column, ...]
    header: bytes
    body: bytes
    rows: int
    footer: bytes
    footers: int
    rules: tuple[LightRule, ...]
    colours: tuple[tuple[Colour, ...], ...]
    key: str
    sha256: str

    @property
    def width(self) -> int:
        """How many columns are written, the hidden one too."""
        return len(self.columns) + bool(self.key)


def make_content(table: Table, options: SheetsOptions, run: RunInfo) -> Content:
    """Encode the table; :class:`GiveUp` names row and column of what no cell can hold."""
    key = short_key(run) if options.mode == "append" else ""
    rules = tuple(find_lights(options.lights, table.columns))
    colours: tuple[list[Colour], ...] = tuple([] for _ in rules)
    pieces = []
    done = 0
    for batch in table.batches():
        check_texts(batch, table.columns, done)
        done += len(batch)
        pieces.append(encode_rows(batch, table.columns, key))
        for rule, column in zip(rules, colours, strict=True):
            column.extend(map(rule.colour, batch))
    footer = [row.values for row in table.footer] if options.footer == "keep" and options.mode == "replace" else []
    check_texts(footer, table.columns, done)
    header, body, under = encode_header(table.columns, options), b",".join(pieces), encode_rows(footer, table.columns)
    return Content(
        columns=table.columns,
        header=header,
        body=body,
        rows=done,
        footer=under,
        footers=len(footer),
        rules=rules,
        colours=tuple(map(tuple, colours)),
        key=key,
        sha256=hash_parts([header, body, under, ENCODER.encode(colours)]),
    )


def hash_parts(parts: Iterable[bytes]) -> str:
    """Give one hash of several parts, which cannot be mistaken for others that are cut elsewhere."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()


def check_texts(rows: Sequence[Sequence[Cell]], columns: Sequence[Column], before: int) -> None:
    """Raise :class:`GiveUp` for the first text that no cell can hold."""
    for number, row in enumerate(rows, start=before + 1):
        for place, cell in enumerate(row):
            if isinstance(cell, str):
                check_text(cell, number, place, columns[place])


def encode_header(columns: Sequence[Column], options: SheetsOptions) -> bytes:
    """Give the row of headings, b"" when there is none."""
    if options.header == "none":
        return b""
    words = [column.label if options.header == "labels" else column.name for column in columns]
    return join_rows([[{"userEnteredValue": {"stringValue": word}} for word in words]])


def encode_rows(rows: Iterable[Sequence[Cell]], columns: Sequence[Column], key: str = "") -> bytes:
    """Give rows of the table, each with the key behind it when there is one."""
    tail: list[CellData] = [{"userEnteredValue": {"stringValue": key}}] if key else []
    return join_rows([*map(write_cell, row, columns), *tail] for row in rows)


def encode_plain(rows: Iterable[Sequence[Value]], width: int) -> bytes:
    """Give rows that were read, to be written elsewhere."""
    return join_rows([write_plain(pick_value(row, place)) for place in range(width)] for row in rows)


def join_rows(rows: Iterable[Sequence[CellData]]) -> bytes:
    """Give rows as JSON, joined by commas."""
    return ENCODER.encode([{"values": row} for row in rows])[1:-1]


def colour_rows(rows: Iterable[Sequence[Value]], rule: LightRule, columns: Sequence[Column]) -> Iterator[Colour]:
    """Give the colours of rows that were read; what people have changed beyond reading has none."""
    for row in rows:
        cells = [read_leniently(pick_value(row, place), column) for place, column in enumerate(columns)]
        yield rule.colour(cells)


def read_leniently(value: Value, column: Column) -> Cell:
    """Give a cell that was read, None when it cannot be one of this column."""
    from mmflow import GiveUp

    try:
        return read_cell(value, column, "")
    except GiveUp:
        return None
