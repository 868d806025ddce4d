"""The ledger: what was begun is finished or explained, and a stale worker cannot commit."""

import errno
import os
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from functools import partial

import pytest

from mmflow.clock import FixedClock
from mmflow.errors import StateError, UserError
from mmflow.ledger import JobLock, Ledger, lock, store
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
    ledger.note_table(run.id, 7, ["a notice"], clock.now(), "snapshots/r1.parquet", [("austin", "it is down")])
    ledger.finish_run(run.id, "degraded")
    found = ledger.read_run("r1")
    assert (found.state, found.rows, found.notices) == ("degraded", 7, ("a notice",))
    assert found.missing == (("austin", "it is down"),)
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
    assert (stale.generation, fresh.generation) == (1, 2), "the first may be writing yet"
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


def test_retention_drops_old_runs_and_forgets_their_snapshots(ledger, clock):
    run = begin(ledger)
    ledger.note_table(run.id, 1, [], clock.now(), "snapshots/r1.parquet")
    ledger.finish_run(run.id, "ok")
    clock.sleep(86400 * 40)
    begin(ledger, "r2", slot=SLOT + timedelta(days=40))
    month, year = clock.now() - timedelta(days=30), clock.now() - timedelta(days=365)
    ledger.forget_before(month, year)
    assert ledger.read_run("r1").snapshot == ""
    ledger.forget_before(month, month)
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


def test_what_was_under_way_when_a_run_ended_is_unknown_and_what_waited_for_a_retry_failed(ledger):
    begin(ledger, sinks=("csv", "sql", "mail"))
    ledger.take_delivery("r1", "csv")
    ledger.commit_delivery(ledger.take_delivery("r1", "sql"), "retrying", error="it is locked")
    ledger.finish_run("r1", "failed", error="interrupted")
    assert {d.sink: (d.state, d.error) for d in ledger.deliveries("r1")} == {
        "csv": ("unknown", "the run failed"),
        "mail": ("failed", "the run failed"),
        "sql": ("failed", "it is locked"),
    }


def test_a_failed_delivery_that_a_later_run_made_good_is_superseded(ledger):
    begin(ledger, "r1")
    ledger.commit_delivery(ledger.take_delivery("r1", "csv"), "failed", error="no room")
    begin(ledger, "r2")
    ledger.commit_delivery(ledger.take_delivery("r2", "csv"), "done", receipt=Receipt(rows=1))
    assert (ledger.delivery("r1", "csv").state, ledger.delivery("r1", "csv").error) == ("superseded", "no room")


def test_a_resend_closes_what_was_left_and_takes_the_sinks_as_they_are_now(ledger):
    begin(ledger, sinks=("csv", "out"))
    ledger.take_delivery("r1", "csv")
    ledger.begin_resend("r1", "daily", [("out", "jsonl", "k-new")])
    assert {d.sink: (d.type, d.key, d.state) for d in ledger.deliveries("r1")} == {
        "csv": ("csv", "k-csv", "unknown"),
        "out": ("jsonl", "k-new", "failed"),
    }
    assert ledger.read_run("r1").state == "failed"


def test_a_transaction_that_cannot_be_committed_leaves_the_ledger_usable(ledger):
    begin(ledger)
    with pytest.raises(StateError, match="FOREIGN KEY"), ledger._transaction():  # noqa: PT012  what ends it is tested
        ledger._do("PRAGMA defer_foreign_keys = ON")
        ledger._do("UPDATE run SET job = 'another' WHERE id = 'r1'")
    ledger.finish_run("r1", "ok")
    assert (ledger.read_run("r1").job, ledger.read_run("r1").state) == ("daily", "ok")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no permission bits")
def test_a_folder_that_is_a_file_is_a_clear_error_for_ledger_and_lock(tmp_path, clock):
    (tmp_path / "state").write_text("a file", encoding="utf-8")
    with pytest.raises(StateError, match="cannot be opened"):
        Ledger.open(tmp_path / "state" / "ledger.sqlite", clock)
    with pytest.raises(StateError, match="cannot be made"), JobLock(tmp_path / "state", "daily"):
        pass


def change_ledger(path, *statements):
    """Do to a ledger what another version of mmflow, or somebody else, did."""
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


@pytest.mark.row("R26")
def test_a_ledger_of_a_newer_version_is_refused(desk):
    path = desk.root / ".mmflow" / "ledger.sqlite"
    Ledger.open(path, desk.clock).close()
    change_ledger(
        path,
        f"UPDATE meta SET value = '{len(MIGRATIONS) + 1}' WHERE key = 'schema_version'",
        "UPDATE meta SET value = '9.8.7' WHERE key = 'written_by'",
    )
    before = path.read_bytes()
    done = desk.mmflow("runs")
    assert done.code == 4
    assert "was written by a newer mmflow (9.8.7); this is " in done.err
    assert path.read_bytes() == before


def test_a_ledger_is_copied_before_it_is_brought_up_to_date(tmp_path, clock, monkeypatch):
    path = tmp_path / "ledger.sqlite"
    with Ledger.open(path, clock) as old:
        begin(old)
    monkeypatch.setattr(store, "MIGRATIONS", (*MIGRATIONS, ("ALTER TABLE run ADD COLUMN mood TEXT",)))
    with Ledger.open(path, clock) as new:
        assert new.read_run("r1").job == "daily"
    assert list(tmp_path.glob("*.backup")) == [tmp_path / f"ledger.v{len(MIGRATIONS)}.backup"]
    monkeypatch.undo()
    with Ledger.open(tmp_path / f"ledger.v{len(MIGRATIONS)}.backup", clock) as kept:
        assert kept.read_run("r1").job == "daily"
    with pytest.raises(StateError, match="newer mmflow"):
        Ledger.open(path, clock)


