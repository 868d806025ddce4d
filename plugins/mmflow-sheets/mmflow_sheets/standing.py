"""What stands in the tab already: the rows of earlier deliveries, and whatever people keep where the table would grow.

Rows of earlier deliveries that go give their place to the new ones, so that delivering twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from mmflow import GiveUp, Replacement, RunInfo, Table, moment_text
from mmflow_sheets.cells import Value, pick_value, read_cell
from mmflow_sheets.content import Content
from mmflow_sheets.grid import Rect, column_name
from mmflow_sheets.options import SheetsOptions
from mmflow_sheets.service import Rows, Service
from mmflow_sheets.target import Target

Row: TypeAlias = list[Value]


@dataclass(frozen=True, slots=True)
class Standing:
    """The rows that were there, those of them that stay before and after the new ones, and cells of other people.

    ``first`` is the first place at which anything changes; rows before it are not written again.
    """

    rows: tuple[Row, ...] = ()
    before: tuple[Row, ...] = ()
    after: tuple[Row, ...] = ()
    first: int = 0
    foreign: tuple[tuple[int, int], ...] = ()


def read_standing(service: Service, target: Target, content: Content, table: Table, options: SheetsOptions,
                  run: RunInfo) -> Standing:  # fmt: skip
    """Read what has to be known before writing, in one call, or in none when there can be nothing."""
    keeps = options.mode != "replace" and target.old is not None and not target.old.empty
    most = content.rows + content.footers + bool(content.header) + (target.old.height if keeps and target.old else 0)
    wanted = Rect.of_size(target.corner, max(most, 1), content.width)
    strips = [strip for piece in wanted.minus(target.old) if not (strip := piece.clip(target.grid)).empty]
    own = [target.old] if keeps and target.old else []
    if not own and not strips:
        return Standing()
    found = service.read_cells([target.address(cells) for cells in (*own, *strips)])
    foreign = tuple(
        cell for strip, rows in zip(strips, found[len(own) :], strict=False) for cell in list_full(strip, rows)
    )
    if not keeps:
        return Standing(foreign=foreign)
    return sort_rows(found[0] if found else [], target, table, options, run, foreign)


def list_full(strip: Rect, rows: Rows) -> list[tuple[int, int]]:
    """Give the places of the cells that are not empty."""
    return [
        (strip.top + down, strip.left + across)
        for down, row in enumerate(rows)
        for across, value in enumerate(row)
        if value != Value()
    ]


def sort_rows(found: Rows, target: Target, table: Table, options: SheetsOptions, run: RunInfo,
              foreign: tuple[tuple[int, int], ...]) -> Standing:  # fmt: skip
    """Say of each row that stands there whether it goes, or stays before or after the new ones."""
    rows = take_body(found, target)
    mark = target.mark
    if mark is None:
        return Standing(foreign=foreign)
    check_columns(target, [column.name for column in table.columns])
    header = bool(options.header != "none")
    if options.mode == "append":
        before, after = part_appended(rows, len(mark.columns) if mark.keyed else None, run)
    else:
        before, after = part_window(rows, target, table, run)
    aligned = target.old is not None and target.corner == target.old.corner and mark.header == header
    widened = options.mode == "append" and not mark.keyed
    same = 0
    while aligned and not widened and same < len(before) and before[same] is rows[same]:
        same += 1
    return Standing(tuple(rows), tuple(before), tuple(after), same, foreign)


def take_body(found: Rows, target: Target) -> list[Row]:
    """Give the rows of earlier deliveries, without header and totals; Google leaves out empty ones at the end."""
    assert target.old is not None
    mark = target.mark
    if mark is None:
        if any(value != Value() for row in found for value in row):
            what = f"{target.show(target.old)} holds values that mmflow did not write"
            raise GiveUp(f"{what}, and this mode keeps rows; empty those cells first")
        return []
    filled = [*found, *([] for _ in range(target.old.height - len(found)))]
    return filled[int(mark.header) : len(filled) - mark.footer]


def check_columns(target: Target, expected: Sequence[str]) -> None:
    """Raise :class:`GiveUp` when the rows that stand there are of another report."""
    assert target.mark is not None
    assert target.old is not None
    if list(target.mark.columns) != list(expected):
        what = f"{target.show(target.old)} holds the columns {', '.join(target.mark.columns)}"
        raise GiveUp(f"{what}, expected {', '.join(expected)}; use another tab, or delete that one")


def part_appended(rows: Sequence[Row], place: int | None, run: RunInfo) -> tuple[list[Row], list[Row]]:
    """Part the rows of other deliveries; new rows take the place of those that this delivery left earlier."""
    from mmflow_sheets.mark import short_key

    key = short_key(run)
    ours = [place is not None and pick_value(row, place).text == key for row in rows]
    start = ours.index(True) if any(ours) else len(rows)
    kept = [(number, row) for number, row in enumerate(rows) if not ours[number]]
    return [row for number, row in kept if number < start], [row for number, row in kept if number >= start]


def part_window(rows: Sequence[Row], target: Target, table: Table, run: RunInfo) -> tuple[list[Row], list[Row]]:
    """Part the rows outside of the delivered time into those before and those after."""
    replacement = Replacement.of(table, run)
    place = read_places(target, table, replacement)
    before: list[Row] = []
    after: list[Row] = []
    for number, row in enumerate(rows):
        site, moment = place(number, row)
        if not replacement.covers(site, moment):
            (before if moment < replacement.start else after).append(row)
    return before, after


def read_places(target: Target, table: Table, replacement: Replacement) -> Callable[[int, Row], tuple[str, str]]:
    """Give what reads site and moment of a row; :class:`GiveUp` names a cell that people have made unreadable."""
    assert target.old is not None
    assert target.mark is not None
    top, left = target.old.top + target.mark.header + 1, target.old.left
    time = table.columns[replacement.time]

    def place(number: int, row: Row) -> tuple[str, str]:
        where = f"{target.title}!{column_name(left + replacement.time)}{top + number}"
        moment = moment_text(read_cell(pick_value(row, replacement.time), time, where))
        return "" if replacement.site is None else str(pick_value(row, replacement.site).plain or ""), moment

    return place
