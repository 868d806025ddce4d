"""Engines: what is set for every connection, and what is shut."""

from __future__ import annotations

import pytest
from sqlalchemy import Column, Double, MetaData, String, Table, func, inspect, select, text

from mmflow import GiveUp
from mmflow.errors import RunError
from mmflow.testing.deliveries import make_run
from mmflow_sql.engine import open_engine
from mmflow_sql.faults import explain_faults
from mmflow_sql.testing import Database


def sample_table() -> Table:
    return Table("select", MetaData(), Column("n%", Double), Column("Group", String(20)))


def test_an_engine_makes_a_table_and_what_is_rolled_back_leaves_nothing(database: Database) -> None:
    table, run = sample_table(), make_run(database.root)
    with open_engine(database.address, run) as engine, engine.connect() as connection:
        with connection.begin():
            table.create(connection)
            connection.execute(table.insert(), [{"n%": 1.5, "Group": "a"}, {"n%": None, "Group": "b"}])
        with connection.begin() as change:
            assert connection.execute(table.delete()).rowcount == 2
            change.rollback()
        with connection.begin():
            assert [column["name"] for column in inspect(connection).get_columns("select")] == ["n%", "Group"]
            assert connection.execute(select(func.count()).select_from(table)).scalar() == 2
    assert sorted(database.query('SELECT "Group", "n%" FROM "select"')) == [("a", 1.5), ("b", None)]


def test_without_writes_a_missing_file_is_not_made(sqlite_database: Database, duckdb_database: Database) -> None:
    for database in (sqlite_database, duckdb_database):
        address = database.address
        with (
            pytest.raises(GiveUp, match="cannot be opened"),
            explain_faults(address),
            open_engine(address, make_run(database.root), writes=False) as engine,
            engine.connect(),
        ):
            pass
        assert address.file is not None
        assert not address.file.exists()


@pytest.mark.row("S36")
def test_duckdb_reaches_no_file_but_its_own_and_cannot_be_reopened(duckdb_database: Database) -> None:
    secret = duckdb_database.root / "secret.csv"
    secret.write_text("a\n1\n")
    statements = (
        f"SELECT * FROM '{secret}'",
        f"SELECT * FROM read_csv('{secret}')",
        f"ATTACH '{duckdb_database.root / 'other.duckdb'}'",
        "LOAD httpfs",
        "SET enable_external_access = true",
        f"COPY (SELECT 1) TO '{duckdb_database.root / 'out.csv'}'",
    )
    address = duckdb_database.address
    with open_engine(address, make_run(duckdb_database.root)) as engine:
        for statement in statements:
            with pytest.raises(RunError), explain_faults(address), engine.begin() as connection:
                connection.execute(text(statement))
    assert not (duckdb_database.root / "out.csv").exists()


@pytest.mark.row("S36")
def test_mysql_never_sends_a_file_of_this_machine(mariadb_database: Database) -> None:
    address = mariadb_database.address
    secret = mariadb_database.root / "secret.txt"
    secret.write_text("geheim\n")
    mariadb_database.query("CREATE TABLE t (a TEXT)")
    with (
        pytest.raises(GiveUp),
        explain_faults(address),
        open_engine(address, make_run(mariadb_database.root)) as engine,
        engine.begin() as connection,
    ):
        connection.exec_driver_sql(f"LOAD DATA LOCAL INFILE '{secret}' INTO TABLE t")
    assert mariadb_database.query("SELECT * FROM t") == []


def test_mysql_is_strict_and_in_utc(mariadb_database: Database) -> None:
    with open_engine(mariadb_database.address, make_run(mariadb_database.root)) as engine, engine.begin() as connection:
        mode, zone, level = connection.exec_driver_sql("SELECT @@sql_mode, @@time_zone, @@tx_isolation").one()
    assert "STRICT_ALL_TABLES" in mode
    assert (zone, level) == ("+00:00", "READ-COMMITTED")


def test_postgresql_has_limits_and_says_whose_it_is(postgres_database: Database) -> None:
    run = make_run(postgres_database.root)
    with open_engine(postgres_database.address, run) as engine, engine.begin() as connection:
        shown = [
            connection.exec_driver_sql(f"SHOW {name}").scalar()
            for name in ("application_name", "lock_timeout", "statement_timeout", "TimeZone")
        ]
    assert shown == ["mmflow morning-oee", "30s", "30min", "UTC"]
