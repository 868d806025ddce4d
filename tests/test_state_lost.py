"""A ledger that was lost, or replaced by something else, and one that is put back: nothing is sent a second time."""

import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from mmflow.ledger import Ledger
from mmflow.ledger.driver import as_text
from mmflow.ledger.notices import NewNotice
from tests.desk import NOW
from tests.ledgers import begin, ledger_file, plan
from tests.test_state import JOB, ROOT, runs

WORDS = (
    ("run", "daily"),
    ("runs",),
    ("jobs",),
    ("state", "backup"),
    ("state", "clear", "--yes"),
    ("state", "show"),
    ("doctor",),
    ("daemon", "--once"),
)


@pytest.fixture
def worked(desk):
    """A desk at which a job has run."""
    desk.job(JOB)
    done = desk.mmflow("run", "daily", "--json")
    assert done.code == 0, done.err
    return desk


@pytest.mark.row("R24")
def test_an_empty_file_in_the_place_of_a_ledger_is_no_ledger(worked):
    path = ledger_file(worked.root)
    with Ledger.open(path, worked.clock) as ledger:
        begin(ledger)
        shutil.copy(f"{path}-wal", worked.root / "log")  # as it is left by a process that is killed
    path.write_bytes(b"")
    log = path.with_name("ledger.sqlite-wal")
    for left in (False, True):
        if left:
            shutil.copy(worked.root / "log", log)
            shutil.rmtree(path.parent / "snapshots")
        for words in WORDS:
            done = worked.mmflow(*words)
            assert done.code in (1, 4)
            assert f"the ledger {path} is missing, and {path.parent}" in done.out + done.err
        assert path.stat().st_size == 0
    assert log.stat().st_size == (worked.root / "log").stat().st_size
    assert worked.mmflow("state", "init").code == 0
    assert runs(worked) == []
    (kept,) = path.parent.glob("*.replaced-*-wal")
    assert kept.read_bytes() == (worked.root / "log").read_bytes()


@pytest.mark.row("R24")
def test_a_file_of_something_else_is_never_taken_for_a_ledger(worked):
    path = ledger_file(worked.root)
    shutil.rmtree(path.parent)
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE t (x)")
    before = path.read_bytes()
    for words in (*WORDS, ("state", "init")):
        done = worked.mmflow(*words)
        assert done.code in (1, 4)
        assert f"{path} is not a ledger: the table 't' in it is none of mmflow" in done.out + done.err
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.glob("ledger*")] == [path.name]


@pytest.mark.row("R24")
def test_a_database_that_lost_its_ledger_is_begun_anew_only_by_word(desk, database, postgres):
    desk.write("mmflow.yaml", desk.text("mmflow.yaml") + f'state: {{url: "{database}"}}\n')
    desk.job(JOB)
    assert desk.mmflow("run", "daily").code == 0
    assert (desk.root / ".mmflow" / "database").read_text(encoding="utf-8") == f"{database}\n"
    postgres.execute("SET client_min_messages = error; DROP SCHEMA mmflow CASCADE", "ledger")
    for words in (("run", "daily"), ("runs",), ("state", "show"), ("doctor",), ("daemon", "--once")):
        done = desk.mmflow(*words)
        assert done.code in (1, 4)
        assert f"the ledger {database} is missing, and {desk.root / '.mmflow' / 'database'} says" in done.out + done.err
        assert ("pg_restore" in done.out + done.err, "restore FILE" in done.out + done.err) == (True, False)
    assert desk.mmflow("state", "init").code == 0
    assert runs(desk) == []
    assert desk.mmflow("run", "daily").code == 0


def test_a_copy_that_was_put_beside_the_log_of_another_ledger_is_refused(worked):
    copy, path = worked.mmflow("state", "backup", "--json").data["file"], ledger_file(worked.root)
    with Ledger.open(path, worked.clock) as ledger:
        begin(ledger)
        shutil.copy(f"{path}-wal", worked.root / "log")
    shutil.copy(worked.root / "log", f"{path}-wal")
    shutil.copy(copy, path)
    done = worked.mmflow("runs")
    assert (done.code, f"{path} is a copy, and ledger.sqlite-wal beside it belongs to" in done.err) == (4, True)
    path.with_name("ledger.sqlite-wal").unlink()
    assert len(runs(worked)) == 1
    with Ledger.open(path, worked.clock) as ledger:
        assert ledger.noted("copied") == ""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends a process in another way")
