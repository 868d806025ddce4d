"""What databases say, sorted into try later, give up and nobody can tell: all of it said by real ones."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pymysql
import pytest
import trustme
from sqlalchemy import Connection, text

from mmflow import GiveUp, MmflowError, Secret, TryLater, Unknown
from mmflow.testing.deliveries import make_run
from mmflow_sql.address import Address, read_address
from mmflow_sql.codes import DUCKDB, MYSQL, SQLITE, SQLITE_EXTENDED, STATES
from mmflow_sql.connection import SqlConnection
from mmflow_sql.engine import open_engine
from mmflow_sql.faults import explain_commit, explain_fault, explain_faults, find_state
from mmflow_sql.testing import Database, PostgresServer, find_port, run_postgres

PASSWORD = "Geheim-9471"


def ask(address: Address, root: Path, statement: str = "SELECT 1") -> MmflowError | None:
    """Run one statement and give the error that it ends with; it repeats neither statement nor password."""
    found = run_statement(address, root, statement)
    assert PASSWORD not in str(found)
    assert statement == "SELECT 1" or statement not in str(found)
    return found


def run_statement(address: Address, root: Path, statement: str) -> MmflowError | None:
    try:
        with explain_faults(address), open_engine(address, make_run(root)) as engine, engine.begin() as connection:
            connection.exec_driver_sql(statement)
    except MmflowError as error:
        return error
    return None


@contextmanager
def opened(database: Database) -> Iterator[Connection]:
    with open_engine(database.address, make_run(database.root)) as engine, engine.connect() as connection:
        yield connection


def change(url: str, root: Path, **more: Any) -> Address:
    return read_address(SqlConnection(url=url, **more), root)


@pytest.mark.row("R53")
def test_a_server_that_is_down_is_tried_later(tmp_path: Path) -> None:
    for scheme in ("postgresql", "mysql"):
        error = ask(change(f"{scheme}://u@127.0.0.1:{find_port()}/plant", tmp_path), tmp_path)
        assert isinstance(error, TryLater)
        assert "cannot be reached" in str(error)


def test_a_host_without_an_address_is_tried_later(tmp_path: Path) -> None:
    for scheme in ("postgresql", "mysql"):
        error = ask(change(f"{scheme}://u@plant.invalid/plant", tmp_path, tls="off"), tmp_path)
        assert isinstance(error, TryLater)


@pytest.mark.row("R53")
def test_a_server_that_restarts_is_tried_later_and_answers_the_next_time(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    address = change(postgres.url(), tmp_path)
    run = make_run(tmp_path)
    with open_engine(address, run) as engine, engine.connect() as connection:
        connection.exec_driver_sql("SELECT 1")
        postgres.stop()
        try:
            with pytest.raises(TryLater), explain_faults(address):
                connection.exec_driver_sql("SELECT 1")
            assert isinstance(ask(address, tmp_path), TryLater)
        finally:
            postgres.start()
        assert ask(address, tmp_path) is None
        with explain_faults(address), engine.connect() as anew:  # the engine itself has no dead connection left either
            anew.exec_driver_sql("SELECT 1")


def test_a_wrong_password_is_given_up_and_names_where_it_is_written(
    postgres: PostgresServer, postgres_database: Database
) -> None:
    postgres.execute("DO $$BEGIN CREATE ROLE locked LOGIN PASSWORD 'right'; EXCEPTION WHEN duplicate_object THEN END$$")
    rules = postgres.folder / "pg_hba.conf"
    before = rules.read_text()
    rules.write_text(f"host all locked 127.0.0.1/32 scram-sha-256\n{before}")
    postgres.execute("SELECT pg_reload_conf()")
    url = postgres.url(postgres_database.address.database).replace("postgres@", "locked@")
    for password in (Secret(PASSWORD), None):
        error = ask(change(url, postgres_database.root, password=password), postgres_database.root)
        assert isinstance(error, GiveUp)
        assert "refused user or password" in str(error)
        assert "password of the connection" in str(error)
    assert ask(change(url, postgres_database.root, password=Secret("right")), postgres_database.root) is None


def test_a_wrong_password_of_mariadb_is_given_up(mariadb_database: Database) -> None:
    url = mariadb_database.connection.url
    error = ask(change(url, mariadb_database.root, password=Secret(PASSWORD)), mariadb_database.root)
    assert isinstance(error, GiveUp)
    assert "refused user or password" in str(error)


def test_a_database_or_user_that_is_not_there_is_given_up(postgres: PostgresServer, mariadb_database: Database) -> None:
    root = mariadb_database.root
    maria = mariadb_database.connection.url
    for url, words in (
        (postgres.url("nowhere"), "has no such database"),
        (maria.replace("mmflow_test", "nowhere"), "has no such database"),
        (postgres.url().replace("postgres@", "nobody@"), "has no such user"),
    ):
        error = ask(change(url, root), root)
        assert isinstance(error, GiveUp)
        assert words in str(error)


def table_of(database: Database) -> None:
    database.query('CREATE TABLE "t" ("k" VARCHAR(5) NOT NULL PRIMARY KEY, "n" INTEGER)')
    database.query("INSERT INTO \"t\" VALUES ('a', 1)")


@pytest.mark.row("R55")
def test_a_row_that_is_there_already_is_given_up(database: Database) -> None:
    database.root.joinpath("data").mkdir(exist_ok=True)
    table_of(database)
    error = ask(database.address, database.root, "INSERT INTO t VALUES ('a', 2)")
    assert isinstance(error, GiveUp)
    assert "same key already" in str(error)


@pytest.mark.row("R55")
def test_a_missing_value_is_given_up_and_the_column_named(database: Database) -> None:
    database.root.joinpath("data").mkdir(exist_ok=True)
    table_of(database)
    error = ask(database.address, database.root, "INSERT INTO t (k, n) VALUES (NULL, 2)")
    assert isinstance(error, GiveUp)
    assert "wants a value" in str(error)
    assert re.search(r"\bk\b", str(error).partition("deliver to another table")[2])


@pytest.mark.row("R55")
def test_a_missing_column_or_table_is_given_up_and_named(database: Database) -> None:
    database.root.joinpath("data").mkdir(exist_ok=True)
    table_of(database)
    for statement, name in (("SELECT nothere FROM t", "nothere"), ("SELECT * FROM gone", "gone")):
        error = ask(database.address, database.root, statement)
        assert isinstance(error, GiveUp)
        assert name in str(error)


@pytest.mark.row("R55")
@pytest.mark.parametrize("value", ["'too long by far'", "99999999999999999999999"])
def test_a_value_that_does_not_fit_is_given_up(
    postgres_database: Database, mariadb_database: Database, value: str
) -> None:
    for database in (postgres_database, mariadb_database):
        table_of(database)
        pair = f"{value}, 1" if value.startswith("'") else f"'b', {value}"
        error = ask(database.address, database.root, f"INSERT INTO t VALUES ({pair})")
        assert isinstance(error, GiveUp)
        assert "column" in str(error) or "range" in str(error)


@pytest.mark.row("R55")
def test_a_bad_line_of_copy_is_given_up_with_its_line_and_column(postgres_database: Database) -> None:
    table_of(postgres_database)
    with pytest.raises(GiveUp, match="line 2, column n"), explain_faults(postgres_database.address):
        copy_lines(postgres_database, "b\t1\nc\tx\n")


def copy_lines(database: Database, lines: str) -> None:
    with opened(database) as connection:
        raw: Any = connection.connection.driver_connection
        with raw.cursor() as cursor, cursor.copy("COPY t FROM STDIN") as copy:
            copy.write(lines)


@pytest.mark.row("R54")
def test_a_deadlock_ends_one_of_two_which_is_tried_later(
    postgres_database: Database, mariadb_database: Database
) -> None:
    for database in (postgres_database, mariadb_database):
        table_of(database)
        database.query("INSERT INTO \"t\" VALUES ('b', 1)")
        endings = run_together(database, "a", "b"), run_together(database, "b", "a")
        for thread, _ in endings:
            thread.start()
        for thread, _ in endings:
            thread.join(60)
        found = [error for _, errors in endings for error in errors]
        assert len(found) == 1
        assert isinstance(found[0], TryLater)
        assert "in favour of another one" in str(found[0])
        BARRIER.reset()


BARRIER = threading.Barrier(2, timeout=30)


def run_together(database: Database, first: str, second: str) -> tuple[threading.Thread, list[MmflowError]]:
    """Give a thread that changes two rows, the second when the other thread holds its first."""
    errors: list[MmflowError] = []

    def work() -> None:
        try:
            with opened(database) as connection, explain_faults(database.address), connection.begin():
                connection.execute(text("UPDATE t SET n = n + 1 WHERE k = :k"), {"k": first})
                BARRIER.wait()
                connection.execute(text("UPDATE t SET n = n + 1 WHERE k = :k"), {"k": second})
        except MmflowError as error:
            errors.append(error)

    return threading.Thread(target=work), errors


@pytest.mark.row("R54")
def test_a_serialization_failure_is_tried_later(postgres_database: Database) -> None:
    table_of(postgres_database)
    with opened(postgres_database) as connection, connection.begin():
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")
        connection.exec_driver_sql("SELECT * FROM t")
        postgres_database.query('UPDATE "t" SET "n" = 7')
        with pytest.raises(TryLater, match="in favour"), explain_faults(postgres_database.address):
            connection.exec_driver_sql("UPDATE t SET n = 8")


@pytest.mark.row("R54")
def test_a_lock_that_is_not_given_in_time_is_tried_later(
    postgres_database: Database, mariadb_database: Database
) -> None:
    short = {"postgresql": "SET lock_timeout = 50", "mysql": "SET innodb_lock_wait_timeout = 1"}
    for database in (postgres_database, mariadb_database):
        table_of(database)
        with opened(database) as holder, opened(database) as waiter, holder.begin(), waiter.begin():
            holder.exec_driver_sql("UPDATE t SET n = 2")
            waiter.exec_driver_sql(short[database.kind])
            with pytest.raises(TryLater, match="locked for somebody else"), explain_faults(database.address):
                waiter.exec_driver_sql("UPDATE t SET n = 3")


@pytest.mark.row("R54")
def test_a_file_of_sqlite_that_somebody_writes_is_tried_later(sqlite_database: Database) -> None:
    address = sqlite_database.address
    assert address.file is not None
    address.file.parent.mkdir()
    table_of(sqlite_database)
    with closing(sqlite3.connect(address.file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with opened(sqlite_database) as connection:
            connection.connection.driver_connection.execute("PRAGMA busy_timeout = 1")  # type: ignore[union-attr]
            with pytest.raises(TryLater, match="locked for somebody else"), explain_faults(address):
                connection.execute(text("DELETE FROM t"))


@pytest.mark.row("R54")
def test_a_file_of_duckdb_that_another_program_has_open_is_tried_later(duckdb_database: Database) -> None:
    address = duckdb_database.address
    assert address.file is not None
    address.file.parent.mkdir()
    script = f"import duckdb; c = duckdb.connect({str(address.file)!r}); print('open', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        error = ask(address, duckdb_database.root)
        other.communicate("\n", timeout=30)
    assert isinstance(error, TryLater)
    assert "in use by another program" in str(error)
    assert ask(address, duckdb_database.root) is None


def test_a_file_that_is_no_database_is_given_up_and_left_alone(
    sqlite_database: Database, duckdb_database: Database
) -> None:
    for database in (sqlite_database, duckdb_database):
        file = database.address.file
        assert file is not None
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(b"day,machine\n" * 2000)
        error = ask(database.address, database.root, "CREATE TABLE t (a INTEGER)")
        assert isinstance(error, GiveUp)
        assert "no database" in str(error)
        assert file.read_bytes() == b"day,machine\n" * 2000


def test_a_damaged_file_of_sqlite_is_given_up(sqlite_database: Database) -> None:
    file = sqlite_database.address.file
    assert file is not None
    file.parent.mkdir()
    sqlite_database.query("CREATE TABLE t (a TEXT)")
    sqlite_database.query("INSERT INTO t SELECT hex(randomblob(2000)) FROM (VALUES (1), (2), (3), (4), (5))")
    damaged = bytearray(file.read_bytes())
    damaged[4096:8192] = os.urandom(4096)
    file.write_bytes(damaged)
    error = ask(sqlite_database.address, sqlite_database.root, "SELECT count(*) FROM t WHERE a LIKE '%x%'")
    assert isinstance(error, GiveUp)
    assert "damage" in str(error)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_file_that_may_not_be_written_is_given_up(sqlite_database: Database, duckdb_database: Database) -> None:
    for database in (sqlite_database, duckdb_database):
        file = database.address.file
        assert file is not None
        file.parent.mkdir(exist_ok=True)
        database.query("CREATE TABLE t (a INTEGER)")
        file.chmod(0o444)
        assert isinstance(ask(database.address, database.root, "INSERT INTO t VALUES (1)"), GiveUp)


PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))


@pytest.mark.skipif(
    not PROGRAMS, reason="there is no PostgreSQL in /usr/lib/postgresql; that of the package has no TLS"
)
def test_a_server_whose_certificate_proves_nothing_is_given_up_unless_told_otherwise(tmp_path: Path) -> None:
    authority, stranger = trustme.CA(), trustme.CA()
    certificate = authority.issue_cert("localhost")
    certificate.private_key_pem.write_to_path(tmp_path / "server.key")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "server.crt")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    stranger.cert_pem.write_to_path(tmp_path / "other.pem")
    with run_postgres(PROGRAMS[-1].parent) as server:
        key, chain = server.lend(tmp_path / "server.key"), server.lend(tmp_path / "server.crt")
        port, url = server.port, server.url().replace("127.0.0.1", "localhost")
        assert "tls" in say(change(url, tmp_path, tls="require"), tmp_path), "it has no certificate yet"
        server.execute(f"ALTER SYSTEM SET ssl_key_file = '{key}'")
        server.execute(f"ALTER SYSTEM SET ssl_cert_file = '{chain}'")
        server.execute("ALTER SYSTEM SET ssl = on")
        server.execute("SELECT pg_reload_conf()")
        server.stop()
        server.start()
        assert ask(change(url, tmp_path, tls="verify", ca="ca.pem"), tmp_path) is None
        assert ask(change(url, tmp_path, tls="require"), tmp_path) is None
        by_number = f"postgresql://postgres@127.0.0.1:{port}/postgres"
        for address in (
            change(url, tmp_path, tls="verify", ca="other.pem"),
            change(url, tmp_path, tls="verify"),
            change(url, tmp_path, tls="verify", ca="missing.pem"),
            change(by_number, tmp_path, tls="verify", ca="ca.pem"),  # another name than the certificate's
        ):
            assert "could not be reached as tls asks" in say(address, tmp_path)


def say(address: Address, root: Path) -> str:
    """Give the words with which a database is given up."""
    error = ask(address, root)
    assert isinstance(error, GiveUp)
    return str(error)


def test_a_mariadb_without_a_certificate_is_given_up_when_tls_is_wanted(mariadb_database: Database) -> None:
    address = change(mariadb_database.connection.url, mariadb_database.root, tls="verify")
    assert "could not be reached as tls asks" in say(address, mariadb_database.root)


def test_a_bad_file_of_authorities_is_given_up(tmp_path: Path) -> None:
    (tmp_path / "bad.pem").write_text("no certificate")
    for name in ("bad.pem", "missing.pem"):
        address = change("mysql://u@db.invalid/plant", tmp_path, ca=name)
        assert "mend 'ca'" in say(address, tmp_path)


@pytest.mark.row("R8")
def test_a_connection_lost_during_commit_leaves_nobody_to_tell(
    postgres: PostgresServer, postgres_database: Database
) -> None:
    table_of(postgres_database)
    with opened(postgres_database) as connection:
        connection.exec_driver_sql("UPDATE t SET n = 2")
        cut(postgres)
        address = postgres_database.address
        with pytest.raises(Unknown, match="during COMMIT"), explain_faults(address), explain_commit(address):
            connection.commit()


def test_a_commit_that_is_refused_is_not_unknown(postgres_database: Database) -> None:
    postgres_database.query("CREATE TABLE t (k INTEGER UNIQUE DEFERRABLE INITIALLY DEFERRED)")
    with opened(postgres_database) as connection:
        connection.exec_driver_sql("INSERT INTO t VALUES (1), (1)")
        with pytest.raises(GiveUp, match="same key"), explain_commit(postgres_database.address):
            connection.commit()


@pytest.mark.row("R8")
def test_a_connection_to_mariadb_lost_during_commit_leaves_nobody_to_tell(mariadb_database: Database) -> None:
    table_of(mariadb_database)
    with opened(mariadb_database) as connection:
        number = connection.exec_driver_sql("SELECT connection_id()").scalar()
        connection.exec_driver_sql("UPDATE t SET n = 2")
        mariadb_database.query(f"KILL {number}")
        with pytest.raises(Unknown, match="during COMMIT"), explain_commit(mariadb_database.address):
            connection.commit()


def cut(server: PostgresServer) -> None:
    """End every connection of the sink, and wait until it is gone."""
    server.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name ~ '^mmflow'")


def test_two_that_make_one_table_at_once_are_both_to_try_again(postgres_database: Database) -> None:
    table_of(postgres_database)
    for statement in ("CREATE TABLE t (a INTEGER)", "ALTER TABLE t ADD COLUMN n INTEGER"):
        assert isinstance(ask(postgres_database.address, postgres_database.root, statement), TryLater)
    with opened(postgres_database) as first, opened(postgres_database) as second, first.begin(), second.begin():
        first.exec_driver_sql("CREATE TABLE IF NOT EXISTS twin (a INTEGER)")
        held: list[MmflowError] = []
        thread = threading.Thread(target=lambda: held.extend(make_twin(second, postgres_database.address)))
        thread.start()
        wait_for_lock(postgres_database)
        first.commit()
        thread.join(30)
    assert [type(error) for error in held] == [TryLater]


def make_twin(connection: Connection, address: Address) -> Iterator[MmflowError]:
    try:
        with explain_faults(address):
            connection.exec_driver_sql("CREATE TABLE IF NOT EXISTS twin (a INTEGER)")
    except MmflowError as error:
        yield error


def wait_for_lock(database: Database) -> None:
    """Wait until somebody waits."""
    waiting = threading.Event()
    for _ in range(3000):
        if database.query(
            "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        ):
            return
        waiting.wait(0.01)
    pytest.fail("nobody waits for a lock")


def odbc_error(state: str) -> Exception:
    return Exception(state, f"[{state}] [Microsoft][ODBC Driver 18 for SQL Server] something")


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        ("08S01", TryLater),
        ("40001", TryLater),
        ("HYT00", TryLater),
        ("28000", GiveUp),
        ("42S02", GiveUp),
        ("23000", GiveUp),
    ],
)
def test_states_of_sql_server_are_sorted_like_those_of_postgresql(state: str, kind: type, tmp_path: Path) -> None:
    address = change("mssql://u@db/plant", tmp_path, password=Secret(PASSWORD))
    assert isinstance(explain_fault(address, odbc_error(state), committing=False), kind)


def test_a_missing_driver_is_given_up_with_the_command_that_installs_it(tmp_path: Path) -> None:
    try:
        import pyodbc  # noqa: F401
    except ImportError:
        address = change("mssql://u@db/plant", tmp_path)
        assert "pip install 'mmflow-sql[mssql]'" in say(address, tmp_path)
    else:
        pytest.skip("the driver of SQL Server is installed")


CLASSES = {"08": TryLater, "40": TryLater, "53": TryLater, "57": TryLater, "22": GiveUp, "23": GiveUp, "28": GiveUp}


def test_every_error_of_postgresql_is_sorted_by_its_class() -> None:
    verdicts = {TryLater: ("again", "lost"), GiveUp: ("never",)}
    states = [state for state in psycopg.errors._sqlcodes if state[:2] in CLASSES]
    assert len(states) > 100
    for state in states:
        assert find_state(state).verdict in verdicts[CLASSES[state[:2]]]


def test_meanings_are_words_that_follow_the_name_of_a_database() -> None:
    tables: list[Callable[[], Iterator[Any]]] = [lambda: iter(DUCKDB)]
    meanings = [*STATES.values(), *MYSQL.values(), *SQLITE.values(), *SQLITE_EXTENDED.values()]
    meanings += [meaning for _, _, meaning in tables[0]()]
    for meaning in meanings:
        assert meaning.verdict in ("again", "lost", "never")
        assert meaning.words[0].islower()
        assert not meaning.words.endswith(".")


def test_what_a_database_says_is_one_short_line_without_the_password(tmp_path: Path) -> None:
    address = change("mysql://u@db/plant", tmp_path, password=Secret(PASSWORD))
    error = pymysql.OperationalError(1045, f"bad\n\x1b[31m {PASSWORD} {'x' * 5000}")
    told = str(explain_fault(address, error, committing=False))
    assert PASSWORD not in told
    assert told.isprintable()
    assert len(told) < 700
