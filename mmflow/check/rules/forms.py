"""Rules about which keys go together, from tables of forms that also write the schema for editors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from mmflow.check.faults import Finding
from mmflow.check.layers import EACH
from mmflow.check.rules.facts import Facts
from mmflow.document import Path
from mmflow.job import CHECK_FORMS, SCHEDULE_FORMS, WINDOW_FORMS
from mmflow.schema import Forms

PLACES: Final[tuple[tuple[tuple[str, ...], Forms], ...]] = (
    (("window",), WINDOW_FORMS),
    (("schedule",), SCHEDULE_FORMS),
    (("checks", EACH), CHECK_FORMS),
)
KEYS: Final = {forms: frozenset().union(*(allowed | needed for needed, allowed in forms)) for _, forms in PLACES}


def check_forms(facts: Facts) -> Iterator[Finding]:
    """Expect keys that belong together in a window, a schedule or a check."""
    for pattern, forms in PLACES:
        for path, block in facts.blocks(*pattern):
            yield from check_form(path, block, forms)


def check_form(path: Path, keys: Iterable[str], forms: Forms) -> Iterator[Finding]:
    """Say which keys do not go together, or which one is missing; keys of no form at all are left to the schema."""
    given = [key for key in keys if key in KEYS[forms]]
    if fits_form(given, forms):
        return
    complete = [needed | allowed for needed, allowed in forms if needed <= set(given)]
    if complete:
        first, extra = given[0], next(key for key in given if key not in complete[0])
        other = first if first != extra else next(key for key in given if key in complete[0])
        yield Finding((*path, extra), f"'{extra}' does not go with '{other}'", "remove one of them", key=True)
        return
    begun = [needed for needed, allowed in forms if given and not (needed | allowed).isdisjoint(given)]
    yield Finding(
        path, f"found {_join(given, 'and') or 'no key'}, expected {_offer(begun or [one for one, _ in forms])}"
    )


def fits_form(given: Iterable[str], forms: Forms) -> bool:
    """Tell whether keys make one of the forms."""
    keys = frozenset(given)
    return any(needed <= keys <= needed | allowed for needed, allowed in forms)


def _offer(forms: Iterable[frozenset[str]]) -> str:
    return ", or ".join(dict.fromkeys(_join(sorted(needed), "and") for needed in forms))


def _join(keys: Iterable[str], word: str) -> str:
    return f" {word} ".join(f"'{key}'" for key in keys)
