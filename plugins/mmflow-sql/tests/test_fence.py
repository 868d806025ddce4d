"""What ``mmflow_delivery`` is for: a delivery is done once, a late worker is refused, two at once end right."""

from __future__ import annotations

import threading
from datetime import date, timedelta

import pytest

from mmflow.errors import GiveUp, TryLater, Unknown
from mmflow.testing.deliveries import day_rows, make_run
from mmflow_sql.deliver import Delivery, settle
from mmflow_sql.engine import open_engine
from mmflow_sql.fence import fingerprint
from mmflow_sql.locks import lock_table

FIRST = date(2026, 11, 1)
ROWS, LATER = day_rows(FIRST, 1, 1), day_rows(FIRST, 1, 2)


def test_a_delivery_is_noted_beside_its_rows(plant):
    plant.deliver(ROWS, generation=3, fence=7, run="20261102-1", key="daily/sql#1")
    noted = 'SELECT "delivery", "target", "generation", "fence", "run", "row_count", "removed" FROM "mmflow_delivery"'
    assert plant.query(noted) == [("daily/sql#1", "oee", 3, 7, "20261102-1", 2, 0)]


@pytest.mark.row("R8")
def test_the_next_try_of_a_delivery_that_was_committed_loads_nothing(plant):
    table = plant.make(ROWS)
    plant.deliver(table, fence=1)
    plant.query('DELETE FROM "oee"')  # so that a second load could be seen
    receipt = plant.deliver(table, fence=2)
    assert (receipt.rows, receipt.details["notes"]) == (2, "it stood there already")
    assert plant.read() == []
    plant.deliver(table, fence=3, generation=2)
    assert plant.read() == ROWS


def test_a_delivery_whose_table_was_dropped_is_done_again(sqlite_database, make_plant):
    plant = make_plant(sqlite_database)
    table = plant.make(ROWS)
    plant.deliver(table, fence=1)
    plant.query('DROP TABLE "oee"')
    plant.deliver(table, fence=2)
    assert plant.read() == ROWS


def test_a_worker_that_comes_late_is_refused(plant):
    plant.deliver(LATER, generation=2, fence=5)
    for generation, fence in ((1, 9), (2, 4)):
        with pytest.raises(GiveUp, match=r"a newer delivery stands there \(generation 2, fence 5"):
            plant.deliver(ROWS, generation=generation, fence=fence)
    assert plant.read() == LATER


def test_data_extracted_later_is_let_in_when_the_ledger_was_lost(plant):
    extracted = make_run(plant.root).extracted_at
    plant.deliver(ROWS, generation=9, fence=9, extracted_at=extracted)
    plant.deliver(LATER, generation=1, fence=1, extracted_at=extracted + timedelta(hours=1))
    assert plant.read() == LATER


@pytest.mark.parametrize(("generation", "seen"), [(1, "present"), (2, "present"), (3, "absent")])
def test_probe_tells_what_stands_there(plant, generation, seen):
    assert plant.probe() == "absent"
    plant.deliver(ROWS, generation=2)
    assert plant.probe(generation=generation) == seen
    assert plant.probe(key="another") == "absent"


def test_probe_waits_for_an_earlier_try_that_is_still_being_committed(postgres_database, make_plant):
    plant, seen = make_plant(postgres_database), []
    plant.deliver(ROWS)
    with open_engine(postgres_database.address, make_run(plant.root)) as engine, engine.connect() as earlier:
        lock_table(earlier, "public", "oee")  # as 'oee' is named by a job that writes the schema, too
        earlier.exec_driver_sql("UPDATE mmflow_delivery SET generation = 2")
        asking = threading.Thread(target=lambda: seen.append(plant.probe(generation=2)))
        asking.start()
        wait_for_lock(postgres_database)
        earlier.commit()
        asking.join(60)
    assert seen == ["present"]


def wait_for_lock(database):
    """Wait until somebody waits."""
    asked = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    pause = threading.Event()
    for _ in range(3000):
        if database.query(asked):
            return
        pause.wait(0.01)
    pytest.fail("nobody waits for a lock")


