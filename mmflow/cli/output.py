"""What commands print: text in aligned columns for people, JSON for programs, both without secrets."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, redirect_stdout
from typing import TextIO

import msgspec

from mmflow.document import change_texts
from mmflow.refs import Redactor
from mmflow.table.columns import align_texts


class Output:
    """The one place where a command writes; what it prints carries no secret."""

    def __init__(self, stdout: TextIO, stderr: TextIO, redactor: Redactor, *, as_json: bool) -> None:
        self.as_json = as_json
        self._stdout = stdout
        self._stderr = stderr
        self._redactor = redactor

    def line(self, text: str = "") -> None:
        """Print a line for a person."""
        self._stdout.write(self._redactor.redact(text) + "\n")

    def note(self, text: str) -> None:
        """Print a line to stderr: warnings and what is going on."""
        self._stderr.write(self._redactor.redact(text) + "\n")

    def data(self, document: object) -> None:
        """Print one JSON document; times are ISO 8601 with offset."""
        # Redacted before it is encoded, so that the result is JSON whatever a secret looks like.
        plain = change_texts(msgspec.to_builtins(document), lambda text, _path: self._redactor.redact(text))
        self._stdout.write(msgspec.json.format(msgspec.json.encode(plain), indent=2).decode() + "\n")

    def table(self, headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Print aligned columns; numbers stand right, everything else left."""
        listed = [list(row) for row in rows]
        right = [
            bool(listed) and all(isinstance(row[place], int | float | None) for row in listed)
            for place in range(len(headings))
        ]
        texts = [["" if cell is None else str(cell) for cell in row] for row in listed]
        for text in align_texts(headings, texts, right):
            self.line(text)

    def progress(self, text: str) -> None:
        """Show how far long work is, on a terminal only, overwriting the line before."""
        if self._stderr.isatty():
            self._stderr.write("\r\x1b[K" + self._redactor.redact(text))
            self._stderr.flush()


@contextmanager
def quiet_stdout(out: Output) -> Iterator[None]:
    """Send what sinks print to stderr while stdout is to hold one JSON document and nothing else."""
    with redirect_stdout(sys.stderr) if out.as_json else nullcontext():
        yield
