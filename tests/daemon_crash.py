"""A daemon that is killed at a transaction: ``python -m tests.daemon_crash SIDE AT ROOT WORDS…``.

It dies just before, or just after, the commit of the first transaction with a statement that holds WORDS. What runs is
the product; the ledger's connection is watched from outside.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
from datetime import datetime
from pathlib import Path

from mmflow.__main__ import run_guarded
from mmflow.cli import Surroundings
from mmflow.clock import FixedClock
from tests.desk import KEY


def die() -> None:
    """End as by a power cut."""
    os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))


def watch(side: str, words: str) -> type[sqlite3.Connection]:
    """Give a connection that dies at the transaction with these words."""

    class Watched(sqlite3.Connection):
        seen = False

        def execute(self, statement: str, *values: object) -> sqlite3.Cursor:
            self.seen = self.seen or words in " ".join(statement.split())
            if statement == "COMMIT" and self.seen and side == "before":
                die()
            cursor = super().execute(statement, *values)
            if statement == "COMMIT" and self.seen:
                die()
            return cursor

    return Watched


def main(side: str, at: str, root: str, *words: str) -> int:
    """Do what is due once, and be killed on the way."""
    connect, watched = sqlite3.connect, watch(side, " ".join(words))
    sqlite3.connect = lambda path, **options: connect(path, **options, factory=watched)
    clock = FixedClock(datetime.fromisoformat(at))
    around = Surroundings(environ={**os.environ, "MM_BOSTON_KEY": KEY}, cwd=Path(root), clock=clock)
    return run_guarded(["daemon", "--once"], around)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
