"""The table ``mmflow_delivery``: which delivery stands in this database, so that none is done twice or out of turn."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import BigInteger, Connection, MetaData, Row, and_, inspect, select
from sqlalchemy import Column as SqlColumn
from sqlalchemy import Table as SqlTable
from sqlalchemy.schema import CreateTable

from mmflow import GiveUp, RunInfo, Table
from mmflow_sql.layout import Layout, make_type
from mmflow_sql.locks import lock_table
from mmflow_sql.options import SqlOptions

NAME: Final = "mmflow_delivery"


def describe_fence(schema: str | None) -> SqlTable:
    """Give the table; it lies beside the tables that are delivered to."""
    return SqlTable(
        NAME,
        MetaData(),
        SqlColumn("delivery", make_type("name"), primary_key=True),
        SqlColumn("target", make_type("name", 64), primary_key=True),
        SqlColumn("generation", BigInteger(), nullable=False),
        SqlColumn("fence", BigInteger(), nullable=False),
        SqlColumn("run", make_type("name"), nullable=False),
        SqlColumn("extracted_at", make_type("datetime"), nullable=False),
        SqlColumn("delivered_at", make_type("datetime"), nullable=False),
        SqlColumn("row_count", BigInteger(), nullable=False),
        SqlColumn("removed", BigInteger(), nullable=False),
        SqlColumn("content", make_type("name", 64), nullable=False),
        schema=schema,
        mysql_engine="InnoDB",
        mariadb_engine="InnoDB",
    )


class Stand(NamedTuple):
    """What stands in the database of a delivery."""

    generation: int
    fence: int
    extracted_at: datetime
    row_count: int
    content: str


def make_own(connection: Connection, own: SqlTable) -> None:
    """Make a table of ours when it is missing, one process at a time."""
    if not inspect(connection).has_table(own.name, own.schema):
        lock_table(connection, own.schema, own.name)
        connection.execute(CreateTable(own, if_not_exists=connection.dialect.name != "mssql"))


def has_fence(connection: Connection, schema: str | None) -> bool:
    """Tell whether the table is there."""
    return inspect(connection).has_table(NAME, schema)


def find_stand(connection: Connection, schema: str | None, target: str, run: RunInfo) -> Stand | None:
    """Give what was delivered under the key of this run into a table, None for nothing."""
    fence = describe_fence(schema)
    columns = [fence.c[name] for name in Stand._fields]
    found: Row[Any] | None = connection.execute(select(*columns).where(is_delivery(fence, target, run))).first()
    return Stand._make(found) if found else None


def is_delivery(fence: SqlTable, target: str, run: RunInfo) -> Any:
    """Give the condition for the row of this delivery."""
    return and_(fence.c.delivery == run.key, fence.c.target == target)


def refuse_stale(stand: Stand, run: RunInfo) -> None:
    """Raise :class:`GiveUp` when a newer try or a newer generation of this delivery stands already.

    Data that was extracted later is let in whatever the numbers say: they begin anew when the ledger is lost.
    """
    mine, theirs = (run.generation, run.fence), (stand.generation, stand.fence)
    if mine < theirs and run.extracted_at <= stand.extracted_at:
        found = f"generation {theirs[0]}, fence {theirs[1]}, extracted at {stand.extracted_at:%Y-%m-%dT%H:%M:%SZ}"
        raise GiveUp(f"a newer delivery stands there ({found}); this one is late and was not written")


def write_stand(connection: Connection, layout: Layout, run: RunInfo, rows: int, removed: int, content: str) -> None:
    """Note in the same transaction that the rows of this delivery are there."""
    fence = describe_fence(layout.schema)
    values = {
        "generation": run.generation,
        "fence": run.fence,
        "run": run.run,
        "extracted_at": run.extracted_at,
        "delivered_at": run.clock.now(),
        "row_count": rows,
        "removed": removed,
        "content": content,
    }
    changed = connection.execute(fence.update().where(is_delivery(fence, layout.name, run)).values(values))
    if not changed.rowcount:
        connection.execute(fence.insert().values(values | {"delivery": run.key, "target": layout.name}))


def fingerprint(table: Table, options: SqlOptions, run: RunInfo) -> str:
    """Give a hash of everything that a delivery writes and of what it replaces."""
    with table.path.open("rb") as file:
        content = hashlib.file_digest(file, "sha256")
    spans: Sequence[str] = [f"{site} {span.start} {span.end}" for site, span in run.spans]
    content.update(repr((options, run.job, spans, table.columns)).encode())
    return content.hexdigest()
