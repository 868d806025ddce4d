"""Which files are read, and what they are called."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mmflow.document import MAX_BYTES, read_file
from mmflow.errors import ProblemsError
from mmflow.text import BadText, read_bytes

UNSIZED = Path("/proc/version")


def refuse_file(path: Path, root: Path | None = None) -> str:
    with pytest.raises(ProblemsError) as caught:
        read_file(path, root)
    (problem,) = caught.value.problems
    return str(problem)


def test_a_file_is_named_from_the_root_on(tmp_path: Path) -> None:
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / "a.yaml").write_text("job: a", encoding="utf-8")
    assert read_file(tmp_path / "jobs" / "a.yaml", tmp_path).name == "jobs/a.yaml"
    assert read_file(tmp_path / "jobs" / ".." / "jobs" / "a.yaml", tmp_path).name == "jobs/a.yaml"
    outside = read_file(tmp_path / "jobs" / "a.yaml", tmp_path / "other")
    assert outside.name == (tmp_path / "jobs" / "a.yaml").as_posix()
    assert read_file(tmp_path / "jobs" / "a.yaml").values == {"job": "a"}


@pytest.mark.row("S11")
def test_two_megabytes_are_read_and_no_more(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(b"a: 1 #".ljust(MAX_BYTES, b"x"))
    assert read_file(path, tmp_path).values == {"a": 1}
    path.write_bytes(b"a: 1 #".ljust(MAX_BYTES + 1, b"x"))
    shown = "a.yaml: is too large, more than 2,000,000 bytes; split it, or check that it is the right file"
    assert refuse_file(path, tmp_path) == shown


@pytest.mark.row("S11")
def test_what_is_not_a_regular_file_is_refused(tmp_path: Path) -> None:
    assert refuse_file(tmp_path / "no.yaml", tmp_path) == "no.yaml: does not exist; check the path"
    assert refuse_file(tmp_path / "no\0.yaml", tmp_path).endswith("does not exist; check the path")
    (tmp_path / "file").touch()
    assert refuse_file(tmp_path / "file" / "a.yaml", tmp_path) == "file/a.yaml: does not exist; check the path"
    (tmp_path / "folder.yaml").mkdir()
    assert refuse_file(tmp_path / "folder.yaml").endswith(
        "folder.yaml: is a folder, expected a file; give the path of a file"
    )


@pytest.mark.row("S11")
@pytest.mark.skipif(os.name != "posix", reason="pipes and devices have other names on Windows")
def test_a_pipe_or_a_device_is_refused_without_waiting_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    shown = "is not a regular file; give the path of a file"
    assert refuse_file(tmp_path / "pipe.yaml", tmp_path) == f"pipe.yaml: {shown}"
    assert refuse_file(Path("/dev/zero")) == f"/dev/zero: {shown}"


@pytest.mark.row("S11")
@pytest.mark.skipif(os.name != "posix", reason="making a link needs a right of its own on Windows")
def test_a_loop_of_links_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").symlink_to(tmp_path / "b.yaml")
    (tmp_path / "b.yaml").symlink_to(tmp_path / "a.yaml")
    assert refuse_file(tmp_path / "a.yaml", tmp_path).startswith("a.yaml: cannot be read: ")


@pytest.mark.row("S15")
@pytest.mark.skipif(os.name != "posix", reason="making a link needs a right of its own on Windows")
def test_a_link_that_leads_out_of_the_root_is_refused_and_one_inside_is_followed(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "outside.yaml").write_text("a: 1", encoding="utf-8")
    (root / "real.yaml").write_text("a: 2", encoding="utf-8")
    (root / "out.yaml").symlink_to(tmp_path / "outside.yaml")
    (root / "in.yaml").symlink_to(root / "real.yaml")
    (root / "jobs").mkdir()
    (root / "jobs" / "away").symlink_to(tmp_path)
    assert refuse_file(root / "out.yaml", root).startswith("out.yaml: leads out of the folder ")
    deep = root / "jobs" / "away" / "outside.yaml"
    assert refuse_file(deep, root).startswith("jobs/away/outside.yaml: leads out of the folder ")
    assert read_file(root / "in.yaml", root).values == {"a": 2}


def test_a_root_that_is_itself_a_link_is_no_way_out(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.yaml").write_text("a: 1", encoding="utf-8")
    try:
        (tmp_path / "link").symlink_to(tmp_path / "real", target_is_directory=True)
    except OSError:
        pytest.skip("links cannot be made here")
    assert read_file(tmp_path / "link" / "a.yaml", tmp_path / "link").name == "a.yaml"


@pytest.mark.skipif(not UNSIZED.exists(), reason="only Linux has such files")
def test_a_file_that_does_not_tell_its_size_is_read_whole_and_not_beyond_the_limit() -> None:
    whole = UNSIZED.read_bytes()
    assert read_bytes(UNSIZED, len(whole)) == whole
    with pytest.raises(BadText, match="too large"):
        read_bytes(UNSIZED, len(whole) - 1)