def test_nobody_can_tell_when_the_database_cannot_be_asked(sqlite_database, make_plant):
    plant = make_plant(sqlite_database)
    sqlite_database.address.file.write_bytes(b"no database" * 1000)
    assert plant.probe() == "unknown"
    options, run = plant.options(), make_run(plant.root)
    lost = Delivery(sqlite_database.address, plant.make(ROWS), options, run, source=None, content="")
    with pytest.raises(Unknown, match="nobody can tell whether the delivery was committed"):
        settle(lost)


def test_a_lost_commit_counts_when_what_it_would_have_written_stands_there(sqlite_database, make_plant):
    plant = make_plant(sqlite_database)
    table, options = plant.make(ROWS), plant.options()
    plant.deliver(table, fence=1)

    def ask(given, **changes):
        run = plant.run(**changes)
        content = fingerprint(given, options, run)
        return settle(Delivery(sqlite_database.address, given, options, run, source=None, content=content))

    for fence in (1, 2):
        assert ask(table, fence=fence).rows == 2
    for given, changes in ((table, {"generation": 2}), (plant.make(LATER), {}), (table, {"key": "another"})):
        with pytest.raises(TryLater, match="nothing was written"):
            ask(given, **changes)


def test_one_key_may_stand_in_two_tables(plant):
    table = plant.make(ROWS)
    for name in ("oee", "copy", "oee", "copy"):
        plant.deliver(table, table=name)
    assert plant.read() == plant.read(name="copy") == ROWS


@pytest.mark.row("R54")
def test_deliveries_at_once_into_a_new_table_all_arrive(plant):
    if plant.database.kind == "duckdb":
        pytest.skip("DuckDB lets one process open a file at a time; the others are told to try later")
    tables = [plant.make(day_rows(FIRST + timedelta(days=number), 1, number)) for number in range(4)]
    faults, begin = [], threading.Barrier(4)

    def work(number):
        begin.wait(timeout=60)
        for turn in range(1, 200):
            try:
                plant.deliver(tables[number], start=number, fence=turn, view="daily")
            except TryLater:  # as the engine does
                continue
            except Exception as error:  # noqa: BLE001  shown below
                faults.append(error)
            break

    workers = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=120)
    assert not any(worker.is_alive() for worker in workers)
    assert faults == []
    assert plant.read() == [row for number in range(4) for row in day_rows(FIRST + timedelta(days=number), 1, number)]


def test_the_check_finds_nothing_and_writes_nothing(plant):
    plant.check()
    assert not plant.database.address.file or not plant.database.address.file.exists()
    plant.deliver(ROWS)
    plant.check()
    assert plant.read() == ROWS


def test_the_check_names_a_right_that_is_missing(postgres, postgres_database, make_plant):
    plant = make_plant(postgres_database)
    name = plant.database.address.database
    postgres.execute(f"CREATE ROLE reader_{name} LOGIN", name)
    plant.deliver(ROWS)
    reader = make_plant(postgres_database, username=f"reader_{name}")
    with pytest.raises(GiveUp, match="the user may not SELECT in the table oee, INSERT in the table oee"):
        reader.check()
    words = (
        "may not make the table new in the schema public, SELECT in the table mmflow_delivery, .*INSERT in the table"
    )
    with pytest.raises(
        GiveUp, match=f"{words} mmflow_column, .*mmflow_delivery and mmflow_column are tables of mmflow"
    ):
        reader.check(table="new")
    postgres.execute(f"GRANT ALL ON oee TO reader_{name}", name)
    with pytest.raises(GiveUp, match="mmflow_delivery"):
        reader.check()
    postgres.execute(f"DROP OWNED BY reader_{name}; DROP ROLE reader_{name}", name)


def test_the_check_refuses_a_file_where_none_can_be_made(sqlite_database, make_plant):
    plant = make_plant(sqlite_database)
    sqlite_database.address.file.parent.rmdir()
    sqlite_database.address.file.parent.write_text("in the way")
    with pytest.raises(GiveUp, match="cannot be made"):
        plant.check()
