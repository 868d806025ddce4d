"""The base of everything that is declared in YAML: typed, frozen, keyword-only, closed to unknown keys."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from mmflow.refs import Secret

T = TypeVar("T")


class OptionsMeta(type(msgspec.Struct)):  # type: ignore[misc]  # msgspec does not name its metaclass
    """Gives every subclass of :class:`Options` the same strictness; msgspec does not inherit ``kw_only``."""

    def __new__(mcls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **config: Any) -> type:
        """Make the class frozen, keyword-only and closed unless it says otherwise."""
        for key in ("frozen", "kw_only", "forbid_unknown_fields"):
            config.setdefault(key, True)
        made: type = super().__new__(mcls, name, bases, namespace, **config)
        return made


class Options(msgspec.Struct, metaclass=OptionsMeta):
    """A block of YAML keys. Each field is ``Annotated[type, Meta(description=…, examples=[…])]``.

    From one field follow the check, the JSON Schema, the line in the docs and the object that the code gets. A field
    of type :class:`~mmflow.refs.Secret` takes only a ``${env:…}`` or ``${file:…}`` reference.
    """


def decode_special(kind: type, value: object) -> object:
    """Build the types that msgspec does not know from their YAML form."""
    if kind is Secret and isinstance(value, str):
        return Secret(value)
    raise NotImplementedError(f"no rule for {kind!r}")


def convert_values(values: object, kind: type[T], *, strict: bool = True) -> T:
    """Turn plain YAML data into ``kind``; raises :class:`msgspec.ValidationError` for the first thing wrong.

    ``strict=False`` reads numbers and booleans from text, which is what a resolved ``${env:…}`` always is.
    """
    return msgspec.convert(values, kind, strict=strict, dec_hook=decode_special)
