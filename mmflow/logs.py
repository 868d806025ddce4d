"""Log lines that know which job, run, site and sink they are about, written so that no log can stop the work it is of.

A handler formats and redacts a line where it arises and leaves the writing to a thread of its own. When whoever reads
is slow or gone, or the disk is full, lines are dropped and counted; nothing is raised, and nobody waits.
"""

from __future__ import annotations

import logging
import os
import re
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, Self, TextIO

import msgspec

from mmflow.atomic import make_private
from mmflow.clock import Clock, SystemClock
from mmflow.refs import LONGEST_LINE, Redactor
from mmflow.text import make_encodable, show_lines

Form = Literal["json", "text"]

FACTS: Final = ("job", "slot", "run", "site", "sink")  # what a line may be about, in the order in which it is shown
KEPT: Final = timedelta(days=14)
MOST_WAITING: Final = 10_000  # lines; a thousand runs at once have no more to say
FILE_NAME: Final = "daemon-{day}.jsonl"
_FILE_DAY: Final = re.compile(r"daemon-(\d{4}-\d{2}-\d{2})\.jsonl")
_OPEN: Final = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)

_bound: ContextVar[Mapping[str, str]] = ContextVar("mmflow_log_facts", default={})  # noqa: B039  # never changed


@contextmanager
def bind(**facts: str | datetime | None) -> Iterator[None]:
    """Have every line that is logged inside the block, by this thread, carry these facts; see :data:`FACTS`.

    Those bound outside stay. None and "" bind nothing.
    """
    texts = {name: show_fact(fact) for name, fact in facts.items() if fact}
    token = _bound.set({**_bound.get(), **texts})
    try:
        yield
    finally:
        _bound.reset(token)


def show_fact(fact: str | datetime) -> str:
    """Write an instant in UTC, to the second."""
    return f"{fact.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if isinstance(fact, datetime) else fact


