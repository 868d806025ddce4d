"""Jinja with its hands tied: plain values, few filters, bounded operators, no way to switch escaping off.

Time and memory are limits of the process, see :mod:`mmflow_email.letter.child`; what can be refused by name is refused
here, with the line of the template.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from jinja2 import BaseLoader, StrictUndefined, nodes
from jinja2.exceptions import SecurityError, TemplateAssertionError
from jinja2.filters import FILTERS as JINJA_FILTERS
from jinja2.sandbox import ImmutableSandboxedEnvironment

FILTERS: Final = (
    "abs", "capitalize", "count", "d", "default", "dictsort", "e", "escape", "first", "float", "groupby", "int",
    "items", "join", "last", "length", "list", "lower", "map", "max", "min", "reject", "rejectattr", "reverse", "round",
    "select", "selectattr", "sort", "string", "striptags", "sum", "title", "trim", "truncate", "unique", "upper",
)  # fmt: skip
METHODS: Final[Mapping[type, frozenset[str]]] = {
    str: frozenset({"capitalize", "endswith", "lower", "split", "startswith", "strip", "title", "upper"}),
    dict: frozenset({"get", "items", "keys", "values"}),
    list: frozenset({"count", "index"}),
    tuple: frozenset({"count", "index"}),
}
MOST_TURNS: Final = 10_000  # of one range
MOST_ITEMS: Final = 1_000_000  # characters or members that an operator may make
MOST_BITS: Final = 2_048  # of a whole number


class LetterEnvironment(ImmutableSandboxedEnvironment):
    """Renders the templates of letters; ``escape`` is off only where the result is no HTML, as in a subject."""

    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "%", "**"})

    def __init__(self, loader: BaseLoader | None = None, *, escape: bool = True) -> None:
        super().__init__(
            loader=loader,
            autoescape=escape,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            cache_size=40,
        )
        self.filters = {name: JINJA_FILTERS[name] for name in FILTERS} | OWN_FILTERS
        self.globals = {"range": bounded_range, "namespace": self.globals["namespace"]}

    def join_path(self, template: str, parent: str) -> str:
        """Find a template beside the one that names it; ``mmflow/…`` are the built-in ones."""
        if template.startswith("mmflow/") or "/" not in parent:
            return template
        return f"{parent.rpartition('/')[0]}/{template}"

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = super()._parse(source, name, filename)
        for found in tree.find_all((nodes.EvalContextModifier, nodes.ScopedEvalContextModifier)):
            raise TemplateAssertionError("escaping cannot be switched off", found.lineno, name, filename)
        # Found here and not when it is compiled: compiling works constants out, which only the child may do.
        for kind, known in ((nodes.Filter, self.filters), (nodes.Test, self.tests)):
            for used in tree.find_all(kind):
                if used.name not in known:
                    told = f"there is no {kind.__name__.lower()} {used.name!r} for letters"
                    raise TemplateAssertionError(told, used.lineno, name, filename)
        return tree

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Let through only methods whose result is no larger than what they are given."""
        for kind in (str, dict, list, tuple, int, float):
            if isinstance(obj, kind) and callable(value):
                return attr in METHODS.get(kind, ())
        return super().is_safe_attribute(obj, attr, value)

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Compute, unless the result would be too large to be meant."""
        if not GUARDS[operator](left, right):
            raise SecurityError(f"the result of {operator} would be too large, or is none of numbers")
        return super().call_binop(context, operator, left, right)


def write_thousands(number: float, decimals: int = 0) -> str:
    """Write a number with separators between thousands."""
    return f"{number:,.{min(max(int(decimals), 0), 9)}f}"


def replace_text(text: object, old: str, new: str) -> str:
    """Put another text in the place of one; the result is escaped like any other."""
    whole = str(text)
    if len(whole) + whole.count(old) * len(new) > MOST_ITEMS:
        raise SecurityError("the result of replace would be too large")
    return whole.replace(old, new)


def bounded_range(*bounds: int) -> range:
    """Count, for at most :data:`MOST_TURNS`."""
    counted = range(*bounds)
    if len(counted) > MOST_TURNS:
        raise SecurityError(f"range is longer than {MOST_TURNS:,}")
    return counted


def are_numbers(left: object, right: object) -> bool:
    """Keep an operator to numbers; ``%`` of a text would be a format with any width."""
    return isinstance(left, int | float) and isinstance(right, int | float)


def may_multiply(left: Any, right: Any) -> bool:
    """Bound the digits of a product, and keep texts and lists from being repeated."""
    return are_numbers(left, right) and bits_of(left) + bits_of(right) <= MOST_BITS


def may_raise(left: Any, right: Any) -> bool:
    """Bound the digits of a power."""
    return are_numbers(left, right) and abs(right) <= MOST_BITS and bits_of(left) * abs(right) <= MOST_BITS


def may_add(left: Any, right: Any) -> bool:
    """Bound the length of what two texts or lists make together."""
    return are_numbers(left, right) or len_of(left) + len_of(right) <= MOST_ITEMS


def bits_of(number: float) -> int:
    """Count the bits of a whole number."""
    return number.bit_length() if isinstance(number, int) else 64


def len_of(value: Any) -> int:
    """Give the length of a text or list, 0 for what has none."""
    return len(value) if isinstance(value, str | list | tuple | dict) else 0


OWN_FILTERS: Final = {"replace": replace_text, "thousands": write_thousands}
GUARDS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "+": may_add,
    "-": are_numbers,
    "*": may_multiply,
    "/": are_numbers,
    "//": are_numbers,
    "%": are_numbers,
    "**": may_raise,
}
