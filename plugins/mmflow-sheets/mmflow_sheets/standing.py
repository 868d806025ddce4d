"""What stands in the tab already: the rows of earlier deliveries, and whatever people keep where the table would grow.

Rows of earlier deliveries that go give their place to the new ones, so that delivering twice changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from mmflow import GiveUp, RunInfo, Table
from mmflow_sheets.cells import Value
from mmflow_sheets.content import Content
from mmflow_sheets.earlier import Earlier, Row
from mmflow_sheets.edges import find_first, list_edges
from mmflow_sheets.grid import Rect
from mmflow_sheets.options import SheetsOptions
from mmflow_sheets.service import Rows, Service
from mmflow_sheets.target import Target


@dataclass(frozen=True, slots=True)
class Standing:
    """The rows that were there, those of them that stay before and after the new ones, and cells of other people.

    ``first`` is the first place at which anything changes; rows before it are not written again. ``torn`` is a cell
    below the table that cannot move down without leaving a part of its row behind.
    """

    rows: tuple[Row, ...] = ()
    before: tuple[Row, ...] = ()
    after: tuple[Row, ...] = ()
    first: int = 0
    foreign: tuple[tuple[int, int], ...] = ()
    torn: tuple[int, int] | None = None


def read_standing(
    service: Service, target: Target, content: Content, table: Table, options: SheetsOptions, run: RunInfo
) -> Standing:
    """Read what has to be known before writing, in one call, or in none when there can be nothing."""
    keeps = options.mode != "replace" and target.old is not None and not target.old.empty
    most = content.rows + content.footers + bool(content.header) + (target.old.height if keeps and target.old else 0)
    wanted = Rect.of_size(target.corner, max(most, 1), content.width)
    strips = [strip for piece in wanted.minus(target.old) if not (strip := piece.clip(target.grid)).empty]
    own = [target.old] if keeps and target.old else []
    if not own and not strips:
        return Standing()
    old = target.old
    edges = list(list_edges(old, wanted.join(old), target.grid)) if old and wanted.bottom > old.bottom else []
    found = service.read_cells([target.address(cells) for cells in (*own, *strips, *(edge.cells for edge in edges))])
    beside, below = found[len(own) : len(found) - len(edges)], found[len(found) - len(edges) :]
    foreign = tuple(cell for strip, rows in zip(strips, beside, strict=True) for cell in list_full(strip, rows))
    others = Standing(foreign=foreign, torn=find_first(edges, below))
    if not own:
        return others
    if target.mark is None:
        check_empty(found[0], target.show(own[0]))
        return others
    earlier = Earlier.of(found[0], target.title, own[0], target.mark)
    return place_earlier(earlier, target.corner, table, options, run, others)


def list_full(strip: Rect, rows: Rows) -> list[tuple[int, int]]:
    """Give the places of the cells that are not empty."""
    return [
        (strip.top + down, strip.left + across)
        for down, row in enumerate(rows)
        for across, value in enumerate(row)
        if value != Value()
    ]


def place_earlier(
    earlier: Earlier,
    corner: tuple[int, int],
    table: Table,
    options: SheetsOptions,
    run: RunInfo,
    others: Standing,
) -> Standing:
    """Put the earlier rows that stay before and after the new ones, and find the first that is not where it was."""
    sides = earlier.sort_rows(table, options, run)
    before, after = (
        tuple(row for row, side in zip(earlier.rows, sides, strict=True) if side == wanted)
        for wanted in ("before", "after")
    )
    aligned = corner == earlier.old.corner and earlier.mark.header == (options.header != "none")
    widened = options.mode == "append" and not earlier.mark.keyed
    same = 0
    while aligned and not widened and same < len(before) and sides[same] == "before":
        same += 1
    return replace(others, rows=earlier.rows, before=before, after=after, first=same)


def check_empty(found: Rows, where: str) -> None:
    """Raise :class:`GiveUp` when a named range that mmflow never wrote to is not empty."""
    if any(value != Value() for row in found for value in row):
        what = f"{where} holds values that mmflow did not write"
        raise GiveUp(f"{what}, and this mode keeps rows; empty those cells first")
