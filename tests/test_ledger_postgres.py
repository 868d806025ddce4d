"""The ledger in a PostgreSQL: what a file need not bear, such as a server that is gone for a while."""

import os
import re
import signal
import subprocess
import sys
from contextlib import nullcontext, suppress
from dataclasses import replace
from functools import partial
from threading import Timer

import pytest

from mmflow.clock import FixedClock, SystemClock
from mmflow.errors import Busy, StateError, UserError
from mmflow.ledger import Database, Ledger, Opener
from mmflow.ledger import postgres as postgres_driver
from mmflow.ledger.migrations import MIGRATIONS, read_version
from mmflow.ledger.postgres import open_postgres
from mmflow.refs import Secret
from tests.ledgers import NOON, SLOT, begin, list_statements, plan, wait_until

PASSWORD = "pw-4d1c77e0a2"


@pytest.fixture
def ledger(database, clock):
    """An empty ledger in PostgreSQL."""
    with Ledger.open(database, clock) as opened:
        yield opened


def end_sessions(postgres):
    """End every connection to the ledger, as a server that starts anew does."""
    postgres.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = 'ledger'")


def test_without_the_library_the_message_says_how_to_install_it(database, clock, monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(UserError, match=re.escape("pip install 'mmflow-reports[postgresql]'")):
        Ledger.open(database, clock)


def test_the_tables_are_in_a_schema_of_their_own(postgres, ledger):
    found = postgres.execute("SELECT DISTINCT table_schema FROM information_schema.tables", "ledger")
    assert {schema for (schema,) in found} == {"information_schema", "mmflow", "pg_catalog"}
    begin(ledger)


def test_a_user_who_may_make_nothing_uses_a_schema_that_was_made_for_it(postgres, database, clock):
    postgres.execute("DROP ROLE IF EXISTS clerk")
    postgres.execute("CREATE ROLE clerk LOGIN")
    clerk = Database(host="127.0.0.1", port=postgres.port, name="ledger", user="clerk")
    with pytest.raises(StateError, match=r"permission denied.*give this user the schema mmflow"):
        Ledger.open(clerk, clock)
    postgres.execute("CREATE SCHEMA mmflow AUTHORIZATION clerk", "ledger")
    with Ledger.open(clerk, clock) as ledger:
        assert begin(ledger).job == "daily"


def drop(postgres):
    postgres.execute("SET client_min_messages = error; DROP SCHEMA mmflow CASCADE", "ledger")


def schemas(postgres):
    return postgres.execute("SELECT count(*) FROM pg_namespace WHERE nspname = 'mmflow'", "ledger")[0][0]


@pytest.mark.row("R24")
def test_a_ledger_that_was_dropped_where_there_was_one_is_made_only_anew(postgres, database, clock, tmp_path):
    home = replace(database, home=tmp_path / ".mmflow")
    with Ledger.open(home, clock) as ledger:
        begin(ledger)
    drop(postgres)
    for ways in (Ledger.open, Ledger.look):
        with pytest.raises(
            StateError, match=r"is missing, and .*database says that there was one; a new one would not"
        ):
            ways(home, clock)
    assert schemas(postgres) == 0
    Ledger.open(home, clock, anew=True).close()
    drop(postgres)
    (tmp_path / ".mmflow" / "database").unlink()  # as in roots of before there was such a file
    Ledger.open(home, clock).close()
    drop(postgres)
    (tmp_path / ".mmflow" / "database").unlink()
    (tmp_path / ".mmflow" / "snapshots").mkdir()
    (tmp_path / ".mmflow" / "snapshots" / "r1.parquet").touch()
    with pytest.raises(StateError, match=r"is missing, and .*snapshots says that there was one"):
        Ledger.open(home, clock)
    (tmp_path / ".mmflow" / "ledger.sqlite").write_bytes(b"the ledger was in a file before")
    Ledger.open(home, clock).close()
    other = replace(home, host="localhost")
    Ledger.look(other, clock).close()


@pytest.mark.row("R24")
def test_who_has_worked_with_a_ledger_takes_no_other_in_its_place(postgres, database, clock):
    opener = Opener(database, clock)
    with opener() as ledger:
        known = ledger.identity
        drop(postgres)
        with pytest.raises(StateError, match=r"is missing, and it was in use before"):
            opener()
        assert schemas(postgres) == 0
        Ledger.open(database, clock).close()
        for look in (ledger.check_place, opener):
            with pytest.raises(StateError, match="is another one than this process has worked with"):
                look()
        postgres.execute(f"UPDATE mmflow.meta SET value = '{known}' WHERE key = 'identity'", "ledger")
        ledger.check_place()
        assert begin(ledger).job == "daily"


def test_a_connection_that_was_ended_is_made_anew_for_reading_and_for_writing(postgres, ledger):
    begin(ledger)
    end_sessions(postgres)
    assert ledger.read_run("r1").job == "daily"
    end_sessions(postgres)
    ledger.finish_run("r1", "ok")
    assert ledger.read_run("r1").state == "ok"


def test_a_server_that_starts_anew_is_waited_for(postgres, ledger):
    begin(ledger)
    postgres.stop()
    back = Timer(1, postgres.start)
    back.start()
    try:
        ledger.finish_run("r1", "ok")
    finally:
        back.join()
    assert ledger.read_run("r1").state == "ok"


def test_a_connection_that_is_lost_within_a_transaction_leaves_nothing_of_it(postgres, ledger):
    begin(ledger)
    with pytest.raises(StateError, match=r"the connection to the ledger .* was lost"), ledger._transaction():  # noqa: PT012
        ledger._do("UPDATE run SET state = 'ok' WHERE id = 'r1'")
        end_sessions(postgres)
        ledger._do("UPDATE run SET error = 'half' WHERE id = 'r1'")
    found = ledger.read_run("r1")
    assert (found.state, found.error) == ("running", "")


@pytest.fixture
def frozen(postgres):
    """Freezes the whole server, as a machine that stands still: the system goes on taking what is sent to it."""
    numbers: list[int] = []

    def send(number):
        for pid in numbers:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def freeze():
        numbers.append(int((postgres.folder / "postmaster.pid").read_text().split()[0]))
        numbers.extend(
            pid for (pid,) in postgres.execute("SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
        )
        send(signal.SIGSTOP)

    yield freeze
    send(signal.SIGCONT)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signal that stops a process")
@pytest.mark.row("R13")
@pytest.mark.parametrize("inside", [False, True])
def test_a_server_that_stands_still_is_given_up_in_time(frozen, ledger, monkeypatch, inside):
    begin(ledger)
    monkeypatch.setattr(postgres_driver, "QUIET", 2)
    monkeypatch.setattr(postgres_driver, "CONNECT", 1)
    with (  # noqa: PT012
        pytest.raises(StateError, match=r"does not answer; see whether its server stands still"),
        ledger._transaction() if inside else nullcontext(),
    ):
        frozen()
        ledger._do("SELECT 1 FROM run")
    ledger.close()


def test_a_statement_that_takes_long_is_waited_for_while_the_server_is_up_and_not_for_ever(ledger, monkeypatch):
    monkeypatch.setattr(postgres_driver, "QUIET", 2)
    assert ledger._do("SELECT 1 FROM (SELECT pg_sleep(0.8)) AS slow").fetchall() == [(1,)]
    monkeypatch.setattr(postgres_driver, "GIVEN_UP", 2)
    with pytest.raises(StateError, match="does not answer"):
        ledger._do("SELECT pg_sleep(60)")
    assert begin(ledger).job == "daily", "the next statement has a connection of its own"


def test_a_server_that_is_up_and_lets_nobody_in_is_not_waited_for(database, clock):
    nowhere = Database(host=database.host, port=database.port, name="nope", user="postgres", password=Secret(PASSWORD))
    with pytest.raises(StateError, match=r'cannot be reached: .*database "nope" does not exist; see that') as refused:
        Ledger.open(nowhere, clock)
    assert PASSWORD not in f"{refused.value} {nowhere!r} {nowhere}"


def test_a_server_that_is_down_is_an_error_after_a_while(database, clock):
    nobody = Database(host=database.host, port=1, name="ledger", user="postgres")
    with pytest.raises(StateError, match=r"cannot be reached: .*refused"):
        open_postgres(nobody, clock, patience=0.1)


def test_who_looks_or_comes_back_by_itself_does_not_wait_for_a_server_that_is_down(database, clock, monkeypatch):
    nobody = replace(database, port=1)
    monkeypatch.setattr(postgres_driver, "GLANCE", 0.1)
    monkeypatch.setattr(postgres_driver, "PATIENCE", 600)
    for ways in (Ledger.look, partial(Ledger.open, known="the one of before")):
        with pytest.raises(StateError, match=r"cannot be reached: .*refused"):
            ways(nobody, clock)


def test_a_writer_waits_for_another_and_says_so_when_it_takes_too_long(database, ledger, clock):
    with Ledger.open(database, clock) as other:
        other._do("SET lock_timeout = '100ms'")
        with (
            ledger._transaction(),
            pytest.raises(StateError, match=r"locked by another process for too long"),
            other._transaction(),
        ):
            pass
        begin(other)


def test_every_statement_is_one_that_postgresql_understands(ledger):
    for name, statement in list_statements().items():
        first, *rest = statement.split("?")
        numbered = first + "".join(f"${place}{piece}" for place, piece in enumerate(rest, 1))
        ledger._do(f"PREPARE {name.lower()} AS {numbered}")


def test_texts_may_hold_whatever_a_sink_says(ledger):
    begin(ledger)
    ledger.finish_run("r1", "failed", error="it said '\0' and 100 %s?")
    assert ledger.read_run("r1").error == "it said '�' and 100 %s?"


def test_texts_sort_by_their_bytes_whatever_the_language_of_the_database(ledger):
    plan(ledger, "b", "B", "a-b", "ab", "Ä")
    assert [slot.job for slot in ledger.slots.list_open()] == sorted(["b", "B", "a-b", "ab", "Ä"])


def test_the_clock_of_leases_is_that_of_the_database(database, monkeypatch):
    with Ledger.open(database, SystemClock()) as ledger:
        assert abs((ledger._driver.now() - SystemClock().now()).total_seconds()) < 5
    monkeypatch.setattr(postgres_driver, "READ_CLOCK", "SELECT clock_timestamp() + interval '1 hour'")
    with Ledger.open(database, FixedClock(NOON)) as ledger:
        assert abs(ledger._driver.now() - NOON.replace(hour=13)).total_seconds() < 5
    monkeypatch.undo()
    with Ledger.open(database, FixedClock(NOON)) as ledger:
        assert ledger._driver.now() == NOON, "a clock that is handed in counts, and this machine's is the database's"


def test_a_run_by_hand_is_refused_while_another_machine_runs_the_job(database, ledger, clock):
    begin(ledger)
    with Ledger.open(database, clock) as other:
        with pytest.raises(Busy, match=r"job 'daily' is being run by a machine that shares the ledger"):
            begin(other, "r2")
        with pytest.raises(Busy):
            other.begin_resend("r1", "daily", [])
        assert ledger.read_run("r1").state == "running"
        ledger.close()
        begin(other, "r2")
        assert "process ended" in other.read_run("r1").error


def test_what_a_run_holds_is_held_again_when_its_connection_is_made_anew(postgres, database, ledger, clock):
    begin(ledger)
    end_sessions(postgres)
    assert ledger.read_run("r1").state == "running"
    with Ledger.open(database, clock) as other:
        with pytest.raises(Busy):
            begin(other, "r2")
        end_sessions(postgres)
        begin(other, "r2")
        with pytest.raises(StateError, match=r"was lost, and another took daily over"):
            ledger.finish_run("r1", "ok")
        assert other.read_run("r1").state == "failed"


def test_a_process_that_stands_still_in_a_transaction_holds_others_up_for_a_while_only(database, ledger, clock):
    ledger._do("SET idle_in_transaction_session_timeout = '200ms'")
    with (
        Ledger.open(database, clock) as other,
        pytest.raises(StateError, match=r"the connection to the ledger .* was lost"),
        ledger._transaction(),
    ):
        begin(other)
    assert ledger.read_run("r1").job == "daily"


def test_a_commit_is_on_disk_before_it_counts_whatever_the_server_does_for_others(postgres, database, clock):
    for written, meant in (("off", "on"), ("local", "local")):
        postgres.execute(f"ALTER DATABASE ledger SET synchronous_commit = {written}")
        with Ledger.open(database, clock) as ledger:
            assert ledger._do("SHOW synchronous_commit").fetchone() == (meant,)
    postgres.execute("ALTER DATABASE ledger RESET synchronous_commit")


@pytest.mark.parametrize("tls", ["require", "verify"])
def test_no_password_is_sent_in_plain_text_where_tls_is_expected(database, clock, tls):
    with pytest.raises(StateError, match=r"cannot be reached: .*SSL"):
        Ledger.open(replace(database, tls=tls, password=Secret(PASSWORD)), clock)


def test_a_lease_keeps_runs_by_hand_of_other_machines_out_and_the_reverse(database, ledger, clock):
    plan(ledger, "daily")
    (slot,) = ledger.slots.take("one", NOON.replace(hour=13), 9)
    with Ledger.open(database, clock) as other:
        with pytest.raises(Busy):
            begin(other, slot=NOON)
        ledger.slots.close(slot, "done", "")
        begin(other, slot=NOON)
        plan(ledger, "daily", due=SLOT.replace(minute=50))
        (slot,) = ledger.slots.take("one", NOON.replace(hour=13), 9)
        with pytest.raises(Busy):
            ledger.begin_run("r2", "daily", slot.due, "schedule", slot.fence)
    ledger.begin_run("r2", "daily", slot.due, "schedule", slot.fence)
    assert "process ended" in ledger.read_run("r1").error


def test_deliveries_that_go_on_wait_for_a_run_by_hand_of_another_machine(database, ledger, clock):
    plan(ledger, "daily")
    (slot,) = ledger.slots.take("one", NOON.replace(hour=13), 9)
    ledger.begin_run("r1", "daily", slot.due, "schedule", slot.fence)
    ledger.postpone_run("r1", slot, NOON, "it is busy")
    with Ledger.open(database, clock) as other:
        begin(other, "r2", slot=NOON)
        (slot,) = ledger.slots.take("one", NOON.replace(hour=13), 9)
        with pytest.raises(Busy, match="by a machine that shares the ledger"):
            ledger.begin_resume("r1", slot)
        assert ledger.read_run("r1").state == "retrying"
    ledger.begin_resume("r1", slot)
    assert ledger.read_run("r1").state == "running"


def test_a_lease_that_is_given_out_while_a_run_by_hand_begins_keeps_it_out(database, ledger, clock, monkeypatch):
    plan(ledger, "daily")
    with Ledger.open(database, clock) as other:
        hold = other._driver.hold

        def hold_late(name):
            assert ledger.slots.take("one", NOON.replace(hour=13), 9)
            return hold(name)

        monkeypatch.setattr(other._driver, "hold", hold_late)
        with pytest.raises(Busy):
            begin(other, slot=NOON)


MIGRATE = """
import sys
from mmflow.clock import SystemClock
from mmflow.ledger import Database
from mmflow.ledger.migrations import MIGRATIONS
from mmflow.ledger.postgres import open_postgres
step = ("ALTER TABLE run ADD COLUMN mood TEXT", "SELECT pg_sleep(60)")
database = Database(host="127.0.0.1", port=int(sys.argv[1]), name="ledger", user="postgres")
open_postgres(database, SystemClock(), steps=(*MIGRATIONS, step))
"""
SLEEPING = "SELECT 1 FROM pg_stat_activity WHERE datname = 'ledger' AND query LIKE '%pg_sleep(60)'"


@pytest.mark.row("R25")
def test_a_process_killed_while_it_brings_the_ledger_up_to_date_leaves_it_as_it_was(postgres, database, ledger, clock):
    begin(ledger)
    with subprocess.Popen([sys.executable, "-c", MIGRATE, str(postgres.port)]) as migrating:
        wait_until(lambda: bool(postgres.execute(SLEEPING)))
        migrating.send_signal(signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL)
    postgres.execute(SLEEPING.replace("SELECT 1", "SELECT pg_terminate_backend(pid, 5000)"))
    with Ledger.open(database, clock) as found:
        assert read_version(found._driver) == len(MIGRATIONS)
        assert found.read_run("r1").job == "daily"
    open_postgres(database, clock, steps=(*MIGRATIONS, ("ALTER TABLE run ADD COLUMN mood TEXT",))).close()
    with pytest.raises(StateError, match=r"was written by a newer mmflow"):
        Ledger.open(database, clock)
