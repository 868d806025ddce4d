"""What a snapshot says about itself: columns, footer and notices, as JSON in the metadata of the file."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from math import isfinite
from pathlib import Path
from typing import Literal

import msgspec

from mmflow.errors import GiveUp, StateError
from mmflow.table.cells import VALUE_TYPES, Cell, Column, ColumnType, FooterRow

FORMAT_VERSION = 1
VALUES_OF = {kind: value for value, kind in VALUE_TYPES.items()}

TypedCell = tuple[ColumnType | None, str | int | float | bool | None]
"""The type of a cell and its value: JSON has no dates."""


class StoredRow(msgspec.Struct, frozen=True):
    """A row of the footer as the file keeps it."""

    kind: Literal["rest", "total"]
    cells: tuple[TypedCell, ...]


class Envelope(msgspec.Struct, frozen=True):
    """What every version says."""

    version: int


class Description(Envelope, frozen=True):
    """What the file says about itself."""

    columns: tuple[Column, ...]
    footer: tuple[StoredRow, ...]
    notices: tuple[str, ...]


def encode_description(columns: Sequence[Column], footer: Sequence[FooterRow], notices: Sequence[str]) -> str:
    """Give what the file says about itself, as JSON; :class:`ValueError` for a footer row that does not fit."""
    if any(len(row.values) != len(columns) for row in footer):
        raise ValueError("a footer row needs one value for each column")
    rows = tuple(StoredRow(row.kind, tuple(map(encode_cell, row.values))) for row in footer)
    return msgspec.json.encode(Description(FORMAT_VERSION, tuple(columns), rows, tuple(notices))).decode()


def encode_cell(cell: Cell) -> TypedCell:
    """Give a cell of the footer with its type."""
    if isinstance(cell, float) and not isfinite(cell):
        raise GiveUp("the footer holds a number that is not finite; expected numbers or null")
    return VALUE_TYPES.get(type(cell)), cell.isoformat() if isinstance(cell, date) else cell


def decode_description(path: Path, data: bytes) -> tuple[tuple[Column, ...], tuple[FooterRow, ...], tuple[str, ...]]:
    """Give columns, footer and notices of a file; :class:`StateError` when its description cannot be read."""
    try:
        if msgspec.json.decode(data, type=Envelope).version > FORMAT_VERSION:
            raise StateError(f"the snapshot {path} is from a newer version of mmflow; upgrade mmflow")
        found = msgspec.json.decode(data, type=Description)
        footer = tuple(FooterRow(row.kind, tuple(map(decode_cell, row.cells))) for row in found.footer)
    except msgspec.MsgspecError as error:
        raise StateError(f"the description in the snapshot {path} is damaged; run the report again") from error
    return found.columns, footer, found.notices


def decode_cell(cell: TypedCell) -> Cell:
    """Give a cell of the footer back its type."""
    kind, value = cell
    return None if kind is None else msgspec.convert(value, VALUES_OF[kind])
