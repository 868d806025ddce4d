"""Opens a database with time limits, and with everything shut that could reach beyond it."""

from __future__ import annotations

import importlib
import logging
import sqlite3
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.dialects import registry
from sqlalchemy.pool import NullPool

from mmflow import GiveUp, RunInfo, explain_errors
from mmflow_sql.address import Address, Kind

CONNECT: Final = 10  # seconds for reaching a server
LOCK_WAIT: Final = 30  # seconds for which a delivery waits for another one's lock
STATEMENT: Final = 1800  # seconds for one statement; a COPY of millions of rows is one
IDLE: Final = 600  # seconds after which a server ends a transaction that does nothing, such as that of a stopped worker
# Where systems keep the authorities that they trust, for libpq, which does not know.
BUNDLES: Final = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
DRIVERS: Final[Mapping[Kind, str]] = {
    "sqlite": "sqlite+pysqlite",
    "duckdb": "duckdb",
    "postgresql": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mssql": "mssql+pyodbc",
}
MODULES: Final[Mapping[Kind, str]] = {
    "sqlite": "sqlite3",
    "duckdb": "duckdb",
    "postgresql": "psycopg",
    "mysql": "pymysql",
    "mssql": "pyodbc",
}


@contextmanager
def open_engine(address: Address, run: RunInfo, *, writes: bool = True) -> Iterator[Engine]:
    """Give an engine without a pool, disposed of at the end; nothing is connected yet.

    Every transaction is opened for real (also DDL of SQLite belongs to it), at READ COMMITTED where there is a choice;
    SQLite takes its write lock at the beginning. Waiting for a lock ends after :data:`LOCK_WAIT`. Without ``writes`` a
    missing file is not made, and nothing in one that is there is changed.
    """
    import_driver(address.kind)
    registry.register("duckdb", "mmflow_sql.duck", "DuckDialect")
    if address.file and writes:
        check_parent(address.file, run)
        with explain_errors(address.file):
            address.file.parent.mkdir(parents=True, exist_ok=True)
    engine = OPENERS[address.kind](address, run, writes)
    try:
        yield engine
    finally:
        engine.dispose()


def check_parent(file: Path, run: RunInfo) -> None:
    """Raise :class:`GiveUp` for a file in a folder that is missing and not below the root: a misspelt one, perhaps."""
    if not file.parent.exists() and not file.is_relative_to(run.root.resolve()):
        raise GiveUp(f"there is no folder {file.parent}; make it, or mend the url of the connection")


def import_driver(kind: Kind) -> Any:
    """Import the library that speaks to a kind of database."""
    try:
        return importlib.import_module(MODULES[kind])
    except ImportError as error:
        raise GiveUp(
            f"the driver of {kind} cannot be imported ({error}); install it: pip install 'mmflow-sql[{kind}]'"
        ) from error


def make_engine(
    address: Address, arguments: Mapping[str, Any], query: Mapping[str, str] | None = None, **options: Any
) -> Engine:
    """Give the engine of a server or file; the url goes to the driver part by part."""
    url = URL.create(
        DRIVERS[address.kind],
        username=address.username or None,
        password=address.password.reveal() if address.password else None,
        host=address.host or None,
        port=address.port,
        database=str(address.file) if address.file else address.database,
        query=query or {},
    )
    return create_engine(url, connect_args=dict(arguments), poolclass=NullPool, hide_parameters=True, **options)


