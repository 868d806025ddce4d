"""Puts the rows of a report among those of other days that an earlier workbook holds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from mmflow import Replacement, Table, moment_text
from mmflow_excel.earlier import Earlier
from mmflow_excel.rows import Row, Rows, batch_rows

BEFORE, REPLACED, AFTER = range(3)  # where a row goes


def merge_earlier(path: Path, sheet: str, table: Table, replacement: Replacement) -> Rows:
    """Give the rows of an earlier workbook that stay: those of times before the table's, and behind it all others."""
    earlier = Earlier(path, sheet, table.columns)
    fates = bytes(find_fates(earlier, replacement))

    def keep(fate: int) -> Iterator[list[Row]]:
        return batch_rows(earlier.rows(found == fate for found in fates))

    def read() -> Iterator[Sequence[Row]]:
        yield from keep(BEFORE)
        yield from table.batches()
        yield from keep(AFTER)

    return Rows(table.columns, len(table) + len(fates) - fates.count(REPLACED), read)


def replaced_rows(path: Path, sheet: str, table: Table, replacement: Replacement) -> Iterator[Row]:
    """Give the rows of an earlier workbook that a delivery takes the place of."""
    earlier = Earlier(path, sheet, table.columns)
    return earlier.rows([fate == REPLACED for fate in find_fates(earlier, replacement)])


def find_fates(earlier: Earlier, replacement: Replacement) -> Iterator[int]:
    """Tell of each row whether it stays before the table, is replaced by it, or stays behind it."""
    places = [replacement.time] if replacement.site is None else [replacement.time, replacement.site]
    for cell, *site in earlier.pick(places):
        moment = moment_text(cell)
        if replacement.covers("".join(str(name or "") for name in site), moment):
            yield REPLACED
        else:
            yield BEFORE if moment < replacement.start else AFTER
