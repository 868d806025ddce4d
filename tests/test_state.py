"""``mmflow state``: looking at the ledger, copies of it, forgetting, and what is never done in silence."""

import json
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from mmflow.ledger import DaemonLock, JobLock, Ledger
from mmflow.ledger.backup import put_back, read_form
from mmflow.ledger.migrations import MIGRATIONS
from mmflow.ledger.sqlite import open_sqlite
from tests.acme import answer
from tests.desk import KEY, NOW
from tests.ledgers import begin, fill, ledger_file, plan

ROOT = Path(__file__).parents[1]
JOB = """
    job: daily
    report: {metrics: [goodParts]}
    window: yesterday
    sinks: [{type: csv}]
"""


@pytest.fixture
def worked(desk):
    """A desk at which a job has run."""
    desk.job(JOB)
    done = desk.mmflow("run", "daily", "--json")
    assert done.code == 0, done.err
    return desk


@pytest.fixture
def shared_desk(desk, database):
    """A desk whose ledger is in PostgreSQL."""
    desk.write("mmflow.yaml", desk.text("mmflow.yaml") + f'state: {{url: "{database}", password: "${{env:LEDGER}}"}}\n')
    desk.environ["LEDGER"] = "pw-4d1c77e0a2"
    desk.job(JOB)
    return desk


def runs(desk):
    done = desk.mmflow("runs", "--json")
    assert done.code == 0, done.err
    return [run["run"] for run in done.data["runs"]]


def test_a_ledger_is_shown_in_figures(worked):
    shown = worked.mmflow("state", "show", "--json").data
    assert shown["place"] == str(ledger_file(worked.root))
    assert shown["states"] == {"slot": {"done": 1}, "run": {"ok": 1}, "delivery": {"done": 1}, "notice": {}}
    assert (shown["schema_version"], shown["daemon"], shown["backup"]) == (len(MIGRATIONS), "", "")
    assert shown["size"] == ledger_file(worked.root).stat().st_size
    text = worked.mmflow("state", "show").out
    assert "slots        1 done\n" in text
    assert "daemon       none on this machine\n" in text
    worked.mmflow("state", "backup")
    with DaemonLock(worked.root / ".mmflow"):
        text = worked.mmflow("state", "show").out
    assert "daemon       process " in text
    assert "no ledger" not in worked.mmflow("state", "show").err
    assert "last backup  .mmflow/backups/ledger-2026-11-22T114000Z.sqlite\n" in text


def test_where_nothing_ran_there_is_nothing_to_show_and_nothing_is_made(desk):
    nothing = f"there is no ledger at {desk.root / '.mmflow/ledger.sqlite'} yet; a first run makes it\n"
    for words in (("show",), ("show", "--json"), ("export",), ("export", "rows.jsonl")):
        done = desk.mmflow("state", *words)
        assert (done.code, done.out, nothing in done.err) == (2, "", True)
    assert not (desk.root / ".mmflow").exists()
    assert not (desk.root / "rows.jsonl").exists()
    for words in (("backup",), ("clear", "--yes")):
        done = desk.mmflow("state", *words)
        assert (done.code, "there is no ledger at" in done.err) == (2, True)


def test_every_row_is_exported_as_a_line_of_json_for_its_owner_only(worked):
    lines = [json.loads(line) for line in worked.mmflow("state", "export").out.splitlines()]
    (run,) = runs(worked)
    assert [(line["table"], line["id"], line["state"]) for line in lines if line["table"] == "run"] == [
        ("run", run, "ok")
    ]
    assert {line["table"] for line in lines} == {"meta", "slot", "run", "delivery"}
    done = worked.mmflow("state", "export", "rows.jsonl", "--json")
    assert done.data == {"file": str(worked.root / "rows.jsonl"), "rows": len(lines)}
    assert [json.loads(line) for line in worked.text("rows.jsonl").splitlines()] == lines
    assert KEY not in worked.text("rows.jsonl")
    assert sys.platform == "win32" or (worked.root / "rows.jsonl").stat().st_mode & 0o077 == 0
    again = worked.mmflow("state", "export", "rows.jsonl")
    assert (again.code, "is there already; name another file" in again.err) == (2, True)
    assert worked.mmflow("state", "export", "--json").code == 2


@pytest.mark.row("R22")
@pytest.mark.parametrize("action", ["export", "backup"])
def test_a_disk_that_fills_up_leaves_no_half_of_a_file(desk, small_disk, action):
    with Ledger.open(ledger_file(desk.root), desk.clock) as ledger:
        fill(ledger, 5000)
    before = sorted(small_disk.iterdir())
    done = desk.mmflow("state", action, str(small_disk / "rows"))
    assert (done.code, "rows" in done.err) == ({"export": 2, "backup": 4}[action], True), done.err
    assert "No space left on device" in done.err or "full" in done.err
    assert sorted(small_disk.iterdir()) == before


