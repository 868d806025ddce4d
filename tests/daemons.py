"""Real daemons in processes of their own, by the machine's clock or by one that runs faster.

``python -m tests.daemons START REAL SPEED WORDS…`` is a command of mmflow by a fast clock.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from mmflow.__main__ import run_guarded
from mmflow.cli import Surroundings
from tests.desk import KEY

ROOT = Path(__file__).parents[1]
PATIENCE = 90.0  # seconds for what takes one or two, on a machine that does much else


@dataclass(frozen=True)
class FastClock:
    """A clock that began at ``start`` when the machine's showed ``real``, and runs ``speed`` times as fast.

    ``stepped`` is a file: what stands there, in seconds, is added to the wall, as if somebody had set it.
    """

    start: datetime
    real: float
    speed: float = 1.0
    stepped: str = ""

    def now(self) -> datetime:
        return self.start + timedelta(seconds=(time.time() - self.real) * self.speed) + self._step()

    def monotonic(self) -> float:
        return (time.time() - self.real) * self.speed

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds / self.speed)

    def _step(self) -> timedelta:
        try:
            return timedelta(seconds=float(Path(self.stepped).read_text(encoding="utf-8")))
        except (OSError, ValueError):
            return timedelta()


@dataclass
class RealDaemon:
    """A daemon that runs, or ran, on a root."""

    root: Path
    process: subprocess.Popen[bytes]
    log: Path
    environ: dict[str, str] = field(repr=False)

    def wait_for(self, what: Callable[[], Any], seconds: float = PATIENCE) -> Any:
        """Wait until a question has an answer that is true, and give it."""
        end = time.monotonic() + seconds
        while not (found := what()):
            assert self.process.poll() is None, f"the daemon ended: {self.text}"
            assert time.monotonic() < end, f"in {seconds} s never: {self.text}"
            time.sleep(0.05)
        return found

    def wait_text(self, text: str, seconds: float = PATIENCE) -> None:
        """Wait until the log holds a text."""
        self.wait_for(lambda: text in self.text, seconds)

    @property
    def text(self) -> str:
        """What it logged."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    @property
    def lines(self) -> list[dict[str, Any]]:
        """What it logged, as JSON documents."""
        return [json.loads(line) for line in self.text.splitlines() if line.startswith("{")]

    def send(self, number: int) -> None:
        """Send a signal."""
        os.kill(self.process.pid, number)

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        self.process.wait(10)

    def stop(self, seconds: float = PATIENCE) -> int:
        """Tell it to stop and give its exit code."""
        self.send(signal.SIGTERM)
        return self.process.wait(seconds)


def start_daemon(
    root: Path,
    *words: str,
    start: datetime | None = None,
    real: float | None = None,
    speed: float = 1.0,
    environ: dict[str, str] | None = None,
    module: str = "tests.daemons",
    by: Sequence[str] = (),
) -> RealDaemon:
    """Start ``mmflow daemon`` on a root; its clock shows ``start``, the machine's time unless given.

    It does so when the machine's own clock shows ``real``: now unless given. ``by`` is a command that starts it.
    """
    log = root / f"daemon-{time.monotonic_ns()}.log"
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    around = {**inherited, "MM_BOSTON_KEY": KEY, **(environ or {})}
    at = start or datetime.now(UTC)
    given = [at.isoformat(), str(real or time.time()), str(speed)]
    command = [*by, sys.executable, "-m", module, *given, "daemon", "--root", str(root), *words]
    with log.open("wb") as file:
        process = subprocess.Popen(command, cwd=ROOT, env=around, stdout=file, stderr=file)
    return RealDaemon(root, process, log, around)


@contextmanager
def running_daemon(root: Path, *words: str, **options: Any) -> Iterator[RealDaemon]:
    """Start a daemon that does not outlive the block."""
    daemon = start_daemon(root, *words, **options)
    try:
        yield daemon
    finally:
        if daemon.process.poll() is None:
            daemon.kill()


def ask(root: Path, question: str, *values: str) -> list[tuple[Any, ...]]:
    """Ask the ledger of a root, from outside; nothing while there is none."""
    path = root / ".mmflow" / "ledger.sqlite"
    if not path.exists():
        return []
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=20)) as connection:
        try:
            return connection.execute(question, values).fetchall()
        except sqlite3.OperationalError:  # it is being made
            return []


def slots(root: Path, job: str = "daily") -> list[tuple[str, str, str]]:
    """Give due instant, state and reason of the slots of a job, the oldest first."""
    return ask(root, "SELECT due, state, reason FROM slot WHERE job = ? ORDER BY due, kind", job)


def set_clock(root: Path, seconds: float) -> None:
    """Set the wall of the daemons of a root so much forward from now on."""
    draft = root / "step.tmp"
    draft.write_text(str(seconds), encoding="utf-8")
    draft.replace(root / "step")


def main(start: str, real: str, speed: str, *words: str) -> int:
    """Run a command by a fast clock."""
    from tests.daemons import FastClock as Clock  # by its own name, not __main__'s, so that workers find it

    root = words[words.index("--root") + 1]
    clock = Clock(datetime.fromisoformat(start), float(real), float(speed), str(Path(root) / "step"))
    return run_guarded(list(words), Surroundings(environ=dict(os.environ), cwd=ROOT, clock=clock))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
