"""A parser for the part of GraphQL that people use: one query, fields, arguments, aliases and variables."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

TOKEN = re.compile(
    r"""[\s,\ufeff]+ | \#[^\n]*
    | (?P<name>[A-Za-z_]\w*)
    | (?P<number>-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)
    | (?P<text>"(?:[^"\\\x00-\x1f]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*")
    | (?P<sign>[{}()\[\]:$!=])""",
    re.VERBOSE,
)
WORDS = {"true": True, "false": False, "null": None}
END = ("end", "")


class GraphqlError(Exception):
    """The query cannot be answered; ``path`` and ``code`` are what Hasura puts under ``extensions``."""

    def __init__(self, message: str, code: str = "validation-failed", path: str = "$") -> None:
        super().__init__(message)
        self.message, self.code, self.path = message, code, path


@dataclass(frozen=True, slots=True)
class Field:
    """One asked-for field with its arguments, variables already filled in, and the fields below it."""

    name: str
    alias: str
    arguments: Mapping[str, object] = field(default_factory=dict)
    fields: tuple[Field, ...] = ()


def parse_query(text: str, variables: Mapping[str, object]) -> tuple[Field, ...]:
    """Give the root fields of the one query in ``text``; raise :class:`GraphqlError` where it is not understood."""
    return _Parser(_split_tokens(text), dict(variables)).read_document()


def _split_tokens(text: str) -> list[tuple[str, str]]:
    tokens, place = [], 0
    while place < len(text):
        match = TOKEN.match(text, place)
        if match is None:
            raise GraphqlError(f"not a valid graphql query: unexpected {text[place]!r} at character {place + 1}")
        if match.lastgroup:
            tokens.append((match.lastgroup, match.group()))
        place = match.end()
    return tokens


@dataclass(slots=True)
class _Parser:
    """Reads tokens from left to right."""

    tokens: list[tuple[str, str]]
    variables: dict[str, object]
    place: int = 0

    def look(self) -> tuple[str, str]:
        return self.tokens[self.place] if self.place < len(self.tokens) else END

    def take(self, kind: str, value: str | None = None) -> str:
        found = self.look()
        if found[0] != kind or value not in (None, found[1]):
            raise GraphqlError(f"not a valid graphql query: expected {value or kind}, found {found[1] or 'the end'!r}")
        self.place += 1
        return found[1]

    def skip(self, sign: str) -> bool:
        if self.look() != ("sign", sign):
            return False
        self.place += 1
        return True

    def read_document(self) -> tuple[Field, ...]:
        if self.look()[0] == "name":
            kind = self.take("name")
            if kind != "query":
                raise GraphqlError(f"no {kind}s exist")
            if self.look()[0] == "name":
                self.take("name")
            if self.skip("("):
                self.read_variables()
        fields = self.read_fields()
        if self.look() != END:
            raise GraphqlError("not a valid graphql query: expected one query and nothing after it")
        return fields

    def read_variables(self) -> None:
        """Read the declarations; a value given with the request wins over a default, neither is an error."""
        while not self.skip(")"):
            self.take("sign", "$")
            name = self.take("name")
            self.take("sign", ":")
            is_required = self.read_type()
            if self.skip("="):
                self.variables.setdefault(name, self.read_value())
            if is_required and self.variables.get(name) is None:
                raise GraphqlError(f"expecting a value for non-nullable variable: {name!r}")
            self.variables.setdefault(name, None)

    def read_type(self) -> bool:
        if self.skip("["):
            self.read_type()
            self.take("sign", "]")
        else:
            self.take("name")
        return self.skip("!")

    def read_fields(self) -> tuple[Field, ...]:
        self.take("sign", "{")
        fields = []
        while not self.skip("}"):
            fields.append(self.read_field())
        if not fields:
            raise GraphqlError("not a valid graphql query: expected at least one field in {}")
        return tuple(fields)

    def read_field(self) -> Field:
        alias = name = self.take("name")
        if self.skip(":"):
            name = self.take("name")
        arguments = self.read_pairs(")") if self.skip("(") else {}
        fields = self.read_fields() if self.look() == ("sign", "{") else ()
        return Field(name, alias, arguments, fields)

    def read_pairs(self, end: str) -> dict[str, object]:
        pairs = {}
        while not self.skip(end):
            name = self.take("name")
            self.take("sign", ":")
            pairs[name] = self.read_value()
        return pairs

    def read_value(self) -> object:
        kind, text = self.look()
        if kind == "end":
            raise GraphqlError("not a valid graphql query: expected a value, found the end")
        self.place += 1
        if kind in {"text", "number"}:
            return json.loads(text)
        if kind == "name":
            return WORDS.get(text, text)
        if text == "{":
            return self.read_pairs("}")
        if text == "[":
            return self.read_list()
        if text == "$":
            return self.read_variable()
        raise GraphqlError(f"not a valid graphql query: expected a value, found {text!r}")

    def read_list(self) -> list[object]:
        values = []
        while not self.skip("]"):
            values.append(self.read_value())
        return values

    def read_variable(self) -> object:
        name = self.take("name")
        if name not in self.variables:
            raise GraphqlError(f"unbound variable {name!r}")
        return self.variables[name]