@pytest.mark.row("R22")
def test_a_restore_that_does_not_fit_leaves_the_ledger_as_it_was(worked, small_disk, tmp_path):
    assert worked.mmflow("state", "backup", str(tmp_path / "small.sqlite")).code == 0
    with Ledger.open(tmp_path / "large.sqlite", worked.clock) as ledger:
        fill(ledger, 5000)
    shutil.copytree(worked.root, small_disk / "plant", ignore=shutil.ignore_patterns(".mmflow", "disk", "*.sqlite*"))
    worked.root = small_disk / "plant"
    assert worked.mmflow("state", "restore", str(tmp_path / "small.sqlite")).code == 0
    known = runs(worked)
    done = worked.mmflow("state", "restore", str(tmp_path / "large.sqlite"))
    assert (done.code, "make room, then try again" in done.err) == (4, True), done.err
    assert runs(worked) == known
    assert [
        path.name for path in (worked.root / ".mmflow").iterdir() if "large" in path.name or "tmp" in path.name
    ] == []


def test_a_copy_of_an_older_version_is_brought_up_to_date_after_another_copy(worked):
    copy = Path(worked.mmflow("state", "backup", "--json").data["file"])
    (known,) = runs(worked)
    path = ledger_file(worked.root)
    put_back(copy, path, worked.clock.now())
    later = (*MIGRATIONS, ("ALTER TABLE run ADD COLUMN mood TEXT NOT NULL DEFAULT ''",))
    driver = open_sqlite(path, worked.clock, steps=later)
    try:
        assert driver.do("SELECT id, mood FROM run").fetchall() == [(known, "")]
    finally:
        driver.close()
    assert read_form(path) == len(later)
    assert read_form(path.with_suffix(f".v{len(MIGRATIONS)}.backup")) == len(MIGRATIONS)
    refused = worked.mmflow("state", "restore", str(path))
    assert (refused.code, "written by a newer mmflow" in refused.err) == (2, True)


def test_more_rows_than_a_page_are_exported_once_each(ledger):
    fill(ledger, 2500)
    found = [row["job"] for row in ledger.export() if row["table"] == "slot"]
    assert found == [f"job-{number}" for number in range(1000001, 1002501)]


def test_a_copy_takes_the_place_of_the_ledger_which_is_kept_beside_it(worked):
    copy = worked.mmflow("state", "backup", "--json").data["file"]
    (first,) = runs(worked)
    worked.clock.sleep(60)
    worked.mmflow("run", "daily")
    assert len(runs(worked)) == 2
    done = worked.mmflow("state", "restore", copy, "--json")
    assert (done.code, "nobody is mailed" in done.err) == (0, True)
    assert runs(worked) == [first]
    with Ledger.open(worked.root / done.data["old"], worked.clock) as old:
        assert len(old.runs()) == 2


def test_what_a_killed_process_had_not_yet_put_into_the_old_ledger_stays_with_it(worked, tmp_path_factory):
    copy = worked.mmflow("state", "backup", "--json").data["file"]
    (known,) = runs(worked)
    path, left = ledger_file(worked.root), tmp_path_factory.mktemp("left")
    with Ledger.open(path, worked.clock) as ledger:
        begin(ledger)
        for file in path.parent.glob("ledger.sqlite*"):  # as they are on the disk at this moment
            shutil.copy(file, left)
    for file in left.iterdir():
        shutil.copy(file, path.parent)
    assert (left / "ledger.sqlite-wal").stat().st_size > 0
    old = worked.mmflow("state", "restore", copy, "--json").data["old"]
    assert runs(worked) == [known]
    with Ledger.open(Path(old), worked.clock) as ledger:
        assert ledger.read_run("r1").job == "daily"


@pytest.mark.row("R23")
def test_a_damaged_ledger_is_made_good_from_a_copy(worked):
    copy = worked.mmflow("state", "backup", "--json").data["file"]
    known, path = runs(worked), ledger_file(worked.root)
    path.write_bytes(b"\xff" * path.stat().st_size)
    refused = worked.mmflow("run", "daily")
    assert (refused.code, "'mmflow state restore FILE' puts a backup in its place" in refused.err) == (4, True)
    assert worked.mmflow("state", "restore", copy).code == 0
    assert runs(worked) == known


def test_no_folder_is_made_for_a_copy_that_was_to_lie_on_another_drive(worked):
    done = worked.mmflow("state", "backup", "drive/copy.sqlite")
    assert (done.code, f"there is no folder {worked.root / 'drive'}" in done.err) == (2, True)
    assert not (worked.root / "drive").exists()


