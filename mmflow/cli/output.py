"""What commands print: text in aligned columns for people, JSON for programs, both without secrets."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, redirect_stdout
from io import TextIOWrapper
from threading import Lock
from typing import Final, TextIO

import msgspec

from mmflow.document import change_texts
from mmflow.refs import Redactor
from mmflow.table.columns import align_texts
from mmflow.text import show_lines, show_text

WIDEST_CELL: Final = 200  # places of a terminal


class Output:
    """The one place where a command writes, from any thread; that carries no secret and steers no terminal."""

    def __init__(self, stdout: TextIO, stderr: TextIO, redactor: Redactor, *, as_json: bool) -> None:
        self.as_json = as_json
        self._stdout = stdout
        self._stderr = stderr
        self._redactor = redactor
        self._lock = Lock()
        self._pending = False  # the cursor stands behind a line of progress

    def line(self, text: str = "") -> None:
        """Print a line for a person."""
        self._write(self._stdout, show_lines(self._redactor.redact(text)))

    def copy(self, text: str) -> None:
        """Print what is meant for a file or another program as it is; a terminal is told nothing by it."""
        redacted = self._redactor.redact(text)
        shown = map(show_text, redacted.expandtabs().splitlines()) if self._stdout.isatty() else [redacted]
        self._write(self._stdout, "\n".join(shown))

    def note(self, text: str) -> None:
        """Print a line to stderr: warnings and what is going on."""
        self._write(self._stderr, show_lines(self._redactor.redact(text)))

    def data(self, document: object) -> None:
        """Print one JSON document, in UTF-8 whatever the terminal is set to; times are ISO 8601 with offset."""
        # Redacted before it is encoded, so that the result is JSON whatever a secret looks like.
        plain = change_texts(msgspec.to_builtins(document), lambda text, _path: self._redactor.redact(text))
        if isinstance(self._stdout, TextIOWrapper):
            self._stdout.reconfigure(encoding="utf-8")
        self._write(self._stdout, msgspec.json.format(msgspec.json.encode(plain), indent=2).decode())

    def table(self, headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Print aligned columns; numbers stand right, everything else left."""
        listed = [list(row) for row in rows]
        right = [
            bool(listed) and all(isinstance(row[place], int | float | None) for row in listed)
            for place in range(len(headings))
        ]
        texts = [["" if cell is None else " ".join(str(cell).splitlines()) for cell in row] for row in listed]
        for text in align_texts(headings, texts, right, widest=WIDEST_CELL):
            self.line(text)

    def progress(self, text: str) -> None:
        """Show how far long work is, on a terminal only, overwriting the line before; "" when it has ended."""
        if not self._stderr.isatty():
            return
        with self._lock:
            self._clear_progress()
            self._stderr.write(show_text(self._redactor.redact(text)))
            self._stderr.flush()
            self._pending = bool(text)

    def flush(self) -> None:
        """Let what was printed be seen now, also by another program."""
        self._stdout.flush()

    def _write(self, stream: TextIO, text: str) -> None:
        with self._lock:
            self._clear_progress()
            stream.write(text + "\n")

    def _clear_progress(self) -> None:
        if self._pending:
            self._stderr.write("\r\x1b[K")
            self._stderr.flush()
            self._pending = False


class NoteHandler(logging.Handler):
    """Prints log lines as notes, so that they and a line of progress do not run into each other."""

    def __init__(self, out: Output) -> None:
        super().__init__()
        self._out = out

    def emit(self, record: logging.LogRecord) -> None:
        """Print the line; one that cannot be printed is no reason to stop the work it tells about."""
        try:
            self._out.note(self.format(record))
        except Exception:  # noqa: BLE001  as every handler of the standard library does
            self.handleError(record)


@contextmanager
def quiet_stdout(out: Output) -> Iterator[None]:
    """Send what sinks print to stderr while stdout is to hold one JSON document and nothing else."""
    with redirect_stdout(sys.stderr) if out.as_json else nullcontext():
        yield
