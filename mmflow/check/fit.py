"""Reads values into a model, or says everything that keeps them from fitting.

msgspec alone decides about values that fit, in microseconds. Only for the others jsonschema, for which this is the only
door, lists what is wrong; both give the same verdict. jsonschema's own messages print values and are never used.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

import msgspec

from mmflow.check.faults import Fault, Finding, Owner, explain_faults
from mmflow.document import Path, Value
from mmflow.options import Options, convert_values
from mmflow.schema import REFERENCE, Schema, describe_model

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

Refused: TypeAlias = Any  # jsonschema's error, whose attributes have no types
T = TypeVar("T", bound=Options)
WORDS: Final = ("enum", "const")


def fit_model(
    values: Value, model: type[T], owner: Owner, at: Path = (), *, strict: bool = True
) -> tuple[T | None, list[Finding]]:
    """Read values into a model; give None and what is wrong with them when they do not fit. ``at`` is their own path.

    ``strict`` is for values as they were written. They may then hold references where something narrower than text is
    expected: if nothing else is wrong, both answers are empty, and only a run can tell. Without ``strict`` the
    references have been resolved, and texts may stand for numbers.
    """
    try:
        return convert_values(values, model, strict=strict), []
    except msgspec.ValidationError:
        return None, explain_misfit(values, describe_model(model), owner, at, strict=strict)


def explain_misfit(values: Value, schema: Schema, owner: Owner, at: Path = (), *, strict: bool = True) -> list[Finding]:
    """Say everything that a schema finds wrong with values."""
    faults = list_faults(values, schema)
    if not strict:
        faults = list_faults(read_scalars(values, faults), schema)
        faults = [fault for fault in faults if fault.rule != "secret"]
    return explain_faults((fault.moved(at) for fault in faults), owner.moved(at))


def list_faults(values: Value, schema: Schema) -> list[Fault]:
    """Give every fault once, in the order of the schema."""
    errors: Iterator[Refused] = make_validator(schema).iter_errors(values)
    faults = (fault for error in errors for fault in unfold_error(error, error.schema))
    return list({(fault.path, fault.rule): fault for fault in faults}.values())


def make_validator(schema: Schema) -> Validator:
    """Give a validator with msgspec's idea of whole numbers: ``5.0`` is none."""
    from jsonschema import Draft202012Validator, validators

    checker = Draft202012Validator.TYPE_CHECKER.redefine("integer", _is_whole)
    validator: Validator = validators.extend(Draft202012Validator, type_checker=checker)(schema)  # type: ignore[no-untyped-call]
    return validator


def _is_whole(_checker: object, value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def unfold_error(error: Refused, notes: Schema) -> Iterator[Fault]:
    """Give the faults behind one error; ``notes`` is the schema that holds the words about the value."""
    path, limit = tuple(error.absolute_path), error.validator_value
    match error.validator:
        case "oneOf":
            return  # which keys go together: the rules say it in better words
        case "anyOf":
            yield from _unfold_branches(error, notes)
        case "required":
            missing = [name for name in limit if name not in error.instance]
            known = error.schema["properties"]
            yield from (Fault((*path, name), "required", None, None, known.get(name, {})) for name in missing)
        case "additionalProperties":
            known = list(error.schema["properties"])
            yield from (
                Fault((*path, name), "additionalProperties", known, None)
                for name in error.instance
                if name not in known
            )
        case _ if error.schema.get("writeOnly"):
            yield Fault(path, "secret", None, error.instance, notes)
        case "type":
            yield Fault(path, "type", _list_kinds(error), error.instance, notes)
        case rule:
            yield Fault(path, rule, limit, error.instance, notes)


def _unfold_branches(error: Refused, notes: Schema) -> Iterator[Fault]:
    """Choose the branch that is of the value's kind; the branch of references never explains anything."""
    path = tuple(error.absolute_path)
    if any(branch.get("writeOnly") for branch in error.validator_value):
        yield Fault(path, "secret", None, error.instance, notes)
        return
    branches = _group_branches(error)
    of_kind = [inner for inner in branches if not any(map(_is_other_kind, inner))]
    if not of_kind:
        kinds = [kind for inner in branches for one in inner if _is_other_kind(one) for kind in _list_kinds(one)]
        yield Fault(path, "type", list(dict.fromkeys(kinds)), error.instance, notes)
        return
    for inner in of_kind[0]:
        yield from unfold_error(inner, inner.schema if inner.relative_path else notes)


def _group_branches(error: Refused) -> list[list[Refused]]:
    branches: dict[int, list[Refused]] = {}
    for inner in error.context:
        branches.setdefault(inner.relative_schema_path[0], []).append(inner)
    return [inner for place, inner in branches.items() if error.validator_value[place] != REFERENCE]


def _is_other_kind(error: Refused) -> bool:
    if error.relative_path:
        return False
    return error.validator == "type" or (error.validator in WORDS and isinstance(error.instance, dict | list))


def _list_kinds(error: Refused) -> list[str]:
    wanted = "string" if error.validator in WORDS else error.validator_value
    return [wanted] if isinstance(wanted, str) else list(wanted)


def read_scalars(values: Value, faults: Iterable[Fault]) -> Value:
    """Give the values with those texts read as numbers or booleans that stand where such a value is wanted."""
    for fault in faults:
        if fault.rule == "type" and isinstance(fault.value, str):
            values = _put(values, fault.path, _read_scalar(fault.value, fault.limit))
    return values


def _read_scalar(text: str, kinds: Iterable[str]) -> bool | int | float | str:
    for kind in kinds:
        try:
            return msgspec.convert(text, _SCALARS.get(kind, str), strict=False)
        except msgspec.ValidationError:
            continue
    return text


_SCALARS: dict[str, type[bool | int | float | str]] = {"boolean": bool, "integer": int, "number": float}


def _put(values: Value, path: Path, value: Value) -> Value:
    if not path:
        return value
    head, rest = path[0], path[1:]
    if isinstance(values, dict) and isinstance(head, str):
        return values | {head: _put(values[head], rest, value)}
    assert isinstance(values, list)
    assert isinstance(head, int)
    return [*values[:head], _put(values[head], rest, value), *values[head + 1 :]]
