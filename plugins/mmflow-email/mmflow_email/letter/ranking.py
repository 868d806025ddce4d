"""Finds the rows that readers should hear of first: those with a red light, and the top losses."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from mmflow import Cell, Column, FooterRow, LightRule
from mmflow_email.letter.figures import bare_label, tidy_text, write_cell, write_quantity
from mmflow_email.letter.options import TopLosses

MOST_RED: Final = 6  # rows with a red light that are named
LONGEST_NAME: Final = 80
AMOUNTS: Final = ("ms", "s", "min", "h", "parts")  # units of which a share of the total means something
SEVERITY: Final = ("red", "amber", "green")


@dataclass(slots=True)
class Watch:
    """Counts rows by their worst light, and keeps the red ones that lie farthest beyond their limit."""

    rules: Sequence[LightRule]
    columns: Sequence[Column]
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SEVERITY, 0))
    kept: list[tuple[float, int, dict[str, Any]]] = field(default_factory=list)

    def add(self, row: Sequence[Cell]) -> dict[int, str]:
        """Take a row and give the colours of its cells, by place."""
        colours: dict[int, str] = {rule.place: colour for rule in self.rules if (colour := rule.colour(row))}
        worst = next((colour for colour in SEVERITY if colour in colours.values()), None)
        if worst:
            self.counts[worst] += 1
        if worst == "red":
            self._keep(row, colours)
        return colours

    @property
    def reds(self) -> list[dict[str, Any]]:
        """The red rows that are named, the worst first; of equal ones the first in the table."""
        return [described for *_, described in sorted(self.kept, reverse=True)]

    def _keep(self, row: Sequence[Cell], colours: Mapping[int, str]) -> None:
        rank = (max(rule.excess(row) for rule in self.rules), -self.counts["red"])
        full = len(self.kept) == MOST_RED
        if full and rank < self.kept[0][:2]:
            return
        entry = (*rank, {"name": name_row(row, self.columns), "parts": list(self._red_parts(row, colours))})
        (heapq.heapreplace if full else heapq.heappush)(self.kept, entry)

    def _red_parts(self, row: Sequence[Cell], colours: Mapping[int, str]) -> list[dict[str, str]]:
        return [
            {"label": bare_label(self.columns[place]), "text": write_quantity(row[place], self.columns[place])}
            for place, colour in colours.items()
            if colour == "red"
        ]


@dataclass(slots=True)
class Ranking:
    """Keeps the rows that stand highest by one column; a null ranks nowhere."""

    top: TopLosses
    place: int
    columns: Sequence[Column]
    kept: list[tuple[float, int, str, float]] = field(default_factory=list)
    seen: int = 0

    @property
    def column(self) -> Column:
        """The column by which rows are ranked."""
        return self.columns[self.place]

    @property
    def largest(self) -> bool:
        """Whether large numbers come first."""
        return self.top.order == "largest" or (self.top.order == "worst" and self.column.direction != "up")

    def add(self, row: Sequence[Cell]) -> None:
        """Take a row; where the largest come first, nothing and less than nothing is no loss."""
        cell = row[self.place]
        if isinstance(cell, bool) or not isinstance(cell, int | float) or (self.largest and cell <= 0):
            return
        self.seen += 1
        entry = (cell if self.largest else -cell, -self.seen, name_row(row, self.columns), cell)
        if len(self.kept) < self.top.count:
            heapq.heappush(self.kept, entry)
        else:
            heapq.heappushpop(self.kept, entry)

    def describe(self, footer: Sequence[FooterRow]) -> dict[str, Any] | None:
        """Give heading and entries, the highest first; None when there is nothing to name."""
        entries = [
            {"name": name, "text": write_quantity(cell, self.column), "share": self._share(cell, footer)}
            for _, _, name, cell in sorted(self.kept, reverse=True)
        ]
        if not entries:
            return None
        title = tidy_text(self.top.title, 120) or self._name(len(entries))
        return {"title": title, "entries": entries}

    def _name(self, count: int) -> str:
        what, order = bare_label(self.column), "largest" if self.largest else "lowest"
        worst = self.largest == (self.column.direction == "down") and self.column.direction
        return f"Top {count} losses: {what}" if worst else f"{what}: {order} {count}"

    def _share(self, cell: float, footer: Sequence[FooterRow]) -> str:
        total = next((row.values[self.place] for row in footer if row.kind == "total"), None)
        amount = self.largest and self.column.unit in AMOUNTS
        if not amount or not isinstance(total, int | float) or total < cell:
            return ""
        return f"{100 * cell / total:.0f} % of the total"


def name_row(row: Sequence[Cell], columns: Sequence[Column]) -> str:
    """Name a row by its groups."""
    groups = [write_cell(cell, column) for cell, column in zip(row, columns, strict=True) if column.role == "group"]
    return tidy_text(" · ".join(groups), LONGEST_NAME) or "all"


def choose_top(top: TopLosses | str | None, template: str, columns: Sequence[Column]) -> TopLosses | None:
    """Give by what rows are ranked: as the job says, or by down time in the morning."""
    if isinstance(top, TopLosses):
        return top
    wanted = top is None and template != "table" and any(column.name == "downtime" for column in columns)
    return TopLosses(by="downtime") if wanted else None
