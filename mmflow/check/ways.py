"""The ways by which people are told: each block of ``notify: via`` held against the type that it names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from mmflow.check.faults import Finding, Owner
from mmflow.check.fit import explain_misfit
from mmflow.check.layers import EACH, find
from mmflow.check.uses import Placed, SinkUse, check_connection, find_type
from mmflow.document import Path, Value
from mmflow.job import WayKeys
from mmflow.options import convert_values
from mmflow.plugins import Registry
from mmflow.schema import describe_way
from mmflow.sinks import SinkType

WAYS: Final = ("notify", "via", EACH)
OWN_KEYS: Final = frozenset(key.encode_name for key in msgspec.structs.fields(WayKeys))


def check_ways(
    values: Value, registry: Registry, connections: Value, at: tuple[str, ...] = (), *, strict: bool = True
) -> Iterator[Finding]:
    """Say what is wrong with the ways of a job, or of what stands at a path; see :func:`fit_sinks` for ``strict``."""
    for path, block in find(values, (*at, *WAYS)):
        if isinstance(block, dict):
            yield from check_way(block, path, registry, connections, strict=strict)


def check_way(
    block: dict[str, Value], path: Path, registry: Registry, connections: Value, *, strict: bool
) -> Iterator[Finding]:
    """Say what is wrong with one way."""
    kind, wrong = find_type(block, path, registry) if "type" in block else (None, [miss_type(path)])
    yield from wrong
    if kind and kind.notify is None:
        yield Finding((*path, "type"), f"{kind.name} takes tables and tells nobody", hint_tellers(registry))
    elif kind:
        yield from fit_way(block, path, kind, strict=strict)[1]
        yield from check_connection(Placed(path, block, kind, None), connections)


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
