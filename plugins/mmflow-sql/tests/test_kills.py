"""Deliveries that are killed, and servers that go away: afterwards there is the old content or the new, and once."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from mmflow import GiveUp, MmflowError, TryLater
from mmflow.table import Table, make_table, open_database, write_table
from mmflow.testing.deliveries import DAY, DOWN, MACHINE, PARTS, make_run
from mmflow_sql.connection import SqlConnection
from mmflow_sql.deliver import deliver_sql, probe_sql
from mmflow_sql.options import SqlOptions
from mmflow_sql.testing import Database, PostgresServer, find_port

FIRST = date(2026, 11, 21)
COLUMNS = [DAY, MACHINE, PARTS, DOWN]
OLD = [["Haas 1", 1.0], ["Mazak, 2", 2.0]]
NEW = [["Haas 1", 7.0], ["Mazak, 2", 8.0]]


def make_rows(path: Path, rows: list[list[Any]]) -> Table:
    return make_table([(FIRST, *row, None) for row in rows], columns=COLUMNS, path=path)


@pytest.fixture(scope="module", autouse=True)
def one_database() -> None:
    """None for these tests: its threads would be missing from a process that is forked."""


FORKS = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")


@FORKS
@pytest.mark.timeout(300)
@pytest.mark.row("R7")
@pytest.mark.row("R8")
def test_a_delivery_killed_at_any_statement_and_run_again_equals_once(database: Database, tmp_path: Path) -> None:
    kill_everywhere(database, tmp_path, "replace_window")


@FORKS
@pytest.mark.timeout(300)
@pytest.mark.row("R7")
def test_an_upsert_killed_at_any_statement_and_run_again_equals_once(
    postgres_database: Database, tmp_path: Path
) -> None:
    kill_everywhere(postgres_database, tmp_path, "upsert")


# A delivery runs about twenty statements that do more than look; MMFLOW_EVERY_KILL=1 tries all.
STRIDE = 1 if os.environ.get("MMFLOW_EVERY_KILL") else 4


def kill_everywhere(database: Database, tmp_path: Path, mode: str) -> None:
    for name, rows in (("old", OLD), ("new", NEW)):
        make_rows(tmp_path / name, rows)
    given = {"url": database.connection.url, "root": str(database.root), "mode": mode, "stride": STRIDE}
    given |= {name: str(tmp_path / name) for name in ("old", "new")}
    script = [sys.executable, "-W", "ignore", str(Path(__file__).with_name("dying.py"))]
    done = subprocess.run(script, input=json.dumps(given), capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr
    seen = {line["step"]: line for line in map(json.loads, done.stdout.splitlines())}
    assert sum(line["killed"] for line in seen.values()) > 24 // STRIDE
    for line in seen.values():
        old = OLD if line["step"].startswith("next") else []
        between = line["between"] if isinstance(line["between"], list) else []  # there is no table yet
        assert between in (old, NEW), line
        assert line["present"] == ("present" if between == NEW else "absent"), line
        assert line["after"] == NEW, line
        assert line["again"][0] == 2
    for step in ("first", "next"):
        assert seen[f"{step} before commit"]["between"] != NEW
        after = seen[f"{step} after commit"]
        assert (after["killed"], after["between"]) == (True, NEW)
        assert after["again"][1] == "it stood there already"


@FORKS
@pytest.mark.row("R7")
def test_a_file_of_sqlite_whose_writer_was_killed_in_the_midst_is_asked_and_read_as_it_was_before(
    sqlite_database: Database, tmp_path: Path
) -> None:
    """So many rows are on the disk before COMMIT: whoever opens the file first has to take them back."""
    old, new = (make_many(tmp_path / name, parts, 60_000) for name, parts in (("old", "1"), ("new", "n")))
    deliver(sqlite_database, old)
    child = os.fork()
    if child == 0:
        event.listen(Engine, "commit", lambda _: os.kill(os.getpid(), signal.SIGKILL))
        deliver(sqlite_database, new, key="oee/new", generation=2)
        os._exit(0)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    file = sqlite_database.address.file
    assert file is not None
    assert file.with_name(f"{file.name}-journal").stat().st_size > 0
    assert probe(sqlite_database, "replace_window") == "absent"
    assert count(sqlite_database) == (60_000, 60_000, 60_000.0)
    deliver(sqlite_database, new, key="oee/new", generation=2, fence=2)
    assert probe(sqlite_database, "replace_window") == "present"


ROWS = 200_000


def make_many(path: Path, parts: str, rows: int = ROWS) -> Table:
    """Write many rows of one day; ``parts`` is SQL over the number ``n`` of a row."""
    query = (
        f"SELECT DATE '{FIRST}' AS day, 'Machine ' || n AS machine, CAST({parts} AS DOUBLE) AS \"goodParts\", "
        f"CAST(1.5 AS DOUBLE) AS downtime FROM range({rows}) t(n) ORDER BY n"
    )
    with open_database(path.parent / "spill") as connection:
        return write_table(connection, query, columns=COLUMNS, path=path)


def deliver(database: Database, table: Table, mode: Any = "replace_window", **changes: Any) -> Any:
    run = make_run(database.root, connection=database.connection, **changes)
    return deliver_sql(table, SqlOptions(table="oee", mode=mode), run)


def count(database: Database) -> tuple[Any, ...]:
    ((rows, machines, parts),) = database.query(
        'SELECT count(*), count(DISTINCT "machine"), sum("goodParts") FROM "oee"'
    )
    return rows, machines, float(parts)


SMALL = (ROWS, ROWS, float(ROWS))  # every machine made one part
LARGE = (ROWS, ROWS, float(sum(range(ROWS))))


@contextmanager
def held_half_way(database: Database) -> Iterator[Callable[[], int]]:
    """Let whoever writes row 150,000 wait; gives a function that waits for it and tells its number at the server."""
    hold, watch, release = HOLDS[database.kind]
    for statement in hold:
        database.query(statement)
    with keeper(database) as execute:
        execute(release[0])

        def wait() -> int:
            waiting = threading.Event()
            for _ in range(6000):
                if found := database.query(watch):
                    return int(found[0][0])
                waiting.wait(0.01)
            pytest.fail("nobody came to row 150,000")

        yield wait


@contextmanager
def keeper(database: Database) -> Iterator[Callable[[str], Any]]:
    """Hold a connection open."""
    from mmflow_sql.testing import CONNECTORS

    connection = CONNECTORS[database.kind](database.address)
    cursor = connection.cursor()
    try:
        yield cursor.execute
    finally:
        cursor.close()
        connection.close()


# How a row is made to wait, who waits for it, and what holds it up.
HOLDS: dict[str, tuple[list[str], str, list[str]]] = {
    "postgresql": (
        [
            (
                "CREATE FUNCTION wait_here() RETURNS trigger LANGUAGE plpgsql AS "
                "$$BEGIN PERFORM pg_advisory_xact_lock(77); RETURN NEW; END$$"
            ),
            (
                'CREATE TRIGGER half_way BEFORE INSERT ON "oee" FOR EACH ROW '
                'WHEN (NEW."goodParts" = 150000) EXECUTE FUNCTION wait_here()'
            ),
        ],
        (
            "SELECT pid FROM pg_stat_activity WHERE wait_event = 'advisory' AND application_name LIKE 'mmflow%' "
            "AND datname = current_database()"
        ),
        ["SELECT pg_advisory_lock(77)"],
    ),
    "mysql": (
        [
            (
                'CREATE TRIGGER half_way BEFORE INSERT ON "oee" FOR EACH ROW '
                "IF NEW.\"goodParts\" = 150000 THEN DO GET_LOCK('half way', 60); END IF"
            ),
        ],
        "SELECT id FROM information_schema.processlist WHERE state = 'User lock' AND db = database()",
        ["SELECT GET_LOCK('half way', 0)"],
    ),
}
LET_GO = {"postgresql": "DROP TRIGGER half_way ON oee", "mysql": "DROP TRIGGER half_way"}


def deliver_aside(database: Database, table: Table, mode: str) -> tuple[threading.Thread, list[MmflowError]]:
    """Begin a delivery in a thread; the list takes what it fails with."""
    failed: list[MmflowError] = []

    def work() -> None:
        try:
            deliver(database, table, mode, key="oee/new", generation=2)
        except MmflowError as error:
            failed.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    return thread, failed


@pytest.mark.row("R7")
@pytest.mark.row("R53")
@pytest.mark.parametrize("mode", ["replace_window", "upsert"])
def test_a_backend_ended_in_the_midst_of_copy_leaves_the_old_rows_and_the_next_try_succeeds(
    postgres: PostgresServer,
    postgres_database: Database,
    tmp_path: Path,
    mode: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    old, new = make_many(tmp_path / "old", "1"), make_many(tmp_path / "new", "n")
    deliver(postgres_database, old, mode)
    with held_half_way(postgres_database) as wait:
        thread, failed = deliver_aside(postgres_database, new, mode)
        postgres.execute(f"SELECT pg_terminate_backend({wait()}, 5000)")
        thread.join(60)
    assert [type(error) for error in failed] == [TryLater]
    assert "psycopg" not in {record.name for record in caplog.records}, "it is said once"
    assert count(postgres_database) == SMALL
    assert probe(postgres_database, mode) == "absent"
    postgres_database.query(LET_GO["postgresql"])
    assert deliver(postgres_database, new, mode, key="oee/new", generation=2, fence=2).rows == ROWS
    assert count(postgres_database) == LARGE
    assert probe(postgres_database, mode) == "present"


def probe(database: Database, mode: Any) -> str:
    run = make_run(database.root, connection=database.connection, key="oee/new", generation=2)
    return probe_sql(SqlOptions(table="oee", mode=mode), run)


@pytest.mark.row("R53")
def test_a_server_that_crashes_in_the_midst_of_copy_keeps_the_old_rows(
    postgres: PostgresServer, postgres_database: Database, tmp_path: Path
) -> None:
    old, new = make_many(tmp_path / "old", "1"), make_many(tmp_path / "new", "n")
    deliver(postgres_database, old)
    with held_half_way(postgres_database) as wait:
        thread, failed = deliver_aside(postgres_database, new, "replace_window")
        wait()
        postgres.stop("immediate")
        try:
            thread.join(60)
            with pytest.raises(TryLater):
                deliver(postgres_database, new, key="oee/new", generation=2, fence=2)
        finally:
            postgres.start()
    assert [type(error) for error in failed] == [TryLater]
    assert count(postgres_database) == SMALL
    postgres_database.query(LET_GO["postgresql"])
    deliver(postgres_database, new, key="oee/new", generation=2, fence=3)
    assert count(postgres_database) == LARGE


@pytest.mark.row("R7")
@pytest.mark.row("R53")
def test_a_connection_of_mariadb_ended_in_the_midst_of_inserts_leaves_the_old_rows(
    mariadb_database: Database, tmp_path: Path
) -> None:
    rows = 20_000
    old, new = make_many(tmp_path / "old", "1", rows), make_many(tmp_path / "new", "n * 10", rows)
    deliver(mariadb_database, old)
    with held_half_way(mariadb_database) as wait:
        thread, failed = deliver_aside(mariadb_database, new, "replace_window")
        mariadb_database.query(f"KILL {wait()}")
        thread.join(60)
    assert [type(error) for error in failed] == [TryLater]
    assert count(mariadb_database) == (rows, rows, float(rows))
    mariadb_database.query(LET_GO["mysql"])
    deliver(mariadb_database, new, key="oee/new", generation=2, fence=2)
    assert count(mariadb_database) == (rows, rows, 10.0 * sum(range(rows)))


@pytest.mark.skipif(os.name != "posix", reason="there is no sh to watch")
@pytest.mark.usefixtures("postgres")  # which skips where there is no server
def test_a_server_of_a_test_run_that_is_killed_ends_with_it() -> None:
    script = (
        "import sys; from mmflow_sql.testing import run_postgres\n"
        "with run_postgres() as s: print(s.port, s.folder.parent, flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-W", "ignore", "-c", script]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        port, folder = run.stdout.readline().split()
        run.kill()
    pause = threading.Event()
    for _ in range(1000):
        if not Path(folder).exists():
            break
        pause.wait(0.02)
    assert not Path(folder).exists()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(port)), timeout=5)


@pytest.mark.row("R53")
def test_a_server_that_is_down_at_the_start_is_tried_later_and_nobody_knows_what_stands_there(tmp_path: Path) -> None:
    table = make_rows(tmp_path / "new", NEW)
    for scheme in ("postgresql", "mysql"):
        database = Database(SqlConnection(url=f"{scheme}://u@127.0.0.1:{find_port()}/plant"), tmp_path)
        with pytest.raises(TryLater, match="cannot be reached"):
            deliver(database, table)
        assert probe(database, "append") == "unknown"


@pytest.mark.row("R53")
def test_a_server_that_restarts_between_two_deliveries_is_none_the_wiser(
    postgres: PostgresServer, postgres_database: Database, tmp_path: Path
) -> None:
    deliver(postgres_database, make_rows(tmp_path / "old", OLD))
    postgres.stop()
    postgres.start()
    deliver(postgres_database, make_rows(tmp_path / "new", NEW), generation=2)
    assert postgres_database.query('SELECT sum("goodParts") FROM "oee"') == [(15.0,)]


@pytest.mark.row("R8")
def test_a_delivery_whose_commit_nobody_saw_is_asked_after(
    postgres: PostgresServer, postgres_database: Database, tmp_path: Path
) -> None:
    """A deferred trigger ends the connection within COMMIT: the answer is lost, and so are the rows."""
    deliver(postgres_database, make_rows(tmp_path / "old", OLD))
    for statement in (
        (
            "CREATE FUNCTION end_here() RETURNS trigger LANGUAGE plpgsql AS "
            "$$BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(5); RETURN NULL; END$$"
        ),
        (
            'CREATE CONSTRAINT TRIGGER late AFTER INSERT ON "oee" DEFERRABLE INITIALLY DEFERRED FOR EACH ROW '
            "EXECUTE FUNCTION end_here()"
        ),
    ):
        postgres_database.query(statement)
    with pytest.raises(TryLater, match="nothing was written"):
        deliver(postgres_database, make_rows(tmp_path / "new", NEW), key="oee/new", generation=2)
    assert postgres_database.query('SELECT sum("goodParts") FROM "oee"') == [(3.0,)]


@pytest.mark.row("S35")
def test_values_are_never_read_as_statements(database: Database, tmp_path: Path) -> None:
    texts = [
        "'; DROP TABLE oee; --",
        "%s %(x)s %%",
        ":name ?1 $1",
        "\\'; \\\\ \\N \\.",
        '"`[]',
        "{x}",
        "\\copy",
        "\t\n\r",
    ]
    deliver(database, make_rows(tmp_path / "new", [[text, 1.0] for text in texts]))
    assert {row for (row,) in database.query('SELECT "machine" FROM "oee"')} == set(texts)


@pytest.mark.row("S35")
def test_a_text_with_nul_is_refused_with_its_row(database: Database, tmp_path: Path) -> None:
    with pytest.raises(GiveUp, match="row 2, column 'machine'"):
        deliver(database, make_rows(tmp_path / "new", [["a", 1.0], ["a\x00b", 1.0]]))


@pytest.mark.row("S37")
def test_no_option_takes_statements() -> None:
    names = {*SqlOptions.__struct_fields__, *SqlConnection.__struct_fields__}
    assert not [name for name in names if "sql" in name or "statement" in name or "query" in name]
