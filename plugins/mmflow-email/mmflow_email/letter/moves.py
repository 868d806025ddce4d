"""Says which numbers of earlier reports have changed since the report before, of a job that looks at them again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Final

from mmflow import Cell, Column, MovedCell, MovedWindow
from mmflow_email.letter.figures import UNKNOWN, bare_label, tidy_text, write_quantity
from mmflow_email.letter.layout import Content

MOST_CELLS: Final = 20  # that a letter gets; the rest is counted
MOST_WINDOWS: Final = 7


def gather_moves(windows: Sequence[MovedWindow], columns: Sequence[Column]) -> Content:
    """Give what templates get: how many there are, a sentence, and the first of them."""
    known = {column.name: column for column in columns}
    cells = (describe_cell(cell, name_days(window), known) for window in windows for cell in window.cells)
    count = sum(window.total for window in windows)
    return {
        "count": count,
        "text": say_moves(windows, count) if count else "",
        "cells": list(islice(cells, MOST_CELLS)),
    }


def say_moves(windows: Sequence[MovedWindow], count: int) -> str:
    """Say how many numbers have changed, and of which days."""
    days: dict[str, int] = {}
    for window in windows:
        days[name_days(window)] = days.get(name_days(window), 0) + window.total
    listed = [f"{name}: {total:,}" for name, total in islice(days.items(), MOST_WINDOWS)]
    more = [f"and {len(days) - MOST_WINDOWS} more"] if len(days) > MOST_WINDOWS else []
    what = "1 number of an earlier report has" if count == 1 else f"{count:,} numbers of earlier reports have"
    return f"{what} changed since the report before ({', '.join([*listed, *more])})."


def name_days(window: MovedWindow) -> str:
    """Name a window by its production days."""
    first, last = window.first_day.isoformat(), window.last_day.isoformat()
    return first if first == last else f"{first} to {last}"


def describe_cell(cell: MovedCell, days: str, columns: Mapping[str, Column]) -> Content:
    """Describe what moved, as the letter writes such values now."""
    column = columns.get(cell.column)
    return {
        "days": days,
        "row": ", ".join(list_words(cell.row)),
        "change": cell.change,
        "column": bare_label(column) if column else tidy_text(cell.column, 80),
        "before": write_value(cell.before, column),
        "after": write_value(cell.after, column),
    }


def list_words(row: Mapping[str, Cell]) -> Iterator[str]:
    """Give what a row is known by."""
    yield from (tidy_text(str(value), 80) for value in row.values() if value is not None)


def write_value(value: Cell, column: Column | None) -> str:
    """Write a value as its column does, or as it is when the report has none of that name any more."""
    if value is None:
        return UNKNOWN
    return write_quantity(value, column) if column else tidy_text(str(value), 80)
