"""Finds names in a template that no letter has, by walking over what was parsed: nothing of it is worked out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from jinja2 import nodes

from mmflow import PATH_WORDS, suggest_name

# What a template gets, as gather_content() makes it; the README tells what each of them is.
CONTENT: Final = frozenset(
    (
        *PATH_WORDS, "kind", "title", "description", "owner", "intro", "window", "windows", "extracted", "extracted_at",
        "changing", "moved", "compared", "sites", "missing", "filters", "notices", "attached", "columns", "stacked",
        "hidden_columns", "rows", "count", "hidden", "footers", "headline", "lights", "attention", "attention_more",
        "top", "charts",
    )
)  # fmt: skip
LANGUAGE: Final = frozenset({"loop", "self", "super", "caller", "varargs", "kwargs", "range", "namespace"})
GUARDS: Final = frozenset({"default", "d", "defined", "undefined"})  # what follows a name that may be missing
References = nodes.Extends | nodes.Include | nodes.Import | nodes.FromImport
Unknown = tuple[str, int, str]  # template, line, sentence
Tree = nodes.Template


def find_unknown(name: str, tree: Tree, load: Callable[[str], Tree], *, own: Callable[[str], bool]) -> list[Unknown]:
    """Give names that nothing declares in a template, nor in those of its own that it uses.

    ``load`` parses another one. Nothing is given where a template names another by an expression, since that one may
    declare anything.
    """
    trees = {name: tree}
    waiting = [tree]
    while waiting:
        named = list_references(waiting.pop())
        if named is None:
            return []
        for other in named:
            if other not in trees:
                trees[other] = load(other)
                waiting.append(trees[other])
    declared = CONTENT | LANGUAGE | {word for one in trees.values() for word in list_declared(one)}
    return [(where, *fault) for where, one in trees.items() if own(where) for fault in list_faults(one, declared)]


def list_references(tree: Tree) -> list[str] | None:
    """Give the templates that one uses, None when one of them is known only while it is filled."""
    named: list[str] = []
    for found in tree.find_all(References.__args__):
        given = found.template
        if not isinstance(given, nodes.Const) or not isinstance(given.value, str):
            return None
        named.append(given.value)
    return named


def list_declared(tree: Tree) -> Iterator[str]:
    """Give the names that a template gives a meaning itself."""
    yield from (found.name for found in tree.find_all(nodes.Name) if found.ctx != "load")
    yield from (found.name for found in tree.find_all(nodes.Macro))
    yield from (found.target for found in tree.find_all(nodes.Import))
    for found in tree.find_all(nodes.FromImport):
        yield from (name if isinstance(name, str) else name[1] for name in found.names)


def list_faults(tree: Tree, declared: frozenset[str]) -> Iterator[tuple[int, str]]:
    """Give line and sentence of each name that has no meaning, once."""
    excused = {id(guard.node) for guard in tree.find_all((nodes.Filter, nodes.Test)) if guard.name in GUARDS}
    told: set[str] = set()
    for found in tree.find_all(nodes.Name):
        if found.ctx == "load" and found.name not in declared | told and id(found) not in excused:
            told.add(found.name)
            near = suggest_name(found.name, declared - LANGUAGE)
            hint = f"did you mean {near!r}?" if near else "the README of mmflow-email lists what a template gets"
            yield found.lineno, f"{found.name!r} is not there; {hint}"