@pytest.mark.row("R23")
def test_no_copy_is_made_of_a_damaged_ledger(desk):
    with Ledger.open(ledger_file(desk.root), desk.clock) as ledger:
        fill(ledger, 100)
    with ledger_file(desk.root).open("r+b") as file:
        file.seek(-4096, 2)
        file.write(b"\xff" * 4096)
    for words in ((), ("copy.sqlite",)):
        done = desk.mmflow("state", "backup", *words)
        assert (done.code, "is damaged; 'mmflow state restore FILE'" in done.err) == (4, True), done.err
    assert list((desk.root / ".mmflow" / "backups").iterdir()) == []
    assert not (desk.root / "copy.sqlite").exists()


def test_a_person_is_asked_before_a_copy_takes_the_place_of_the_ledger(worked):
    copy = worked.mmflow("state", "backup", "--json").data["file"]
    worked.mmflow("run", "daily", "--for", "2026-11-19")
    before = ledger_file(worked.root).read_bytes()
    code, said = answer(worked, "n\n", "state", "restore", copy)
    assert (code, "restore it? [y/N] " in said, "nothing was restored" in said) == (2, True, True)
    assert ledger_file(worked.root).read_bytes() == before
    code, said = answer(worked, "y\n", "state", "restore", copy)
    assert (code, "restore it?" in said) == (0, True)
    code, said = answer(worked, "", "state", "restore", copy, "--yes")
    assert (code, "restore it?" in said) == (0, False)
    ledger_file(worked.root).unlink()
    code, said = answer(worked, "", "state", "restore", copy)
    assert (code, "restore it?" in said) == (0, False), "nothing is replaced"


def test_what_is_no_sound_copy_is_not_restored(worked):
    for name, content in (("text", b"some text"), ("torn", ledger_file(worked.root).read_bytes()[:-8192])):
        (worked.root / name).write_bytes(content)
        done = worked.mmflow("state", "restore", name)
        assert done.code == 2
        assert f"{worked.root / name} is " in done.err
    with closing(sqlite3.connect(worked.root / "other.sqlite")) as other:
        other.execute("CREATE TABLE meta (key, value)")
        other.execute("INSERT INTO meta VALUES ('schema_version', '1')")
        other.commit()
    done = worked.mmflow("state", "restore", "other.sqlite")
    assert (done.code, "is no copy of a ledger" in done.err) == (2, True)
    done = worked.mmflow("state", "restore", "gone")
    assert (done.code, "there is no file" in done.err) == (2, True)
    worked.mmflow("state", "backup")
    done = worked.mmflow("state", "restore")
    assert (done.code, "there are: ledger-2026-11-22T114000Z.sqlite" in done.err) == (2, True)
    assert len(runs(worked)) == 1


@pytest.mark.parametrize("words", [("restore", "copy.sqlite"), ("clear", "--yes"), ("init",)])
def test_nothing_is_replaced_while_a_daemon_or_a_job_is_at_work(worked, words):
    assert worked.mmflow("state", "backup", "copy.sqlite").code == 0
    if words == ("init",):
        ledger_file(worked.root).unlink()
    state = worked.root / ".mmflow"
    for lock, told in (
        (DaemonLock(state), "a daemon is at work: process"),
        (JobLock(state / "locks", "daily"), "daily: "),
    ):
        with lock:
            done = worked.mmflow("state", *words)
            assert (done.code, told in done.err) == (4, True), done.err
    assert worked.mmflow("state", *words).code == 0


def test_forgetting_is_asked_for_and_leaves_a_copy(worked):
    assert answer(worked, "no\n", "state", "clear")[0] == 2
    refused = worked.mmflow("state", "clear")
    assert (refused.code, "give --yes" in refused.err) == (2, True)
    assert len(runs(worked)) == 1
    code, asked = answer(worked, "y\n", "state", "clear")
    assert (code, "reports of past days may be made and sent again" in asked) == (0, True)
    assert runs(worked) == []
    (copy,) = (worked.root / ".mmflow" / "backups").iterdir()
    with Ledger.open(copy, worked.clock) as kept:
        assert len(kept.runs()) == 1


def test_one_job_is_forgotten_alone(worked):
    worked.job(JOB.replace("daily", "other"), "other")
    worked.mmflow("run", "other")
    refused = worked.mmflow("state", "clear", "--job", "dayly", "--yes")
    assert (refused.code, "nothing is known of a job 'dayly'" in refused.err) == (2, True)
    assert not (worked.root / ".mmflow" / "backups").exists()
    assert worked.mmflow("state", "clear", "--job", "daily", "--yes", "--json").data["runs"] == 1
    with Ledger.look(ledger_file(worked.root), worked.clock) as ledger:
        assert [run.job for run in ledger.runs()] == ["other"]
        assert {row.get("job", "other") for row in ledger.export()} == {"other"}


