"""The table ``mmflow_column``: in which unit each column was delivered, so that no two stand in one column."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Column as SqlColumn
from sqlalchemy import Connection, MetaData, inspect, select
from sqlalchemy import Table as SqlTable

from mmflow import GiveUp
from mmflow_sql.layout import Layout, make_type

NAME: Final = "mmflow_column"


def describe_units(schema: str | None) -> SqlTable:
    """Give the table; it lies beside the tables that are delivered to."""
    return SqlTable(
        NAME,
        MetaData(),
        SqlColumn("target", make_type("name", 64), primary_key=True),
        SqlColumn("column_name", make_type("name"), primary_key=True),
        SqlColumn("unit", make_type("name"), nullable=False),
        schema=schema,
        mysql_engine="InnoDB",
        mariadb_engine="InnoDB",
    )


def find_units(connection: Connection, layout: Layout) -> dict[str, str]:
    """Give the units of the columns that were delivered into a table, "" for those without one."""
    if not inspect(connection).has_table(NAME, layout.schema):
        return {}
    units = describe_units(layout.schema)
    asked = select(units.c.column_name, units.c.unit).where(units.c.target == layout.name)
    return {row.column_name: row.unit for row in connection.execute(asked)}


def refuse_units(connection: Connection, layout: Layout) -> None:
    """Raise :class:`GiveUp` for a column whose earlier rows are in another unit; nobody could tell them apart."""
    known = find_units(connection, layout)
    for column in layout.report:
        earlier = known.get(column.name, column.unit)
        if earlier != column.unit:
            found = f"the table {layout.name} holds {column.name!r} in {show_unit(earlier)}"
            hint = f"write unit: {earlier} in the job, or" if earlier else "leave its unit out, or"
            raise GiveUp(f"{found}, and the report gives {show_unit(column.unit)}; {hint} deliver to another table")


def show_unit(unit: str) -> str:
    """Name a unit in a message."""
    return unit or "no unit"


def write_units(connection: Connection, layout: Layout) -> None:
    """Note the units of the columns of a delivery; those of an earlier table of the name are written over."""
    units, known = describe_units(layout.schema), find_units(connection, layout)
    for column in layout.report:
        place = (units.c.target == layout.name) & (units.c.column_name == column.name)
        if column.name not in known:
            values = {"target": layout.name, "column_name": column.name, "unit": column.unit}
            connection.execute(units.insert().values(values))
        elif known[column.name] != column.unit:
            connection.execute(units.update().where(place).values({"unit": column.unit}))
