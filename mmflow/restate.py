"""Looking at a window once more: what moved since it was delivered, and whether anything is delivered again.

The service's figures of the last days change: people reclassify downtime and correct counts. A run of kind ``restate``
asks the question of an earlier slot again. When its answer is what stands at the sinks already, nobody gets anything;
else the new table takes the place of the old one, and the ledger keeps which cells moved.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Final

from mmflow.check.uses import SinkUse
from mmflow.deliver.ending import is_settled
from mmflow.deliver.places import spare_newer
from mmflow.deliver.told import About
from mmflow.errors import Held
from mmflow.ledger import Ledger, Moved, MovedCell, Run
from mmflow.table import Cell, Table, shorten_cell
from mmflow.table.moves import Move, can_compare, find_moves, name_rows

MOST_CELLS: Final = 1_000  # that are kept of a run; all are counted


def judge_moves(about: About, table: Table, uses: Sequence[SinkUse], ledger: Ledger, root: Path, spill: Path) -> str:
    """Give why a restated table is not delivered, "" when it is to take the place of what stands.

    It is delivered when a cell moved, when one of the sinks has not got what the others have, and when nobody can tell
    because the earlier table is gone or had other columns. It is not while a site is missing, which would take away
    rows that are right; sinks that show a newer window count for nothing. What moved is noted in the ledger. ``spill``
    is a folder for what does not fit into memory. Raises :class:`Held` when all rows are gone.
    """
    replaceable = [use for use in uses if use.type.semantics != "message"]
    if not replaceable:
        return "nothing to replace: the job sends only messages"
    spared = {use.name: why for use in replaceable if (why := spare_newer(use, about, ledger))}
    uses = [use for use in replaceable if use.name not in spared]
    if not uses:
        return "nothing to replace: " + "; ".join(f"{name} is {why}" for name, why in spared.items())
    standing = find_standing(about.run, uses, ledger)
    if standing is None:
        ledger.note_moved(about.run, Moved(why="nothing of this window was delivered before"))
        return ""
    if missing := [site for site, _ in about.missing]:
        return f"{', '.join(missing)} did not answer; what run {standing.id} delivered stays"
    if standing.rows and not len(table):  # what is wrong is far more often the service than the past
        found = f"there are no rows any more, run {standing.id} delivered {standing.rows}"
        raise Held([f"{found}; what it delivered stays"])
    moved = compare_run(standing, table, root, spill)
    ledger.note_moved(about.run, moved)
    if moved.why or moved.total or lacks_sink(standing, uses, ledger):
        return ""
    return f"nothing moved since run {standing.id}"


def find_standing(run: str, uses: Sequence[SinkUse], ledger: Ledger) -> Run | None:
    """Give the latest run whose table of this window stands at one of the sinks."""
    names = {use.name for use in uses}
    keys = [delivery.key for delivery in ledger.deliveries(run) if delivery.sink in names]
    latest = max(map(ledger.standing_run, keys), default="")
    return ledger.read_run(latest) if latest else None


def lacks_sink(standing: Run, uses: Iterable[SinkUse], ledger: Ledger) -> bool:
    """Tell whether one of the sinks has not got what this run delivered to others."""
    settled = {delivery.sink for delivery in ledger.deliveries(standing.id) if is_settled(delivery)}
    return any(use.name not in settled for use in uses)


def compare_run(standing: Run, table: Table, root: Path, spill: Path) -> Moved:
    """Give what moved since a run, or why nobody can tell."""
    path = root / standing.snapshot
    if not standing.snapshot or not path.is_file():
        return Moved(since=standing.id, why="the table of that run is not kept any more")
    before = Table.open(path)
    if not can_compare(before, table):
        return Moved(since=standing.id, why="the report had other columns then")
    names = [column.name for column in name_rows(table)]
    moves = find_moves(before, table, spill)
    cells = tuple(keep_move(move, names) for move in islice(moves, MOST_CELLS))
    return Moved(since=standing.id, total=len(cells) + sum(1 for _ in moves), cells=cells)


def keep_move(move: Move, names: Sequence[str]) -> MovedCell:
    """Give a move as the ledger keeps it."""
    row = {name: keep_cell(cell) for name, cell in zip(names, move.row, strict=True)}
    return MovedCell(
        row=row, change=move.change, column=move.column, before=keep_cell(move.before), after=keep_cell(move.after)
    )


def keep_cell(cell: Cell) -> str | int | float | bool | None:
    """Give a cell as JSON has it: days and instants as ISO 8601, whole numbers without decimals."""
    short = shorten_cell(cell)
    return short.isoformat() if isinstance(short, date) else short