@pytest.mark.row("R24")
def test_a_ledger_that_is_lost_is_never_replaced_in_silence(worked):
    path = ledger_file(worked.root)
    path.unlink()
    for words in (("run", "daily"), ("runs",), ("jobs",), ("state", "clear", "--yes")):
        done = worked.mmflow(*words)
        assert done.code == 4
        assert f"the ledger {path} is missing, and {path.parent / 'snapshots'} says that there was one" in done.err
    assert not path.exists()
    assert worked.mmflow("state", "init").code == 0
    assert runs(worked) == []
    assert worked.mmflow("run", "daily").code == 0
    again = worked.mmflow("state", "init")
    assert (again.code, "there is a ledger at" in again.err) == (2, True)


def test_words_that_do_not_belong_together_are_refused(desk):
    for words in (("show", "file"), ("show", "--yes"), ("backup", "--job", "daily")):
        assert desk.mmflow("state", *words).code == 2


def test_a_copy_is_made_once_a_day_and_seven_are_kept(tmp_path, clock):
    folder = tmp_path / "backups"
    with Ledger.open(ledger_file(tmp_path), clock) as ledger:
        begin(ledger)
        for _ in range(9):
            copy = ledger.back_up_daily(folder)
            assert ledger.back_up_daily(folder) is None
            clock.sleep(86400)
    assert copy.name == "ledger-2026-11-11.sqlite"
    assert sorted(path.name for path in folder.iterdir()) == [f"ledger-2026-11-{day:02}.sqlite" for day in range(5, 12)]
    with Ledger.open(copy, clock) as kept:
        assert kept.read_run("r1").job == "daily"


def test_a_ledger_in_a_database_serves_every_command(shared_desk):
    for words in (("runs",), ("jobs",), ("state", "show")):
        assert shared_desk.mmflow(*words).code == 0
    done = shared_desk.mmflow("run", "daily", "--json")
    assert (done.code, done.err) == (0, "")
    run = done.data["run"]
    assert runs(shared_desk) == [run]
    assert shared_desk.mmflow("jobs", "--json").data["jobs"][0]["last"] == "ok"
    assert shared_desk.mmflow("resend", run).code == 0
    shown = shared_desk.mmflow("state", "show", "--json").data
    assert shown["place"].startswith("postgresql://postgres@127.0.0.1:")
    assert shown["states"]["run"] == {"ok": 1}
    assert shown["size"] > 0
    assert not ledger_file(shared_desk.root).exists()
    assert f'"{run}"' in shared_desk.mmflow("state", "export").out
    for words in (("backup",), ("restore", "copy.sqlite")):
        refused = shared_desk.mmflow("state", *words)
        assert (refused.code, "is in postgresql://" in refused.err) == (2, True), refused.err
    assert shared_desk.mmflow("state", "clear", "--yes").code == 0
    assert runs(shared_desk) == []


def test_nothing_is_forgotten_of_a_database_while_another_machine_has_a_lease(shared_desk, database):
    shared_desk.mmflow("run", "daily")
    with Ledger.open(database, shared_desk.clock) as ledger:
        plan(ledger, "daily", due=NOW - timedelta(hours=1))
        assert ledger.slots.take("elsewhere:7:ab", NOW + timedelta(minutes=1), 9)
    done = shared_desk.mmflow("state", "clear", "--yes")
    assert (done.code, "a job is at work: daily: elsewhere:7:ab" in done.err) == (4, True)


def test_who_only_looks_makes_nothing_in_a_database(shared_desk, postgres, database):
    assert shared_desk.mmflow("runs", "--json").data == {"runs": []}
    assert shared_desk.mmflow("state", "show", "--json").data["place"] == str(database)
    assert postgres.execute("SELECT count(*) FROM pg_namespace WHERE nspname = 'mmflow'", "ledger") == [(0,)]


def test_offline_commands_need_neither_password_nor_database(desk):
    url = "postgresql://mmflow@db.invalid/mmflow"
    desk.write("mmflow.yaml", desk.text("mmflow.yaml") + f'state: {{url: "{url}", password: "${{env:LEDGER}}"}}\n')
    desk.job(JOB)
    for words in (("validate",), ("window", "daily"), ("preview", "daily", "--plan"), ("preview", "daily")):
        done = desk.mmflow(*words)
        assert done.code == 0, done.err
    for words in (("runs",), ("run", "daily"), ("state", "show")):
        done = desk.mmflow(*words)
        assert (done.code, "state.password: the environment variable LEDGER is not set" in done.err) == (2, True)


def test_importing_the_command_needs_no_database(tmp_path):
    code = "import sys, mmflow.ledger, mmflow.cli.state\nassert 'psycopg' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)
