"""Files that are the old one or the new one, never a mixture; and folders with the rights they need."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

from mmflow.errors import StateError, Unknown

STATE: Final = ".mmflow"  # the folder of a root that holds what mmflow remembers
DRAFT: Final = ".mmflow-tmp"  # nobody else's files end like this, so whatever a killed process left can be swept

# O_EXCL keeps what was planted under that name, a link too, from being written through; Windows needs O_BINARY.
_NEW_FILE: Final = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
# A folder that cannot be synced: its drive has no such call, or this user may write into it and not read it.
_NO_SYNC: Final = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EACCES, errno.EPERM, errno.EBADF})


@contextmanager
def replace_file(path: Path, *, mode: int = 0o600) -> Iterator[BinaryIO]:
    """Give a new file that takes the place of ``path`` when the block ends, and vanishes when it raises.

    The new file lies in the same folder under a name that starts with a dot and ends in :data:`DRAFT`, can be read back
    inside the block, and is on the disk before it is renamed; then the folder is synced. Raises :class:`OSError` while
    the old file stands, and :class:`Unknown` when the new one does and the disk does not confirm it.
    """
    with replace_path(path, mode=mode) as fresh, fresh.open("r+b") as file:
        yield file


@contextmanager
def replace_path(path: Path, *, mode: int = 0o600) -> Iterator[Path]:
    """Do as :func:`replace_file` for a library that opens files itself: give the path of the new file, still empty."""
    fresh = path.with_name(f".{path.name}.{os.urandom(4).hex()}{DRAFT}")
    os.close(os.open(fresh, _NEW_FILE, mode))
    try:
        yield fresh
        with fresh.open("r+b") as file:
            os.fsync(file.fileno())
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
    try:
        sync_folder(path.parent)
    except OSError as error:
        what = f"{path} is new, but the disk does not confirm that it will stay ({error.strerror})"
        raise Unknown(f"{what}; check the disk, then write it again") from error


def sync_folder(folder: Path) -> None:
    """Put a folder's entries on the disk, where the system can; Windows has no such call and needs none."""
    if os.name == "nt":
        return
    try:
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise


def make_folders(folder: Path, mode: int) -> None:
    """Make a folder and those above it that are missing, all with these permissions whatever the umask is.

    A group that is inherited from above stays. Raises :class:`OSError`.
    """
    for missing in reversed([one for one in (folder, *folder.parents) if not one.exists()]):
        missing.mkdir(mode, exist_ok=True)
        missing.chmod(missing.stat().st_mode | mode)
        sync_folder(missing.parent)


def refuse_closed(folder: Path) -> None:
    """Raise :class:`StateError` for a folder that is there and that this account may not look into, and for a file."""
    if folder.is_file():
        raise StateError(f"{folder} is a file and has to be a folder; move it away")
    if not folder.exists() or os.access(folder, os.R_OK | os.X_OK):
        return
    try:
        owner = folder.owner()
    except KeyError:  # an account without a name
        owner = f"#{folder.stat().st_uid}"
    raise StateError(f"{folder} is for account {owner} alone; run mmflow as that account: sudo -u '{owner}' mmflow …")


def make_private(folder: Path) -> None:
    """Make a folder and those above it that are missing, for their owner only; raises :class:`OSError`.

    The folder :data:`STATE` above it is shut to others too, when somebody made it before.
    """
    make_folders(folder, 0o700)
    for state in (one for one in (folder, *folder.parents) if one.name == STATE):
        if state.stat().st_mode & 0o077:
            with suppress(PermissionError):  # it is somebody else's, or on a drive without permissions
                state.chmod(0o700)
