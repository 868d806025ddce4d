"""Shows what a delivery would write, without asking Google."""

from __future__ import annotations

from itertools import islice
from typing import Final

from mmflow import RunInfo, Table, align_texts, show_cell
from mmflow_sheets.formats import number_format
from mmflow_sheets.options import SheetsOptions

SHOWN: Final = 10  # rows
WIDEST: Final = 40
WORDS: Final = {
    "replace": "in the place of what was delivered before",
    "replace_window": "in the place of earlier rows of the same time; other rows stay",
    "append": "below earlier rows, or in the place of those of the same window",
}


def render_sheets(table: Table, options: SheetsOptions, _run: RunInfo) -> str:
    """Give where the table would go, how its columns are typed, and its first rows."""
    place = f"the named range {options.range}" if options.range else f"the tab {options.tab}, from {options.anchor}"
    cells = f"{len(table):,} rows of {len(table.columns)} columns"
    listed = list(islice(table.rows(), SHOWN))
    lines = [f"{cells} go to {place}, of the spreadsheet {options.id or options.spreadsheet},", WORDS[options.mode], ""]
    kinds = [[column.label, column.name, column.type, describe_format(table, place, options)]
             for place, column in enumerate(table.columns)]  # fmt: skip
    lines += align_texts(["heading", "column", "type", "format"], kinds, [False] * 4, widest=WIDEST)
    rows = [[show_cell(cell, column) for cell, column in zip(row, table.columns, strict=True)] for row in listed]
    heads = [column.name if options.header == "names" else column.label for column in table.columns]
    right = [column.type in ("number", "integer") for column in table.columns]
    lines += ["", *align_texts(heads, rows, right, widest=WIDEST)]
    if len(table) > SHOWN:
        lines.append(f"and {len(table) - SHOWN:,} more rows")
    return "\n".join(lines) + "\n"


def describe_format(table: Table, place: int, options: SheetsOptions) -> str:
    """Give the format of a column in the words of Google Sheets."""
    form = number_format(table.columns[place], options) if options.formats == "write" else None
    return form["pattern"] if form else "as it stands" if options.formats == "keep" else "automatic"
