"""Values that know their place, built from the tokens of a YAML text; whatever is hostile ends the building.

An alias weighs as much as what it stands for, so that nothing large comes from a small text.
"""

from __future__ import annotations

import pathlib
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, TypeAlias, Union

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
    """A value, its position, the position of its key (its own when it has none) and the values inside it."""

    value: Value
    start: Position
    key: Position
    parts: Mapping[str | int, Node]


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


Event: TypeAlias = Any
"""What PyYAML tells of a text, piece by piece."""

_SCALAR: Final = "ScalarEvent"
_NO_PARTS: Final[Mapping[str | int, Node]] = {}


class Anchored(NamedTuple):
    """A value with a name; its size and its levels count it and all inside it, so that an alias can be weighed."""

    node: Node
    size: int
    levels: int


_EMPTY_HINTS: Final = {
    "mmflow.yaml": "begin with 'version: 1' and 'sites:'",
    "": "a job begins with 'job: its-name' and goes on with 'report:', 'window:' and 'sinks:'",
}


class Builder:
    """Builds nodes from events, weighs each before, and collects the problems that need not end the reading."""

    def __init__(self, name: str, text: str, take: Callable[[], Event]) -> None:
        self.name = name
        self.text = text
        self.take = take  # gives the next event
        self.problems: list[Problem] = []
        self.quoted: list[tuple[int, int]] = []
        self.anchors: dict[str, Anchored | None] = {}  # None while the value is being built
        self.path: list[str | int] = []  # of what is being built
        self.nodes = 0
        self.deepest = 0  # level that was reached, of an anchored value within it
        self.aliases = 0

    def build_document(self) -> tuple[Node, str]:
        """Give the root of the one document, and the text with everything quoted blanked out."""
        _, begin = self.take(), self.take()
        first = begin if _is_end(begin) else self.take()
        if _is_end(first) or _is_nothing(first):
            hint = _EMPTY_HINTS.get(pathlib.PurePosixPath(self.name).name, _EMPTY_HINTS[""])
            raise BadText("the file is empty", hint)
        if self.text.startswith("%", begin.start_mark.index):
            raise BadText(*syntax.NO_DIRECTIVES, _place(begin))
        root = self.build_node(first)
        _, extra = self.take(), self.take()
        if not _is_end(extra):
            raise BadText("a second document begins here", "put it into a file of its own", _place(extra))
        structure = syntax.blank_spans(self.text, self.quoted)
        syntax.check_tabs(structure)
        return root, structure

    def build_node(self, event: Event, key: Position | None = None) -> Node:
        """Build the value that begins with this event; ``key`` is where its key stands."""
        mark = event.start_mark
        start = (mark.line + 1, mark.column + 1)
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise _refuse_many(start)
        kind = type(event).__name__
        if kind == "AliasEvent":
            return self.follow_alias(event.anchor, start, key or start)
        if event.tag is not None:
            raise BadText(*syntax.NO_TAGS, start)
        build = _BUILDERS[kind] if event.anchor is None else Builder.build_anchored
        return build(self, event, start, key or start)

    def descend(self, levels: int, start: Position) -> None:
        """Refuse a value before it makes the file too deep to be handled."""
        reached = len(self.path) + levels
        if reached > self.deepest:
            self.deepest = reached
        if reached > MAX_DEPTH + 1:
            message = f"more than {MAX_DEPTH} lists and mappings stand inside each other"
            raise BadText(message, "check the brackets", start)

    def build_anchored(self, event: Event, start: Position, key: Position) -> Node:
        """Build a value that aliases may stand for."""
        deepest, before = self.deepest, self.nodes
        self.anchors[event.anchor], self.deepest = None, len(self.path) + 1
        node = _BUILDERS[type(event).__name__](self, event, start, key)
        self.anchors[event.anchor] = Anchored(node, self.nodes - before + 1, self.deepest - len(self.path))
        self.deepest = max(self.deepest, deepest)
        return node

    def follow_alias(self, name: str, start: Position, key: Position) -> Node:
        """Give what an alias stands for; the positions inside it are those of the original."""
        self.aliases += 1
        if self.aliases > MAX_ALIASES:
            raise BadText(f"the file holds more than {MAX_ALIASES} aliases", "write values out", start)
        if name not in self.anchors:
            hint = "put quotes around text that begins with '*'"
            raise BadText(f"no '&{name}' stands before the alias '*{name}'", hint, start)
        meant = self.anchors[name]
        if meant is None:
            raise BadText(f"the alias '*{name}' stands inside of what it stands for", "", start)
        self.nodes += meant.size - 1
        if self.nodes > MAX_NODES:
            raise _refuse_many(start)
        self.descend(meant.levels, start)
        return meant.node._replace(start=start, key=key)

    def build_scalar(self, event: Event, start: Position, key: Position) -> Node:
        """Build text, a number, true, false or null."""
        value: Value = event.value
        try:
            if event.style:
                self.quoted.append(self.span_quoted(event))
                _check_escapes(event.value)
            else:
                value = syntax.resolve_plain(event.value)
        except BadText as bad:
            self.complain(start, bad.message, bad.hint)
        return Node(value, start, key, _NO_PARTS)

    def span_quoted(self, event: Event) -> tuple[int, int]:
        """Give from where to where a text is quoted; a block begins below its first line, which may hold a comment."""
        start, end = event.start_mark.index, event.end_mark.index
        below = LINE_BREAK.search(self.text, start, end) if event.style in ("|", ">") else None
        return below.start() if below else start, end

    def build_sequence(self, _: Event, start: Position, key: Position) -> Node:
        """Build a list."""
        self.descend(2, start)
        parts: dict[str | int, Node] = {}
        while type(item := self.take()).__name__ != "SequenceEndEvent":
            self.path.append(len(parts))
            parts[len(parts)] = self.build_node(item)
            self.path.pop()
        return Node([part.value for part in parts.values()], start, key, parts)

    def build_mapping(self, event: Event, start: Position, key: Position) -> Node:
        """Build a mapping; of two equal keys the first is kept."""
        self.descend(2, start)
        parts: dict[str | int, Node] = {}
        values: dict[str, Value] = {}
        while type(word := self.take()).__name__ != "MappingEndEvent":
            name, place = self.build_key(word)
            inner = self.take()
            if event.flow_style:
                self.check_colon(start, word, inner)
            self.path.append(name)
            node = self.build_node(inner, place)
            if name in parts:
                line, column = parts[name].key
                self.complain(place, f"the key stands twice, first at line {line}, column {column}", "keep one of them")
            else:
                parts[name], values[name] = node, node.value
            self.path.pop()
        return Node(values, start, key, parts)

    def build_key(self, event: Event) -> tuple[str, Position]:
        """Build a key, which has to be text."""
        node = self.build_node(event)
        if isinstance(node.value, str) and node.value != "<<":
            return node.value, node.start
        text = event.value if type(event).__name__ == _SCALAR else ""
        if text == "<<" and not event.style:
            self.complain(node.start, "merge keys ('<<') are not supported", "write the keys out")
        elif not isinstance(node.value, str):
            self.complain(node.start, "a key has to be text", "put quotes around it")
        return node.value if isinstance(node.value, str) else text, node.start

    def check_colon(self, mapping: Position, key: Event, value: Event) -> None:
        """Refuse ``{date}``, which YAML takes for a mapping to nothing and nobody means like that."""
        if not _is_nothing(value) or ":" in self.text[key.end_mark.index : value.start_mark.index]:
            return
        hint = syntax.SPACE_COLON if ":" in getattr(key, "value", "") else syntax.QUOTE_BRACES
        self.complain(mapping, syntax.LOOSE_BRACES, hint)

    def complain(self, position: Position, message: str, hint: str) -> None:
        """Keep a problem and go on."""
        line, column = position
        self.problems.append(Problem(self.name, line, column, format_path(tuple(self.path)), message, hint))


_BUILDERS: Final[Mapping[str, Callable[[Builder, Event, Position, Position], Node]]] = {
    _SCALAR: Builder.build_scalar,
    "SequenceStartEvent": Builder.build_sequence,
    "MappingStartEvent": Builder.build_mapping,
}


def _place(event: Event) -> Position:
    mark = event.start_mark
    return mark.line + 1, mark.column + 1


def _refuse_many(start: Position) -> BadText:
    message = f"the file holds more than {MAX_NODES:,} values, counting what aliases stand for"
    return BadText(message, "split it", start)


def _is_end(event: Event) -> bool:
    return type(event).__name__ == "StreamEndEvent"


def _is_nothing(event: Event) -> bool:
    """Tell whether a value is only understood, because nothing stands where one is expected."""
    return type(event).__name__ == _SCALAR and event.start_mark.index == event.end_mark.index


def _check_escapes(text: str) -> None:
    if unseen := find_unseen(text):
        raise BadText(f"the text holds {unseen[1]}, which nobody can see", "remove the escape")
