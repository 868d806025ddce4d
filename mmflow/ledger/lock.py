"""One execution of a job at a time on this machine: a lock that the operating system drops when the process ends."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from mmflow.atomic import make_private
from mmflow.errors import StateError

# Windows locks byte ranges and forbids reading them, so the locked byte lies far behind the text.
LOCKED_BYTE = 1 << 30
# What the systems say when somebody else has the lock.
HELD = frozenset({errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK})

if sys.platform == "win32":
    import msvcrt

    def lock_file(handle: int) -> None:
        """Lock or raise :class:`OSError` at once."""
        os.lseek(handle, LOCKED_BYTE, os.SEEK_SET)
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def lock_file(handle: int) -> None:
        """Lock or raise :class:`OSError` at once."""
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


class JobLock:
    """Held while a job runs. A second holder gets :class:`StateError`, which names the first one's process."""

    def __init__(self, folder: Path, job: str) -> None:
        self._path = folder / f"{job}.lock"
        self._job = job
        self._handle: int | None = None

    def __enter__(self) -> Self:
        try:
            make_private(self._path.parent)
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise StateError(f"the lock {self._path} cannot be made: {error}") from error
        try:
            lock_file(handle)
        except OSError as error:
            owner = read_owner(handle)
            os.close(handle)
            raise StateError(self._explain(error, owner)) from error
        write_owner(handle)
        self._handle = handle
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def _explain(self, error: OSError, owner: str) -> str:
        if error.errno in HELD:
            return f"job {self._job!r} is being run by {owner}; wait until it ends, or end it"
        return f"{self._path} cannot be locked: {error}; keep .mmflow on a disk of this machine"


def read_owner(handle: int) -> str:
    """Give the words the holder left in the file."""
    os.lseek(handle, 0, os.SEEK_SET)
    return os.read(handle, 200).decode("utf-8", "replace") or "another process"


def write_owner(handle: int) -> None:
    """Leave words for whoever finds the lock held; on a full disk there is room for none, and the lock holds."""
    with suppress(OSError):
        os.ftruncate(handle, 0)
        os.lseek(handle, 0, os.SEEK_SET)
        os.write(handle, f"process {os.getpid()}".encode())
