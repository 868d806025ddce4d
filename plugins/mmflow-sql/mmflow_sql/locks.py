"""Keeps two deliveries into one table apart, from whatever machine they come.

SQLite and DuckDB let one process write at a time by themselves.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, Final

from sqlalchemy import Connection, text

from mmflow import TryLater

WAIT: Final = 30  # seconds


def lock_table(connection: Connection, schema: str | None, name: str) -> None:
    """Hold everybody else off a table, also those who write its schema, or leave it out as the usual one."""
    lock_name(connection, f"{schema or connection.dialect.default_schema_name}.{name}")


def lock_name(connection: Connection, name: str) -> None:
    """Hold everybody else off a name of this database until the transaction, or the connection, ends."""
    lock = LOCKS.get(connection.dialect.name)
    if lock:
        lock(connection, f"mmflow:{hashlib.sha256(name.encode()).hexdigest()[:40]}")


def lock_postgresql(connection: Connection, name: str) -> None:
    """Take an advisory lock; the time limit of the connection ends the waiting."""
    connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": name})


def lock_mysql(connection: Connection, name: str) -> None:
    """Take a named lock, which outlives the commits that come with changes of tables."""
    taken = connection.execute(text("SELECT GET_LOCK(:name, :wait)"), {"name": name, "wait": WAIT}).scalar()
    check_taken(taken == 1)


def lock_mssql(connection: Connection, name: str) -> None:
    """Take a lock of the application, which ends with the transaction."""
    statement = text(
        "DECLARE @taken int; EXEC @taken = sp_getapplock @Resource = :name, @LockMode = 'Exclusive', "
        "@LockOwner = 'Transaction', @LockTimeout = :wait; SELECT @taken"
    )
    taken: Any = connection.execute(statement, {"name": name, "wait": WAIT * 1000}).scalar()
    check_taken(taken is not None and taken >= 0)


def check_taken(taken: bool) -> None:
    """Raise :class:`TryLater` when somebody else holds on to a lock."""
    if not taken:
        raise TryLater(f"another delivery has been writing to the same table for {WAIT} seconds; it is tried again")


LOCKS: Final[Mapping[str, Callable[[Connection, str], None]]] = {
    "postgresql": lock_postgresql,
    "mysql": lock_mysql,
    "mariadb": lock_mysql,
    "mssql": lock_mssql,
}
