"""A command that is killed just before its n-th effect on the disk: ``python -m tests.crash ROOT N WORDS…``.

Where processes can be forked, ``python -m tests.crash`` alone holds what such commands import, and forks one for each
line of its input: to import it takes longer than most of them live. :func:`open_crashes` is the other end.

Effects are what a crash can come between: a file opened for writing, a rename, a removal, a new folder, an fsync, and
the begin and the commit of a transaction. ``N`` is 0 to be killed never; the count is then printed. What the product
runs is the product: the interpreter's audit hook tells about files, and fsync and SQLite are watched from outside.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from threading import Lock
from typing import TypeAlias

from mmflow.__main__ import run_guarded
from mmflow.cli import Surroundings
from mmflow.clock import FixedClock
from tests.desk import KEY, NOW

Done: TypeAlias = subprocess.CompletedProcess[str]
Crash: TypeAlias = Callable[..., Done]

ROOT = Path(__file__).parents[1]
COMMAND = [sys.executable, "-m", "tests.crash"]
# What a run imports when it needs it, some of it by the name of a function.
WARM = ("mmflow.cli.run", "mmflow.cli.resend", "mmflow.api.client", "mmflow_excel.deliver", "mmflow_files.deliver")
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


def serve() -> None:
    """Fork a command for each line, and answer with the code by which it ended; its words go to two files."""
    for module in WARM:
        import_module(module)
    for line in sys.stdin:
        task = json.loads(line)
        child = os.fork()
        if not child:
            for stream in (1, 2):
                os.dup2(os.open(task["said"][stream - 1], os.O_WRONLY), stream)
            sys.exit(main(Path(task["root"]), task["fatal"], task["words"]))
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


@contextmanager
def open_crashes(folder: Path) -> Iterator[Crash]:
    """Give what runs a command of mmflow that is killed before its n-th effect: ``crash(root, n, *words)``."""
    if not hasattr(os, "fork"):
        yield crash_anew
        return
    with subprocess.Popen(COMMAND, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        yield partial(crash_warm, server, folder / "out", folder / "err")
        server.kill()


def crash_anew(root: Path, fatal: int, *words: str) -> Done:
    """Run a command in a process that imports everything for itself."""
    command = [*COMMAND, str(root), str(fatal), *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)


def crash_warm(server: subprocess.Popen[str], out: Path, err: Path, root: Path, fatal: int, *words: str) -> Done:
    """Let the process that forks run a command."""
    assert server.stdin
    assert server.stdout
    out.write_bytes(b"")
    err.write_bytes(b"")
    task = {"root": str(root), "fatal": fatal, "words": words, "said": [str(out), str(err)]}
    server.stdin.write(json.dumps(task) + "\n")
    server.stdin.flush()
    code = int(server.stdout.readline())
    return Done(words, code, out.read_text(encoding="utf-8"), err.read_text(encoding="utf-8"))


if __name__ == "__main__":
    if not sys.argv[1:]:
        serve()
    else:
        sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]))