class Hasty(sqlite3.Connection):
    """SQLite as some build it: a commit does not wait for the disk."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.execute("PRAGMA synchronous = OFF")


def test_a_commit_is_on_disk_before_it_counts_however_sqlite_was_built(tmp_path, clock, monkeypatch):
    monkeypatch.setattr(sqlite3, "connect", partial(sqlite3.connect, factory=Hasty))
    full = 2
    with Ledger.open(tmp_path / "ledger.sqlite", clock) as ledger:
        assert ledger._do("PRAGMA synchronous").fetchone() == (full,)


@pytest.mark.row("R23")
def test_a_ledger_with_an_overwritten_page_is_refused_and_left_as_it_is(tmp_path, clock):
    path = tmp_path / "ledger.sqlite"
    with Ledger.open(path, clock) as ledger:
        for number in range(40):
            begin(ledger, f"r{number}", slot=SLOT + timedelta(minutes=number))
    whole = path.read_bytes()
    broken = whole[:-4096] + b"\xff" * 4096
    path.write_bytes(broken)
    Ledger.open(path, clock).close()  # the pages have been looked at today
    left = path.with_name("ledger.sqlite-wal")
    left.touch()  # as a process leaves it that was killed
    with pytest.raises(StateError, match="is damaged; put a backup in its place"):
        Ledger.open(path, clock)
    left.unlink(missing_ok=True)
    clock.sleep(86400)
    with pytest.raises(StateError, match="is damaged; put a backup in its place"):
        Ledger.open(path, clock)
    assert path.read_bytes() == broken
    path.write_bytes(whole)
    with Ledger.open(path, clock) as mended:
        assert len(mended.runs(limit=99)) == 40


def test_who_only_looks_leaves_nothing_behind(desk):
    desk.job("""
        job: daily
        report: {metrics: [goodParts]}
        window: yesterday
        sinks: [{type: csv}]
    """)
    assert desk.mmflow("runs", "--json").data == {"runs": []}
    assert desk.mmflow("jobs", "--json").data["jobs"][0]["last"] == ""
    for words in (("runs", "show", "nope"), ("resend", "nope")):
        done = desk.mmflow(*words)
        assert (done.code, done.err) == (2, "there is no run 'nope'; 'mmflow runs' lists them\n")
    assert not (desk.root / ".mmflow").exists()
    (desk.root / ".mmflow").mkdir()
    assert desk.mmflow("runs").code == 0
    assert list((desk.root / ".mmflow").iterdir()) == []


def test_runs_of_a_job_that_neither_ran_nor_exists_are_asked_for_by_mistake(desk):
    desk.job("""
        job: daily
        report: {metrics: [goodParts]}
        window: yesterday
        sinks: [{type: csv}]
    """)
    assert desk.mmflow("runs", "--job", "daily", "--json").data == {"runs": []}
    done = desk.mmflow("runs", "--job", "dayly")
    assert (done.code, "there is no job 'dayly'" in done.err, "did you mean 'daily'?" in done.err) == (2, True, True)


@pytest.mark.parametrize("count", ["0", "-1", "many", "1.5", "9" * 30])
def test_a_number_of_runs_is_a_whole_number_from_1(desk, capsys, count):
    with pytest.raises(SystemExit) as ended:
        desk.mmflow("runs", "-n", count)
    assert ended.value.code == 2
    assert "expected a whole number from 1" in capsys.readouterr().err


def test_the_receipt_that_a_sink_is_shown_is_that_of_the_latest_generation(ledger, clock):
    for number, run in enumerate(("r1", "r2", "r3"), 1):
        begin(ledger, run)
        ledger.commit_delivery(ledger.take_delivery(run, "csv"), "done", receipt=Receipt(rows=number))
        clock.sleep(1)
    assert ledger.last_receipt("k-csv") == Receipt(rows=3)


def slots(ledger):
    return ledger._do("SELECT state, reason FROM slot ORDER BY due").fetchall()


def test_a_slot_ends_as_its_run_does(ledger):
    for number, ended in enumerate((("ok", {}), ("ok", {"skipped": "no rows"}), ("failed", {"error": "no key"}))):
        begin(ledger, f"r{number}", slot=SLOT + timedelta(days=number))
        ledger.finish_run(f"r{number}", ended[0], **ended[1])
    begin(ledger, "left", slot=SLOT + timedelta(days=8))
    begin(ledger, "next", slot=SLOT + timedelta(days=9))
    assert slots(ledger) == [
        ("done", ""),
        ("skipped", "no rows"),
        ("failed", "no key"),
        ("failed", "the process ended before the run did"),
        ("running", ""),
    ]


def test_slots_go_with_the_last_of_their_runs(ledger, clock):
    begin(ledger)
    ledger.finish_run("r1", "ok")
    clock.sleep(86400)
    begin(ledger, "r2", slot=SLOT + timedelta(days=1))
    ledger.forget_before(clock.now(), clock.now())
    assert slots(ledger) == [("running", "")]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows locks bytes, not files")
def test_a_disk_without_locks_is_not_taken_for_another_runner(tmp_path, monkeypatch):
    def refuse(handle):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(lock, "lock_file", refuse)
    with (
        pytest.raises(StateError, match=r"daily\.lock cannot be locked: .*No locks available"),
        JobLock(tmp_path, "daily"),
    ):
        pass


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
