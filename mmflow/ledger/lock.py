"""One at a time on this machine: locks that the operating system drops when the process ends, however it does."""

from __future__ import annotations

import errno
import os
import socket
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from weakref import WeakSet

from mmflow.atomic import make_private
from mmflow.errors import Busy, StateError

# Windows locks byte ranges and forbids reading them, so the locked byte lies far behind the text.
LOCKED_BYTE: Final = 1 << 30
# What the systems say when somebody else has the lock.
HELD: Final = frozenset({errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK})
PAUSE: Final = 0.05  # seconds between two looks at a lock that is waited for
GLANCE: Final = 0.2  # seconds that are always waited: somebody may only be looking whether it is held

if sys.platform == "win32":
    import msvcrt

    def lock_file(handle: int) -> None:
        """Lock or raise :class:`OSError` at once."""
        os.lseek(handle, LOCKED_BYTE, os.SEEK_SET)
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)

    def unlock_file(handle: int) -> None:
        """Unlock; only this process has the handle."""
        os.lseek(handle, LOCKED_BYTE, os.SEEK_SET)
        msvcrt.locking(handle, msvcrt.LK_UNLCK, 1)
else:
    import fcntl

    def lock_file(handle: int) -> None:
        """Lock or raise :class:`OSError` at once."""
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def unlock_file(handle: int) -> None:
        """Unlock, also for processes that have inherited the handle."""
        fcntl.flock(handle, fcntl.LOCK_UN)


class OsLock:
    """Held in a ``with`` block. A second holder gets :class:`Busy`, which names the first one's process.

    ``patience`` are the seconds for which a lock that is held is waited for, ``run`` is the run of a daemon that
    holds it. Raises :class:`StateError` where no lock can be made.
    """

    def __init__(self, path: Path, patience: float = GLANCE, run: str = "") -> None:
        self._path = path
        self._patience = patience
        self._run = run
        self._handle: int | None = None

    def __enter__(self) -> Self:
        # Not by a clock that is handed in: what is waited for is a real process.
        until = time.monotonic() + self._patience
        while not self.take():
            if time.monotonic() >= until:
                raise Busy(self.explain(self.owner))
            time.sleep(PAUSE)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def take(self) -> bool:
        """Take the lock; False when somebody has it."""
        try:
            make_private(self._path.parent)
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise StateError(f"the lock {self._path} cannot be made: {error}") from error
        try:
            lock_file(handle)
        except OSError as error:
            os.close(handle)
            if error.errno in HELD:
                return False
            advice = "keep .mmflow on a disk of this machine"
            raise StateError(f"{self._path} cannot be locked: {error}; {advice}") from error
        write_owner(handle, self._run)
        self._handle = handle
        _held.add(self)
        return True

    def is_held(self) -> bool:
        """Tell whether somebody has the lock; the file stays as it is."""
        try:
            handle = os.open(self._path, os.O_RDWR)
        except OSError:
            return False
        try:
            lock_file(handle)
        except OSError:
            return True
        finally:
            os.close(handle)
        return False

    def release(self) -> None:
        """Let go."""
        if self._handle is not None:
            with suppress(OSError):  # closing it does the same, but for what a sink has left behind and not closed
                unlock_file(self._handle)
            self.forget()

    def forget(self) -> None:
        """Close the handle; who else has inherited it still holds the lock."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
            _held.discard(self)

    @property
    def owner(self) -> str:
        """Say who has the lock, or had it last: ``process 4711 on plant-pc since 2026-11-22 06:40 UTC``."""
        try:
            words = self._read_words()[0]
            since = datetime.fromtimestamp(self._path.stat().st_mtime, UTC)
        except OSError:
            words = ""
        return f"{words} since {since:%Y-%m-%d %H:%M} UTC" if words else "another process"

    @property
    def run(self) -> str:
        """Give the daemon's run for which the lock is held, or was last; "" when it was taken by hand."""
        try:
            return self._read_words()[1]
        except OSError:
            return ""

    def _read_words(self) -> tuple[str, str]:
        owner, _, run = self._path.read_bytes()[:200].decode("utf-8", "replace").partition("\n")
        return owner, run

    def explain(self, owner: str) -> str:
        """Give the sentence for whoever finds the lock held."""
        return f"{self._path} is held by {owner}; wait until it is done"


_held: WeakSet[OsLock] = WeakSet()


def forget_locks() -> None:
    """Let a process that was forked hold no lock of its parent's, which it could outlive, nor undo one."""
    for lock in list(_held):
        lock.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=forget_locks)


class JobLock(OsLock):
    """Held while a job runs."""

    def __init__(self, folder: Path, job: str, run: str = "") -> None:
        super().__init__(folder / f"{job}.lock", run=run)
        self._job = job

    def explain(self, owner: str) -> str:
        """Give the sentence for whoever finds the job running; a daemon's process is not to be ended by hand."""
        if run := self.run:
            return (
                f"job {self._job!r} is being run by the daemon, in {owner}; wait until it ends, or end it: "
                f"mmflow cancel {run}"
            )
        return f"job {self._job!r} is being run by {owner}; wait until it ends, or end it"


class DaemonLock(OsLock):
    """Held by the one daemon of a ledger in a file; ``folder`` is the ledger's."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "state.lock")

    def explain(self, owner: str) -> str:
        """Give the sentence for a second daemon."""
        return (
            f"a daemon is at work already: {owner}; one is enough, and several need a ledger in PostgreSQL "
            "(state: {url: …} in mmflow.yaml)"
        )


def is_daemon_elsewhere(folder: Path) -> bool:
    """Tell whether another process is the daemon of the ledger in a folder."""
    return DaemonLock(folder).is_held() and not any(isinstance(mine, DaemonLock) for mine in _held)


def list_held(folder: Path) -> list[str]:
    """Say of each lock in a folder that is held what it is about and who has it."""
    held = []
    for path in sorted(folder.glob("*.lock")):
        lock = OsLock(path)
        if lock.is_held():
            held.append(f"{path.stem}: {lock.owner}")
    return held


def write_owner(handle: int, run: str = "") -> None:
    """Leave words for whoever finds the lock held; on a full disk there is room for none, and the lock holds.

    The daemon's run for which it is held stands in a line of its own.

    When the file was written is since when.
    """
    with suppress(OSError):
        os.ftruncate(handle, 0)
        os.lseek(handle, 0, os.SEEK_SET)
        words = f"process {os.getpid()} on {socket.gethostname()}"
        os.write(handle, (f"{words}\n{run}" if run else words).encode())
