"""YAML text to plain values that know their line and column; the only place where YAML is parsed.

The meanings are those of YAML 1.2, with one narrowing: a number with a leading zero (``014``, ``07.11``)
stays text, as do times (``17:30``), dates, ``1_000`` and the words ``yes``, ``no``, ``on`` and ``off``.
Anchors and aliases work; tags, merge keys, directives and several documents in one file are refused. Hostile
text is refused while it is read, before anything large is built: an alias weighs what it stands for.
"""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from mmflow.document import syntax
from mmflow.document.nodes import Builder, Node, Path, Value, change_texts, format_path
from mmflow.errors import Problem, ProblemsError, Severity
from mmflow.text import LINE_BREAK, BadText, Position, check_inside, decode_text, locate, read_bytes

if TYPE_CHECKING:
    import yaml

__all__ = ["Document", "Node", "Path", "Value", "change_texts", "format_path", "read_data", "read_file", "read_text"]

MAX_BYTES: Final = 2_000_000


@dataclass(frozen=True, slots=True)
class Document:
    """A file as it was read: its name in messages, its values with their positions, its lines for excerpts.

    ``ignores`` holds, for each line with a comment ``# mmflow: ignore[unknown-metric, no-owner]``, those ids.
    """

    name: str
    root: Node
    lines: tuple[str, ...]
    ignores: Mapping[int, frozenset[str]]

    @property
    def values(self) -> Value:
        """Give the plain values of the whole file."""
        return self.root.value

    def position(self, path: Path, *, key: bool = False) -> Position:
        """Give where a value, or its key, stands; where its nearest parent does when there is no such value."""
        node = self.root
        for part in path:
            if part not in node.parts:
                break
            node = node.parts[part]
        return node.key if key else node.start

    def problem(
        self,
        path: Path,
        message: str,
        *,
        hint: str = "",
        key: bool = False,
        severity: Severity = "error",
        id: str = "",  # noqa: A002  named as the field of Problem
    ) -> Problem:
        """Make a problem that points at a value, or at its key."""
        line, column = self.position(path, key=key)
        return Problem(self.name, line, column, format_path(path), message, hint, severity, id)

    def suppressed(self, line: int) -> frozenset[str]:
        """Give the ids of the warnings that a comment on this line switches off."""
        return self.ignores.get(line, frozenset())


def read_file(path: pathlib.Path, root: pathlib.Path | None = None) -> Document:
    """Read a YAML file of at most 2 MB. Messages name it relative to ``root`` when it lies in there.

    Raises :class:`ProblemsError`, also for a file that cannot be read, is not a regular one, or is reached
    by a symbolic link that leads from inside ``root`` to its outside.
    """
    name, data = _read_named(path, root)
    return read_text(data, name)


def read_data(path: pathlib.Path, root: pathlib.Path | None = None) -> bytes:
    """Give the bytes of a file that :func:`read_file` would read; raises as that does, but not for what they say."""
    return _read_named(path, root)[1]


def read_text(text: str | bytes, name: str) -> Document:
    """Read YAML text that messages call ``name``.

    Raises :class:`ProblemsError` with every problem found; reading ends where the rest could not be trusted.
    """
    try:
        plain = decode_text(text)
    except BadText as bad:
        raise ProblemsError([_point_out(name, bad)]) from None
    builder = Builder(name, plain, _find_loader()(plain).get_event)
    try:
        root, structure = _build(builder)
    except BadText as bad:
        raise ProblemsError(_join_problems(builder.problems, _point_out(name, bad))) from None
    if builder.problems:
        raise ProblemsError(builder.problems)
    return Document(name, root, tuple(LINE_BREAK.split(plain)), syntax.find_ignores(structure))


def _read_named(path: pathlib.Path, root: pathlib.Path | None) -> tuple[str, bytes]:
    """Give a file's name in messages, and its bytes."""
    inner = _find_inner(path, root) if root else ""
    name = inner or path.as_posix()
    try:
        if root and inner:
            check_inside(path, root)
        return name, read_bytes(path, MAX_BYTES)
    except BadText as bad:
        raise ProblemsError([_point_out(name, bad)]) from None


def _find_inner(path: pathlib.Path, root: pathlib.Path) -> str:
    """Give the path from ``root`` on, with ``/``, when it lies in there as it is spelt, else ""."""
    base = os.path.join(os.path.abspath(root), "")  # noqa: PTH100, PTH118  texts are ten times as quick as paths
    plain = os.path.abspath(path)  # noqa: PTH100  likewise
    inside = os.path.normcase(plain).startswith(os.path.normcase(base))
    return plain[len(base) :].replace(os.sep, "/") if inside else ""


def _point_out(name: str, bad: BadText) -> Problem:
    line, column = bad.position
    return Problem(name, line, column, message=bad.message, hint=bad.hint)


def _join_problems(found: list[Problem], last: Problem) -> list[Problem]:
    """Add the problem that ended the reading, unless its place is told already."""
    told = any((problem.line, problem.column) == (last.line, last.column) for problem in found)
    return found if told else [*found, last]


def _find_loader() -> Any:
    import yaml

    # libyaml is ten times faster; the pure parser is for a PyYAML that was built without it.
    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _build(builder: Builder) -> tuple[Node, str]:
    """Build a document event by event, so that nothing behind a refused one is ever read."""
    import yaml

    try:
        return builder.build_document()
    except BadText:
        raise
    except yaml.MarkedYAMLError as error:
        raise syntax.explain_failure(builder.text, _note_failure(error)) from None
    except (ValueError, OverflowError):  # the pure parser's chr() of an escape beyond Unicode
        raise BadText(*syntax.BAD_ESCAPE, locate(builder.text, _find_last(builder.text))) from None


def _find_last(text: str) -> int:
    """Give the index behind the last event of a text that the pure parser breaks off at."""
    import yaml

    end, events = 0, cast("Iterator[Any]", yaml.parse(text, Loader=yaml.SafeLoader))
    with suppress(ValueError, OverflowError):
        for event in events:
            end = event.end_mark.index
    return end


def _note_failure(error: yaml.MarkedYAMLError) -> syntax.Failure:
    noticed = error.problem_mark.index if error.problem_mark else 0
    began = error.context_mark.index if error.context_mark else noticed
    return syntax.Failure(f"{error.context}: {error.problem}", began, noticed)
