"""What the check found, in words: one finding is one sentence about one place, and no value that may be a secret."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from mmflow.document import Path, Value
from mmflow.errors import Severity, hint_names, suggest_name
from mmflow.refs import has_reference
from mmflow.secrecy import looks_like_secret

LONGEST_SHOWN: Final = 40


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem before it is known in which file its path lies; ``key`` points at the key, not at the value."""

    path: Path
    message: str
    hint: str = ""
    key: bool = False
    severity: Severity = "error"
    id: str = ""


@dataclass(frozen=True, slots=True)
class Fault:
    """A value that a schema refused: ``rule`` is the schema's keyword, ``limit`` its demand, ``notes`` its words.

    ``required`` has one fault for each missing key, and ``additionalProperties`` one for each key too many, which is
    then the last part of the path.
    """

    path: Path
    rule: str
    limit: Any
    value: Value
    notes: Mapping[str, Any] = field(default_factory=dict)

    def moved(self, at: Path) -> Fault:
        """Give the same fault of values that stand at a path."""
        return replace(self, path=(*at, *self.path))


@dataclass(frozen=True, slots=True)
class Owner:
    """What the outermost keys belong to: ``a job`` has keys, ``csv`` has options; ``depth`` parts lead to it."""

    name: str
    keys: str = "key"
    depth: int = 0

    def moved(self, at: Path) -> Owner:
        """Give the same owner standing at a path."""
        return replace(self, depth=len(at))


def explain_faults(faults: Iterable[Fault], owner: Owner) -> list[Finding]:
    """Give one finding for each thing wrong; a key that is only misspelt is not also reported as missing."""
    listed = list(faults)
    meant = {
        (*fault.path[:-1], suggest_name(str(fault.path[-1]), fault.limit))
        for fault in listed
        if fault.rule == "additionalProperties"
    }
    return [
        explain_extra(fault, owner) if fault.rule == "additionalProperties" else _explain_fault(fault)
        for fault in listed
        if fault.rule != "required" or fault.path not in meant
    ]


def explain_extra(fault: Fault, owner: Owner) -> Finding:
    """Say that there is no such key, in the words of what the key stands in."""
    word = str(fault.path[-1])
    inner = [part for part in fault.path[owner.depth : -1] if isinstance(part, str)]
    who, keys = (f"'{inner[-1]}'", "key") if inner else (owner.name, owner.keys)
    return Finding(fault.path, f"{who} has no {keys} {show(word)}", hint_names(word, fault.limit), key=True)


def _explain_fault(fault: Fault) -> Finding:
    return _EXPLAINERS.get(fault.rule, _explain_other)(fault)


def explain_error(path: Path, error: Exception | str) -> Finding:
    """Make a finding of an error whose text ends with what to do, behind a semicolon."""
    message, _, hint = str(error).partition("; ")
    return Finding(path, message, hint)


def show(value: Value) -> str:
    """Name a value in a message: as written when it is short and no secret, else only its kind."""
    if isinstance(value, str) and (len(value) > LONGEST_SHOWN or not value.isprintable() or looks_like_secret(value)):
        return f"text of {len(value)} characters"
    if isinstance(value, str):
        return f"'{value}'" if value else "empty text"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return name_kind(value)


def hide_value(text: str, value: Value) -> str:
    """Take a value out of a text about it when it is too long to be repeated, or not to be shown."""
    if not isinstance(value, str) or not value or value in show(value):
        return text
    for form in (repr(value), f"'{value}'", value):
        text = text.replace(form, show(value))
    return text


def name_kind(value: Value) -> str:
    """Say of what kind a value is, in the words of somebody who writes YAML."""
    return next(words for kind, words in _KINDS if isinstance(value, kind))


_KINDS: Final[tuple[tuple[type, str], ...]] = (
    (type(None), "nothing"),
    (bool, "true or false"),
    (int, "a whole number"),
    (float, "a number"),
    (str, "text"),
    (list, "a list"),
    (dict, "a block of keys"),
)
_TYPES: Final = {
    "null": "nothing",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "string": "text",
    "array": "a list",
    "object": "a block of keys",
}


