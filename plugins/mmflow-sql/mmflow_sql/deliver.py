"""Delivers a report into a table of a database, in one transaction: all of it is there afterwards, or nothing."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from mmflow import GiveUp, Presence, Receipt, RunInfo, Skip, Table, TryLater, Unknown
from mmflow_sql.address import Address, read_address
from mmflow_sql.connection import SqlConnection
from mmflow_sql.engine import open_engine
from mmflow_sql.faults import explain_commit, explain_faults
from mmflow_sql.fence import (
    Stand,
    describe_fence,
    find_stand,
    fingerprint,
    has_fence,
    make_own,
    refuse_stale,
    write_stand,
)
from mmflow_sql.layout import Layout
from mmflow_sql.load import LOADERS
from mmflow_sql.locks import lock_table
from mmflow_sql.names import split_table
from mmflow_sql.options import SqlOptions
from mmflow_sql.removal import find_earlier
from mmflow_sql.source import Source, open_source
from mmflow_sql.tables import change_tables, find_columns
from mmflow_sql.units import describe_units, write_units


@dataclass(frozen=True, slots=True)
class Delivery:
    """What is delivered, and where to."""

    address: Address
    table: Table
    options: SqlOptions
    run: RunInfo
    source: Source
    content: str  # equal for two tries that write the same
    fresh: bool = False  # the file of the database is not there yet


def deliver_sql(table: Table, options: SqlOptions, run: RunInfo) -> Receipt:
    """Write the rows, and take away those that they replace.

    Rows that no database of this kind could hold are refused before it is asked. When the connection is lost while the
    transaction is committed, the database is asked again what stands there.
    """
    address = find_address(run)
    layout = Layout.of(table, options, run)
    with open_source(table, layout, run) as source:
        source.refuse_rows(address.kind)
        if options.dry_run:
            from mmflow_sql.preview import rehearse

            raise Skip(rehearse(address, layout, options, run))
        fresh = bool(address.file and not address.file.exists())
        delivery = Delivery(address, table, options, run, source, fingerprint(table, options, run), fresh)
        try:
            return write_delivery(delivery)
        except Unknown:
            return settle(delivery)


def find_address(run: RunInfo) -> Address:
    """Give the address of the connection."""
    if not isinstance(run.connection, SqlConnection):
        raise GiveUp("the sink has no connection; name one of mmflow.yaml with 'connection'")
    return read_address(run.connection, run.root)


def write_delivery(delivery: Delivery) -> Receipt:
    """Do the delivery in one transaction."""
    address = delivery.address
    with open_engine(address, delivery.run) as engine, explain_faults(address), engine.connect() as connection:
        receipt = fill_table(connection, delivery)
        with explain_commit(address):
            connection.commit()
    return receipt


def fill_table(connection: Connection, delivery: Delivery) -> Receipt:
    """Do everything but commit. Changes of tables come first, since MySQL commits with each of them."""
    layout, options, run = delivery.source.layout, delivery.options, delivery.run
    lock_table(connection, layout.schema, layout.name)
    for own in (describe_fence(layout.schema), describe_units(layout.schema)):
        make_own(connection, own)
    if stand := find_stand(connection, layout.schema, layout.name, run):
        refuse_stale(stand, run)
        if is_done(stand, delivery) and find_columns(connection, layout.schema, layout.name):
            return make_receipt(delivery, 0, ["it stood there already"])
    changes = [f"{delivery.address.file.name} made"] if delivery.fresh and delivery.address.file else []
    changes += change_tables(connection, layout, options)
    write_units(connection, layout)
    removed = connection.execute(
        layout.table.delete().where(find_earlier(layout, delivery.table, options, run))
    ).rowcount
    LOADERS[delivery.address.kind](connection, delivery.source)
    write_stand(connection, layout, run, len(delivery.table), removed, delivery.content)
    return make_receipt(delivery, removed, changes)


def is_done(stand: Stand, delivery: Delivery) -> bool:
    """Tell whether an earlier try of this very delivery wrote all that this one would."""
    return stand.generation == delivery.run.generation and stand.content == delivery.content


def make_receipt(delivery: Delivery, removed: int, notes: list[str]) -> Receipt:
    """Give what proves the delivery."""
    details: dict[str, str | int | float | bool | None] = {
        "database": str(delivery.address),
        "table": delivery.options.table,
        "mode": delivery.options.mode,
        "removed": removed,
    }
    return Receipt(rows=len(delivery.table), details=details | ({"notes": "; ".join(notes)} if notes else {}))


def settle(delivery: Delivery) -> Receipt:
    """Ask the database whether a transaction was committed whose end nobody saw."""
    try:
        stand = ask_stand(delivery.address, delivery.options, delivery.run)
    except (TryLater, GiveUp) as error:
        raise Unknown(f"nobody can tell whether the delivery was committed: {error}") from error
    if stand and is_done(stand, delivery):  # by this try or an earlier one
        return make_receipt(delivery, 0, ["the connection was lost after it was committed"])
    raise TryLater("the connection was lost before the delivery was committed; nothing was written")


def ask_stand(address: Address, options: SqlOptions, run: RunInfo) -> Stand | None:
    """Ask on a connection of its own what stands in the database, once whoever writes there now has ended.

    That may be an earlier try whose process is gone: its transaction goes on at the server until it is committed, or
    the server sees that nobody is there any more.
    """
    schema, name = split_table(options.table)
    if address.file and not address.file.exists():
        return None
    with open_engine(address, run, writes=False) as engine, explain_faults(address), engine.connect() as connection:
        lock_table(connection, schema, name)
        return find_stand(connection, schema, name, run) if has_fence(connection, schema) else None


def probe_sql(options: SqlOptions, run: RunInfo) -> Presence:
    """Tell whether this delivery, or a newer one of its key, stands in the database.

    What is in the way of asking is in the way of the next try, too, which says so: that one writes nothing twice.
    """
    try:
        stand = ask_stand(find_address(run), options, run)
    except (TryLater, GiveUp):
        return "unknown"
    return "present" if stand and stand.generation >= run.generation else "absent"
