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
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mmflow.document import syntax
from mmflow.document.nodes import Builder, Kind, Node, Path, Token, Value, change_texts, format_path
from mmflow.errors import Problem, ProblemsError, Severity
from mmflow.text import LINE_BREAK, BadText, Position, check_inside, decode_text, locate, read_bytes

if TYPE_CHECKING:
    import yaml

__all__ = ["Document", "Node", "Path", "Value", "change_texts", "format_path", "read_file", "read_text"]

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
    inner = _find_inner(path, root) if root else None
    name = (inner or path).as_posix()
    try:
        if root and inner:
            check_inside(path, root)
        data = read_bytes(path, MAX_BYTES)
    except BadText as bad:
        raise ProblemsError([_point_out(name, bad)]) from None
    return read_text(data, name)


def read_text(text: str | bytes, name: str) -> Document:
    """Read YAML text that messages call ``name``.

    Raises :class:`ProblemsError` with every problem found; reading ends where the rest could not be trusted.
    """
    try:
        plain = decode_text(text)
    except BadText as bad:
        raise ProblemsError([_point_out(name, bad)]) from None
    builder = Builder(name, plain, _scan_tokens(plain))
    try:
        root, structure = builder.build_document()
    except BadText as bad:
        raise ProblemsError(_join_problems(builder.problems, _point_out(name, bad))) from None
    if builder.problems:
        raise ProblemsError(builder.problems)
    return Document(name, root, tuple(LINE_BREAK.split(plain)), syntax.find_ignores(structure))


def _find_inner(path: pathlib.Path, root: pathlib.Path) -> pathlib.Path | None:
    """Give the path from ``root`` on, when it lies in there as it is spelt."""
    base = os.path.abspath(root)  # noqa: PTH100  Path.absolute() keeps the '..'
    plain = pathlib.Path(os.path.abspath(path))  # noqa: PTH100
    return plain.relative_to(base) if plain.is_relative_to(base) else None


def _point_out(name: str, bad: BadText) -> Problem:
    line, column = bad.position
    return Problem(name, line, column, message=bad.message, hint=bad.hint)


def _join_problems(found: list[Problem], last: Problem) -> list[Problem]:
    """Add the problem that ended the reading, unless its place is told already."""
    told = any((problem.line, problem.column) == (last.line, last.column) for problem in found)
    return found if told else [*found, last]


def _scan_tokens(text: str) -> Iterator[Token]:
    """Give the tokens one by one, so that nothing behind a refused one is ever read."""
    import yaml

    kinds: dict[type[yaml.Event], Kind] = {
        yaml.DocumentStartEvent: "document",
        yaml.ScalarEvent: "scalar",
        yaml.AliasEvent: "alias",
        yaml.SequenceStartEvent: "sequence",
        yaml.MappingStartEvent: "mapping",
        yaml.SequenceEndEvent: "end",
        yaml.MappingEndEvent: "end",
    }
    # libyaml is ten times faster; the pure parser is for a PyYAML that was built without it.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    end = 0
    try:
        for event in yaml.parse(text, Loader=loader):
            if kind := kinds.get(type(event)):
                token = _make_token(kind, event)
                end = token.end
                yield token
    except yaml.MarkedYAMLError as error:
        raise syntax.explain_failure(text, _note_failure(error)) from None
    except (ValueError, OverflowError):  # the pure parser's chr() of an escape beyond Unicode
        raise BadText(*syntax.BAD_ESCAPE, locate(text, end)) from None


def _make_token(kind: Kind, event: yaml.Event) -> Token:
    start, end = event.start_mark, event.end_mark
    assert start is not None
    assert end is not None
    return Token(
        kind=kind,
        position=(start.line + 1, start.column + 1),
        start=start.index,
        end=end.index,
        text=getattr(event, "value", ""),
        style=getattr(event, "style", "") or "",
        anchor=getattr(event, "anchor", None),
        tagged=getattr(event, "tag", None) is not None,
        flow=bool(getattr(event, "flow_style", False)),
    )


def _note_failure(error: yaml.MarkedYAMLError) -> syntax.Failure:
    noticed = error.problem_mark.index if error.problem_mark else 0
    began = error.context_mark.index if error.context_mark else noticed
    return syntax.Failure(f"{error.context}: {error.problem}", began, noticed)
