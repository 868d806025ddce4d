"""YAML text to plain values that know their line and column; the only place where YAML is parsed.

The meanings are those of YAML 1.2, with one narrowing: a number with a leading zero (``014``, ``07.11``)
stays text, as do times (``17:30``), dates, ``1_000`` and the words ``yes``, ``no``, ``on`` and ``off``.
Anchors and aliases work; tags, merge keys, directives and several documents in one file are refused. Hostile
text is refused while it is read, before anything large is built: an alias weighs what it stands for.
"""

from __future__ import annotations

import os
import pathlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias, Union

from mmflow import syntax
from mmflow.errors import Problem, ProblemsError, Severity
from mmflow.text import LINE_BREAK, BadText, Position, check_inside, decode_text, find_unseen, locate, read_bytes

if TYPE_CHECKING:
    import yaml

Path: TypeAlias = tuple[str | int, ...]
"""Keys and list indexes, from the root of a file to one of its values."""

Value: TypeAlias = Union[bool, int, float, str, "list[Value]", "dict[str, Value]", None]
"""What YAML text can mean here, the same as JSON."""

MAX_BYTES: Final = 2_000_000
MAX_NODES: Final = 100_000
MAX_DEPTH: Final = 40
MAX_ALIASES: Final = 50


class Node(NamedTuple):
    """A value, its position, the position of its key (its own when it has none) and the values inside it.

    ``size`` counts it and all values inside it, ``height`` the levels, so that an alias to it can be weighed.
    """

    value: Value
    start: Position
    key: Position
    parts: Mapping[str | int, Node]
    size: int
    height: int


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

    def find(self, path: Path) -> Value:
        """Give the value at a path; raise :class:`KeyError` when there is none."""
        node = self.root
        for part in path:
            node = node.parts[part]
        return node.value

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
    builder = _Builder(name)
    try:
        plain = decode_text(text)
        root, structure = builder.build_document(plain)
    except BadText as bad:
        raise ProblemsError(_join_problems(builder.problems, _point_out(name, bad))) from None
    if builder.problems:
        raise ProblemsError(builder.problems)
    return Document(name, root, tuple(LINE_BREAK.split(plain)), syntax.find_ignores(structure))


_PLAIN_KEY: Final = re.compile(r"[^\W\d][\w-]*")


