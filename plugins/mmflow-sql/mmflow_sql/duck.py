"""DuckDB for SQLAlchemy: just what a delivery needs.

The dialect that is published (duckdb-engine) describes tables with queries of PostgreSQL that DuckDB does not know any
more. DuckDB's own cursors are connections with transactions of their own, so here one connection plays all cursors.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, Dialect, TextClause, func, text, types
from sqlalchemy.engine import default, reflection
from sqlalchemy.engine.interfaces import ConnectArgsType, ReflectedColumn, ReflectedIndex
from sqlalchemy.engine.url import URL
from sqlalchemy.sql.compiler import GenericTypeCompiler, IdentifierPreparer

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# Shut: files other than its own, and extensions; then, since the time zone is set later, the switches themselves.
SHUT: Final = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "memory_limit": "256MB",
    "threads": "2",
}
_CHANGES: Final = ("insert", "update", "delete", "merge")
_TYPES: Final[dict[str, types.TypeEngine[Any]]] = {
    "VARCHAR": types.Text(),
    "DOUBLE": types.Double(),
    "BIGINT": types.BigInteger(),
    "INTEGER": types.Integer(),
    "FLOAT": types.Float(),
    "DECIMAL": types.Numeric(),
    "DATE": types.Date(),
    "BOOLEAN": types.Boolean(),
    "TIMESTAMP WITH TIME ZONE": types.TIMESTAMP(timezone=True),
    "TIMESTAMP": types.TIMESTAMP(),
}


class Cursor:
    """Runs statements on the one connection; what was not fetched is gone when another statement runs."""

    arraysize = 1
    lastrowid = None

    def __init__(self, raw: DuckDBPyConnection) -> None:
        self._raw = raw
        self.description: Sequence[Any] | None = None
        self.rowcount = -1

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> None:
        """Run a statement; of one that changes rows their number is kept."""
        self._raw.execute(statement, list(parameters))
        self.description, self.rowcount = self._raw.description or None, -1
        if self.description and self.description[0][0] == "Count" and statement.lstrip().lower().startswith(_CHANGES):
            (self.rowcount,) = self._raw.fetchone() or (-1,)
            self.description = None

    def executemany(self, statement: str, parameters: Sequence[Sequence[Any]]) -> None:
        """Run a statement once for each set of parameters."""
        self._raw.executemany(statement, [list(row) for row in parameters])
        self.description, self.rowcount = None, -1

    def fetchone(self) -> Any:
        """Give the next row."""
        return self._raw.fetchone()

    def fetchmany(self, size: int | None = None) -> Any:
        """Give the next rows."""
        return self._raw.fetchmany(size or self.arraysize)

    def fetchall(self) -> Any:
        """Give all rows that are left."""
        return self._raw.fetchall()

    def close(self) -> None:
        """Let go of the rows; the connection stays."""
        self.description = None


class Wire:
    """A connection with transactions that begin when they are told to."""

    def __init__(self, raw: DuckDBPyConnection) -> None:
        self.raw = raw
        self._begun = False

    def cursor(self) -> Cursor:
        """Give a cursor in the transaction of this connection."""
        return Cursor(self.raw)

    def begin(self) -> None:
        """Begin a transaction."""
        self.raw.begin()
        self._begun = True

    def commit(self) -> None:
        """Commit, when there is anything to commit."""
        self._end(self.raw.commit)

    def rollback(self) -> None:
        """Roll back, when there is anything to roll back."""
        self._end(self.raw.rollback)

    def _end(self, ending: Any) -> None:
        if self._begun:
            self._begun = False
            ending()

    def close(self) -> None:
        """Close the file."""
        self.raw.close()


class Instant(types.TIMESTAMP):
    """An instant; it is read as microseconds, since DuckDB gives aware times only with a library nobody else needs."""

    def column_expression(self, column: Any) -> Any:
        """Read microseconds."""
        return func.epoch_us(column, type_=self)

    def result_processor(self, _dialect: Dialect, _coltype: object) -> Any:
        """Make an aware instant of them, or a time without zone where the column has none."""
        epoch = EPOCH if self.timezone else EPOCH.replace(tzinfo=None)
        return lambda micros: None if micros is None else epoch + timedelta(microseconds=micros)


class TypeWriter(GenericTypeCompiler):
    """Writes types as DuckDB names them."""

    def visit_DATETIME(self, type_: Any, **_: Any) -> str:  # noqa: N802  named by the parent class
        """Write an instant, or a time without zone."""
        return "TIMESTAMP WITH TIME ZONE" if type_.timezone else "TIMESTAMP"

    visit_TIMESTAMP = visit_DATETIME  # noqa: N815  the parent writes no zone


class Preparer(IdentifierPreparer):
    """Quotes every name, so that no list of reserved words is needed."""

    def _requires_quotes(self, _value: str) -> bool:
        return True


def find_type(kind: str) -> types.TypeEngine[Any]:
    """Give the type for a name such as ``DECIMAL(20,3)``."""
    return _TYPES.get(kind.partition("(")[0], types.NullType())


class DuckDialect(default.DefaultDialect):
    """Speaks DuckDB; ``connect`` opens a file with everything shut that reaches beyond it."""

    name = "duckdb"
    driver = "duckdb"
    default_paramstyle = "qmark"
    supports_statement_cache = True
    supports_native_boolean = True
    supports_sane_multi_rowcount = False
    supports_alter = True
    postfetch_lastrowid = False
    preparer = Preparer
    type_compiler_cls = TypeWriter
    colspecs = {types.DateTime: Instant}  # noqa: RUF012  typed by the parent class

    @classmethod
    def import_dbapi(cls) -> Any:
        """Import DuckDB."""
        import duckdb

        return duckdb

    def create_connect_args(self, url: URL) -> ConnectArgsType:
        """Give the file."""
        return (), {"database": url.database}

    def connect(self, *, database: str, read_only: bool = False) -> Any:
        """Open a file."""
        import duckdb

        raw = duckdb.connect(database, read_only=read_only, config=dict(SHUT))
        raw.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false; SET lock_configuration = true")
        return Wire(raw)

    def initialize(self, connection: Connection) -> None:
        """Ask nothing: the version is that of the library."""

    def do_begin(self, dbapi_connection: Any) -> None:
        """Begin a transaction."""
        dbapi_connection.begin()

    @property
    def default_schema_name(self) -> str | None:  # type: ignore[override]
        """Name the schema of tables that are written without one."""
        return "main"

    @reflection.cache
    def has_table(self, connection: Connection, table_name: str, schema: str | None = None, **_: Any) -> bool:
        """Tell whether there is a table or a view."""
        return bool(self._list(connection, FIND_TABLES, schema, table_name))

    @reflection.cache
    def get_columns(
        self, connection: Connection, table_name: str, schema: str | None = None, **_: Any
    ) -> list[ReflectedColumn]:
        """Give the columns of a table."""
        return [
            {"name": name, "type": find_type(kind), "nullable": nullable == "YES", "default": value}
            for name, kind, nullable, value in self._list(connection, FIND_COLUMNS, schema, table_name)
        ]

    @reflection.cache
    def get_indexes(
        self, connection: Connection, table_name: str, schema: str | None = None, **_: Any
    ) -> list[ReflectedIndex]:
        """Name the indexes of a table; their columns are not told."""
        return [
            {"name": name, "unique": unique, "column_names": []}
            for name, unique in self._list(connection, FIND_INDEXES, schema, table_name)
        ]

    def _list(self, connection: Connection, query: TextClause, schema: str | None, table: str) -> Sequence[Any]:
        return connection.execute(query, {"schema": schema or self.default_schema_name, "name": table}).all()


FIND_TABLES: Final = text(
    "SELECT table_name FROM information_schema.tables WHERE table_catalog = current_database() "
    "AND lower(table_schema) = lower(:schema) AND lower(table_name) = lower(:name)"
)
FIND_COLUMNS: Final = text(
    "SELECT column_name, data_type, is_nullable, column_default FROM information_schema.columns "
    "WHERE table_catalog = current_database() AND lower(table_schema) = lower(:schema) "
    "AND lower(table_name) = lower(:name) ORDER BY ordinal_position"
)
FIND_INDEXES: Final = text(
    "SELECT index_name, is_unique FROM duckdb_indexes() WHERE database_name = current_database() "
    "AND lower(schema_name) = lower(:schema) AND lower(table_name) = lower(:name)"
)
