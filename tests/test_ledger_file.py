"""The ledger in a file: who may read it, versions, damage, full and read-only disks, locks of others."""

import shutil
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing, contextmanager, suppress
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from mmflow.clock import SystemClock
from mmflow.errors import StateError
from mmflow.ledger import DaemonLock, JobLock, Ledger
from mmflow.ledger.driver import as_text
from mmflow.ledger.migrations import MIGRATIONS, read_version
from mmflow.ledger.sqlite import SqliteDriver, open_sqlite
from tests.ledgers import NOON, SLOT, begin, ledger_file, wait_until

ROOT = Path(__file__).parents[1]


@pytest.fixture
def file_ledger(tmp_path, clock):
    """An empty ledger in a file."""
    with Ledger.open(ledger_file(tmp_path), clock) as opened:
        yield opened


@pytest.mark.row("S55")
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no permission bits")
def test_the_ledger_is_for_its_owner_only(tmp_path, clock):
    Ledger.open(tmp_path / "state" / "ledger.sqlite", clock).close()
    assert stat.S_IMODE((tmp_path / "state" / "ledger.sqlite").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) & 0o077 == 0


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no permission bits")
def test_a_folder_that_is_a_file_is_a_clear_error_for_ledger_and_lock(tmp_path, clock):
    (tmp_path / "state").write_text("a file", encoding="utf-8")
    with pytest.raises(StateError, match="cannot be opened"):
        Ledger.open(tmp_path / "state" / "ledger.sqlite", clock)
    with pytest.raises(StateError, match="cannot be made"), JobLock(tmp_path / "state", "daily"):
        pass


def test_a_file_with_tables_of_another_form_is_refused_with_what_to_do(tmp_path, clock):
    path = ledger_file(tmp_path)
    Ledger.open(path, clock).close()
    change_ledger(path, "UPDATE meta SET value = '0' WHERE key = 'schema_version'")
    with pytest.raises(StateError, match=r"not as mmflow makes one .*'mmflow state restore FILE'.*'mmflow state init'"):
        Ledger.open(path, clock)


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


NEXT_STEP = ("ALTER TABLE run ADD COLUMN mood TEXT",)


@pytest.mark.row("R25")
def test_a_ledger_is_copied_before_it_is_brought_up_to_date(tmp_path, clock):
    path = tmp_path / "ledger.sqlite"
    with Ledger.open(path, clock) as old:
        begin(old)
    open_sqlite(path, clock, steps=(*MIGRATIONS, NEXT_STEP)).close()
    kept = tmp_path / f"ledger.v{len(MIGRATIONS)}.backup"
    assert list(tmp_path.glob("*.backup")) == [kept]
    with Ledger.open(kept, clock) as old:
        assert old.read_run("r1").job == "daily"
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
    with pytest.raises(StateError, match="is damaged; 'mmflow state restore FILE' puts a backup in its place"):
        Ledger.open(path, clock)
    left.unlink(missing_ok=True)
    clock.sleep(86400)
    with pytest.raises(StateError, match="is damaged; 'mmflow state restore FILE' puts a backup in its place"):
        Ledger.open(path, clock)
    assert path.read_bytes() == broken
    path.write_bytes(whole)
    with Ledger.open(path, clock) as mended:
        assert len(mended.runs(limit=99)) == 40


@pytest.mark.row("R23")
def test_beside_a_daemon_the_pages_are_looked_at_once_a_day(tmp_path, clock, monkeypatch):
    path, looks = ledger_file(tmp_path), []
    monkeypatch.setattr(SqliteDriver, "_check_pages", lambda driver: looks.append(driver.place))

    def count(known=None):
        looks.clear()
        with Ledger.open(path, clock, known=known) as ledger:
            assert ledger.identity
        return len(looks)

    with Ledger.open(path, clock) as daemons:
        daemons.note("checked", as_text(NOON))
        assert path.with_name("ledger.sqlite-wal").exists()
        assert count() == 1, "nobody says that it is there by right"
        assert count("") == count(daemons.identity) == 0, "of the daemon itself, whatever its process"
        with DaemonLock(path.parent):
            assert count() == 1, "a daemon that begins"
        with holding_process(path.parent):
            assert count() == 0
            clock.sleep(86400)
            assert count() == 1


