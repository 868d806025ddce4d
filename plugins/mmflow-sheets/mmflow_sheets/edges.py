"""The left and right edge of the cells that move down when the table grows: what lies across them would be torn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mmflow_sheets.cells import Value, pick_value
from mmflow_sheets.grid import Rect
from mmflow_sheets.service import Rows


@dataclass(frozen=True, slots=True)
class Edge:
    """Two columns below a table, one of which moves down with what lies below while the other stays.

    Its first row is the last of the table. ``inside`` is the place of the column that moves, 0 or 1.
    """

    cells: Rect
    inside: int

    def find_torn(self, rows: Rows) -> tuple[int, int] | None:
        """Give the first cell that moves away from a neighbour, which belongs to the same block of cells below.

        A column that is full from beside the table downwards stands for itself.
        """
        beside = True
        for down, row in enumerate(rows):
            moves, stays = (pick_value(row, place) != Value() for place in (self.inside, 1 - self.inside))
            beside = beside and stays
            if down and moves and stays and not beside:
                return self.cells.top + down, self.cells.left + self.inside
        return None


def list_edges(old: Rect, wide: Rect, grid: Rect) -> Iterator[Edge]:
    """Give the edges of what lies below a table, which has the columns of ``wide`` once it has grown."""
    for left, inside in ((wide.left - 1, 1), (wide.right - 1, 0)):
        cells = Rect(old.bottom - 1, left, grid.bottom, left + 2)
        if cells.clip(grid) == cells and cells.height > 1:
            yield Edge(cells, inside)


def find_first(edges: Sequence[Edge], found: Sequence[Rows]) -> tuple[int, int] | None:
    """Give the first cell that would be torn from another."""
    return next((cell for edge, rows in zip(edges, found, strict=True) if (cell := edge.find_torn(rows))), None)
