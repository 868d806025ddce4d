"""JSON Schemas of the models and of the sinks that are installed, as the check uses them.

A ``${…}`` reference may stand in every leaf, so a leaf that is narrower than text is ``anyOf`` itself and a reference.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final, TypeAlias

import msgspec

from mmflow.job import CHECK_FORMS, SCHEDULE_FORMS, WINDOW_FORMS, CheckSpec, Schedule, SinkKeys, WayKeys, WindowSpec
from mmflow.options import Options
from mmflow.refs import SECRET_FORM, Secret
from mmflow.settings import ConnectionKeys
from mmflow.sinks import SinkType

Schema: TypeAlias = dict[str, Any]
Forms: TypeAlias = tuple[tuple[frozenset[str], frozenset[str]], ...]

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
REFERENCE: Final[Schema] = {"type": "string", "pattern": r"(^|[^$])\$\{"}
FORMS: Final[Mapping[type[Options], Forms]] = {
    WindowSpec: WINDOW_FORMS,
    CheckSpec: CHECK_FORMS,
    Schedule: SCHEDULE_FORMS,
}

_NOTES: Final = ("description", "examples", "default")
_NARROW: Final = frozenset({"enum", "const", "pattern", "minLength", "maxLength", "format"})
_NARROW_TYPES: Final = frozenset({"integer", "number", "boolean"})
_ABSENT: Final = (None, "", ())


def describe_model(model: type[Options], prefix: str = "") -> Schema:
    """Give the schema of one options class, with the classes that it uses under ``$defs``.

    ``prefix`` begins their names there, so that the parts of several classes can stand side by side.
    """
    (top,), parts = msgspec.json.schema_components(
        [model], schema_hook=_describe_special, ref_template=f"#/$defs/{prefix}{{name}}"
    )
    name = top["$ref"].removeprefix(f"#/$defs/{prefix}")
    parts = {name: _loosen(part) for name, part in parts.items()}
    for kind, forms in FORMS.items():
        if kind.__name__ in parts:
            parts[kind.__name__]["oneOf"] = list(_describe_forms(forms, parts[kind.__name__]["properties"]))
    top = parts.pop(name)
    return {"$schema": DIALECT, **top, "$defs": {f"{prefix}{name}": part for name, part in parts.items()}}


def describe_sink(sink: SinkType) -> Schema:
    """Give the schema of one sink of a job: its own options and the keys that every sink has."""
    prefix = f"{sink.name}."
    return _merge_keys(describe_model(sink.options, prefix), describe_model(SinkKeys, prefix), sink)


def describe_way(sink: SinkType) -> Schema:
    """Give the schema of one block of ``notify: via``."""
    prefix = f"way.{sink.name}."
    return _merge_keys(describe_model(sink.notice_options, prefix), describe_model(WayKeys, prefix), sink)


def describe_connection(sink: SinkType) -> Schema:
    """Give the schema of a connection of this type, in ``mmflow.yaml``."""
    assert sink.connection is not None, "asked for a type that has connections"
    return _merge_keys(describe_model(sink.connection, f"{sink.name}."), describe_model(ConnectionKeys), sink)


def _merge_keys(options: Schema, common: Schema, sink: SinkType) -> Schema:
    kind = {"type": {"const": sink.name, "description": sink.summary}}
    return options | {
        "description": sink.summary,
        "properties": {**common["properties"], **kind, **options["properties"]},
        "required": [*common["required"], *options["required"]],
        "$defs": common["$defs"] | options["$defs"],
    }


def _describe_special(kind: type) -> Schema:
    if kind is Secret:
        return {"type": "string", "pattern": SECRET_FORM, "writeOnly": True}
    raise NotImplementedError(f"no schema for {kind!r}")


def _describe_forms(forms: Forms, keys: Collection[str]) -> Iterator[Schema]:
    """Write which keys go together; those that stand in no form go with every one."""
    free = set(keys) - {key for needed, allowed in forms for key in needed | allowed}
    for needed, allowed in forms:
        yield {"required": sorted(needed), "propertyNames": {"enum": sorted(needed | allowed | free)}}


def _loosen(node: Schema) -> Schema:
    """Copy a schema so that a reference fits in every leaf; see the head of this module."""
    copied = _loosen_inside(node)
    notes = {key: copied[key] for key in _NOTES if key in copied}
    branches = copied.get("anyOf") or [{key: value for key, value in copied.items() if key not in _NOTES}]
    notes = {key: branch.pop(key) for branch in branches for key in _NOTES if key in branch} | notes
    if any(map(_is_narrow, branches)) and not any(map(_takes_any_text, branches)):
        branches.append(REFERENCE)
    return notes | (branches[0] if len(branches) == 1 else {"anyOf": branches})


def _loosen_inside(node: Schema) -> Schema:
    copied = {key: value for key, value in node.items() if key != "title"}
    if copied.get("default") in _ABSENT or isinstance(copied.get("default"), dict):
        copied.pop("default", None)
    if all(isinstance(word, int) for word in copied.get("enum", [""])):
        copied["type"] = "integer"
    if "properties" in copied:
        copied["properties"] = {name: _loosen(inner) for name, inner in copied["properties"].items()}
    for key in ("items", "additionalProperties"):
        if isinstance(copied.get(key), dict):
            copied[key] = _loosen(copied[key])
    if "anyOf" in copied:
        copied["anyOf"] = [_loosen_inside(branch) for branch in copied["anyOf"]]
    return copied


def _is_narrow(branch: Schema) -> bool:
    return branch.get("type") in _NARROW_TYPES or not _NARROW.isdisjoint(branch)


def _takes_any_text(branch: Schema) -> bool:
    return branch.get("type") == "string" and (not _is_narrow(branch) or branch.get("writeOnly", False))
