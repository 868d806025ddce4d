"""What the service refused, brought back to the line of the job that asked for it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from mmflow.check.faults import Finding
from mmflow.check.layers import Layers, get
from mmflow.document import Path, Value
from mmflow.errors import Complaint, Problem
from mmflow.question import PLANNED_TIME

# Part of the request: where in a job the words stand that end up there, the likeliest place first.
SOURCES: Mapping[str, tuple[Path, ...]] = {
    "data": (("report", "metrics"), ("shape",), ("checks",)),
    "groupBy": (("report", "group_by"),),
    "filter": (("report", "filter"),),
    "exclude": (("report", "exclude"),),
    "start": (("window",),),
    "end": (("window",),),
    "startDay": (("window",),),
    "endDay": (("window",),),
}
ASKED_BY: Mapping[str, Path] = {PLANNED_TIME: ("schedule", "skip_when_idle")}  # metrics that need not be named
EVERYWHERE: tuple[Path, ...] = (("report",), ("shape",), ("checks",))


def locate_errors(complaints: Iterable[Complaint], layers: Layers) -> tuple[Problem, ...]:
    """Give a problem for each complaint, at the word it is about, else at the block it belongs to."""
    return layers.problems(
        Finding(locate_word(complaint, layers.values), complaint.message, complaint.hint) for complaint in complaints
    )


def locate_word(complaint: Complaint, values: Value) -> Path:
    """Find the value of a job that is the word of a complaint, or at least speaks of it."""
    field, _, kind = complaint.field.partition(".")
    sources = SOURCES.get(field, EVERYWHERE)
    if not complaint.word:
        return sources[0]
    if kind and field in {"filter", "exclude"}:
        sources = (("report", field, kind), *sources)
    leaves = [leaf for source in sources for leaf in walk_leaves(get(values, source), source)]
    spoken = re.compile(rf"(?<!\w){re.escape(complaint.word)}(?!\w)")
    whole = (path for path, text in leaves if text == complaint.word)
    part = (path for path, text in leaves if spoken.search(text))
    asked_by = ASKED_BY.get(complaint.word, ())
    unnamed = asked_by if asked_by and get(values, asked_by) is True else sources[0]
    return next(whole, next(part, unnamed))


def walk_leaves(values: Value, path: Path) -> Iterator[tuple[Path, str]]:
    """Give every text below a path, with its own path."""
    if isinstance(values, dict):
        for key, value in values.items():
            yield from walk_leaves(value, (*path, key))
    elif isinstance(values, list):
        for place, value in enumerate(values):
            yield from walk_leaves(value, (*path, place))
    elif isinstance(values, str):
        yield path, values
