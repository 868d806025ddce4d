"""Decides which cells a delivery takes: how far the table reaches, what is written, what is pushed down."""

from __future__ import annotations

from dataclasses import dataclass

from mmflow import GiveUp
from mmflow_sheets.content import Content
from mmflow_sheets.earlier import Row
from mmflow_sheets.grid import LARGEST_SHEET, MOST_COLUMNS, Rect, column_name, read_cell
from mmflow_sheets.options import SheetsOptions
from mmflow_sheets.standing import Standing
from mmflow_sheets.target import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The cells of a delivery. ``new`` are those of the whole table, ``old`` those of the one before.

    Rows of the body are written from ``first``: earlier rows of ``head``, those of the table, earlier rows of ``tail``.
    ``pushed`` rows are inserted at ``push_at`` before anything is written; ``old`` is already where it is then.
    """

    new: Rect
    old: Rect | None
    header: int
    body: int
    first: int
    head: tuple[Row, ...]
    tail: tuple[Row, ...]
    pushed: int = 0
    push_at: int = 0
    rows: int
    columns: int

    def body_rows(self, first: int, last: int) -> Rect:
        """Give cells of the body, in rows counted from its top."""
        return self.new.rows(self.header + first, self.header + last)


def plan_layout(target: Target, content: Content, standing: Standing, options: SheetsOptions) -> Layout:
    """Lay the table out; :class:`GiveUp` names the cells of other people that are in the way, or the limit."""
    header = int(bool(content.header))
    body = len(standing.before) + content.rows + len(standing.after)
    new = Rect.of_size(target.corner, max(header + body + content.footers, 1), content.width)
    check_merges(target, new)
    push_at, pushed = plan_push(target, new, standing)
    old, first, tail = target.old, standing.first, standing.after
    if pushed and old:
        first = max(min(first, push_at - old.top - header), 0)
        old = Rect(old.top, old.left, old.bottom + pushed, old.right)
    elif body == len(standing.rows) and stays(target, standing, header):
        tail = ()
    corner = chart_corner(options, new) if options.chart else (0, 0)
    layout = Layout(
        new=new,
        old=old,
        header=header,
        body=body,
        first=first,
        head=standing.before[first:],
        tail=tail,
        pushed=pushed,
        push_at=push_at,
        rows=max(target.rows + pushed, new.bottom, new.top + 2, corner[0] + 1),
        columns=max(target.columns, new.right, corner[1] + 1),
    )
    check_size(target, layout)
    return layout


def stays(target: Target, standing: Standing, header: int) -> bool:
    """Tell whether earlier rows after the new ones are already where they belong."""
    mark, old = target.mark, target.old
    aligned = mark is not None and old is not None and mark.header == bool(header) and old.corner == target.corner
    last = standing.rows[len(standing.rows) - len(standing.after) :]
    return aligned and last == standing.after


def plan_push(target: Target, new: Rect, standing: Standing) -> tuple[int, int]:
    """Say where rows are inserted and how many, so that what people keep below the table moves down.

    They are inserted before the last row of the table, so that sums over the table in formulas reach over them too.
    """
    blocked = [(row, column) for row, column in standing.foreign if new.holds(row, column)]
    if not blocked:
        return 0, 0
    old = target.old
    if old is None or old.corner != target.corner or any(row < old.bottom for row, _ in blocked):
        row, column = blocked[0]
        cell = f"{target.title}!{column_name(column)}{row + 1}"
        what = f"the cell {cell} is not empty and lies where the table goes ({target.show(new)})"
        if target.mark and old is None:
            name = target.mark.range_name
            raise GiveUp(
                f"{what}, and the name {name} of mmflow's own cells was deleted; name them so again, or empty them"
            )
        raise GiveUp(f"{what}; empty those cells, or let the table begin elsewhere (tab, anchor)")
    if standing.torn:
        cell = f"{target.title}!{column_name(standing.torn[1])}{standing.torn[0] + 1}"
        what = f"the table grows, and {cell} below it belongs to cells that reach beyond its columns"
        raise GiveUp(f"{what}: only a part of them would move down; put them beside the table, or further below")
    return max(old.bottom - 1, old.top + 1), new.bottom - min(row for row, _ in blocked)


def check_merges(target: Target, new: Rect) -> None:
    """Raise :class:`GiveUp` for merged cells, which would swallow values."""
    for merge in target.merges:
        if merge.overlaps(new):
            raise GiveUp(f"the cells {target.show(merge)} lie within the table and are merged; unmerge them")


def check_size(target: Target, layout: Layout) -> None:
    """Raise :class:`GiveUp` when the spreadsheet would be larger than Google lets it be."""
    if layout.columns > MOST_COLUMNS:
        reach = f"the table would reach to column {column_name(layout.columns - 1)}, the {layout.columns:,}th"
        raise GiveUp(f"{reach}, and a tab has at most {MOST_COLUMNS:,}; leave columns out")
    cells = target.elsewhere + layout.rows * layout.columns
    if cells > LARGEST_SHEET:
        here = f"{layout.rows:,} rows of {layout.columns:,} columns in this tab, {target.elsewhere:,} cells in others"
        raise GiveUp(
            f"the spreadsheet would have {cells:,} cells ({here}), and at most {LARGEST_SHEET:,} are possible; "
            "delete empty rows, columns or tabs, send fewer rows, or use another spreadsheet"
        )


def chart_corner(options: SheetsOptions, new: Rect) -> tuple[int, int]:
    """Give the cell of the chart's corner: where the job says, else right of the table."""
    if options.chart and options.chart.at:
        return read_cell(options.chart.at)
    return new.top, new.right + 1
