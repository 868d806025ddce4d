"""Moves formulas to other rows, as Excel does when they are filled down."""

from __future__ import annotations

import re
from typing import Final

from mmflow_excel.places import LAST_COLUMN, LAST_ROW, count_column

# Texts, names of sheets and parts of tables are left alone; then a cell, or rows such as 3:5.
PIECE: Final = re.compile(
    r"""(?P<text>"(?:[^"]|"")*"|'(?:[^']|'')*')
    |(?P<table>\[)
    |(?<![A-Za-z0-9_.\\$])(?P<column>\$?[A-Za-z]{1,3})(?P<row>[1-9][0-9]{0,6})(?![A-Za-z0-9_.(!])
    |(?<![A-Za-z0-9_.\\$:])(?P<first>\$?[1-9][0-9]{0,6}):(?P<last>\$?[1-9][0-9]{0,6})(?![A-Za-z0-9_.:])
    """,
    re.VERBOSE,
)


def shift_formula(formula: str, rows: int) -> str:
    """Give a formula as it stands so many rows further down: rows without $ move, also in ranges.

    A row that leaves the sheet becomes ``#REF!``.
    """
    if not rows:
        return formula
    pieces, at = [], 0
    while found := PIECE.search(formula, at):
        pieces.append(formula[at : found.start()])
        end = found.end()
        if found["table"]:
            end = close_bracket(formula, found.start())
            pieces.append(formula[found.start() : end])
        elif found["text"]:
            pieces.append(found[0])
        elif found["column"]:
            pieces.append(shift_row(found["column"], found["row"], rows))
        else:
            pieces.append(f"{shift_row('', found['first'], rows)}:{shift_row('', found['last'], rows)}")
        at = end
    return "".join([*pieces, formula[at:]])


def names_cells(formula: str) -> bool:
    """Tell whether a formula names cells by rows that move."""
    return shift_formula(formula, 1) != formula


def shift_row(column: str, row: str, rows: int) -> str:
    """Move one row; one with $ stays."""
    names_nothing = count_column(column.lstrip("$")) > LAST_COLUMN or int(row.lstrip("$")) > LAST_ROW
    if row.startswith("$") or names_nothing:  # YTD2026 is a name that somebody gave
        return column + row
    moved = int(row) + rows
    return f"{column}{moved}" if 1 <= moved <= LAST_ROW else "#REF!"


def close_bracket(formula: str, start: int) -> int:
    """Give the place after the bracket that closes the one at ``start``; ' hides the character after it."""
    depth, at = 0, start
    while at < len(formula):
        char = formula[at]
        if char == "'":
            at += 1
        elif char in "[]":
            depth += 1 if char == "[" else -1
            if not depth:
                return at + 1
        at += 1
    return at
