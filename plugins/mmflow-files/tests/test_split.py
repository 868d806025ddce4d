"""One file for each value of a group: names, what is left over, and what a row-by-row reader finds."""

import sys
from datetime import UTC, datetime

import pytest

from mmflow.errors import GiveUp
from mmflow.testing.deliveries import HOUR, MACHINE, PARTS, make_run
from mmflow_files.parts import find_left, remove_left

COLUMNS = (MACHINE, PARTS)


def files(root):
    return {path.relative_to(root / "out").as_posix(): path for path in (root / "out").rglob("*") if path.is_file()}


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_each_value_has_a_file_with_its_rows_in_their_order(kind, tmp_path, table, deliver, stand):
    made = table([("B", 1.0), ("A", 2.0), ("B", 3.0), (None, 4.0)], COLUMNS)
    run = make_run(tmp_path)
    receipt = deliver(kind, made, run, path=f"{{machine}}.{kind}", split_by=["machine"])
    assert set(files(tmp_path)) == {f"A.{kind}", f"B.{kind}", f"none.{kind}"}
    assert (receipt.rows, receipt.path, receipt.more) == (4, f"out/B.{kind}", (f"out/A.{kind}", f"out/none.{kind}"))
    found = stand(kind, made, run, path=f"{{machine}}.{kind}", split_by=["machine"])
    assert found == [("B", 1.0), ("B", 3.0), ("A", 2.0), (None, 4.0)]


def test_a_value_that_is_gone_takes_its_file_along_and_those_of_other_windows_stay(tmp_path, table, deliver):
    options = {"path": "{machine}/{date}.csv", "split_by": ["machine"], "sidecar": "schema"}
    first, second = make_run(tmp_path), make_run(tmp_path, names=make_run(tmp_path).names | {"date": "2026-11-22"})
    both, one = table([("A", 1.0), ("B", 2.0)], COLUMNS), table([("A", 3.0)], COLUMNS)
    deliver("csv", both, first, **options)
    deliver("csv", both, second, **options)
    deliver("csv", one, second, **options)
    names = {"A/2026-11-21.csv", "A/2026-11-22.csv", "B/2026-11-21.csv"}
    assert set(files(tmp_path)) == names | {f"{name}.schema.json" for name in names}


@pytest.mark.row("S57")
def test_values_that_cannot_be_names_are_made_harmless_and_told_apart(tmp_path, table, deliver):
    rows = [("../../etc", 1.0), ("A/B", 2.0), ("A-B", 3.0), ("a-b", 4.0), ("CON", 5.0), ("x" * 300, 6.0)]
    receipt = deliver("csv", table(rows, COLUMNS), make_run(tmp_path), path="{machine}.csv", split_by=["machine"])
    found = files(tmp_path)
    assert len(found) == len(rows) == receipt.details["files"]
    assert sum("~" in name for name in found) == 4, "three that would share a name, and one too long"
    assert all("/" not in name for name in found)


def test_split_by_hour_names_files_by_plant_time_on_both_sides_of_the_clock_change(tmp_path, table, deliver):
    hours = [datetime(2026, 11, 1, hour, tzinfo=UTC) for hour in (5, 6)]
    made = table([(hour, 1.0) for hour in hours], (HOUR, PARTS))
    deliver("csv", made, make_run(tmp_path), path="{hour}.csv", split_by=["hour"])
    assert set(files(tmp_path)) == {"2026-11-01T0100-0400.csv", "2026-11-01T0100-0500.csv"}


def test_no_rows_are_no_files_and_old_ones_go(tmp_path, table, deliver):
    options = {"path": "{machine}.csv", "split_by": ["machine"]}
    deliver("csv", table([("A", 1.0)], COLUMNS), make_run(tmp_path), **options)
    receipt = deliver("csv", table([], COLUMNS), make_run(tmp_path), **options)
    assert (receipt.rows, receipt.path, files(tmp_path)) == (0, "", {})


def test_too_many_files_are_refused_before_any_is_written(tmp_path, table, deliver, monkeypatch):
    monkeypatch.setattr("mmflow_files.parts.MOST_PARTS", 2)
    made = table([(name, 1.0) for name in "ABC"], COLUMNS)
    with pytest.raises(GiveUp, match="split_by would make more than 2 files; split by fewer groups"):
        deliver("csv", made, make_run(tmp_path), path="{machine}.csv", split_by=["machine"])
    assert not (tmp_path / "out").exists()
    receipt = deliver(
        "csv",
        table([(name, 1.0) for name in "AB"], COLUMNS),
        make_run(tmp_path),
        path="{machine}.csv",
        split_by=["machine"],
    )
    assert receipt.details["files"] == 2


def test_no_value_and_a_value_that_is_called_none_have_a_file_each(tmp_path, table, deliver):
    made = table([(None, 1.0), ("none", 2.0)], COLUMNS)
    deliver("csv", made, make_run(tmp_path), path="{machine}.csv", split_by=["machine"])
    assert len(files(tmp_path)) == 2


def test_a_file_renamed_in_its_capitals_alone_is_not_taken_for_left_over(tmp_path):
    """On Windows and macOS both names are one file; a link stands for that here."""
    old, new, gone = (tmp_path / name for name in ("Mazak.csv", "MAZAK.csv", "Haas.csv"))
    new.touch()
    if not old.exists():
        old.hardlink_to(new)
    assert list(find_left([str(old), str(gone)], [str(new)])) == [str(gone)]


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names that differ in capitals are one file here")
def test_where_capitals_tell_files_apart_the_old_one_is_left_over(tmp_path):
    old, new = (tmp_path / name for name in ("Mazak.csv", "MAZAK.csv"))
    new.touch()
    old.touch()
    assert list(find_left([str(old)], [str(new)])) == [str(old)]


def test_what_a_delivery_wrote_before_it_failed_is_left_over_too(tmp_path, table, deliver):
    options = {"path": "{machine}.csv", "split_by": ["machine"]}
    (tmp_path / "out" / "D.csv").mkdir(parents=True)
    with pytest.raises(GiveUp):
        deliver("csv", table([("C", 1.0), ("D", 2.0)], COLUMNS), make_run(tmp_path), **options)
    assert set(files(tmp_path)) == {"C.csv"}
    deliver("csv", table([("A", 1.0)], COLUMNS), make_run(tmp_path), **options)
    assert set(files(tmp_path)) == {"A.csv"}


def test_files_outside_the_output_folder_are_never_removed(tmp_path):
    kept = tmp_path / "elsewhere.csv"
    kept.touch()
    remove_left([str(kept), str(tmp_path / "out" / "gone.csv")], make_run(tmp_path))
    assert kept.exists()


@pytest.mark.parametrize(
    ("written", "key", "message"),
    [
        ({"path": "x.csv", "split_by": ["machine"]}, "path", "is the same for each machine"),
        ({"path": "{shift}.csv", "split_by": ["shift"]}, ("split_by", 0), "the report has no group 'shift'"),
        ({"path": "{machine}.csv", "split_by": ["machine"], "mode": "replace_window"}, "split_by", "replace_window"),
        ({"path": "{machine}.csv"}, "path", "holds '{machine}', which is not known"),
    ],
)
def test_splits_that_cannot_be_are_found_before_any_run(validate, written, key, message):
    assert message in validate("csv", **written)[key]