class Line(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of a log. ``time`` is UTC, ``level`` in small letters, ``error`` the traceback, without local values."""

    time: datetime
    level: str
    logger: str
    message: str
    job: str = ""
    slot: str = ""
    run: str = ""
    site: str = ""
    sink: str = ""
    error: str = ""

    def show(self) -> str:
        """Give the line as a terminal shows it."""
        about = " ".join(filter(None, (self.job, self.run, self.site, self.sink)))
        head = f"{self.time:%H:%M:%S} {self.level:<7} "
        return show_lines(head + (f"{about}: " if about else "") + self.message + (self.error and f"\n{self.error}"))


def make_line(record: logging.LogRecord, redactor: Redactor, clock: Clock) -> Line:
    """Give what a record says, with the facts bound now and without secrets."""
    try:
        message = record.getMessage()
    except Exception:  # noqa: BLE001  # whatever an argument does when it is shown
        message = f"{record.msg} (its arguments cannot be shown)"
    error = logging.Formatter().formatException(record.exc_info) if record.exc_info and record.exc_info[1] else ""
    return Line(
        time=clock.now(),
        level=record.levelname.lower(),
        logger=record.name,
        message=make_encodable(redactor.shorten(message, LONGEST_LINE)),
        error=make_encodable(redactor.shorten(error, LONGEST_LINE)),
        **{name: redactor.redact(fact) for name, fact in _bound.get().items() if name in FACTS},
    )


class SteadyHandler(logging.Handler):
    """Hands lines to ``write`` in a thread of its own; what cannot be written, or waits too long, is dropped.

    ``end`` is called by that thread when it is closed and all is written.
    """

    def __init__(
        self,
        write: Callable[[Line], None],
        redactor: Redactor,
        clock: Clock,
        most: int = MOST_WAITING,
        end: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__()
        self._write, self._end = write, end
        self._redactor = redactor
        self._clock = clock
        self._most = most
        self._waiting: deque[Line] = deque()
        self._change = threading.Condition()
        self._ended = False
        self._untold = 0  # lines lost since a line could be written
        self.dropped = 0
        self._thread = threading.Thread(target=self._work, name="mmflow-log", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Put a line in the queue; never raises, never waits for a writer."""
        try:
            line = make_line(record, self._redactor, self._clock)
            with self._change:
                if len(self._waiting) < self._most and not self._ended:
                    self._waiting.append(line)
                    self._change.notify()
                else:
                    self._lose()
        except Exception:  # noqa: BLE001  # a log that fails is no reason for the work to fail
            self._lose()

    def close(self, patience: float = 2.0) -> None:
        """Write what waits, for so many seconds at most."""
        with self._change:
            self._ended = True
            self._change.notify()
        self._thread.join(patience)
        super().close()

    def _work(self) -> None:
        while line := self._next():
            try:
                if self._untold:
                    self._write(self._tell_lost(self._untold))
                    self._untold = 0
                self._write(line)
            except Exception:  # noqa: BLE001  # EPIPE, a full disk, a stream that somebody closed
                self._lose()
        self._end()

    def _next(self) -> Line | None:
        with self._change:
            while not self._waiting and not self._ended:
                self._change.wait()
            return self._waiting.popleft() if self._waiting else None

    def _lose(self) -> None:
        with self._change:
            self.dropped += 1
            self._untold += 1

    def _tell_lost(self, count: int) -> Line:
        text = f"{count} lines of this log were dropped: it could not be written, or was read too slowly"
        return Line(time=self._clock.now(), level="warning", logger=__name__, message=text)


class StreamWriter:
    """Writes lines to a stream such as stderr, past its buffer, so that no lock is left held by a stalled reader."""

    def __init__(self, stream: TextIO, form: Form) -> None:
        self._stream = stream
        self._form = form

    def __call__(self, line: Line) -> None:
        """Write one line; raises :class:`OSError`."""
        text = msgspec.json.encode(line).decode() if self._form == "json" else line.show()
        try:
            handle = self._stream.fileno()
        except (OSError, AttributeError):  # a stream in memory
            self._stream.write(text + "\n")
            return
        encoding = "utf-8" if self._form == "json" else self._stream.encoding or "utf-8"
        write_whole(handle, (text + "\n").encode(encoding, "backslashreplace"))


class DayFiles:
    """Appends lines to one file a day (UTC) and removes those older than :data:`KEPT`.

    Each process has the file open by itself and adds whole lines; nothing is ever renamed, which Windows would refuse.
    """

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock
        self._day: date | None = None
        self._handle = -1
        self._torn = False  # the disk took the beginning of a line only

    def __call__(self, line: Line) -> None:
        """Append one line; raises :class:`OSError`."""
        if (day := self._clock.now().date()) != self._day:
            self.close()
            self._open(day)
        begin, self._torn = b"\n" * self._torn, True
        write_whole(self._handle, begin + msgspec.json.encode(line) + b"\n")
        self._torn = False

    def close(self) -> None:
        """Let the file go."""
        handle, self._handle, self._day = self._handle, -1, None
        if handle >= 0:
            with suppress(OSError):  # whatever the disk says, it is closed
                os.close(handle)

    def _open(self, day: date) -> None:
        make_private(self._folder)
        self._handle = os.open(self._folder / FILE_NAME.format(day=day), _OPEN, 0o600)
        self._day = day
        for old in list_files(self._folder):
            if file_day(old) < day - KEPT:
                with suppress(OSError):  # another process has it open, or has removed it
                    old.unlink()


def write_whole(handle: int, content: bytes) -> None:
    """Write all of it, also where the system takes a part at a time."""
    while content:
        content = content[os.write(handle, content) :]


def list_files(folder: Path) -> list[Path]:
    """Give the files of a log folder, the oldest first."""
    found = [path for path in folder.glob("daemon-*.jsonl") if _FILE_DAY.fullmatch(path.name)]
    return sorted(found)


def file_day(path: Path) -> date:
    """Give the day of a log file, by its name."""
    match = _FILE_DAY.fullmatch(path.name)
    assert match, "listed by its name"
    with suppress(ValueError):
        return date.fromisoformat(match[1])
    return date.max  # no day at all: nobody's to remove


class Logs:
    """All logging of this process, from :func:`open_logs` until it is closed; then it is as it was before."""

    def __init__(self, handlers: Iterable[SteadyHandler], level: int) -> None:
        self._handlers = tuple(handlers)
        root, own = logging.getLogger(), logging.getLogger("mmflow")
        self._before = [(log, log.handlers, log.level, log.propagate) for log in (root, own)]
        root.handlers, own.handlers = [*self._handlers], []
        own.propagate = True
        root.setLevel(logging.WARNING)  # of what libraries say
        own.setLevel(level)

    @property
    def dropped(self) -> int:
        """How many lines were dropped, of all places that they go to."""
        return sum(handler.dropped for handler in self._handlers)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Write what waits, for two seconds at most, and put logging back."""
        for log, handlers, level, propagate in self._before:
            log.handlers, log.propagate = handlers, propagate
            log.setLevel(level)
        for handler in self._handlers:
            handler.close()


def open_logs(
    folder: Path | None,
    redactor: Redactor,
    *,
    stream: TextIO | None = None,
    form: Form = "text",
    clock: Clock | None = None,
    level: int = logging.INFO,
) -> Logs:
    """Send what this process logs to the day files of ``folder``, and to ``stream``; never raises.

    ``form`` is that of the stream. mmflow's own lines count from ``level`` on, those of libraries from warnings on.
    """
    clock = clock or SystemClock()
    handlers = []
    if folder is not None:
        files = DayFiles(folder, clock)
        handlers.append(SteadyHandler(files, redactor, clock, end=files.close))
    if stream is not None:
        handlers.append(SteadyHandler(StreamWriter(stream, form), redactor, clock))
    return Logs(handlers, level)


def read_lines(path: Path, offset: int = 0) -> Iterator[tuple[Line, int]]:
    """Give the whole lines of a file from an offset on, each with the offset behind it; what is no line is left out.

    One that has just been removed, since it was old, has none.
    """
    with suppress(FileNotFoundError), path.open("rb") as file:
        file.seek(offset)
        for text in file:
            offset += len(text)
            if not text.endswith(b"\n"):  # somebody is writing it now
                break
            with suppress(msgspec.DecodeError):
                yield msgspec.json.decode(text, type=Line), offset
