"""Shows what a delivery would do, reads what stands where it would write, looks whether it could. Writes nothing."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

from sqlalchemy import Column as SqlColumn
from sqlalchemy import ColumnElement, Connection, Dialect, and_, false, or_, select, text
from sqlalchemy import Table as SqlTable
from sqlalchemy.exc import CompileError
from sqlalchemy.sql.visitors import iterate

from mmflow import Cell, GiveUp, RunInfo, Table, align_texts, show_cell
from mmflow_sql.address import Address
from mmflow_sql.deliver import find_address
from mmflow_sql.engine import check_parent, open_engine
from mmflow_sql.faults import explain_faults
from mmflow_sql.fence import NAME
from mmflow_sql.layout import SITE, Layout
from mmflow_sql.load import Words
from mmflow_sql.names import check_table, split_table
from mmflow_sql.options import SqlOptions
from mmflow_sql.removal import find_earlier
from mmflow_sql.tables import Change, find_columns, list_beginnings, list_changes
from mmflow_sql.units import NAME as UNITS
from mmflow_sql.units import refuse_units

SHOWN: Final = 10  # rows
WIDEST: Final = 40  # places of a terminal
TOGETHER: Final = 100  # keys that are asked for at a time

# What a user of PostgreSQL has to be allowed, on the table when it is there, else in the schema.
RIGHTS: Final = ("SELECT", "INSERT", "UPDATE", "DELETE")
CREATE_RIGHT: Final = text("SELECT has_schema_privilege(cast(:schema AS text), 'CREATE')")
TABLE_RIGHT: Final = text(
    "SELECT has_table_privilege(format('%I.%I', cast(:schema AS text), cast(:name AS text)), cast(:right AS text))"
)


def render_sql(table: Table, options: SqlOptions, run: RunInfo) -> str:
    """Give the statements for a database without the table, and the first rows; the database is not asked."""
    address = find_address(run)
    layout = Layout.of(table, options, run)
    with open_engine(address, run, writes=False) as engine:
        dialect = engine.dialect
        statements = show_changes(list_beginnings(layout, options, dialect), dialect)
        statements += show_work(find_earlier(layout, table, options, run), layout, dialect)
    return "\n".join([f"-- {address}", *statements, "", *show_rows(table), ""])


def show_changes(changes: Iterable[Change], dialect: Dialect) -> list[str]:
    """Write the statements that make or change tables."""
    return [f"{str(change.statement.compile(dialect=dialect)).strip()};".replace("%%", "%") for change in changes]


def show_work(earlier: ColumnElement[bool], layout: Layout, dialect: Dialect) -> list[str]:
    """Write in SQL what happens to the rows."""
    words = Words(layout, dialect)
    insert = f"INSERT INTO {words.table} ({words.columns}) …;".replace("%%", "%")
    if layout.key:
        keys = ", ".join(map(words.quote, layout.key))
        return [f"-- rows with the same {keys} are updated".replace("%%", "%"), insert]
    return [show_delete(layout.table, earlier, dialect), insert]


def show_delete(table: SqlTable, earlier: ColumnElement[bool], dialect: Dialect) -> str:
    """Write the statement that takes earlier rows away, with its values."""
    statement = table.delete().where(earlier)
    try:
        written = str(statement.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
    except CompileError:  # a type that this database has no literals for
        written = str(statement.compile(dialect=dialect))
    return f"{written};".replace("%%", "%")


def show_rows(table: Table) -> Iterator[str]:
    """Lay out the first rows for a terminal."""
    cells = islice(table.rows(), SHOWN)
    rows = [[show_cell(cell, column) for cell, column in zip(row, table.columns, strict=True)] for row in cells]
    numbers = [column.type in ("number", "integer") for column in table.columns]
    yield from align_texts([column.name for column in table.columns], rows, numbers, widest=WIDEST)
    if len(table) > SHOWN:
        yield f"and {len(table) - SHOWN} more rows"


def rehearse(address: Address, layout: Layout, options: SqlOptions, run: RunInfo) -> str:
    """Ask the database what would have to be made or changed, log the statements, and say so in a sentence."""
    with open_engine(address, run, writes=False) as engine, explain_faults(address):
        if address.file and not address.file.exists():
            changes = list_beginnings(layout, options, engine.dialect)
        else:
            with engine.connect() as connection:
                changes = list(list_changes(connection, layout, options))
        statements = show_changes(changes, engine.dialect)
    for statement in statements:
        run.log.info("dry run: %s", statement)
    return "dry run, nothing was written to {}; {}".format(address, " ".join(statements) or "the table needs no change")


def read_sql(table: Table, options: SqlOptions, run: RunInfo) -> Iterator[tuple[Cell, ...]]:
    """Give the rows that stand where this delivery would write; a column that the table has not is null."""
    address = find_address(run)
    layout = Layout.of(table, options, run)
    if address.file and not address.file.exists():
        return
    with open_engine(address, run, writes=False) as engine, explain_faults(address), engine.connect() as connection:
        found = find_columns(connection, layout.schema, layout.name)
        if found is None:
            return
        refuse_units(connection, layout)
        for condition in list_conditions(table, layout, options, run):
            if {one.name for one in iterate(condition) if isinstance(one, SqlColumn)} <= {*found}:
                yield from read_rows(connection, layout, condition, found)


def read_rows(
    connection: Connection, layout: Layout, condition: ColumnElement[bool], found: Iterable[str]
) -> Iterator[tuple[Cell, ...]]:
    """Give the rows for which a condition holds, by the groups of the report."""
    names = {column.name for column in layout.report} & set(found)
    columns = [layout.table.c[column.name] for column in layout.report if column.name in names]
    order = [layout.table.c[column.name] for column in layout.report if column.role == "group" and column.name in names]
    for row in connection.execute(select(*columns).where(condition).order_by(*order)).mappings():
        yield tuple(row.get(column.name) for column in layout.report)


def list_conditions(table: Table, layout: Layout, options: SqlOptions, run: RunInfo) -> Iterator[ColumnElement[bool]]:
    """Give the conditions for the rows that the delivery would take away or update."""
    if not layout.key:
        yield find_earlier(layout, table, options, run)
        return
    names = [column.name for column in layout.report]
    columns = [(layout.table.c[name], names.index("site" if name == SITE else name)) for name in find_keys(layout)]
    alone = [] if "site" in names else [layout.table.c[SITE].in_([site for site, _ in run.spans])]
    for rows in table.batches(TOGETHER):
        same = (and_(*(column == row[place] for column, place in columns)) for row in rows)
        yield and_(or_(false(), *same), *alone)


def find_keys(layout: Layout) -> Sequence[str]:
    """Give the columns of the key whose values stand in the rows of the report."""
    sited = any(column.name == "site" for column in layout.report)
    return [name for name in layout.key if name != SITE or sited]


def check_sql(options: SqlOptions, run: RunInfo) -> None:
    """Raise what is in the way of a delivery: the address, the server, the user, or the rights to write."""
    address = find_address(run)
    if problem := check_table(options.table):
        raise GiveUp(problem)
    if address.file and not address.file.exists():
        check_folder(address.file, run)
        return
    if address.file and not os.access(address.file, os.W_OK):
        raise GiveUp(f"{address.file} cannot be written to; check its permissions")
    with open_engine(address, run, writes=False) as engine, explain_faults(address), engine.connect() as connection:
        schema, name = split_table(options.table)
        find_columns(connection, schema, name)
        if address.kind == "postgresql":
            check_rights(connection, schema, (name, NAME, UNITS))


def check_folder(file: Path, run: RunInfo) -> None:
    """Raise :class:`GiveUp` when a file that is not there yet could not be made."""
    check_parent(file, run)
    folder = next(parent for parent in file.parents if parent.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise GiveUp(f"{file} cannot be made; check the permissions of {folder}")


def check_rights(connection: Connection, schema: str | None, tables: Sequence[str]) -> None:
    """Raise :class:`GiveUp` when a user of PostgreSQL may not write to a table, or not make one that is missing."""
    place = schema or connection.dialect.default_schema_name or ""
    missing = [right for table in tables for right in list_missing(connection, place, table)]
    if missing:
        own = f"{NAME} and {UNITS} are tables of mmflow itself, beside yours"
        raise GiveUp(f"the user may not {', '.join(missing)} ({own}); grant it")


def list_missing(connection: Connection, schema: str, table: str) -> Iterator[str]:
    """Give what a user may not do with a table, or that it may not be made."""
    if find_columns(connection, schema, table) is None:
        if not connection.execute(CREATE_RIGHT, {"schema": schema}).scalar():
            yield f"make the table {table} in the schema {schema}"
        return
    for right in RIGHTS:
        if not connection.execute(TABLE_RIGHT, {"schema": schema, "name": table, "right": right}).scalar():
            yield f"{right} in the table {table}"
