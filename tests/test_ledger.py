"""The ledger: what was begun is finished or explained, and a stale worker cannot commit."""

import sqlite3
import stat
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta

import pytest

from mmflow.clock import FixedClock
from mmflow.errors import StateError, UserError
from mmflow.ledger import JobLock, Ledger
from mmflow.ledger.migrations import MIGRATIONS
from mmflow.sinks import Receipt
from mmflow.windows import Span

SLOT = datetime(2026, 11, 3, 11, 40, tzinfo=UTC)

SPAN = Span(
    start=datetime(2026, 11, 2, 11, tzinfo=UTC),
    end=datetime(2026, 11, 3, 11, tzinfo=UTC),
    zone="America/New_York",
    first_day=date(2026, 11, 2),
    last_day=date(2026, 11, 2),
    whole_days=True,
    why="the production day before",
)


@pytest.fixture
def clock():
    return FixedClock(datetime(2026, 11, 3, 12, tzinfo=UTC))


@pytest.fixture
def ledger(tmp_path, clock):
    with Ledger.open(tmp_path / "state" / "ledger.sqlite", clock) as opened:
        yield opened


def begin(ledger, run="r1", key="k", sinks=("csv",), slot=SLOT):
    ledger.begin_run(run, "daily", slot, "manual")
    ledger.note_plan(run, (("boston", SPAN),), [(sink, sink, f"{key}-{sink}") for sink in sinks])
    return ledger.read_run(run)


def test_a_finished_run_is_given_back_as_it_was_written(ledger, clock):
    run = begin(ledger)
    clock.sleep(5)
    ledger.note_table(run.id, 7, ["one site is missing"], clock.now(), "snapshots/r1.parquet")
    ledger.finish_run(run.id, "degraded")
    found = ledger.read_run("r1")
    assert (found.state, found.rows, found.notices) == ("degraded", 7, ("one site is missing",))
    assert found.finished - found.started == timedelta(seconds=5)
    assert found.spans == (("boston", SPAN),)
    assert found.extracted == clock.now()
    assert found.slot == SLOT


def test_a_receipt_is_kept_with_its_delivery(ledger):
    begin(ledger)
    taken = ledger.take_delivery("r1", "csv")
    ledger.commit_delivery(taken, "done", receipt=Receipt(rows=3, path="out/a.csv", sha256="ab"))
    assert ledger.deliveries("r1")[0].receipt == Receipt(rows=3, path="out/a.csv", sha256="ab")
    assert ledger.last_receipt("k-csv").rows == 3
    assert ledger.last_receipt("other") is None


@pytest.mark.row("R12")
def test_a_worker_with_a_stale_fence_cannot_commit(ledger):
    begin(ledger)
    stale = ledger.take_delivery("r1", "csv")
    fresh = ledger.take_delivery("r1", "csv")
    with pytest.raises(StateError, match="taken over"):
        ledger.commit_delivery(stale, "done", receipt=Receipt(rows=1))
    ledger.commit_delivery(fresh, "done", receipt=Receipt(rows=2))
    assert ledger.delivery("r1", "csv").receipt.rows == 2


def test_a_second_run_of_the_same_window_supersedes_the_first(ledger, clock):
    for run in ("r1", "r2"):
        begin(ledger, run)
        ledger.commit_delivery(ledger.take_delivery(run, "csv"), "done", receipt=Receipt(rows=1))
        clock.sleep(1)
    first, second = ledger.delivery("r1", "csv"), ledger.delivery("r2", "csv")
    assert (first.state, second.state) == ("superseded", "done")
    assert second.generation == first.generation + 1


def test_what_an_ended_process_left_open_is_closed_by_the_next_run(ledger, clock):
    begin(ledger, sinks=("csv", "sql"))
    ledger.take_delivery("r1", "csv")
    clock.sleep(60)
    begin(ledger, "r2")
    assert ledger.read_run("r1").state == "failed"
    assert "process ended" in ledger.read_run("r1").error
    assert {d.sink: d.state for d in ledger.deliveries("r1")} == {"csv": "unknown", "sql": "failed"}


def test_runs_are_listed_newest_first_and_by_job(ledger, clock):
    for run in ("a", "b", "c"):
        begin(ledger, run)
        clock.sleep(1)
    assert [r.id for r in ledger.runs()] == ["c", "b", "a"]
    assert [r.id for r in ledger.runs("daily", limit=1)] == ["c"]
    assert ledger.runs("other") == []


def test_retention_drops_old_runs_and_names_their_snapshots(ledger, clock):
    run = begin(ledger)
    ledger.note_table(run.id, 1, [], clock.now(), "snapshots/r1.parquet")
    ledger.finish_run(run.id, "ok")
    clock.sleep(86400 * 40)
    begin(ledger, "r2", slot=SLOT + timedelta(days=40))
    month, year = clock.now() - timedelta(days=30), clock.now() - timedelta(days=365)
    assert ledger.forget_before(month, year) == ["snapshots/r1.parquet"]
    assert ledger.read_run("r1").snapshot == ""
    assert ledger.forget_before(clock.now() - timedelta(days=30), clock.now() - timedelta(days=30)) == []
    assert [run.id for run in ledger.runs()] == ["r2"]


@pytest.mark.row("S55")
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no permission bits")
def test_the_ledger_is_for_its_owner_only(tmp_path, ledger):
    assert stat.S_IMODE((tmp_path / "state" / "ledger.sqlite").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) & 0o077 == 0


def test_an_unknown_run_is_the_users_mistake(ledger):
    with pytest.raises(UserError, match="no run 'none'"):
        ledger.read_run("none")


def test_what_was_not_tried_when_a_run_ended_is_skipped_with_the_reason(ledger):
    begin(ledger)
    ledger.finish_run("r1", "held", error="too few rows")
    assert [(d.state, d.error) for d in ledger.deliveries("r1")] == [("skipped", "the run was held")]


@pytest.mark.row("R26")
def test_a_ledger_of_a_newer_version_is_refused(tmp_path, clock):
    path = tmp_path / "ledger.sqlite"
    Ledger.open(path, clock).close()
    connection = sqlite3.connect(path)
    connection.execute("UPDATE meta SET value = ? WHERE key = 'schema_version'", (str(len(MIGRATIONS) + 1),))
    connection.commit()
    connection.close()
    with pytest.raises(StateError, match="newer mmflow"):
        Ledger.open(path, clock)


@pytest.mark.row("R23")
@pytest.mark.parametrize("content", [b"this is no database, it is text" * 200, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_damaged_ledger_is_refused_and_left_as_it_is(tmp_path, clock, content):
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(content)
    with pytest.raises(StateError, match="damaged"):
        Ledger.open(path, clock)
    assert path.read_bytes() == content


def test_a_second_runner_of_a_job_is_told_who_runs_it(tmp_path):
    hold = (
        "import sys; from pathlib import Path; from mmflow.ledger import JobLock\n"
        "with JobLock(Path(sys.argv[1]), 'daily'): print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", hold, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(StateError, match=f"process {holder.pid}"), JobLock(tmp_path, "daily"):
            pass
        with JobLock(tmp_path, "other"):
            pass
        holder.kill()
        holder.wait()
    with JobLock(tmp_path, "daily"):
        pass
