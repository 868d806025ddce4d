"""A file is the old one or the new one, never a mixture: write beside it, sync, then rename over it."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

DRAFT = ".mmflow-tmp"  # nobody else's files end like this, so whatever a killed process left can be swept

# Windows needs O_BINARY; O_NOFOLLOW keeps a planted link from being written through.
_NEW_FILE = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)


@contextmanager
def replace_file(path: Path, *, mode: int = 0o600) -> Iterator[BinaryIO]:
    """Give a new file that takes the place of ``path`` when the block ends, and vanishes when it raises.

    The new file lies in the same folder under a name that starts with a dot and ends in :data:`DRAFT`, can be read back
    inside the block, and is on the disk (file and folder synced) before the rename counts. Raises :class:`OSError`.
    """
    with replace_path(path, mode=mode) as fresh, fresh.open("r+b") as file:
        yield file


@contextmanager
def replace_path(path: Path, *, mode: int = 0o600) -> Iterator[Path]:
    """Do as :func:`replace_file` for a library that opens files itself: give the path of the new file, still empty."""
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}{DRAFT}")
    try:
        os.close(os.open(fresh, _NEW_FILE, mode))
        yield fresh
        with fresh.open("r+b") as file:
            os.fsync(file.fileno())
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Put a folder's entries on the disk; Windows has no such call and needs none."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some network drives have no such call either
            raise
    finally:
        os.close(handle)
