"""Somebody has the workbook open."""

import errno
import os
import shutil
import subprocess
from datetime import UTC, date, datetime, timedelta

import openpyxl
import pytest

from mmflow.clock import FixedClock
from mmflow.errors import GiveUp, TryLater
from mmflow.sinks import Partial
from mmflow.testing.deliveries import day_rows, make_run
from mmflow_excel.filling.package import open_package
from mmflow_excel.pending import is_open

FIRST = date(2026, 11, 21)
NOW = datetime(2026, 11, 22, 11, 40, tzinfo=UTC)  # 06:40 in the plant
NAME = "morning-oee.xlsx"
PENDING = "morning-oee (pending 06.40).xlsx"


@pytest.fixture
def out(tmp_path):
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def lock(out, name=f".~lock.{NAME}#", age=timedelta(minutes=5)):
    path = out / name
    path.write_text(",ops,host,22.11.2026 06:35,file:///home/ops/.config;")
    moment = (NOW - age).timestamp()
    os.utime(path, (moment, moment))
    return path


def run_at(tmp_path, now=NOW, **changes):
    return make_run(tmp_path, clock=FixedClock(now), **changes)


def parts_in(path):
    return [row[2] for row in openpyxl.load_workbook(path)["Data"].iter_rows(min_row=2, values_only=True)]


@pytest.mark.row("R51")
@pytest.mark.parametrize("name", [f".~lock.{NAME}#", f"~${NAME}"])
def test_open_workbook_gets_a_file_beside_it(tmp_path, table, deliver, out, name):
    deliver(table(day_rows(FIRST, 1, 1.0)), run_at(tmp_path))
    before = (out / NAME).read_bytes()
    lock(out, name)
    with pytest.raises(
        Partial, match=rf"was left as it is: .* says that somebody has it open; .* {PENDING[:12]}"
    ) as found:
        deliver(table(day_rows(FIRST, 1, 2.0)), run_at(tmp_path))
    assert (out / NAME).read_bytes() == before
    assert parts_in(out / PENDING) == [2, 2]
    part = found.value
    assert (part.receipt.path, part.receipt.rows, part.retry) == (f"out/{PENDING}", 2, (NAME,))
    assert part.after == 300


@pytest.mark.row("R51")
def test_once_it_is_closed_the_workbook_is_replaced_and_the_file_beside_it_goes(tmp_path, table, deliver, out):
    held = lock(out)
    for minute in (0, 5):
        with pytest.raises(Partial):
            deliver(table(day_rows(FIRST, 1, 2.0)), run_at(tmp_path, NOW + timedelta(minutes=minute)))
    assert sorted(path.name for path in out.iterdir()) == [held.name, "morning-oee (pending 06.45).xlsx"]
    held.unlink()
    (out / "other (pending 06.45).xlsx").write_bytes(b"not ours")
    deliver(table(day_rows(FIRST, 1, 2.0)), run_at(tmp_path, NOW + timedelta(minutes=10)))
    assert sorted(path.name for path in out.iterdir()) == [NAME, "other (pending 06.45).xlsx"]


def test_lock_older_than_a_day_counts_for_nothing(tmp_path, table, deliver, out):
    lock(out, age=timedelta(hours=25))
    assert deliver(table(day_rows(FIRST, 1)), run_at(tmp_path)).path == f"out/{NAME}"


def test_it_may_wait_instead(tmp_path, table, deliver, out):
    lock(out)
    with pytest.raises(TryLater, match="says that somebody has it open; close it there") as found:
        deliver(table(day_rows(FIRST, 1)), run_at(tmp_path), when_open="wait")
    assert found.value.after == 300
    assert [path.name for path in out.iterdir()] == [f".~lock.{NAME}#"]


@pytest.mark.row("R51")
def test_rows_that_wait_beside_an_open_workbook_are_kept(tmp_path, table, deliver, out):
    deliver(table(day_rows(FIRST, 1)), run_at(tmp_path, first=FIRST), mode="replace_window")
    held = lock(out)
    for day in (1, 2):
        start = FIRST + timedelta(days=day)
        later = run_at(tmp_path, NOW + timedelta(days=day - 1, minutes=day), first=start)
        held.touch()
        moment = later.clock.now().timestamp()
        os.utime(held, (moment, moment))
        with pytest.raises(Partial):
            deliver(table(day_rows(start, 1, float(day))), later, mode="replace_window")
    held.unlink()
    last = FIRST + timedelta(days=3)
    deliver(table(day_rows(last, 1, 3.0)), run_at(tmp_path, first=last), mode="replace_window")
    assert parts_in(out / NAME) == [100, 100, 1, 1, 2, 2, 3, 3]
    assert [path.name for path in out.iterdir()] == [NAME]


