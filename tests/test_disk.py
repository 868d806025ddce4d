"""A disk without room: named at each place where a run needs some, and no file that readers see is harmed."""

import os
import re
import subprocess
from contextlib import suppress

import pytest

from tests.desk import open_desk
from tests.test_faults import JOB, last_run


def fill_disk(disk, room):
    """Leave so many bytes of room, and give what makes room again."""
    filler = disk / "filler"
    with suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)
    os.truncate(filler, max(0, filler.stat().st_size - room))
    return filler.unlink


@pytest.mark.row("R22")
@pytest.mark.row("R49")
def test_a_disk_that_fills_up_at_any_step_is_named_and_costs_no_file(small_disk, service):
    desk = open_desk(small_disk, service)
    desk.job(JOB)
    assert desk.mmflow("run", "daily").code == 0
    before, ledger, codes = desk.text("out/daily.csv"), small_disk / ".mmflow" / "ledger.sqlite", set()
    for room in range(0, 262_144, 16_384):
        desk.clock.sleep(60)
        make_room = fill_disk(small_disk, room)
        done = desk.mmflow("run", "daily")
        codes.add(done.code)
        # The ledger needs the most room, so it is always the first to lack it.
        told = f"the ledger {ledger} cannot be written: .*; make room if the disk is full, else check it\n"
        assert done.code == 0 or re.search(f"^{told}", done.err, re.MULTILINE), done.err
        assert desk.text("out/daily.csv") == before
        assert [path.name for path in (desk.root / "out").iterdir()] == ["daily.csv"]
        make_room()
    assert codes == {0, 4}
    assert desk.mmflow("run", "daily").code == 0
    runs = desk.mmflow("runs", "-n", "99", "--json").data["runs"]
    assert {(run["state"], run["error"]) for run in runs} == {
        ("ok", ""),
        ("failed", "the process ended before the run did"),
    }


@pytest.fixture
def cover(small_disk, desk):
    """Lay the small disk over a folder of the desk, for as long as the test lasts."""
    covered = []

    def lay(name):
        folder = desk.root / name
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", "--bind", small_disk, folder], check=True)
        covered.append(folder)

    yield lay
    for folder in covered:
        subprocess.run(["umount", folder], check=True)


@pytest.mark.row("R49")
@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("out", 1, r"csv: failed, cannot write \S*daily.csv: the disk is full; make room \(ENOSPC\)"),
        (".mmflow/spool", 1, r"cannot write \S*\.mmflow/spool\S*: the disk is full; make room \(ENOSPC\)"),
        (".mmflow/snapshots", 1, r"cannot write the snapshot \S*\.parquet: the disk is full; make room"),
        (".mmflow/cache", 0, ""),
        (".mmflow/budget", 0, ""),
        (".mmflow/locks", 0, ""),
        (".mmflow/logs", 0, ""),
    ],
)
def test_a_full_disk_at_one_place_is_named_where_the_report_needs_it(desk, cover, small_disk, name, code, words):
    desk.job(JOB.replace("group_by: [machine, day]", "group_by: [machine, day], filter: {machine: ['*']}"))
    assert desk.mmflow("run", "daily").code == 0
    cover(name)
    make_room = fill_disk(small_disk, 0)
    desk.clock.sleep(60)
    done = desk.mmflow("run", "daily")
    assert (done.code, bool(re.search(words, done.out + done.err))) == (code, True), done.out + done.err
    assert last_run(desk)["state"] == ("failed" if code else "ok")
    make_room()
    desk.clock.sleep(60)
    assert desk.mmflow("run", "daily").code == 0
    assert desk.text("out/daily.csv")


def test_a_folder_that_cannot_be_made_for_the_state_is_a_clear_refusal(desk):
    desk.job(JOB)
    desk.write(".mmflow", "a file where a folder should be")
    for words in (("run", "daily"), ("runs",)):
        done = desk.mmflow(*words)
        assert done.code == 4
        assert ".mmflow" in done.err