def format_path(path: Path) -> str:
    """Write a path as messages do: ``report.metrics[1]``; a key that is no plain word as ``["two words"]``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif _PLAIN_KEY.fullmatch(part):
            text += f".{part}" if text else part
        else:
            text += f'["{part}"]'
    return text


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


Kind: TypeAlias = Literal["document", "scalar", "alias", "sequence", "mapping", "end"]


class _Token(NamedTuple):
    """One event of the parser."""

    kind: Kind
    position: Position
    start: int  # index of its first character
    end: int  # index behind its last
    text: str  # of a scalar
    style: str  # of a scalar: its quote, "|" or ">"; empty when it is plain
    anchor: str | None
    tagged: bool
    flow: bool  # a collection in brackets


def _scan_tokens(text: str) -> Iterator[_Token]:
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


def _make_token(kind: Kind, event: yaml.Event) -> _Token:
    start, end = event.start_mark, event.end_mark
    assert start is not None
    assert end is not None
    return _Token(
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


_EMPTY_HINTS: Final = {
    "mmflow.yaml": "begin with 'version: 1' and 'sites:'",
    "": "a job begins with 'job: its-name' and goes on with 'report:', 'window:' and 'sinks:'",
}


class _Builder:
    """Builds nodes from tokens, weighs each before, and collects the problems that need not end the reading."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.problems: list[Problem] = []
        self.text = ""
        self.tokens: Iterator[_Token] = iter(())
        self.quoted: list[tuple[int, int]] = []
        self.anchors: dict[str, Node | None] = {}  # None while the value is being built
        self.nodes = 0
        self.aliases = 0

    def build_document(self, text: str) -> tuple[Node, str]:
        """Give the root of the one document, and the text with everything quoted blanked out."""
        self.text, self.tokens = text, _scan_tokens(text)
        begin, first = next(self.tokens, None), next(self.tokens, None)
        if begin is None or first is None or (first.kind == "scalar" and first.start == first.end):
            hint = _EMPTY_HINTS.get(pathlib.PurePosixPath(self.name).name, _EMPTY_HINTS[""])
            raise BadText("the file is empty", hint)
        if text.startswith("%", begin.start):
            raise BadText(*syntax.NO_DIRECTIVES, begin.position)
        root = self.build_node(first, ())
        if extra := next(self.tokens, None):
            raise BadText("a second document begins here", "put it into a file of its own", extra.position)
        structure = syntax.blank_spans(text, self.quoted)
        syntax.check_tabs(structure)
        return root, structure

    def build_node(self, token: _Token, path: Path, key: Position | None = None) -> Node:
        """Build the value that begins with this token."""
        self.weigh(token, path, size=1, height=1 if token.kind in ("scalar", "alias") else 2)
        key = key or token.position
        if token.kind == "alias":
            return self.follow_alias(token, path, key)
        if token.tagged:
            raise BadText(*syntax.NO_TAGS, token.position)
        if token.anchor:
            self.anchors[token.anchor] = None
        node = _BUILDERS[token.kind](self, token, path, key)
        if token.anchor:
            self.anchors[token.anchor] = node
        return node

    def weigh(self, token: _Token, path: Path, *, size: int, height: int) -> None:
        """Refuse a value before it makes the file too large or too deep to be handled."""
        self.nodes += size
        if self.nodes > MAX_NODES:
            message = f"the file holds more than {MAX_NODES:,} values, counting what aliases stand for"
            raise BadText(message, "split it", token.position)
        if len(path) + height > MAX_DEPTH + 1:
            message = f"more than {MAX_DEPTH} lists and mappings stand inside each other"
            raise BadText(message, "check the brackets", token.position)

    def follow_alias(self, token: _Token, path: Path, key: Position) -> Node:
        """Give what an alias stands for; the positions inside it are those of the original."""
        self.aliases += 1
        if self.aliases > MAX_ALIASES:
            raise BadText(f"the file holds more than {MAX_ALIASES} aliases", "write values out", token.position)
        name = token.anchor or ""
        if name not in self.anchors:
            hint = "put quotes around text that begins with '*'"
            raise BadText(f"no '&{name}' stands before the alias '*{name}'", hint, token.position)
        node = self.anchors[name]
        if node is None:
            raise BadText(f"the alias '*{name}' stands inside of what it stands for", "", token.position)
        self.weigh(token, path, size=node.size - 1, height=node.height)
        return node._replace(start=token.position, key=key)

    def build_scalar(self, token: _Token, path: Path, key: Position) -> Node:
        """Build text, a number, true, false or null."""
        value: Value = token.text
        try:
            if token.style:
                self.quoted.append(self.span_quoted(token))
                _check_escapes(token.text)
            else:
                value = syntax.resolve_plain(token.text)
        except BadText as bad:
            self.complain(token.position, path, bad.message, bad.hint)
        return Node(value, token.position, key, {}, 1, 1)

    def span_quoted(self, token: _Token) -> tuple[int, int]:
        """Give from where to where a text is quoted; a block begins below its first line, which may hold a comment."""
        below = LINE_BREAK.search(self.text, token.start, token.end) if token.style in ("|", ">") else None
        return below.start() if below else token.start, token.end

    def build_sequence(self, token: _Token, path: Path, key: Position) -> Node:
        """Build a list."""
        parts: dict[str | int, Node] = {}
        while (item := next(self.tokens)).kind != "end":
            parts[len(parts)] = self.build_node(item, (*path, len(parts)))
        return _join_parts([part.value for part in parts.values()], token, key, parts)

    def build_mapping(self, token: _Token, path: Path, key: Position) -> Node:
        """Build a mapping; of two equal keys the first is kept."""
        parts: dict[str | int, Node] = {}
        values: dict[str, Value] = {}
        while (word := next(self.tokens)).kind != "end":
            name = self.build_key(word, path)
            inner = next(self.tokens)
            if token.flow:
                self.check_colon(token, word, inner, path)
            node = self.build_node(inner, (*path, name), word.position)
            if name in parts:
                line, column = parts[name].key
                message = f"the key stands twice, first at line {line}, column {column}"
                self.complain(word.position, (*path, name), message, "keep one of them")
            else:
                parts[name], values[name] = node, node.value
        return _join_parts(values, token, key, parts)

    def build_key(self, token: _Token, path: Path) -> str:
        """Build a key, which has to be text."""
        node = self.build_node(token, path)
        if token.text == "<<" and not token.style:
            self.complain(token.position, path, "merge keys ('<<') are not supported", "write the keys out")
        elif not isinstance(node.value, str):
            self.complain(token.position, path, "a key has to be text", "put quotes around it")
        return node.value if isinstance(node.value, str) else token.text

    def check_colon(self, mapping: _Token, key: _Token, value: _Token, path: Path) -> None:
        """Refuse ``{date}``, which YAML takes for a mapping to nothing and nobody means like that."""
        if value.kind != "scalar" or value.start != value.end or ":" in self.text[key.end : value.start]:
            return
        hint = syntax.SPACE_COLON if ":" in key.text else syntax.QUOTE_BRACES
        self.complain(mapping.position, path, syntax.LOOSE_BRACES, hint)

    def complain(self, position: Position, path: Path, message: str, hint: str) -> None:
        """Keep a problem and go on."""
        line, column = position
        self.problems.append(Problem(self.name, line, column, format_path(path), message, hint))


_BUILDERS: Final[Mapping[Kind, Callable[[_Builder, _Token, Path, Position], Node]]] = {
    "scalar": _Builder.build_scalar,
    "sequence": _Builder.build_sequence,
    "mapping": _Builder.build_mapping,
}


def _join_parts(value: Value, token: _Token, key: Position, parts: Mapping[str | int, Node]) -> Node:
    size = 1 + sum(part.size for part in parts.values())
    height = 1 + max((part.height for part in parts.values()), default=1)
    return Node(value, token.position, key, parts, size, height)


def _check_escapes(text: str) -> None:
    if unseen := find_unseen(text):
        raise BadText(f"the text holds {unseen[1]}, which nobody can see", "remove the escape")