@pytest.mark.row("R51")
def test_what_somebody_saved_after_it_was_put_aside_is_built_on(tmp_path, table, deliver, out):
    deliver(table(day_rows(FIRST, 1)), make_run(tmp_path, first=FIRST), mode="replace_window")
    held = lock(out)
    second = FIRST + timedelta(days=1)
    words = {"mode": "replace_window"}
    with pytest.raises(Partial):
        deliver(table(day_rows(second, 1, 1.0)), run_at(tmp_path, first=second), **words)
    book = openpyxl.load_workbook(out / NAME)
    book["Data"]["C2"] = 4711
    book.save(out / NAME)
    later = (out / PENDING).stat().st_mtime_ns + 10**9
    os.utime(out / NAME, ns=(later, later))
    held.unlink()
    deliver(table(day_rows(second, 1, 1.0)), run_at(tmp_path, first=second), **words)
    assert parts_in(out / NAME) == [4711, 100, 1, 1]


def test_file_beside_it_that_somebody_has_open_stays(tmp_path, table, deliver, out):
    held = lock(out)
    with pytest.raises(Partial):
        deliver(table(day_rows(FIRST, 1, 2.0)), run_at(tmp_path))
    held.unlink()
    other = lock(out, f"~${PENDING}")
    deliver(table(day_rows(FIRST, 1, 3.0)), run_at(tmp_path))
    assert parts_in(out / PENDING) == [2, 2]
    other.unlink()
    deliver(table(day_rows(FIRST, 1, 3.0)), run_at(tmp_path))
    assert [path.name for path in out.iterdir()] == [NAME]
    assert parts_in(out / NAME) == [3, 3]


def windows_error(number):
    """Give what Windows raises, where there is none."""
    error = PermissionError(errno.EACCES, "in use")
    error.winerror = number
    return error


def chained(cause):
    error = TryLater("cannot write the workbook")
    error.__cause__ = cause
    return error


@pytest.mark.row("R51")
@pytest.mark.parametrize(
    ("cause", "held"),
    [
        (windows_error(5), True),
        (windows_error(32), True),
        (windows_error(33), True),
        (OSError(errno.EBUSY, "busy"), True),
        (OSError(errno.ETXTBSY, "busy"), True),
        (windows_error(112), False),  # the disk is full
        (OSError(errno.ENOSPC, "full"), False),
        (None, False),
    ],
)
def test_refusals_that_mean_it_is_open(cause, held):
    assert is_open(chained(cause)) == held


@pytest.mark.row("R51")
@pytest.mark.parametrize(("number", "kind"), [(32, TryLater), (33, TryLater), (5, GiveUp)])
def test_workbook_that_windows_does_not_let_be_read(tmp_path, monkeypatch, number, kind):
    def refuse(*_):
        raise windows_error(number)

    monkeypatch.setattr("pathlib.Path.open", refuse)
    with pytest.raises(kind, match="cannot be read"), open_package(tmp_path / NAME):
        pass


@pytest.mark.row("R51")
@pytest.mark.parametrize("number", [5, 32])
def test_workbook_that_windows_does_not_let_be_replaced_gets_one_beside_it(
    tmp_path, table, deliver, out, monkeypatch, number
):
    deliver(table(day_rows(FIRST, 1, 1.0)), run_at(tmp_path))
    replace = os.replace

    def refuse(source, target, **words):
        if str(target).endswith(NAME):
            error = windows_error(number)
            error.filename, error.filename2 = str(source), str(target)
            raise error
        replace(source, target, **words)

    monkeypatch.setattr("os.replace", refuse)
    with pytest.raises(Partial, match="it is open in another program"):
        deliver(table(day_rows(FIRST, 1, 2.0)), run_at(tmp_path))
    assert (parts_in(out / NAME), parts_in(out / PENDING)) == ([1, 1], [2, 2])


@pytest.mark.row("R51")
def test_file_that_the_system_holds_gets_one_beside_it(tmp_path, table, deliver, out):
    """A mount point cannot be renamed over: the system says EBUSY, as Windows does of a file that is open."""
    deliver(table(day_rows(FIRST, 1, 1.0)), run_at(tmp_path))
    other = tmp_path / "other.xlsx"
    other.write_bytes(b"held")
    mount = shutil.which("mount")
    if (
        mount is None
        or subprocess.run([mount, "--bind", other, out / NAME], check=False, capture_output=True).returncode
    ):
        pytest.skip("needs the right to mount")
    try:
        with pytest.raises(Partial, match="EBUSY"):
            deliver(table(day_rows(FIRST, 1, 2.0)), run_at(tmp_path))
        assert (out / NAME).read_bytes() == b"held"
        assert parts_in(out / PENDING) == [2, 2]
    finally:
        subprocess.run(["umount", out / NAME], check=True)
    deliver(table(day_rows(FIRST, 1, 2.0)), run_at(tmp_path))
    assert [path.name for path in out.iterdir()] == [NAME]
    assert parts_in(out / NAME) == [2, 2]
