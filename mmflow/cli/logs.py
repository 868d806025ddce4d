"""``mmflow logs``: what the daemon has logged, of one job or one run, as it comes if wished."""

from __future__ import annotations

import argparse
import logging
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import msgspec
from msgspec.structs import asdict

from mmflow.cli.output import Output
from mmflow.cli.runs import read_count
from mmflow.cli.session import Session, open_session
from mmflow.clock import Clock
from mmflow.errors import EXIT_OK, EXIT_USER, MmflowError, ProblemsError, UserError
from mmflow.logs import Line, list_files, read_lines

SUMMARY = "Show what the daemon has logged, of all, one job or one run."
EXAMPLES = """
mmflow logs                              the last 50 lines
mmflow logs morning-oee -n 200
mmflow logs 20261103T114002-7f3a19c4     all of one run
mmflow logs --level warning --follow     warnings and errors, as they come
"""
LEVELS = ("debug", "info", "warning", "error", "critical")
LOOK_EVERY = 0.5  # seconds


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare which lines."""
    parser.add_argument("job", metavar="JOB|RUN", nargs="?", default="", help="only lines of this job, or of this run")
    parser.add_argument("-n", dest="count", type=read_count, default=50, help="how many of the latest (default: 50)")
    parser.add_argument("--level", choices=LEVELS[:-1], default="debug", help="only lines as grave as that, or graver")
    parser.add_argument("--follow", "-f", action="store_true", help="go on until Ctrl+C; with --json a document a line")


def run(args: argparse.Namespace) -> int:
    """Print; exit code 2 when what is asked about is neither a job nor a run."""
    session = open_session(args, sinks=False)
    folder, out = session.state / "logs", session.out
    about = find_name(session, args.job)
    reader = Reader(about, logging.getLevelNamesMapping()[args.level.upper()])
    latest = reader.find_latest(folder, args.count)
    unknown = "" if latest or not about else explain_unknown(session, about)
    if unknown:
        out.note(unknown)
    if out.as_json and not args.follow:
        out.data({"logs": [asdict(line) for line in latest]})
        return EXIT_USER if unknown else EXIT_OK
    print_lines(out, latest)
    if args.follow:
        follow(folder, reader, out, session.around.clock)
    elif not latest and not unknown:
        out.note(f"nothing is logged about {about}" if about else "the daemon has logged nothing")
    return EXIT_USER if unknown else EXIT_OK


def find_name(session: Session, word: str) -> str:
    """Give the name of the job in a file that is named by its path, any other word as it is."""
    return (word.endswith(".yaml") and session.workspace.read_job(word, session.around.cwd).name) or word


def explain_unknown(session: Session, about: str) -> str:
    """Say that a word is neither a job nor a run, with the name that it is nearest to; "" when it is one."""
    with suppress(MmflowError), session.open_ledger() as ledger:
        if ledger.find_run(about) or ledger.slots.list_recent(about, 1) or ledger.slots.read_job(about):
            return ""
    try:
        session.workspace.read_job(about, session.around.cwd)
    except ProblemsError:  # it is there
        return ""
    except UserError as error:
        found, _, hint = str(error).partition("; ")
        return f"{found}, and no run of that name; {hint}"
    return ""


@dataclass(slots=True)
class Reader:
    """Reads the lines that are asked for, and knows how far it has read each file."""

    about: str
    least: int
    places: dict[Path, int] = field(default_factory=dict)

    def find_latest(self, folder: Path, count: int) -> list[Line]:
        """Give the latest lines, the oldest first."""
        found: list[Line] = []
        for path in reversed(list_files(folder)):
            if len(found) < count:
                found = [*deque(self.read(path), maxlen=count - len(found)), *found]
            with suppress(FileNotFoundError):  # the daemon removes what is old
                self.places.setdefault(path, path.stat().st_size)
        return found

    def read(self, path: Path) -> Iterator[Line]:
        """Give the lines of a file that were not read yet."""
        for line, offset in read_lines(path, self.places.get(path, 0)):
            self.places[path] = offset
            if self.is_asked(line):
                yield line

    def is_asked(self, line: Line) -> bool:
        """Tell whether a line is among those that are asked for."""
        grave = logging.getLevelNamesMapping().get(line.level.upper(), logging.INFO)
        return grave >= self.least and self.about in ("", line.job, line.run)


def print_lines(out: Output, lines: Iterable[Line]) -> None:
    """Print each as one line, or as one document a line."""
    for line in lines:
        if out.as_json:
            out.copy(msgspec.json.encode(asdict(line)).decode())
        else:
            out.line(f"{line.time:%Y-%m-%d} {line.show()}")


def follow(folder: Path, reader: Reader, out: Output, clock: Clock) -> NoReturn:
    """Print what is added, until somebody interrupts it."""
    while True:
        out.flush()
        clock.sleep(LOOK_EVERY)
        for path in list_files(folder):
            print_lines(out, reader.read(path))
