"""The ways by which people are told: each block of ``notify: via`` held against the type that it names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

import msgspec

from mmflow.check.faults import Finding, Owner, explain_error
from mmflow.check.fit import explain_misfit
from mmflow.check.layers import EACH, all_texts, find
from mmflow.check.uses import Placed, SinkUse, check_connection, find_type, read_connection
from mmflow.document import Path, Value
from mmflow.job import WayKeys
from mmflow.options import convert_values
from mmflow.plugins import Registry
from mmflow.refs import has_reference
from mmflow.schema import describe_way
from mmflow.sinks import SinkType, find_function

WAYS: Final = ("notify", "via", EACH)
TOLD_NOBODY: Final = "told-nobody"
OWN_KEYS: Final = frozenset(key.encode_name for key in msgspec.structs.fields(WayKeys))


def check_ways(
    values: Value, registry: Registry, connections: Value, at: tuple[str, ...] = (), *, strict: bool = True
) -> Iterator[Finding]:
    """Say what is wrong with the ways of a job, or of what stands at a path; see :func:`fit_sinks` for ``strict``."""
    people = dict(find_people(values, at))
    for path, block in find(values, (*at, *WAYS)):
        if isinstance(block, dict):
            yield from check_way(block, path, registry, connections, people, strict=strict)


def find_people(values: Value, at: tuple[str, ...]) -> Iterator[tuple[Path, str]]:
    """Give those who are told, each with its place."""
    for pattern in (("owner",), ("notify", "to", EACH)):
        yield from ((path, name) for path, name in find(values, (*at, *pattern)) if name and isinstance(name, str))


def check_way(
    block: dict[str, Value],
    path: Path,
    registry: Registry,
    connections: Value,
    people: Mapping[Path, str],
    *,
    strict: bool,
) -> Iterator[Finding]:
    """Say what is wrong with one way."""
    kind, wrong = find_type(block, path, registry) if "type" in block else (None, [miss_type(path)])
    yield from wrong
    if kind and kind.notify is None:
        yield Finding((*path, "type"), f"{kind.name} takes tables and tells nobody", hint_tellers(registry))
    elif kind:
        use, wrong = fit_way(block, path, kind, strict=strict)
        placed = Placed(path, block, kind, use)
        yield from wrong
        yield from check_connection(placed, connections)
        if use and strict:  # once resolved, nothing that is only about notices stands in the way of a report
            yield from ask_way(placed, use, connections, people)


def ask_way(placed: Placed, use: SinkUse, connections: Value, people: Mapping[Path, str]) -> Iterator[Finding]:
    """Let a way itself look at its options, once all of them are known, and at those whom it is to tell.

    Those who answer for a job may be told otherwise; an address under ``to`` is there for nothing else.
    """
    if use.type.validate_notify is None or any(has_reference(text) for _, text in all_texts(placed.block)):
        return
    places, connection = list(people), read_connection(placed, connections)
    for key, message in find_function(use.type.validate_notify)(use.options, tuple(people.values()), connection):
        if isinstance(key, str) and key:
            yield explain_error((*placed.path, key), message)
        elif isinstance(key, int) and places[key][-1] != "owner":
            yield explain_error(places[key], message)
        elif isinstance(key, int) or placed.path[0] != "defaults":  # who answers for a job is named there
            where = places[key] if isinstance(key, int) else placed.path
            yield replace(explain_error(where, message), severity="warning", id=TOLD_NOBODY)


def miss_type(path: Path) -> Finding:
    """Say that a block names no type."""
    return Finding((*path, "type"), "this key is missing", "write type: webhook", key=True)


def hint_tellers(registry: Registry) -> str:
    """Name the types that can tell people."""
    return f"there are: {', '.join(name for name, kind in registry.sinks.items() if kind.notify is not None)}"


def fit_way(
    block: dict[str, Value], path: Path, kind: SinkType, *, strict: bool = True
) -> tuple[SinkUse | None, list[Finding]]:
    """Read a block of a type that can tell people, or say everything that keeps it from fitting."""
    own = {key: value for key, value in block.items() if key not in OWN_KEYS}
    try:
        keys = convert_values({key: value for key, value in block.items() if key in OWN_KEYS}, WayKeys, strict=strict)
        options = convert_values(own, kind.notice_options, strict=strict)
    except msgspec.ValidationError:
        return None, explain_misfit(block, describe_way(kind), Owner(kind.name, "option"), path, strict=strict)
    return SinkUse(kind.name, kind, options, keys.connection), []
