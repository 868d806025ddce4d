"""Makes the table of a delivery and adds columns to it; what would lose anything is refused."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import Column as SqlColumn
from sqlalchemy import Connection, Dialect, Index, MetaData, inspect, select, types
from sqlalchemy import Table as SqlTable
from sqlalchemy.dialects import mysql
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import CreateIndex, CreateTable, CreateView, DropView, ExecutableDDLElement

from mmflow import GiveUp
from mmflow_sql.layout import END, JOB, RUN, SITE, START, Layout, make_type
from mmflow_sql.options import SqlOptions
from mmflow_sql.units import refuse_units

HIDDEN: Final = (RUN, START, END)  # what a view leaves out

# What a column may be in the database to take the values of a column of the report.
ACCEPTED: Final[Mapping[str, tuple[type[types.TypeEngine[Any]], ...]]] = {
    "text": (types.String,),
    "number": (types.Float, types.Numeric),
    "integer": (types.Integer, types.Float, types.Numeric),
    "date": (types.Date,),
    "datetime": (types.DateTime,),
    "boolean": (types.Boolean, mysql.TINYINT),
}


class AddColumn(ExecutableDDLElement):
    """Adds one column to a table."""

    inherit_cache = False

    def __init__(self, table: SqlTable, column: SqlColumn[Any]) -> None:
        self.table = table
        self.column = column


@compiles(AddColumn)
def write_addition(element: AddColumn, compiler: Any, **_: Any) -> str:
    """Write the statement."""
    table = compiler.preparer.format_table(element.table)
    word = "ADD" if compiler.dialect.name == "mssql" else "ADD COLUMN"
    return f"ALTER TABLE {table} {word} {compiler.get_column_specification(element.column)}"


class Change(NamedTuple):
    """A statement that makes or changes a table, and what it does in a few words, if anybody wants to know."""

    statement: ExecutableDDLElement
    words: str = ""


def change_tables(connection: Connection, layout: Layout, options: SqlOptions) -> list[str]:
    """Make everything ready for the rows of a delivery; say what was done."""
    done = []
    for change in list_changes(connection, layout, options):
        connection.execute(change.statement)
        done.append(change.words)
    return list(filter(None, done))


def list_changes(connection: Connection, layout: Layout, options: SqlOptions) -> Iterator[Change]:
    """Give what has to be done to the database, each change before the next is looked for.

    :class:`GiveUp` names the column that is in the way.
    """
    found = find_columns(connection, layout.schema, layout.name)
    if found is None:
        yield from begin_table(layout, connection.dialect)
        columns = list(layout.names)
    else:
        missing = find_missing(layout, found, connection.dialect.name)
        refuse_growth(layout, missing, options)
        refuse_units(connection, layout)
        yield from grow_table(connection, layout, missing)
        columns = [*found, *missing]
    yield from list_view(connection, layout, options, columns)


def list_beginnings(layout: Layout, options: SqlOptions, dialect: Dialect) -> list[Change]:
    """Give what makes everything where there is nothing yet."""
    view = [make_view(layout, options.view, layout.names)] if options.view else []
    return [*begin_table(layout, dialect), *view]


def begin_table(layout: Layout, dialect: Dialect) -> Iterator[Change]:
    """Give what makes a table."""
    yield Change(CreateTable(layout.table), f"table {layout.name} made")
    if layout.key or dialect.name != "duckdb":  # DuckDB finds rows of a time without one
        yield Change(CreateIndex(make_index(layout)))


def grow_table(connection: Connection, layout: Layout, missing: Sequence[str]) -> Iterator[Change]:
    """Give what adds columns to a table, and the index that upsert needs."""
    for name in missing:
        yield Change(AddColumn(layout.table, layout.table.c[name]), f"column {name} added to {layout.name}")
    if layout.key:
        index, found = make_index(layout), inspect(connection).get_indexes(layout.name, layout.schema)
        if index.name not in {one["name"] for one in found}:
            yield Change(CreateIndex(index))


def refuse_growth(layout: Layout, missing: Sequence[str], options: SqlOptions) -> None:
    """Raise :class:`GiveUp` for columns that the table has not, when it may not change."""
    if missing and options.schema == "freeze":
        listed = ", ".join(missing)
        raise GiveUp(f"the table {layout.name} has no column {listed}; add it there, or write schema: evolve")


def find_columns(connection: Connection, schema: str | None, name: str) -> dict[str, types.TypeEngine[Any]] | None:
    """Give the columns of a table or view with their types, None when there is none."""
    inspector = inspect(connection)
    if not inspector.has_table(name, schema):
        return None
    return {column["name"]: column["type"] for column in inspector.get_columns(name, schema)}


def find_missing(layout: Layout, found: Mapping[str, types.TypeEngine[Any]], dialect: str) -> list[str]:
    """Give the columns that the table has not; :class:`GiveUp` for one that it has otherwise."""
    kinds = {column.name: column.type for column in layout.report}
    cases = {name.casefold(): name for name in found}
    missing = []
    for name in layout.names:
        if name not in found and name.casefold() in cases:
            other = cases[name.casefold()]
            raise GiveUp(f"the table {layout.name} has a column {other!r}, expected {name!r}; rename it in the table")
        if name not in found:
            missing.append(name)
        elif name in kinds and not fits_type(kinds[name], found[name], dialect):
            what = f"the table {layout.name} has a column {name!r} of type {show_type(found[name])}"
            raise GiveUp(f"{what}, expected one for {kinds[name]}; change it there, or use another table")
    return missing


def fits_type(kind: str, found: types.TypeEngine[Any], dialect: str) -> bool:
    """Tell whether a column of a table holds values of a kind as they are."""
    if dialect == "sqlite" and kind in ("date", "datetime") and isinstance(found, types.String):
        return True  # it has no types for times, they are texts
    if dialect in ("postgresql", "duckdb") and kind == "datetime" and not getattr(found, "timezone", False):
        return False
    return isinstance(found, ACCEPTED[kind])


def show_type(found: types.TypeEngine[Any]) -> str:
    """Name a type of a database."""
    return "unknown" if isinstance(found, types.NullType) else type(found).__name__.upper().strip("_")


def make_index(layout: Layout) -> Index:
    """Give the index: the key, which has to be unique, or else what earlier rows are found by.

    Without upsert nothing is unique: names of shifts, for one, may repeat.
    """
    columns = layout.key or tuple(filter(None, (JOB, SITE, layout.time)))
    text = "\x1f".join([layout.schema or "", layout.name, *columns])
    name = f"mmflow_{'key' if layout.key else 'ix'}_{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    return Index(name, *(layout.table.c[column] for column in columns), unique=bool(layout.key))


def list_view(connection: Connection, layout: Layout, options: SqlOptions, columns: Sequence[str]) -> Iterator[Change]:
    """Give what makes the view, or adds new columns to it; one that is not of this table stays as it is."""
    if not options.view:
        return
    wanted = [name.replace("%%", "%") for name in columns if name not in HIDDEN]
    # Of a view of MySQL, SQLAlchemy gives names with every % doubled.
    found = [name.replace("%%", "%") for name in find_columns(connection, layout.schema, options.view) or ()]
    if found == wanted:
        return
    if found != wanted[: len(found)]:
        raise GiveUp(f"there is a view or table {options.view} with other columns; choose another name for the view")
    if found and connection.dialect.name == "sqlite":
        metadata = MetaData()
        made = make_view(layout, options.view, columns).statement
        assert isinstance(made, CreateView)
        dropped = SqlTable(options.view, metadata, schema=layout.schema)
        yield Change(DropView(made.table if made.table is not None else dropped), f"view {options.view} dropped")
    yield make_view(layout, options.view, columns, replace=bool(found) and connection.dialect.name != "sqlite")


def make_view(layout: Layout, name: str, columns: Sequence[str], *, replace: bool = False) -> Change:
    """Give what makes a view over all columns but those by which we find rows again."""
    shown = [column for column in columns if column not in HIDDEN]
    whole = SqlTable(
        layout.name, MetaData(), *(SqlColumn(column, make_type("text")) for column in shown), schema=layout.schema
    )
    query = select(*(whole.c[column] for column in shown))
    view = CreateView(query, name, schema=layout.schema, or_replace=replace, metadata=MetaData())
    return Change(view, f"view {name} made")
