"""Puts the files of sinks in their place as a whole, and explains what the system had against it."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO, Final

from mmflow import atomic
from mmflow.errors import GiveUp, RunError, TryLater
from mmflow.sinks import Receipt, RunInfo

log = logging.getLogger(__name__)

BLOCK: Final = 1 << 20
STALE: Final = 3600  # seconds without a write after which nobody can be at work on a draft any more

_FAILURES: Final[dict[str, tuple[type[RunError], str]]] = {
    "ENOSPC": (TryLater, "the disk is full; make room"),
    "EDQUOT": (TryLater, "the disk quota is used up; make room"),
    "EIO": (TryLater, "the disk reported a failure; check it"),
    "EMFILE": (TryLater, "this process has too many files open"),
    "ENFILE": (TryLater, "this machine has too many files open"),
    "EFBIG": (GiveUp, "it would be larger than this user or file system may have; allow larger files"),
    "EROFS": (GiveUp, "the disk is read-only; write elsewhere"),
    "EACCES": (GiveUp, "this user may not write there; check the permissions of file and folder"),
    "EPERM": (GiveUp, "this user may not write there; check the permissions of file and folder"),
    "EISDIR": (GiveUp, "it is a folder; choose another path"),
    "ENOTDIR": (GiveUp, "a part of the path is a file, expected a folder; choose another path"),
    "EEXIST": (GiveUp, "a part of the path is a file, expected a folder; choose another path"),
    "ENAMETOOLONG": (GiveUp, "the path is too long; choose a shorter one"),
    "ELOOP": (GiveUp, "its symbolic links lead in a circle; remove them"),
}
_IN_USE: Final = (TryLater, "it is open in another program; close it there")
_SHARING: Final = (32, 33)  # Windows: sharing violation, lock violation
_DENIED: Final = 5  # Windows: what a rename onto an open file gives


class Draft:
    """New content of a file, still out of sight; ``sha256`` and ``size`` are known when :func:`replace_file` ends."""

    def __init__(self, file: BinaryIO, target: Path) -> None:
        self.file = file
        self.target = target
        self.sha256 = ""
        self.size = 0

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """Give a private folder beside the target, for a library that writes files itself; it is gone afterwards."""
        with TemporaryDirectory(prefix=".", suffix=atomic.DRAFT, dir=self.target.parent) as folder:
            yield Path(folder)

    def seal(self, mode: int) -> None:
        """Note what was written, and set the permissions, which the umask had a say in."""
        digest = hashlib.sha256()
        self.file.seek(0)
        while block := self.file.read(BLOCK):
            digest.update(block)
        self.sha256, self.size = digest.hexdigest(), self.file.tell()
        if os.name == "posix":
            os.fchmod(self.file.fileno(), mode)


@contextmanager
def replace_file(path: Path, mode: int) -> Iterator[Draft]:
    """Give a draft, whose ``file`` takes the place of ``path`` when the block ends, in one step and on disk.

    Missing folders are made. When the block raises, or anything else goes wrong, the old file stays as it is and
    nothing is left beside it; what a killed process left is swept an hour later by the next that writes to the folder.
    ``mode`` holds the permissions of the file. A failure of the system, also inside the block, becomes
    :class:`TryLater` (disk full, open in another program) or :class:`GiveUp` (no permission, read-only, a folder in the
    way), with the path and the system's name of the error. :class:`Unknown` says that the new file is in its place and
    the disk does not confirm that it will stay.
    """
    with explain_errors(path):
        check_target(path)
        make_folders(path.parent, mode)
        sweep_drafts(path.parent)
        with atomic.replace_file(path) as file:
            draft = Draft(file, path)
            yield draft
            draft.seal(mode)


def file_receipt(draft: Draft, rows: int, run: RunInfo) -> Receipt:
    """Give the receipt for a file that :func:`replace_file` has put in its place."""
    root = Path(os.path.realpath(run.root))
    shown = draft.target.relative_to(root) if draft.target.is_relative_to(root) else draft.target
    return Receipt(rows=rows, path=shown.as_posix(), sha256=draft.sha256, details={"bytes": draft.size})


@contextmanager
def explain_errors(path: Path) -> Iterator[None]:
    """Turn a failure of the system while writing ``path`` into an error that says what to do."""
    try:
        yield
    except OSError as error:
        raise explain_failure(error, path) from error


def explain_failure(error: OSError, path: Path) -> RunError:
    """Give the error for a failure: by its name on POSIX, by its number where Windows means "in use"."""
    name = errno.errorcode.get(error.errno or 0, "unknown")
    kind, words = _FAILURES.get(name, (TryLater, (error.strerror or "unknown failure").lower()))
    windows = getattr(error, "winerror", None)
    if windows in _SHARING or (windows == _DENIED and error.filename2 is not None):
        kind, words = _IN_USE
    return kind(f"cannot write {path}: {words} ({name})")


def check_target(path: Path) -> None:
    """Fail before any work is done when the target can never be replaced."""
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "is a folder")
    if path.exists() and not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, "is write-protected")


def make_folders(folder: Path, mode: int) -> None:
    """Make a folder and those above it; whoever may read the files may enter the folders that are made."""
    wanted = 0o700 | mode | (mode & 0o444) >> 2
    atomic.make_folders(folder, wanted)
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "is a file")


def sweep_drafts(folder: Path) -> None:
    """Remove what killed processes left in a folder; what cannot be removed is no reason not to write."""
    oldest = time.time() - STALE
    for draft in folder.glob(f".*{atomic.DRAFT}"):
        try:
            if draft.lstat().st_mtime < oldest:
                remove_draft(draft)
        except FileNotFoundError:  # another process sweeps, or has just finished
            continue
        except OSError as error:
            log.warning("%s is left from a killed process and cannot be removed: %s", draft, error)


def remove_draft(draft: Path) -> None:
    """Remove a draft: a file, or a folder that a library worked in."""
    if draft.is_dir() and not draft.is_symlink():
        shutil.rmtree(draft)
    else:
        draft.unlink()
