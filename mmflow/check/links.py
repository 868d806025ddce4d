"""What sinks of one job say of each other: who stands in for whom, whose file is attached, where dates stand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from mmflow.check.faults import Finding
from mmflow.check.layers import find
from mmflow.check.uses import Placed, SinkUse, attached, waits_for
from mmflow.document import Path, Value
from mmflow.errors import hint_names
from mmflow.job import WhenSpec
from mmflow.refs import has_reference
from mmflow.sinks import Outline

Named = Mapping[str, tuple[Path, SinkUse]]


def check_links(placed: Sequence[Placed], values: Value, outline: Outline) -> Iterator[Finding]:
    """Say what is wrong with the names by which sinks know each other, their conditions, and the window's cells."""
    named = {one.use.name: (one.path, one.use) for one in placed if one.use}
    for path, use in named.values():
        yield from check_fallback(path, use, named)
        yield from check_attached(path, use, named)
        yield from check_when(path, use, outline)
    yield from check_cells(named, values)


def check_fallback(path: Path, use: SinkUse, named: Named) -> Iterator[Finding]:
    """Expect another sink of the job, and no circle."""
    here, wanted = (*path, "fallback"), use.fallback
    if not wanted or has_reference(wanted):
        return
    if wanted not in named:
        yield Finding(here, f"the job has no sink {wanted!r}", hint_names(wanted, set(named) - {use.name}))
    elif use.name in follow_fallbacks(wanted, named):
        message = explain_circle(use.name, follow_fallbacks(wanted, named))
        yield Finding(here, message, "name another sink, or remove this key")


def explain_circle(name: str, chain: Sequence[str]) -> str:
    """Say that a sink would stand in for itself, and by which others."""
    if name == chain[0]:
        return "a sink cannot stand in for itself"
    others = chain[: chain.index(name)]
    return f"{', '.join(others)} would stand in for {name}, and {name} for {others[-1]}"


def follow_fallbacks(name: str, named: Named) -> list[str]:
    """Give a sink and those that would get the table one after the other if each failed."""
    chain: list[str] = []
    while name in named and name not in chain:
        chain.append(name)
        name = named[name][1].fallback
    return chain


def follow_turns(name: str, named: Named) -> set[str]:
    """Give the sinks that have their turn before one: those that it attaches or stands in for, and theirs."""
    uses, before = [use for _, use in named.values()], {name}
    todo = [name]
    while todo:
        found = set(waits_for(named[todo.pop()][1], uses)) & named.keys() - before
        before |= found
        todo += found
    return before - {name}


def check_attached(path: Path, use: SinkUse, named: Named) -> Iterator[Finding]:
    """Expect sinks of the job that write files, each once, and before this one has its turn."""
    writers = [name for name, (_, other) in named.items() if other is not use and hasattr(other.options, "path")]
    seen: set[str] = set()
    for place, wanted in enumerate(attached(use)):
        here = (*path, "attach", place)
        if has_reference(wanted):
            continue
        if wanted in seen:
            yield Finding(here, f"{wanted!r} is attached already", "remove it")
        elif wanted not in named:
            yield Finding(here, f"the job has no sink {wanted!r}", hint_names(wanted, writers))
        elif wanted not in writers:
            yield Finding(here, f"the sink {wanted!r} writes no file", hint_names("", writers))
        elif use.name in follow_turns(wanted, named):
            yield Finding(here, f"the sink {wanted!r} has its turn after this one", "attach another file")
        seen.add(wanted)


def check_when(path: Path, use: SinkUse, outline: Outline) -> Iterator[Finding]:
    """Expect a condition with a limit, on columns of the report."""
    when, here = use.when, (*path, "when")
    if not isinstance(when, WhenSpec):
        return
    if when.above is None and when.below is None:
        yield Finding(here, "the condition has no limit", "add above or below")
    for key, word in (("column", when.column), ("above", when.above), ("below", when.below)):
        if isinstance(word, str) and word not in outline.columns and not has_reference(word):
            yield Finding((*here, key), f"the report has no column {word!r}", hint_names(word, outline.columns))


def check_cells(named: Named, values: Value) -> Iterator[Finding]:
    """Expect a sink whose workbook or sheet can be read, for a window that stands in cells."""
    readers = [name for name, (_, use) in named.items() if use.type.read_window]
    wanted = next((text for _, text in find(values, ("window", "sink"))), "")
    for path, _ in find(values, ("window", "cells")):
        if not readers:
            yield Finding(path, "no sink of the job has cells that can be read", "add one, such as type: excel")
        elif isinstance(wanted, str) and wanted not in ("", *readers) and not has_reference(wanted):
            here = (*path[:-1], "sink")
            yield Finding(here, f"{wanted!r} is no sink whose cells can be read", hint_names(wanted, readers))
