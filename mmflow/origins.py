"""Where every value of a job comes from: its own file, the defaults of ``mmflow.yaml``, or what is built in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin

import msgspec
from msgspec.structs import fields

from mmflow.check import CheckedJob
from mmflow.check.layers import Layers, get
from mmflow.document import Path, Value, format_path
from mmflow.job import Job, SinkKeys
from mmflow.options import Options
from mmflow.plugins import Registry

BUILT_IN: Final = "built in"


@dataclass(frozen=True, slots=True)
class Origin:
    """One value that counts. ``source`` is ``file:line``, or :data:`BUILT_IN`; references are as written."""

    path: str
    value: Value
    source: str


def list_origins(checked: CheckedJob, registry: Registry) -> Iterator[Origin]:
    """Give every value of a job in the order of the model; values of unknown keys are not among them."""
    values = checked.layers.values
    for path, value, given in walk_model(Job, values, ()):
        if path != ("sinks",):
            yield make_origin(checked.layers, path, value, given=given)
    for place, block in enumerate(_items(get(values, ("sinks",)))):
        sink = registry.sinks.get(str(block.get("type")))
        for model in (SinkKeys, sink.options) if sink else (SinkKeys,):
            for path, value, given in walk_model(model, block, ("sinks", place)):
                yield make_origin(checked.layers, path, value, given=given)


def make_origin(layers: Layers, path: Path, value: Value, *, given: bool) -> Origin:
    """Say in which file and line a value stands."""
    if not given:
        return Origin(format_path(path), value, BUILT_IN)
    document, place = layers.locate(path)
    return Origin(format_path(path), value, f"{document.name}:{document.position(place)[0]}")


def walk_model(model: type[Options], values: Value, at: Path) -> Iterator[tuple[Path, Value, bool]]:
    """Give every value of a model with its path, and whether it is given or the model's default.

    Defaults that mean "not given", such as empty text, are left out.
    """
    block = values if isinstance(values, dict) else {}
    for field in fields(model):
        here = (*at, field.encode_name)
        if field.encode_name in block:
            yield from _walk(field.type, block[field.encode_name], here)
        elif isinstance(field.default, Options):
            yield from walk_model(type(field.default), {}, here)
        elif field.default not in _ABSENT and field.default is not msgspec.NODEFAULT:
            yield here, field.default, False


_ABSENT: Final = (None, "", ())


def _walk(kind: Any, value: Value, at: Path) -> Iterator[tuple[Path, Value, bool]]:
    model, element = _find_model(kind), _find_element(kind)
    if isinstance(value, dict) and model:
        yield from walk_model(model, value, at)
    elif value and isinstance(value, dict | list) and _find_model(element):
        for part, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _walk(element, inner, (*at, part))
    else:
        yield at, value, True


def _find_model(kind: Any) -> type[Options] | None:
    return next((one for one in _branches(kind) if isinstance(one, type) and issubclass(one, Options)), None)


def _find_element(kind: Any) -> Any:
    """Give what a list or a block of such values holds, None for other types."""
    for one in _branches(kind):
        if get_origin(one) in (tuple, dict):
            return get_args(one)[1 if get_origin(one) is dict else 0]
    return None


def _branches(kind: Any) -> tuple[Any, ...]:
    if get_origin(kind) is Annotated:
        return _branches(get_args(kind)[0])
    if get_origin(kind) in (Union, UnionType):
        return tuple(branch for one in get_args(kind) for branch in _branches(one))
    return (kind,)


def _items(values: Value) -> list[dict[str, Value]]:
    return [item for item in values if isinstance(item, dict)] if isinstance(values, list) else []
