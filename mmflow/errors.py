"""Every error of mmflow, in a tree by what to do next.

::

    MmflowError                     exit code
    ├── UserError                   2    the user's files or command line are wrong: say what and how to mend it
    │   ├── ProblemsError           2    many problems found at once, each with file, line and column
    │   └── UnresolvedReference     2    ${env:NAME} or ${file:path} has no value
    ├── RunError                    1    a run or a delivery did not work
    │   ├── TryLater                1    the same call may work in a while (``after`` seconds, when known)
    │   ├── GiveUp                  1    trying again cannot help: key revoked, disk read-only, answer unusable
    │   │   ├── BadRequest          2    the service refused what was asked: a metric, group or name it does not know
    │   │   ├── KeyRefused          1    the service does not know the key, or not for reports
    │   │   └── BadResponse         1    an answer came that cannot be one: HTML, half a file, an error as a success
    │   ├── Unknown                 1    it may or may not have happened (the connection died after the last byte)
    │   └── Held                    1    the gate stopped the report; why is recorded, nobody gets it
    └── StateError                  4    the ledger is locked, damaged or from a newer version
        └── Busy                    4    somebody else is at it right now: wait, then try again

Anything else that escapes is our bug (exit code 3) and leaves a log worth pasting. Messages say what was found, what
was expected and what to do, start in lower case, and never contain a secret.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

EXIT_OK = 0
EXIT_RUN = 1
EXIT_USER = 2
EXIT_BUG = 3
EXIT_STATE = 4
EXIT_INTERRUPTED = 130

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing wrong in one file. Ordered by file, line, column.

    ``line`` and ``column`` count from 1; 0 means that the whole file is meant. ``path`` is the YAML path
    (``report.metrics[1]``), ``id`` a stable word for suppressing (``unknown-metric``), ``hint`` what to do.
    """

    file: str
    line: int
    column: int
    path: str = ""
    message: str = ""
    hint: str = ""
    severity: Severity = "error"
    id: str = ""

    def __str__(self) -> str:
        where = self.file + (f":{self.line}:{self.column}" if self.line else "")
        what = f"{self.path}: {self.message}" if self.path else self.message
        kind = "warning: " if self.severity == "warning" else ""
        tail = f" [{self.id}]" if self.severity == "warning" and self.id else ""
        return f"{where}: {kind}{what}" + (f"; {self.hint}" if self.hint else "") + tail


class MmflowError(Exception):
    """Root of all expected errors. ``exit_code`` is what the command line ends with."""

    exit_code = EXIT_RUN


class UserError(MmflowError):
    """What the user wrote, in a file or on the command line, cannot be used as it stands."""

    exit_code = EXIT_USER


class ProblemsError(UserError):
    """All problems of the files that were read, sorted by file, line and column."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(sorted(problems))
        super().__init__(describe_problems(self.problems))


class UnresolvedReference(UserError):
    """A reference has no value: it is malformed, the variable is unset, or the file cannot be read.

    ``message`` names the variable or the file, never a value; ``hint`` says what to do.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(f"{message}; {hint}" if hint else message)
        self.message = message
        self.hint = hint


class RunError(MmflowError):
    """A run or a delivery did not reach its end."""


class TryLater(RunError):
    """The same call may work in a while: ``after`` seconds when the other side said so, else by the rule."""

    def __init__(self, message: str, *, after: float | None = None) -> None:
        super().__init__(message)
        self.after = after


class GiveUp(RunError):
    """Trying again cannot help; somebody has to change something first."""


@dataclass(frozen=True, slots=True)
class Complaint:
    """One thing that the service refused, or that we know it would.

    ``field`` names the part of the request (``data``, ``filter.machine``), ``word`` what the job wrote there.
    """

    field: str
    message: str
    word: str = ""
    hint: str = ""

    def __str__(self) -> str:
        return self.message + (f"; {self.hint}" if self.hint else "")


class BadRequest(GiveUp):
    """The service cannot answer what was asked; ``complaints`` say why, for mapping them to lines of the job."""

    exit_code = EXIT_USER

    def __init__(self, message: str, complaints: Iterable[Complaint] = ()) -> None:
        self.complaints: tuple[Complaint, ...] = tuple(complaints)
        super().__init__("; ".join([message, *map(str, self.complaints)]))


class KeyRefused(GiveUp):
    """The service does not know the key, or does not let it ask for reports; the message names it, not its value."""


class BadResponse(GiveUp):
    """An answer came, and it cannot be one: not JSON, not whole, too large, or an error that claims success."""


class Unknown(RunError):
    """The effect may or may not have taken place, and nobody can tell from here."""


class Held(RunError):
    """The gate stopped the report. ``reasons`` are sentences, which the ledger keeps with the run.

    ``passing`` tells whether all of them may be gone in a while.
    """

    def __init__(self, reasons: Iterable[str], *, passing: bool = False) -> None:
        self.reasons: tuple[str, ...] = tuple(reasons)
        self.passing = passing
        super().__init__("held: " + "; ".join(self.reasons))


class StateError(MmflowError):
    """The ledger cannot be used: locked by another process, damaged, or written by a newer version."""

    exit_code = EXIT_STATE


class Busy(StateError):
    """Somebody else is at work where only one may be."""


def raise_errors(problems: Iterable[Problem]) -> None:
    """Raise :class:`ProblemsError` with all of these when at least one of them is an error, not only a warning."""
    listed = list(problems)
    if any(problem.severity == "error" for problem in listed):
        raise ProblemsError(listed)


def describe_problems(problems: Iterable[Problem]) -> str:
    """Give the text a terminal shows: one line a problem, then ``2 problems in 1 file``."""
    listed = sorted(problems)
    files = len({p.file for p in listed})
    count = f"{len(listed)} problem{'s' * (len(listed) != 1)} in {files} file{'s' * (files != 1)}"
    return "\n".join([*map(str, listed), count])


def suggest_name(word: str, candidates: Iterable[str], *, least: float = 0.6) -> str:
    """Give the candidate that was most likely meant, or "" when none is near. Letter case does not count.

    ``least`` is how alike two words have to be, from 0 to 1, as :func:`difflib.get_close_matches` counts.
    """
    by_low = {name.lower(): name for name in sorted(candidates, reverse=True)}
    near = difflib.get_close_matches(word.lower(), by_low, n=1, cutoff=least)
    return by_low[near[0]] if near else ""


def hint_names(word: str, candidates: Iterable[str]) -> str:
    """Give ``did you mean 'yesterday'?``, or ``there are: …`` when no candidate is near and not too many exist."""
    names = sorted(candidates)
    if near := suggest_name(word, names):
        return f"did you mean {near!r}?"
    shown = ", ".join(names) or "none"
    return f"there are: {shown}" if len(names) <= 40 else "no known name is near"
