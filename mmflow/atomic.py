"""A file is the old one or the new one, never a mixture: write beside it, sync, then rename over it."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

# Windows needs O_BINARY; O_NOFOLLOW keeps a planted link from being written through.
_NEW_FILE = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)


@contextmanager
def replace_file(path: Path, *, mode: int = 0o600) -> Iterator[BinaryIO]:
    """Give a new file that takes the place of ``path`` when the block ends, and vanishes when it raises.

    The new file lies in the same folder under a name that starts with a dot and ends in ``.tmp``, can be read back
    inside the block, and is on the disk (file and folder synced) before the rename counts. Raises :class:`OSError`.
    """
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with open(fresh, "w+b", opener=lambda name, _flags: os.open(name, _NEW_FILE, mode)) as file:
            yield file
            file.flush()
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
    finally:
        os.close(handle)
