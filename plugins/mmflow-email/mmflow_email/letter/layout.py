"""Which columns the table of a letter shows, and what each of its cells says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeGuard

from mmflow import Cell, Column, LightRule, Table, find_lights
from mmflow_email.letter.figures import write_cell, write_change
from mmflow_email.letter.options import LetterOptions

MOST_COLUMNS: Final = 12
MOST_NAME: Final = 14  # characters of a name that stand in one line on a phone
PHONE: Final = 328  # points between the margins
SYMBOLS: Final[Mapping[str, str]] = {"red": "✕", "amber": "!", "green": "✓"}
ARROWS: Final[Mapping[int, str]] = {1: "▲", -1: "▼", 0: "="}
Content = dict[str, Any]


@dataclass(slots=True)
class Layout:
    """Which columns the table of a letter shows, and which of them say how they changed."""

    columns: Sequence[Column]
    shown: list[int]
    merged: bool  # a change stands in the cell that changed, and not in a column of its own
    rules: list[LightRule]
    places: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        """Note where each column is."""
        self.places = {column.name: place for place, column in enumerate(self.columns)}

    @classmethod
    def of(cls, table: Table, options: LetterOptions) -> Layout:
        """Choose them: those of the job, or all but comparison and limits, which the numbers show themselves."""
        names = {column.name: place for place, column in enumerate(table.columns)}
        merged = options.columns is None
        rules = find_lights(options.lights, table.columns)
        limits = {place for rule in rules for place in (rule.amber_column, rule.red_column)}
        if options.columns is not None:
            shown = [names[name] for name in options.columns if name in names]
        else:
            shown = [place for place, c in enumerate(table.columns) if c.role != "compare" and place not in limits]
        return cls(table.columns, shown, merged, rules)

    @property
    def visible(self) -> list[int]:
        """The places that have room."""
        return self.shown[:MOST_COLUMNS]

    def write_row(self, row: Sequence[Cell], colours: Mapping[int, str]) -> Content:
        """Give every cell of a row by the name of its column."""
        return {
            column.name: self.write_cell(place, row, colours.get(place, ""))
            for place, column in enumerate(self.columns)
        }

    def write_cell(self, place: int, row: Sequence[Cell], light: str) -> Content:
        """Describe one cell; ``tone`` is good or bad where a change is told and the better direction is known."""
        column, cell = self.columns[place], row[place]
        change = self._change(place, row)
        written = write_cell(cell, column)
        own = column.role == "compare" and column.name.endswith("_change") and is_number(cell)
        return {
            "text": write_change(cell, column) if own and is_number(cell) else written,
            "value": plain(cell),
            "light": light,
            "symbol": SYMBOLS.get(light, ""),
            **(judge(cell, column, told=False) if own else judge(change, column)),
        }

    def _change(self, place: int, row: Sequence[Cell]) -> Cell:
        found = self.places.get(f"{self.columns[place].name}_change")
        return row[found] if self.merged and found is not None and self.columns[found].role == "compare" else None


def judge(change: Cell, column: Column, *, told: bool = True) -> dict[str, str]:
    """Say which way a number went, and whether that is good; empty when nothing is known."""
    if not is_number(change):
        return {"change": "", "arrow": "", "tone": ""}
    text = write_change(change, column)
    way = ((change > 0) - (change < 0)) if text.strip("+-0., pt") else 0  # what rounds to nothing went nowhere
    better = {"up": 1, "down": -1}.get(column.direction, 0)
    tone = {1: "good", -1: "bad"}.get(way * better, "")
    return {"change": text if told else "", "arrow": ARROWS[way], "tone": tone}


def is_number(cell: Cell) -> TypeGuard[int | float]:
    """Tell numbers from everything else."""
    return isinstance(cell, int | float) and not isinstance(cell, bool)


def plain(cell: Cell) -> str | int | float | bool | None:
    """Give a value as templates get it: days and times as ISO texts."""
    return cell if cell is None or isinstance(cell, str | int | float) else cell.isoformat()


def measure_table(table: Table, layout: Layout, rows: Sequence[Content]) -> float:
    """Guess how wide the table is on a phone, where small letters take about seven points."""
    footers = [layout.write_row(row.values, {}) for row in table.footer]
    return sum(measure_column(layout.columns[place], [*rows, *footers]) for place in layout.visible)


def measure_column(column: Column, rows: Sequence[Content]) -> float:
    """Guess the width of a column: its longest number, or the longest word of its texts."""
    numeric = column.type in ("number", "integer")
    words = max(map(len, column.label.split()), default=0)
    for row in rows:
        cell = row[column.name]
        text = len(cell["text"]) + 3 * bool(cell["light"])
        words = max(words, text if numeric else min(text, MOST_NAME), len(cell["change"]) + 1 if cell["change"] else 0)
    return 8 + 6.9 * words
