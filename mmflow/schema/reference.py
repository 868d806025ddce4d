"""What may be written in a block of YAML, as a table for people: one line a key, from the same model as the check."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from mmflow.options import Options
from mmflow.schema import REFERENCE, Schema, describe_model

_KINDS: Final = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "array": "list",
    "object": "block",
}


@dataclass(frozen=True, slots=True)
class KeyLine:
    """One key: what it takes, what holds when it is left out ("" for nothing), and what it is for."""

    key: str
    takes: str
    default: str
    description: str
    example: str = ""


def list_keys(model: type[Options]) -> list[KeyLine]:
    """Give the keys of an options class, in the order in which it declares them."""
    schema = describe_model(model)
    return [
        KeyLine(
            key=key,
            takes=" or ".join(dict.fromkeys(name_kinds(inner))),
            default="required" if key in schema["required"] else write_value(inner.get("default", "")),
            description=inner.get("description", ""),
            example=write_value(next(iter(inner.get("examples", ())), "")),
        )
        for key, inner in schema["properties"].items()
    ]


def name_kinds(schema: Schema) -> Iterator[str]:
    """Say what a value may be: each kind once, the words themselves where only some are allowed."""
    if "anyOf" in schema:
        for branch in schema["anyOf"]:
            yield from name_kinds(branch)
    elif "enum" in schema:
        yield " | ".join(map(write_value, schema["enum"]))
    elif "$ref" in schema:
        yield "block"
    elif schema != REFERENCE and schema.get("type") in _KINDS:
        yield _KINDS[schema["type"]]


def write_value(value: object) -> str:
    """Write a value as it stands in YAML, text without quotes."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def markdown_table(lines: Iterable[KeyLine]) -> str:
    """Give the keys as a Markdown table."""
    return write_table(("key", "takes", "default", "what it is for"), map(list_cells, lines))


def list_cells(line: KeyLine) -> tuple[str, ...]:
    """Give a key as the cells of a Markdown table."""
    example = f" Example: `{line.example}`" if line.example else ""
    default = f"`{line.default}`" if line.default not in ("", "required") else line.default
    return f"`{line.key}`", line.takes, default, line.description + example


def write_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Give rows of Markdown as a table."""
    head, *lines = ("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in (headings, *rows))
    return "\n".join([head, "|" + "---|" * len(headings), *lines])
