"""Values that know their place, built from the tokens of a YAML text; whatever is hostile ends the building.

An alias weighs as much as what it stands for, so that nothing large comes from a small text.
"""

from __future__ import annotations

import pathlib
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final, Literal, NamedTuple, TypeAlias, Union

from mmflow.document import syntax
from mmflow.errors import Problem
from mmflow.text import LINE_BREAK, BadText, Position, find_unseen

Path: TypeAlias = tuple[str | int, ...]
"""Keys and list indexes, from the root of a file to one of its values."""

Value: TypeAlias = Union[bool, int, float, str, "list[Value]", "dict[str, Value]", None]
"""What YAML text can mean here, the same as JSON."""

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


def change_texts(values: Value, change: Callable[[str, Path], str], path: Path = ()) -> Value:
    """Give the values with each text, but no key, replaced by ``change(text, path)``; ``path`` is where they begin."""
    if isinstance(values, str):
        return change(values, path)
    if isinstance(values, list):
        return [change_texts(value, change, (*path, index)) for index, value in enumerate(values)]
    if isinstance(values, dict):
        return {key: change_texts(value, change, (*path, key)) for key, value in values.items()}
    return values


Kind: TypeAlias = Literal["document", "scalar", "alias", "sequence", "mapping", "end"]


class Token(NamedTuple):
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


_EMPTY_HINTS: Final = {
    "mmflow.yaml": "begin with 'version: 1' and 'sites:'",
    "": "a job begins with 'job: its-name' and goes on with 'report:', 'window:' and 'sinks:'",
}


class Builder:
    """Builds nodes from tokens, weighs each before, and collects the problems that need not end the reading."""

    def __init__(self, name: str, text: str, tokens: Iterator[Token]) -> None:
        self.name = name
        self.text = text
        self.tokens = tokens
        self.problems: list[Problem] = []
        self.quoted: list[tuple[int, int]] = []
        self.anchors: dict[str, Node | None] = {}  # None while the value is being built
        self.nodes = 0
        self.aliases = 0

    def build_document(self) -> tuple[Node, str]:
        """Give the root of the one document, and the text with everything quoted blanked out."""
        begin, first = next(self.tokens, None), next(self.tokens, None)
        if begin is None or first is None or (first.kind == "scalar" and first.start == first.end):
            hint = _EMPTY_HINTS.get(pathlib.PurePosixPath(self.name).name, _EMPTY_HINTS[""])
            raise BadText("the file is empty", hint)
        if self.text.startswith("%", begin.start):
            raise BadText(*syntax.NO_DIRECTIVES, begin.position)
        root = self.build_node(first, ())
        if extra := next(self.tokens, None):
            raise BadText("a second document begins here", "put it into a file of its own", extra.position)
        structure = syntax.blank_spans(self.text, self.quoted)
        syntax.check_tabs(structure)
        return root, structure

    def build_node(self, token: Token, path: Path, key: Position | None = None) -> Node:
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

    def weigh(self, token: Token, path: Path, *, size: int, height: int) -> None:
        """Refuse a value before it makes the file too large or too deep to be handled."""
        self.nodes += size
        if self.nodes > MAX_NODES:
            message = f"the file holds more than {MAX_NODES:,} values, counting what aliases stand for"
            raise BadText(message, "split it", token.position)
        if len(path) + height > MAX_DEPTH + 1:
            message = f"more than {MAX_DEPTH} lists and mappings stand inside each other"
            raise BadText(message, "check the brackets", token.position)

    def follow_alias(self, token: Token, path: Path, key: Position) -> Node:
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

    def build_scalar(self, token: Token, path: Path, key: Position) -> Node:
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

    def span_quoted(self, token: Token) -> tuple[int, int]:
        """Give from where to where a text is quoted; a block begins below its first line, which may hold a comment."""
        below = LINE_BREAK.search(self.text, token.start, token.end) if token.style in ("|", ">") else None
        return below.start() if below else token.start, token.end

    def build_sequence(self, token: Token, path: Path, key: Position) -> Node:
        """Build a list."""
        parts: dict[str | int, Node] = {}
        while (item := next(self.tokens)).kind != "end":
            parts[len(parts)] = self.build_node(item, (*path, len(parts)))
        return _join_parts([part.value for part in parts.values()], token, key, parts)

    def build_mapping(self, token: Token, path: Path, key: Position) -> Node:
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

    def build_key(self, token: Token, path: Path) -> str:
        """Build a key, which has to be text."""
        node = self.build_node(token, path)
        if token.text == "<<" and not token.style:
            self.complain(token.position, path, "merge keys ('<<') are not supported", "write the keys out")
        elif not isinstance(node.value, str):
            self.complain(token.position, path, "a key has to be text", "put quotes around it")
        return node.value if isinstance(node.value, str) else token.text

    def check_colon(self, mapping: Token, key: Token, value: Token, path: Path) -> None:
        """Refuse ``{date}``, which YAML takes for a mapping to nothing and nobody means like that."""
        if value.kind != "scalar" or value.start != value.end or ":" in self.text[key.end : value.start]:
            return
        hint = syntax.SPACE_COLON if ":" in key.text else syntax.QUOTE_BRACES
        self.complain(mapping.position, path, syntax.LOOSE_BRACES, hint)

    def complain(self, position: Position, path: Path, message: str, hint: str) -> None:
        """Keep a problem and go on."""
        line, column = position
        self.problems.append(Problem(self.name, line, column, format_path(path), message, hint))


_BUILDERS: Final[Mapping[Kind, Callable[[Builder, Token, Path, Position], Node]]] = {
    "scalar": Builder.build_scalar,
    "sequence": Builder.build_sequence,
    "mapping": Builder.build_mapping,
}


def _join_parts(value: Value, token: Token, key: Position, parts: Mapping[str | int, Node]) -> Node:
    size = 1 + sum(part.size for part in parts.values())
    height = 1 + max((part.height for part in parts.values()), default=1)
    return Node(value, token.position, key, parts, size, height)


def _check_escapes(text: str) -> None:
    if unseen := find_unseen(text):
        raise BadText(f"the text holds {unseen[1]}, which nobody can see", "remove the escape")
