"""Instants put in order of time where the clock on the wall, or overlapping shifts, give them in another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from operator import gt, lt
from typing import Final, TypeAlias

TICK: Final = timedelta(microseconds=1)
Group: TypeAlias = tuple[datetime, Iterable[datetime]]
"""Some instants, and a bound that nothing in this group, or in those that follow it, lies beyond."""


def ascend(groups: Iterable[Group], after: datetime) -> Iterator[datetime]:
    """Give the instants of the groups that lie after one, each once, ascending; bounds are lower ones, ascending."""
    return _order(groups, after, descending=False)


def descend(groups: Iterable[Group], until: datetime) -> Iterator[datetime]:
    """Give the instants of the groups up to one, included, each once, descending; bounds are upper ones, descending."""
    return _order(groups, until + TICK, descending=True)


def _order(groups: Iterable[Group], last: datetime, *, descending: bool) -> Iterator[datetime]:
    passed = lt if descending else gt
    for due in _sort(groups, descending=descending):
        if passed(due, last):
            yield due
            last = due


def _sort(groups: Iterable[Group], *, descending: bool) -> Iterator[datetime]:
    """Keep back what a later group may still precede."""
    precedes = gt if descending else lt
    waiting: list[datetime] = []  # the next one stands last
    for bound, instants in groups:
        while waiting and precedes(waiting[-1], bound):
            yield waiting.pop()
        waiting.extend(instants)
        waiting.sort(reverse=not descending)
    yield from reversed(waiting)
