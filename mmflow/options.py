"""The base of everything that is declared in YAML: typed, frozen, keyword-only, closed to unknown keys."""

from __future__ import annotations

from typing import Any, TypeVar, dataclass_transform

import msgspec

from mmflow.refs import Secret, is_secret_form

T = TypeVar("T")


class OptionsMeta(msgspec.StructMeta):
    """Gives every subclass of :class:`Options` the same strictness; msgspec does not inherit ``kw_only``."""

    def __new__(mcls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **config: Any) -> type:
        """Make the class frozen, keyword-only and closed unless it says otherwise."""
        for key in ("frozen", "kw_only", "forbid_unknown_fields"):
            config.setdefault(key, True)
        made: type = super().__new__(mcls, name, bases, namespace, **config)
        return made


@dataclass_transform(kw_only_default=True, field_specifiers=(msgspec.field,))
class Options(msgspec.Struct, metaclass=OptionsMeta):
    """A block of YAML keys. Each field is ``Annotated[type, Meta(description=…, examples=[…])]``.

    From one field follow the check, the JSON Schema, the line in the docs and the object that the code gets. A field
    of type :class:`~mmflow.refs.Secret` takes only one ``${env:…}`` or ``${file:…}`` reference, without a default.
    """


def decode_special(kind: type, value: object) -> object:
    """Build the types that msgspec does not know from their YAML form."""
    if kind is not Secret:
        raise NotImplementedError(f"no rule for {kind!r}")
    if not isinstance(value, str):
        raise ValueError("Expected `str`")  # noqa: TRY004  msgspec makes its own error of this one
    return Secret(value)


def decode_written(kind: type, value: object) -> object:
    """Like :func:`decode_special` for a file as it was written, where a secret has to be a reference."""
    if kind is Secret and isinstance(value, str) and not is_secret_form(value):
        raise ValueError("Expected a reference")
    return decode_special(kind, value)


def convert_values(values: object, kind: type[T], *, strict: bool = True) -> T:
    """Turn plain YAML data into ``kind``; raises :class:`msgspec.ValidationError` for the first thing wrong.

    ``strict`` is for a file as it was written: a secret has to be a reference. Without it numbers and booleans are
    read from text, which is what a resolved ``${env:…}`` always is, and a secret is its value.
    """
    return msgspec.convert(values, kind, strict=strict, dec_hook=decode_written if strict else decode_special)