HOLD = """
import sys
from pathlib import Path
from mmflow.ledger import DaemonLock
with DaemonLock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def holding_process(folder):
    """Have another process be the daemon."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    ) as process:
        assert process.stdout.readline().strip() == b"held"
        yield
        process.stdin.close()


@pytest.mark.row("R21")
def test_who_only_looks_waits_for_no_writer(tmp_path, file_ledger, clock):
    path = ledger_file(tmp_path)
    begin(file_ledger)
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        with Ledger(open_sqlite(path, clock, patience=0), clock) as looking:
            assert looking.read_run("r1").job == "daily"


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


@pytest.mark.row("R23")
@pytest.mark.parametrize("content", [b"this is no database, it is text" * 200, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_damaged_ledger_is_refused_and_left_as_it_is(tmp_path, clock, content):
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(content)
    with pytest.raises(StateError, match="damaged"):
        Ledger.open(path, clock)
    assert path.read_bytes() == content


def test_a_transaction_that_cannot_be_committed_leaves_the_ledger_usable(file_ledger):
    begin(file_ledger)
    with pytest.raises(StateError, match="FOREIGN KEY"), file_ledger._transaction():  # noqa: PT012  what ends it is tested
        file_ledger._do("PRAGMA defer_foreign_keys = ON")
        file_ledger._do("UPDATE run SET job = 'another' WHERE id = 'r1'")
    file_ledger.finish_run("r1", "ok")
    assert (file_ledger.read_run("r1").job, file_ledger.read_run("r1").state) == ("daily", "ok")


@pytest.mark.row("R21")
def test_a_long_reader_holds_no_writer_up(tmp_path, file_ledger, clock):
    begin(file_ledger)
    with closing(sqlite3.connect(ledger_file(tmp_path), isolation_level=None)) as reader:
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM run").fetchone() == (1,)
        file_ledger.finish_run("r1", "ok")
        file_ledger.back_up(tmp_path / "copy.sqlite")
        assert reader.execute("SELECT state FROM run").fetchone() == ("running",)
        reader.execute("COMMIT")
    with Ledger.open(tmp_path / "copy.sqlite", clock) as copy:
        assert copy.read_run("r1").state == "ok"


@pytest.mark.row("R21")
def test_a_lock_that_is_held_too_long_is_an_error_and_when_it_is_gone_all_goes_on(tmp_path, file_ledger, clock):
    path = ledger_file(tmp_path)
    begin(file_ledger)
    hasty = Ledger(open_sqlite(path, clock, patience=0.1), clock)
    with closing(sqlite3.connect(path, isolation_level=None)) as other, hasty:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StateError, match="is locked by another process for too long"):
            hasty.finish_run("r1", "ok")
        other.execute("ROLLBACK")
        hasty.finish_run("r1", "ok")
    assert file_ledger.read_run("r1").state == "ok"


@pytest.mark.row("R22")
def test_a_full_disk_is_an_error_and_what_is_there_is_read_and_goes_on_when_there_is_room(small_disk, clock):
    path, filler = ledger_file(small_disk), small_disk / "filler"
    with Ledger.open(path, clock) as ledger:
        begin(ledger, "r0")
        with suppress(OSError), filler.open("wb", buffering=0) as file:
            while file.write(b"x" * 4096):
                pass
        with pytest.raises(StateError, match=r"cannot be written: .*full; make room"):  # noqa: PT012  the first may fit
            for number in range(1, 200):
                begin(ledger, f"r{number}", slot=SLOT + timedelta(minutes=number))
        known = len(ledger.runs(limit=999))
        assert known >= 1
        with pytest.raises(StateError, match="cannot be copied to"):
            ledger.back_up(small_disk / "copy.sqlite")
        assert not (small_disk / "copy.sqlite").exists()
        filler.unlink()
        begin(ledger, "next", slot=SLOT + timedelta(days=1))
        assert len(ledger.runs(limit=999)) == known + 1
        assert ledger._do("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.mark.row("R22")
def test_a_disk_that_became_read_only_is_named(small_disk, clock):
    with Ledger.open(ledger_file(small_disk), clock) as ledger:
        begin(ledger)
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with pytest.raises(StateError, match=rf"{small_disk}.* cannot be written: .*; let this user .* if it is read-only"):
        Ledger.open(ledger_file(small_disk), clock)


FSYNC = """
import sys
from pathlib import Path
from mmflow.clock import SystemClock
from mmflow.ledger import Ledger
from tests.ledgers import SLOT, begin
from datetime import timedelta
with Ledger.open(Path(sys.argv[1]), SystemClock()) as ledger:
    for number in range(10):
        begin(ledger, f"r{number}", slot=SLOT + timedelta(minutes=number))
        print(f"r{number}", flush=True)
"""


@pytest.mark.row("R27")
@pytest.mark.skipif(not shutil.which("strace"), reason="strace, which makes calls of the system fail, is not installed")
def test_a_disk_that_does_not_confirm_a_write_ends_the_write_and_nothing_counts_that_it_did_not_confirm(tmp_path):
    path = ledger_file(tmp_path)
    for fatal in (5, 20):
        inject = f"inject=fsync,fdatasync:error=EIO:when={fatal}"
        command = ["strace", "-f", "-qq", "-o", tmp_path / "trace", "-e", "trace=fsync,fdatasync", "-e", inject]
        done = subprocess.run(
            [*command, sys.executable, "-c", FSYNC, path], cwd=ROOT, capture_output=True, text=True, check=False
        )
        if "ptrace" in done.stderr:
            pytest.skip("no right to trace a process here")
        assert done.returncode == 1, done.stderr
        assert "StateError" in done.stderr
        assert "disk I/O error; make room if the disk is full, else check it" in done.stderr
        with Ledger.open(path, SystemClock()) as ledger:
            known = {run.id for run in ledger.runs(limit=99)}
            assert known >= set(done.stdout.split())
            assert ledger._do("PRAGMA integrity_check").fetchone() == ("ok",)
            assert begin(ledger, "next", slot=NOON).id == "next"
        path.unlink()


MIGRATE = """
import sys
from pathlib import Path
from mmflow.clock import SystemClock
from mmflow.ledger.migrations import MIGRATIONS, read_version
from mmflow.ledger.sqlite import open_sqlite
slow = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) INSERT INTO meta SELECT 'n' || i, i FROM n"
open_sqlite(Path(sys.argv[1]), SystemClock(), steps=(*MIGRATIONS, ("ALTER TABLE run ADD COLUMN mood TEXT", slow)))
"""


@pytest.mark.row("R25")
def test_a_process_killed_while_it_brings_the_ledger_up_to_date_leaves_it_as_it_was(tmp_path, clock):
    path = ledger_file(tmp_path)
    with Ledger.open(path, clock) as ledger:
        begin(ledger)
    with subprocess.Popen([sys.executable, "-c", MIGRATE, path]) as migrating:
        with closing(sqlite3.connect(path, timeout=0)) as other:
            wait_until(lambda: is_locked(other))
        migrating.kill()
    with Ledger.open(path, clock) as found:
        assert read_version(found._driver) == len(MIGRATIONS)
        assert found.read_run("r1").job == "daily"
    open_sqlite(path, clock, steps=(*MIGRATIONS, NEXT_STEP)).close()


def is_locked(connection):
    """Tell whether another writes."""
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError:
        return True
    connection.execute("ROLLBACK")
    return False