def open_sqlite(address: Address, _run: RunInfo, writes: bool) -> Engine:
    """Open a file of SQLite, and keep Python from beginning and ending transactions by itself.

    It is never opened read-only: then nobody could read a file whose last writer was killed, for what that one left
    has to be undone first.
    """
    engine = make_engine(address, {}, creator=lambda: connect_sqlite(address, writes))

    @event.listens_for(engine, "connect")
    def set_up(raw: Any, _record: object) -> None:
        raw.execute("PRAGMA synchronous = FULL")
        raw.execute("PRAGMA trusted_schema = OFF")
        raw.execute(f"PRAGMA query_only = {'OFF' if writes else 'ON'}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def connect_sqlite(address: Address, writes: bool) -> sqlite3.Connection:
    """Connect to a file, which is made only when it is to be written."""
    assert address.file is not None, "an address of SQLite has a file"
    mode = "rwc" if writes else "rw"
    uri = f"{address.file.as_uri()}?mode={mode}"
    return sqlite3.connect(uri, uri=True, timeout=LOCK_WAIT, isolation_level=None)


def open_duckdb(address: Address, _run: RunInfo, writes: bool) -> Engine:
    """Open a file of DuckDB."""
    return make_engine(address, {"read_only": not writes})


def open_postgresql(address: Address, run: RunInfo, _writes: bool) -> Engine:
    """Open a server of PostgreSQL."""
    # Of a connection that breaks during COPY the driver warns on the terminal, beside the error that is raised anyway.
    logging.getLogger("psycopg").setLevel(logging.ERROR)
    arguments = {
        "connect_timeout": int(address.words.get("connect_timeout", CONNECT)),
        "application_name": address.words.get("application_name", f"mmflow {run.job}"[:63]),
        "client_encoding": "utf8",
        "gssencmode": "disable",
        "prepare_threshold": None,  # for pools, too
        "keepalives_idle": 30,
        "tcp_user_timeout": 60_000,
        **{"verify": verify_postgresql, "require": require_postgresql, "off": leave_postgresql}[address.tls](address),
    }
    engine = make_engine(address, arguments)

    @event.listens_for(engine, "begin")
    def set_up(connection: Connection) -> None:
        # Not as options of the connection, which pools such as PgBouncer refuse, and for this transaction alone, since
        # the next one of a pool is somebody else's.
        connection.exec_driver_sql(
            f"SET LOCAL statement_timeout = '{STATEMENT}s'; SET LOCAL lock_timeout = '{LOCK_WAIT}s'; "
            f"SET LOCAL idle_in_transaction_session_timeout = '{IDLE}s'; "
            "SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO'"
        )

    return engine


def verify_postgresql(address: Address) -> dict[str, str]:
    """Give what makes libpq check the certificate and the name in it."""
    return {"sslmode": "verify-full", "sslrootcert": str(address.ca or find_bundle())}


def require_postgresql(_address: Address) -> dict[str, str]:
    """Give what makes libpq encrypt; a file of authorities in its home folder would make it check, too."""
    return {"sslmode": "require", "sslrootcert": ""}


def leave_postgresql(_address: Address) -> dict[str, str]:
    """Give what makes libpq speak plainly."""
    return {"sslmode": "disable"}


def find_bundle() -> Path:
    """Give the file of the authorities that this machine trusts."""
    import certifi

    own = ssl.get_default_verify_paths().cafile
    listed = [Path(own)] if own else []
    return next((file for file in [*listed, *map(Path, BUNDLES)] if file.is_file()), Path(certifi.where()))


def open_mysql(address: Address, run: RunInfo, _writes: bool) -> Engine:
    """Open a server of MySQL or MariaDB: strict, in UTC, and never sending a file of this machine."""
    arguments = {
        "connect_timeout": int(address.words.get("connect_timeout", CONNECT)),
        "read_timeout": STATEMENT,
        "write_timeout": STATEMENT,
        "charset": "utf8mb4",
        "local_infile": False,
        "sql_mode": "TRADITIONAL",
        "init_command": f"SET time_zone = '+00:00', innodb_lock_wait_timeout = {LOCK_WAIT}, "
        f"lock_wait_timeout = {LOCK_WAIT}, wait_timeout = {IDLE}",
        "program_name": f"mmflow {run.job}",
        **secure_mysql(address),
    }
    return make_engine(address, arguments, isolation_level="READ COMMITTED")


def secure_mysql(address: Address) -> dict[str, Any]:
    """Give the arguments for the three ways of ``tls``."""
    if address.tls == "off":
        return {"ssl_disabled": True}
    with explain_ca(address):
        context = ssl.create_default_context(cafile=str(address.ca) if address.ca else None)
    context.check_hostname = address.tls == "verify"
    context.verify_mode = ssl.CERT_REQUIRED if address.tls == "verify" else ssl.CERT_NONE
    return {"ssl": context}


@contextmanager
def explain_ca(address: Address) -> Iterator[None]:
    """Say that a file of authorities cannot be read."""
    try:
        yield
    except OSError as error:  # also what is wrong with its content
        raise GiveUp(
            f"{address.ca} cannot be read as PEM certificates ({error.strerror or error}); mend 'ca'"
        ) from error


def open_mssql(address: Address, run: RunInfo, _writes: bool) -> Engine:
    """Open a server of SQL Server; not tried against a live one."""
    arguments = {"timeout": int(address.words.get("connect_timeout", CONNECT))}
    query = {
        "driver": address.words.get("driver", "ODBC Driver 18 for SQL Server"),
        "Encrypt": "no" if address.tls == "off" else "yes",
        "TrustServerCertificate": "no" if address.tls == "verify" else "yes",
        "APP": f"mmflow {run.job}",
    }
    engine = make_engine(address, arguments, query, fast_executemany=True, isolation_level="READ COMMITTED")

    @event.listens_for(engine, "connect")
    def set_up(raw: Any, _record: object) -> None:
        raw.timeout = STATEMENT
        raw.execute(f"SET LOCK_TIMEOUT {LOCK_WAIT * 1000}")

    return engine


OPENERS: Final[Mapping[Kind, Callable[[Address, RunInfo, bool], Engine]]] = {
    "sqlite": open_sqlite,
    "duckdb": open_duckdb,
    "postgresql": open_postgresql,
    "mysql": open_mysql,
    "mssql": open_mssql,
}
