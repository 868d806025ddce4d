"""A command that is killed just before its n-th effect on the disk: ``python -m tests.crash ROOT N WORDS…``.

Effects are what a crash can come between: a file opened for writing, a rename, a removal, a new folder, an fsync, and
the begin and the commit of a transaction. ``N`` is 0 to be killed never; the count is then printed. What the product
runs is the product: the interpreter's audit hook tells about files, and fsync and SQLite are watched from outside.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Lock

from mmflow.__main__ import run_guarded
from mmflow.cli import Surroundings
from mmflow.clock import FixedClock
from tests.desk import KEY, NOW

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
EVENTS = frozenset({"os.rename", "os.remove", "os.rmdir", "os.mkdir"})


class Effects:
    """Counts what happens under a root, and kills this process, as a power cut would, before the n-th."""

    def __init__(self, root: Path, fatal: int) -> None:
        self.root = str(root)
        self.fatal = fatal
        self.count = 0
        self._lock = Lock()

    def happen(self) -> None:
        """Count one effect."""
        with self._lock:
            self.count += 1
            if self.count == self.fatal:
                os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))

    def hear(self, event: str, args: tuple[object, ...]) -> None:
        """Listen to the interpreter."""
        if event == "open":
            path, _, flags = args
            if isinstance(flags, int) and flags & WRITING and str(path).startswith(self.root):
                self.happen()
        elif event in EVENTS and str(args[0]).startswith(self.root):
            self.happen()

    def watch_call(self, call: Callable[..., object]) -> Callable[..., object]:
        """Give a function that counts before it does the same."""

        def watched(*args: object) -> object:
            self.happen()
            return call(*args)

        return watched

    def watch_ledger(self) -> type[sqlite3.Connection]:
        """Give a connection that counts the borders of transactions, after a commit too."""
        happen = self.happen

        class Watched(sqlite3.Connection):
            def execute(self, statement: str, *values: object) -> sqlite3.Cursor:
                if statement.startswith(("BEGIN", "COMMIT")):
                    happen()
                cursor = super().execute(statement, *values)
                if statement == "COMMIT":
                    happen()
                return cursor

        return Watched


def main(root: Path, fatal: int, words: list[str]) -> int:
    """Run a command of mmflow and be killed on the way."""
    effects = Effects(root, fatal)
    connect, watched = sqlite3.connect, effects.watch_ledger()
    sqlite3.connect = lambda path, **options: connect(path, **options, factory=watched)
    os.fsync = effects.watch_call(os.fsync)
    sys.addaudithook(effects.hear)
    code = run_guarded(words, Surroundings(environ={"MM_BOSTON_KEY": KEY}, cwd=root, clock=FixedClock(NOW)))
    if not fatal:
        sys.stdout.write(f"effects: {effects.count}\n")
    return code


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]))
