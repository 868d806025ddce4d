"""Brings the rows of a delivery into a table, each kind of database by the fastest way that is safe."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from sqlalchemy import Connection, Dialect

from mmflow_sql.address import Kind
from mmflow_sql.layout import Layout
from mmflow_sql.source import Source

STAGE: Final = "mmflow_stage"


class Words:
    """The names of a delivery, written for its database; a driver that reads % gets it doubled."""

    def __init__(self, layout: Layout, dialect: Dialect) -> None:
        prepare = dialect.identifier_preparer
        self.quote: Callable[[str], str] = prepare.quote_identifier
        self.table = prepare.format_table(layout.table)
        self.columns = ", ".join(map(self.quote, layout.names))
        self.key = layout.key
        self.updated = [name for name in layout.names if name not in layout.key]

    def set_from(self, form: str) -> str:
        """Write what an update sets, each column by ``form``."""
        return ", ".join(f"{self.quote(name)} = {form.format(self.quote(name))}" for name in self.updated)

    @property
    def conflict(self) -> str:
        """Write what happens to a row whose key is there, in the words of PostgreSQL, SQLite and DuckDB."""
        return f" ON CONFLICT ({', '.join(map(self.quote, self.key))}) DO UPDATE SET {self.set_from('excluded.{}')}"


def load_postgresql(connection: Connection, source: Source) -> None:
    """Send the rows by COPY, straight into the table, or into one of this transaction for upsert."""
    words = Words(source.layout, connection.dialect)
    target = words.table
    if words.key:
        target = words.quote(STAGE)
        connection.exec_driver_sql(f"DROP TABLE IF EXISTS pg_temp.{target}")
        columns = f"SELECT {words.columns} FROM {words.table} WITH NO DATA"
        connection.exec_driver_sql(f"CREATE TEMPORARY TABLE {target} ON COMMIT DROP AS {columns}")
    copy_lines(connection, source, f"COPY {target} ({words.columns}) FROM STDIN")
    if words.key:
        rows = f"SELECT {words.columns} FROM {target}"
        connection.exec_driver_sql(f"INSERT INTO {words.table} ({words.columns}) {rows}{words.conflict}")


def copy_lines(connection: Connection, source: Source, statement: str) -> None:
    """Stream the rows to the server; its own cursor does not read % in the statement."""
    raw: Any = connection.connection.driver_connection
    with raw.cursor() as cursor, cursor.copy(statement.replace("%%", "%")) as copy:
        for lines in source.lines():
            copy.write(lines)


def load_sqlite(connection: Connection, source: Source) -> None:
    """Run one prepared statement for all rows."""
    words = Words(source.layout, connection.dialect)
    insert = f"INSERT INTO {words.table} ({words.columns}) VALUES ({write_marks(source.layout, '?')})"
    run_batches(connection, source, "sqlite", insert + (words.conflict if words.key else ""))


def load_mysql(connection: Connection, source: Source) -> None:
    """Insert many rows with each statement; files of this machine are never sent."""
    words = Words(source.layout, connection.dialect)
    insert = f"INSERT INTO {words.table} ({words.columns}) VALUES ({write_marks(source.layout, '%s')})"
    update = f" ON DUPLICATE KEY UPDATE {words.set_from('VALUES({})')}" if words.key else ""
    run_batches(connection, source, "mysql", insert + update)


def load_duckdb(connection: Connection, source: Source) -> None:
    """Let the database take the rows as a stream."""
    words = Words(source.layout, connection.dialect)
    raw: Any = connection.connection.driver_connection
    raw.raw.register(STAGE, source.stream())
    try:
        rows = f"SELECT {words.columns} FROM {words.quote(STAGE)}"
        update = words.conflict if words.key else ""
        connection.exec_driver_sql(f"INSERT INTO {words.table} ({words.columns}) {rows}{update}")
    finally:
        raw.raw.unregister(STAGE)


def load_mssql(connection: Connection, source: Source) -> None:
    """Insert in bulk, for upsert into a table of this connection first; not tried against a live server."""
    words = Words(source.layout, connection.dialect)
    marks, target = write_marks(source.layout, "?"), "#mmflow_stage" if words.key else words.table
    if words.key:
        connection.exec_driver_sql(f"SELECT TOP 0 {words.columns} INTO {target} FROM {words.table}")
    run_batches(connection, source, "mssql", f"INSERT INTO {target} ({words.columns}) VALUES ({marks})")
    if words.key:
        same = " AND ".join(f"t.{words.quote(name)} = s.{words.quote(name)}" for name in words.key)
        values = ", ".join(f"s.{words.quote(name)}" for name in source.layout.names)
        connection.exec_driver_sql(
            f"MERGE INTO {words.table} WITH (HOLDLOCK) AS t USING {target} AS s ON {same} "
            f"WHEN MATCHED THEN UPDATE SET {words.set_from('s.{}')} "
            f"WHEN NOT MATCHED THEN INSERT ({words.columns}) VALUES ({values});"
        )


def write_marks(layout: Layout, mark: str) -> str:
    """Write the places of the values of a row."""
    return ", ".join([mark] * len(layout.names))


def run_batches(connection: Connection, source: Source, kind: Kind, statement: str) -> None:
    """Run a statement for all rows, many at a time."""
    for rows in source.rows(kind):
        connection.exec_driver_sql(statement, rows)


LOADERS: Final[Mapping[Kind, Callable[[Connection, Source], None]]] = {
    "postgresql": load_postgresql,
    "sqlite": load_sqlite,
    "mysql": load_mysql,
    "duckdb": load_duckdb,
    "mssql": load_mssql,
}