def write_flow(value: object) -> str:
    """Write an example as YAML would have it on one line."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(write_flow, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {write_flow(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    text = str(value)
    plain = not isinstance(value, str) or (_PLAIN.fullmatch(text) and not _OTHER_THAN_TEXT.fullmatch(text))
    return text if plain else json.dumps(text, ensure_ascii=False)


def suggest_reference(path: Path) -> str:
    """Give a reference with a fitting variable for a secret: ``${env:MM_BOSTON_KEY}`` for the key of a site."""
    match [part for part in path if isinstance(part, str)]:
        case ["sites", site, "api_key"]:
            words = ["mm", site, "key"]
        case ["connections" | "sinks" | "defaults", first, *rest]:
            words = [first, *rest]
        case words:
            pass
    return "${env:" + (re.sub(r"[^A-Z0-9]+", "_", "_".join(words).upper()) or "SECRET") + "}"


_PLAIN: Final = re.compile(r"[\w./][\w ./@*+-]*(:[\w/]+)*")
_LENGTH: Final = re.compile(r"[0-9]+ [a-z]+")
_OTHER_THAN_TEXT: Final = re.compile(r"true|false|null|[-+]?[0-9.]+(e[-+]?[0-9]+)?|[0-9][0-9:-]+", re.IGNORECASE)


def _explain_missing(fault: Fault) -> Finding:
    hint = _give_example(fault, f"{fault.path[-1]}: ") or _give_sentence(fault)
    return Finding(fault.path, "this key is missing", hint, key=True)


def _explain_type(fault: Fault) -> Finding:
    wanted = [name for name in fault.limit if name != "null" or len(fault.limit) == 1]
    expected = " or ".join(_TYPES[name] for name in wanted)
    return Finding(fault.path, f"found {_name_found(fault.value)}, expected {expected}", _advise_type(fault, wanted))


def _name_found(value: Value) -> str:
    if isinstance(value, str) and has_reference(value):
        return "a reference"
    return json.dumps(value) if isinstance(value, bool) else name_kind(value)


def _advise_type(fault: Fault, wanted: Sequence[str]) -> str:
    if isinstance(fault.value, bool | int | float) and "string" in wanted:
        return _advise_text(fault)
    if isinstance(fault.value, str) and wanted == ["array"]:
        plain = _PLAIN.fullmatch(fault.value) and not looks_like_secret(fault.value)
        return f"write it as a list: [{fault.value}]" if plain else "write it as a list"
    return _give_example(fault)


def _advise_text(fault: Fault) -> str:
    """Give the hint for a number or a yes where text belongs: a unit behind it for a length, else quotes."""
    lengths = [text for text in fault.notes.get("examples", ()) if isinstance(text, str) and _LENGTH.fullmatch(text)]
    if not lengths:
        return "put it in quotes"
    whole = type(fault.value) is int and fault.value > 0
    return f"write {fault.value} {lengths[0].split()[1]}" if whole else f"write {lengths[0]}"


def _explain_enum(fault: Fault) -> Finding:
    words = [str(word) for word in fault.limit]
    text = isinstance(fault.value, str)
    near = suggest_name(str(fault.value), words) if text else ""
    found = show(fault.value) if text or isinstance(fault.value, int) else name_kind(fault.value)
    shown = [word if word.isidentifier() else show(fault.limit[place]) for place, word in enumerate(words)]
    expected = f"one of {', '.join(shown)}" if len(words) > 1 else shown[0]
    # A single word among texts stands beside something of another kind, which the example shows.
    example = _give_example(fault) if len(words) == 1 and text else ""
    hint = f"did you mean {near!r}?" if near else example
    return Finding(fault.path, f"found {found}, expected {expected}", hint)


def _explain_form(fault: Fault) -> Finding:
    return Finding(
        fault.path,
        f"found {show(fault.value)}, which has not the right form",
        _give_example(fault) or _give_sentence(fault),
    )


def _explain_secret(fault: Fault) -> Finding:
    hint = f"write {suggest_reference(fault.path)} and set that variable, or write ${{file:path}}"
    if isinstance(fault.value, str) and has_reference(fault.value):
        return Finding(fault.path, "expected one reference and nothing beside it, a default neither", hint)
    return Finding(fault.path, "a secret must not stand in this file", hint)


def _explain_size(fault: Fault) -> Finding:
    size = len(fault.value) if isinstance(fault.value, str | list | dict) else 0
    unit = "character" if isinstance(fault.value, str) else "item"
    found = f"{size} {unit}{'s' * (size != 1)}" if size else f"no {unit}"
    return Finding(fault.path, f"found {found}, expected {_BOUNDS[fault.rule]} {fault.limit}", _give_example(fault))


def _explain_bound(fault: Fault) -> Finding:
    return Finding(fault.path, f"found {show(fault.value)}, expected {_BOUNDS[fault.rule]} {fault.limit}")


def _explain_other(fault: Fault) -> Finding:
    return Finding(fault.path, f"found {show(fault.value)}, which does not fit ({fault.rule})", _give_example(fault))


def _give_example(fault: Fault, prefix: str = "") -> str:
    examples = fault.notes.get("examples", ())
    return f"write {prefix}{write_flow(examples[0])}" if examples else ""


def _give_sentence(fault: Fault) -> str:
    sentence = str(fault.notes.get("description", "")).rstrip(".")
    return sentence[:1].lower() + sentence[1:]


_BOUNDS: Final = {
    "minimum": "at least",
    "maximum": "at most",
    "exclusiveMinimum": "more than",
    "exclusiveMaximum": "less than",
    "minLength": "at least",
    "maxLength": "at most",
    "minItems": "at least",
    "maxItems": "at most",
    "minProperties": "at least",
    "maxProperties": "at most",
}
_EXPLAINERS: Final[Mapping[str, Callable[[Fault], Finding]]] = {
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), _explain_bound),
    **dict.fromkeys(
        ("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"), _explain_size
    ),
    "required": _explain_missing,
    "type": _explain_type,
    "enum": _explain_enum,
    "pattern": _explain_form,
    "secret": _explain_secret,
}
