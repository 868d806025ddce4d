"""A replaced file is the old one or the new one, and nothing is left lying about."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import BinaryIO

import pytest

from mmflow.atomic import replace_file


def test_the_new_content_takes_the_place_of_the_old(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"old")
    with replace_file(path) as file:
        file.write(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_in_the_block_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), replace_file(path) as file:
        write_half(file)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_target_that_is_a_folder_is_refused_without_litter(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.mkdir()
    with pytest.raises(OSError), replace_file(path) as file:
        file.write(b"new")
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")
def test_only_the_owner_may_read_unless_another_mode_is_given(tmp_path: Path) -> None:
    for name, mode in (("private", 0o600), ("public", 0o644)):
        with replace_file(tmp_path / name, mode=mode) as file:
            file.write(b"x")
        assert (tmp_path / name).stat().st_mode & 0o777 == mode & ~current_umask()


def write_half(file: BinaryIO) -> None:
    file.write(b"half")
    raise ZeroDivisionError


def current_umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
