"""A job's own keys over the defaults of ``mmflow.yaml``, each value knowing in which of the two files it stands.

A top-level key of a job replaces the default of that key as a whole: blocks are not mixed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from mmflow.check.faults import Finding, hide_value
from mmflow.document import Document, Path, Value
from mmflow.errors import Problem

EACH: Final = "*"
"""In a pattern: every item of a list, and every value of a block."""

Leaf: TypeAlias = tuple[Path, str]

_ABSENT: Final[Value] = []  # this very list: where nothing stands, which null is not


@dataclass(frozen=True, slots=True)
class Layers:
    """The values that count, with the file each comes from. ``base`` is where ``document`` is silent."""

    values: Value = field(repr=False)  # once a run has resolved them they may be secrets
    document: Document
    base: Document | None = None

    def locate(self, path: Path) -> tuple[Document, Path]:
        """Give the file that a value stands in, and its path there."""
        own = self.document.values
        if self.base is None or not path or not isinstance(own, dict) or path[0] in own:
            return self.document, path
        defaults = get(self.base.values, ("defaults",))
        given = isinstance(defaults, dict) and path[0] in defaults
        return (self.base, ("defaults", *path)) if given else (self.document, path)

    def is_own(self, path: Path) -> bool:
        """Tell whether a value stands in a job itself, and not in ``mmflow.yaml``."""
        return self.base is not None and self.locate(path)[0] is self.document

    def problem(self, finding: Finding) -> Problem:
        """Give the finding its file, line and column."""
        document, path = self.locate(finding.path)
        value = get(self.values, finding.path)
        return document.problem(
            path,
            hide_value(finding.message, value),
            hint=hide_value(finding.hint, value),
            key=finding.key,
            severity=finding.severity,
            id=finding.id,
        )

    def problems(self, findings: Iterable[Finding]) -> tuple[Problem, ...]:
        """Give all findings their places, each once and sorted, without those that are silenced."""
        return tuple(sorted({self.problem(finding) for finding in findings if not self.is_silenced(finding)}))

    def is_silenced(self, finding: Finding) -> bool:
        """Tell whether a comment on its line says that it is known: ``# mmflow: ignore[unknown-metric]``."""
        document, path = self.locate(finding.path)
        line, _ = document.position(path, key=finding.key)
        return finding.id in document.suppressed(line)


def lay_over(document: Document, base: Document) -> Layers:
    """Put a job over the ``defaults`` of ``mmflow.yaml``."""
    defaults = get(base.values, ("defaults",))
    own = document.values
    if not isinstance(own, dict) or not isinstance(defaults, dict):
        return Layers(own, document, base)
    return Layers({**{key: value for key, value in defaults.items() if key != "job"}, **own}, document, base)


def get(values: Value, path: Path) -> Value:
    """Give the value at a path, None when there is none."""
    for part in path:
        values = _step(values, part)
        if values is None:
            return None
    return values


def find(values: Value, pattern: tuple[str, ...], at: Path = ()) -> list[tuple[Path, Value]]:
    """Give every value that a pattern such as ``("report", "metrics", EACH)`` fits, in order of the file.

    ``at`` is where the values stand; their paths begin with it.
    """
    for place, part in enumerate(pattern):
        if part == EACH:
            here, rest = (*at, *pattern[:place]), pattern[place + 1 :]
            inside = [((*here, one), inner) for one, inner in _parts(values)]
            return [hit for path, inner in inside for hit in find(inner, rest, path)] if rest else inside
        values = values.get(part, _ABSENT) if isinstance(values, dict) else _ABSENT
        if values is _ABSENT:
            return []
    return [((*at, *pattern), values)]


def find_texts(values: Value, pattern: tuple[str, ...]) -> list[Leaf]:
    """Like :func:`find`, but only texts."""
    return [(path, value) for path, value in find(values, pattern) if isinstance(value, str)]


def all_texts(values: Value, at: Path = ()) -> list[Leaf]:
    """Give every text with its path, in order of the file."""
    found: list[Leaf] = []
    _gather_texts(values, at, found)
    return found


def _gather_texts(values: Value, at: Path, found: list[Leaf]) -> None:
    if isinstance(values, str):
        found.append((at, values))
    elif isinstance(values, dict | list):
        for part, inner in _parts(values):
            _gather_texts(inner, (*at, part), found)


def _step(values: Value, part: str | int) -> Value:
    if isinstance(values, dict):
        return values.get(part) if isinstance(part, str) else None
    if isinstance(values, list) and isinstance(part, int):
        return values[part] if 0 <= part < len(values) else None
    return None


def _parts(values: Value) -> Iterable[tuple[str | int, Value]]:
    if isinstance(values, dict):
        return values.items()
    return enumerate(values) if isinstance(values, list) else ()
