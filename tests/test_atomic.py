"""A replaced file is the old one or the new one, and nothing is left lying about."""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pytest

from mmflow.atomic import DRAFT, STATE, make_private, refuse_closed, replace_file
from mmflow.errors import StateError, Unknown

posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX only")


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


def refuse_folders(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Let the system refuse to sync folders."""
    sync = os.fsync

    def fsync(handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(number, os.strerror(number))
        sync(handle)

    monkeypatch.setattr(os, "fsync", fsync)


@posix
def test_the_new_file_is_on_the_disk_before_the_rename_and_the_rename_before_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync, replace = os.fsync, Path.replace
    done: list[object] = []

    def fsync(handle: int) -> None:
        done.append(os.fstat(handle).st_ino)
        sync(handle)

    def rename(self: Path, target: Path) -> Path:
        done.append("rename")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", rename)
    with replace_file(tmp_path / "a.json") as file:
        file.write(b"new")
    assert done == [(tmp_path / "a.json").stat().st_ino, "rename", tmp_path.stat().st_ino]


@posix
def test_a_disk_that_does_not_confirm_the_rename_leaves_it_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_folders(monkeypatch, errno.EIO)
    with (
        pytest.raises(Unknown, match=r"a\.json is new, but the disk does not confirm"),
        replace_file(tmp_path / "a.json") as file,
    ):
        file.write(b"new")
    assert (tmp_path / "a.json").read_bytes() == b"new"


@posix
@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.EACCES, errno.EPERM, errno.EBADF])
def test_a_folder_that_cannot_be_synced_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    refuse_folders(monkeypatch, number)
    with replace_file(tmp_path / "a.json") as file:
        file.write(b"new")
    assert (tmp_path / "a.json").read_bytes() == b"new"


@pytest.mark.row("S56")
@pytest.mark.parametrize("plant", [Path.symlink_to, Path.hardlink_to])
def test_what_is_planted_under_the_name_of_the_new_file_is_not_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plant: object
) -> None:
    monkeypatch.setattr(os, "urandom", bytes)
    precious, link = tmp_path / "precious", tmp_path / f".a.json.{bytes(4).hex()}{DRAFT}"
    precious.write_bytes(b"kept")
    plant(link, precious)  # type: ignore[operator]
    with pytest.raises(FileExistsError), replace_file(tmp_path / "a.json") as file:
        file.write(b"new")
    assert precious.read_bytes() == link.read_bytes() == b"kept"
    assert not (tmp_path / "a.json").exists()


@pytest.fixture
def usual_umask() -> Iterator[None]:
    """What most systems take from new files and folders."""
    mask = os.umask(0o022)
    yield
    os.umask(mask)


@posix
@pytest.mark.row("S55")
@pytest.mark.usefixtures("usual_umask")
def test_every_folder_that_is_made_for_the_state_is_for_its_owner_only(tmp_path: Path) -> None:
    folder = tmp_path / STATE / "spool" / "run"
    make_private(folder)
    assert {stat.S_IMODE(one.stat().st_mode) for one in (folder, folder.parent, tmp_path / STATE)} == {0o700}


@posix
@pytest.mark.row("S55")
@pytest.mark.usefixtures("usual_umask")
def test_a_state_folder_that_was_open_is_shut_and_the_root_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / STATE).mkdir()
    tmp_path.chmod(0o755)
    make_private(tmp_path / STATE / "cache")
    assert stat.S_IMODE((tmp_path / STATE).stat().st_mode) == 0o700
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755


def test_a_file_in_the_place_of_a_folder_is_named_as_what_it_is(tmp_path: Path) -> None:
    (tmp_path / STATE).touch()
    with pytest.raises(StateError, match="is a file and has to be a folder; move it away"):
        refuse_closed(tmp_path / STATE)


@posix
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