@pytest.mark.row("R24")
def test_a_restore_that_is_killed_leaves_a_ledger_or_says_that_it_is_missing(worked, tmp_path_factory):
    copy = tmp_path_factory.mktemp("elsewhere") / "copy.sqlite"
    assert worked.mmflow("state", "backup", str(copy)).code == 0
    (known,) = runs(worked)
    path, left = ledger_file(worked.root), tmp_path_factory.mktemp("left")
    with Ledger.open(path, worked.clock) as ledger:
        begin(ledger)
        for file in path.parent.glob("ledger.sqlite*"):  # as they are on the disk at this moment
            shutil.copy(file, left)
    shutil.rmtree(worked.root / ".mmflow" / "snapshots")
    ends = set()
    for fatal in range(6, 60):  # of its effects those that make the copy ready, and rename
        for old in path.parent.glob("ledger.sqlite*"):
            old.unlink()
        for file in left.iterdir():
            shutil.copy(file, path.parent)
        killed = subprocess.run(
            [sys.executable, "-m", "tests.crash", worked.root, str(fatal), "state", "restore", copy],
            cwd=ROOT,
            capture_output=True,
            check=False,
        )
        if not killed.returncode:
            break
        looked = worked.mmflow("runs", "--json")
        assert looked.code == 0 or "is missing, and" in looked.err, looked.err
        ends.add((killed.returncode, looked.code))
        worked.clock.sleep(1)
        assert worked.mmflow("state", "restore", str(copy)).code == 0
        assert runs(worked) == [known]
        lost = [
            old for old in path.parent.glob("*.replaced-*") if not old.name.endswith(("-wal", "-shm")) and is_whole(old)
        ]
        assert len(lost) == 1, "the old ledger is whole, with the log that belongs to it"
    assert ends == {(-signal.SIGKILL, 0), (-signal.SIGKILL, 4)}


def is_whole(path):
    """Tell whether what had not been put into an old ledger's main file is still beside it."""
    with closing(sqlite3.connect(path)) as old:
        return old.execute("SELECT count(*) FROM run WHERE id = 'r1'").fetchone() == (1,)


@pytest.mark.row("R24")
@pytest.mark.parametrize("by_hand", [False, True])
def test_after_a_restore_nothing_that_was_due_sends_a_message(worked, by_hand):
    with Ledger.open(ledger_file(worked.root), worked.clock) as ledger:
        plan(ledger, "daily", "other", due=NOW)
        assert ledger.slots.take("one", NOW + timedelta(minutes=1), 1)
        told = NewNotice(job="daily", about="r1", kind="failed", way="", content="{}", next_at=NOW)
        ledger.notices.add([told])
    copy = worked.mmflow("state", "backup", "--json").data["file"]
    worked.clock.sleep(3600)
    if by_hand:
        shutil.copy(copy, ledger_file(worked.root))
        assert runs(worked)
    else:
        done = worked.mmflow("state", "restore", copy)
        assert "of times until now files and tables are made again, and nobody is mailed" in done.err
        assert "A job that it does not know begins with its next time" in done.err
    with Ledger.open(ledger_file(worked.root), worked.clock) as ledger:
        assert {(slot.job, slot.send) for slot in ledger.slots.list_open()} == {("daily", False), ("other", False)}
        assert ledger.notices.next_due() is None
        assert ledger.noted("restored_at") == as_text(worked.clock.now())
        assert ledger.noted("copied") == ""


def test_a_restore_in_the_same_second_leaves_the_first_ledger_that_was_replaced(worked):
    copy = worked.mmflow("state", "backup", "--json").data["file"]
    first, second = (worked.mmflow("state", "restore", copy, "--json").data["old"] for _ in range(2))
    assert first != second
    assert Path(first).exists()
