"""A sink for SQL databases: PostgreSQL, MySQL, MariaDB, SQLite, DuckDB and SQL Server."""

from __future__ import annotations

from collections.abc import Iterable

from mmflow import SinkType, hookimpl
from mmflow_sql.connection import SqlConnection
from mmflow_sql.options import SqlOptions, validate_sql

mmflow_api = 1


@hookimpl
def mmflow_sinks() -> Iterable[SinkType]:
    """Give the sink."""
    yield SinkType(
        name="sql",
        summary="A table of a database: PostgreSQL, MySQL, MariaDB, SQLite, DuckDB or SQL Server.",
        options=SqlOptions,
        connection=SqlConnection,
        deliver="mmflow_sql.deliver:deliver_sql",
        validate_connection="mmflow_sql.address:validate_connection",
        validate=validate_sql,
        check="mmflow_sql.preview:check_sql",
        render="mmflow_sql.preview:render_sql",
        read="mmflow_sql.preview:read_sql",
        probe="mmflow_sql.deliver:probe_sql",
        modes=("replace_window", "replace", "append", "upsert"),
    )
