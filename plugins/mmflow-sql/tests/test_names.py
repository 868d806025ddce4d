"""Names of tables and columns: what is taken, and what databases would change silently."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sqlalchemy import Column, Double, MetaData, Table, inspect

from mmflow.testing.deliveries import make_run
from mmflow_sql.connection import SqlConnection
from mmflow_sql.engine import open_engine
from mmflow_sql.names import check_columns, check_table, split_table
from mmflow_sql.testing import Database

TABLES = {
    "": "no plain name",
    "9oee": "no plain name",
    "oee daily": "no plain name",
    'oee"; DROP TABLE x; --': "no plain name",
    "oee\x00x": "no plain name",
    "öee": "no plain name",
    "oee\n": "no plain name",
    "a.b.c": "more than one dot",
    ".oee": "no plain name",
    "plant.": "no plain name",
    "o" * 64: "longer than 63 bytes",
    "plant." + "o" * 64: "longer than 63 bytes",
    "mmflow_delivery": "begins with mmflow_",
    "MMFLOW_x": "begins with mmflow_",
    "sqlite_master": "begins with sqlite_",
    "pg_catalog.oee": "belongs to the database itself",
    "information_schema.oee": "belongs to the database itself",
    "mysql.user": "belongs to the database itself",
}


@pytest.mark.row("S34")
@pytest.mark.row("R56")
@pytest.mark.parametrize("name", TABLES)
def test_a_table_that_would_be_another_is_refused(name: str) -> None:
    assert TABLES[name] in (check_table(name) or "nothing")


def test_plain_tables_are_taken_and_reserved_words_among_them() -> None:
    for name in ("oee_daily", "plant.oee_daily", "select", "Group.Order", "_", "o" * 63):
        assert check_table(name) is None
    assert split_table("plant.oee") == ("plant", "oee")
    assert split_table("oee") == (None, "oee")


COLUMNS = {
    "": "empty",
    "   ": "empty",
    "a\x00b": "not every database takes",
    "a\tb": "not every database takes",
    "a\u202eb": "not every database takes",
    "a\U0001f600": "not every database takes",
    "a ": "ends with a blank",
    "a`b": "or gives back",
    "a\ud800": "not every database takes",
    "ä" * 32: "has 64 bytes",
    "xmin": "every table of PostgreSQL",
    "CTID": "every table of PostgreSQL",
    "mmflow_run": "begins with mmflow_",
}


@pytest.mark.row("S34")
@pytest.mark.row("R56")
@pytest.mark.parametrize("name", COLUMNS)
def test_a_column_that_a_database_would_change_is_refused(name: str) -> None:
    problem = check_columns(["day", name]) or "nothing"
    assert COLUMNS[name] in problem
    assert problem.endswith("; name it otherwise in the job")


def test_columns_that_differ_in_case_alone_are_refused() -> None:
    assert check_columns(["Day", "machine", "day"]) == (
        "the columns 'Day' and 'day' are one to many databases; name one otherwise in the job"
    )


@pytest.mark.row("S34")
def test_every_database_takes_the_names_that_are_taken_here_and_keeps_them(database: Database) -> None:
    names = ["select", "Größe", "n%", "%(x)s", "%s", ":name", "a\"b'c", "a;b", "x" * 63, "ä" * 31, "a.b", "[a]", "?"]
    assert check_columns(names) is None
    table = Table("order", MetaData(), *(Column(name, Double) for name in names))
    with open_engine(database.address, make_run(database.root)) as engine, engine.begin() as connection:
        table.create(connection)
        connection.execute(table.insert(), [dict.fromkeys(names, 1.0)])
        assert [column["name"] for column in inspect(connection).get_columns("order")] == names
    assert database.query('SELECT * FROM "order"') == [(1.0,) * len(names)]


CHARACTERS = st.characters(categories=["L", "N", "P", "S"], max_codepoint=0xFFFF)


@pytest.mark.row("S34")
@settings(deadline=None, max_examples=30)
@given(names=st.lists(st.text(CHARACTERS, min_size=1, max_size=20), min_size=1, max_size=3))
def test_whatever_name_is_taken_stays_as_it_is_in_sqlite(
    tmp_path_factory: pytest.TempPathFactory, names: list[str]
) -> None:
    assume(check_columns(names) is None)
    database = Database(SqlConnection(url="sqlite:///x.db"), tmp_path_factory.mktemp("names"))
    table = Table("t", MetaData(), *(Column(name, Double) for name in names))
    with open_engine(database.address, make_run(database.root)) as engine, engine.begin() as connection:
        table.create(connection)
        assert [column["name"] for column in inspect(connection).get_columns("t")] == names
