"""Which cells of a report are others in a later one about the same time: found by the database, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

from mmflow.table import Cell, Column, Table
from mmflow.table.cells import quote_name, quote_text
from mmflow.table.database import escape_path, read_snapshot

# Relative and absolute: sums of the same figures in another order differ by less, and a spreadsheet keeps no more.
CLOSE: Final = (1e-9, 1e-12)

Change = Literal["changed", "new", "gone"]


@dataclass(frozen=True, slots=True)
class Move:
    """A cell that holds something else, or a row that is new or gone, which has no ``column``.

    ``row`` are the cells by which the row is known, in the order of their columns.
    """

    row: tuple[Cell, ...]
    change: Change
    column: str = ""
    before: Cell = None
    after: Cell = None


def name_rows(table: Table) -> tuple[Column, ...]:
    """Give the columns by whose cells a row is known."""
    return tuple(column for column in table.columns if column.role in ("group", "id"))


def can_compare(before: Table, after: Table) -> bool:
    """Tell whether two tables have the same columns, so that their cells can be held against each other."""
    return describe_columns(before) == describe_columns(after)


def describe_columns(table: Table) -> list[tuple[str, str, str, str]]:
    """Give what two columns must have in common for their cells to mean the same."""
    return [(column.name, column.type, column.role, column.unit) for column in table.columns]


def find_moves(before: Table, after: Table, spill: Path) -> Iterator[Move]:
    """Give what moved between two tables of equal columns, in the order of the later one, then what is gone.

    Values are compared as they are, unrounded, since that is how sinks write them; numbers that differ by no more than
    :data:`CLOSE` are the same. Several rows of equal groups go by their order. The database spills into the folder
    ``spill``. Raises what reading a snapshot raises.
    """
    keys, values = name_rows(after), [column for column in after.columns if column.role not in ("group", "id")]
    with read_snapshot(after.path, spill) as connection:
        cursor = connection.execute(write_query(before, after))
        while batch := cursor.fetchmany(1_000):
            for stood, stands, *cells in batch:
                row = tuple(map(mark_zone, cells[: len(keys)]))
                if not (stood and stands):
                    yield Move(row, "new" if stands else "gone")
                    continue
                triples = zip(*(iter(cells[len(keys) :]),) * 3, strict=True)
                for column, (moved, earlier, later) in zip(values, triples, strict=True):
                    if moved:
                        yield Move(row, "changed", column.name, mark_zone(earlier), mark_zone(later))


def write_query(before: Table, after: Table) -> str:
    """Write the query: whether the row stood and stands, what it is known by, and of each value moved, old and new."""
    places = {column.name: place for place, column in enumerate(after.columns)}
    keys = [places[column.name] for column in name_rows(after)]
    values = [(place, column) for place, column in enumerate(after.columns) if place not in keys]
    moved = {place: write_moved(place, column) for place, column in values}
    found = ["b.nth IS NOT NULL", "a.nth IS NOT NULL"]
    found += [show_cell(f"coalesce(a.c{place}, b.c{place})", after.columns[place]) for place in keys]
    for place, column in values:
        found += [moved[place], show_cell(f"b.c{place}", column), show_cell(f"a.c{place}", column)]
    same = " AND ".join(["a.nth = b.nth", *(f"a.c{place} IS NOT DISTINCT FROM b.c{place}" for place in keys)])
    others = " OR ".join(["a.nth IS NULL", "b.nth IS NULL", *moved.values()])
    return f"""
        SELECT {", ".join(found)} FROM ({write_rows(before, keys)}) b FULL JOIN ({write_rows(after, keys)}) a ON {same}
        WHERE {others} ORDER BY a.place NULLS LAST, b.place
    """


def write_rows(table: Table, keys: list[int]) -> str:
    """Write the rows of a snapshot with their places, and which of the rows of equal groups each is."""
    columns = ", ".join(f"{quote_name(column.name)} AS c{place}" for place, column in enumerate(table.columns))
    source = f"read_parquet({quote_text(escape_path(table.path))}, file_row_number = true)"
    partition = f"PARTITION BY {', '.join(f'c{place}' for place in keys)} " if keys else ""
    rows = f"SELECT {columns}, file_row_number AS place FROM {source}"
    return f"SELECT *, row_number() OVER ({partition}ORDER BY place) AS nth FROM ({rows})"


def write_moved(place: int, column: Column) -> str:
    """Write whether a value is another one."""
    before, after = f"b.c{place}", f"a.c{place}"
    others = f"{before} IS DISTINCT FROM {after}"
    if column.type != "number":
        return f"({others})"
    relative, absolute = CLOSE
    size = f"greatest(abs({before}), abs({after}))"
    close = f"abs({before} - {after}) <= greatest({relative} * {size}, {absolute})"
    return f"({others} AND NOT coalesce({close}, false))"


def show_cell(cell: str, column: Column) -> str:
    """Write a cell as it is fetched: instants as plain UTC, which :func:`mark_zone` makes aware."""
    return f"make_timestamp(epoch_us({cell}))" if column.type == "datetime" else cell


def mark_zone(cell: Cell) -> Cell:
    """Say of an instant that it is in UTC."""
    return cell.replace(tzinfo=UTC) if isinstance(cell, datetime) else cell
