"""A query and a plant give cells: sums of atoms for every combination of groups, and for every level above."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter

from mmflow.simulator.days import HOUR, Day
from mmflow.simulator.facts import Atom
from mmflow.simulator.members import Group, Machine, Member
from mmflow.simulator.metrics import QUANTITIES
from mmflow.simulator.plant import Plant
from mmflow.simulator.query import Query

# A member, no member (outside every shift, without operator, without job), the instant of an hour, the ordinal
# of a day, or a downtime reason.
Part = Member | int | str | None
Key = tuple[Part, ...]

UNCATEGORIZED = "Uncategorized"

ATOM_PARTS: dict[str, Callable[[Atom], Part]] = {
    "shift": attrgetter("shift"),
    "operator": attrgetter("operator"),
    "jobOperation": attrgetter("job"),
    "hour": lambda atom: atom.start // HOUR * HOUR,
    "reason": lambda atom: atom.reason or UNCATEGORIZED,
}


@dataclass(slots=True)
class Cell:
    """What is known of one combination: where its data begins and ends, and its sums by name of quantity."""

    start: int
    end: int
    sums: list[int]

    def add(self, start: int, end: int, sums: list[int]) -> None:
        """Take in one more run of atoms."""
        self.start, self.end = min(self.start, start), max(self.end, end)
        self.sums = [mine + more for mine, more in zip(self.sums, sums, strict=True)]


@dataclass(frozen=True, slots=True)
class Report:
    """The cells of a query by key; a key shorter than the groups is the total of a level, ``()`` of everything.

    Every total is summed from atoms, so a machine in two groups counts once in it.
    """

    query: Query
    quantities: tuple[str, ...]
    cells: dict[Key, Cell]

    @property
    def leaves(self) -> list[Key]:
        """The keys of the rows, in no order; none without ``groupBy``."""
        return [key for key in self.cells if key and len(key) == len(self.query.groups)]


def make_report(plant: Plant, query: Query, now: int) -> Report:
    """Sum the atoms that the query asks for, as they are known at ``now``; nothing after it exists yet."""
    names = {name for metric in query.metrics for name in (metric.over, metric.under)}
    quantities = tuple(name for name in QUANTITIES if name in names)
    measures = [QUANTITIES[name] for name in quantities]
    days = plant.list_days(query.start, min(query.end, now))
    cells: dict[Key, Cell] = {}
    for machine in plant.machines:
        for keys, run in _split_runs(plant, machine, days, query, now):
            start, end, sums = run[0].start, run[-1].end, [sum(map(measure, run)) for measure in measures]
            for key in keys:
                if key in cells:
                    cells[key].add(start, end, sums)
                else:
                    cells[key] = Cell(start, end, sums)
    return Report(query, quantities, cells)


def _split_runs(
    plant: Plant, machine: Machine, days: list[Day], query: Query, now: int
) -> Iterator[tuple[set[Key], list[Atom]]]:
    """Give runs of atoms that belong to the same cells, with the keys of those cells."""
    groups = _list_groups(query, machine)
    if not groups:
        return
    names = [name for name in query.groups if name in ATOM_PARTS]
    find_parts = [ATOM_PARTS[name] for name in names]
    for day in days:
        atoms = _filter_atoms(query, plant.day_atoms(machine, day, query.start, query.end, now))
        fixed: dict[str, Part] = {"machine": machine, "day": day.date.toordinal()}
        for parts, run in groupby(atoms, key=lambda atom: tuple([find(atom) for find in find_parts])):
            found = fixed | dict(zip(names, parts, strict=True))
            yield _list_keys(query, found, groups), list(run)


def _list_keys(query: Query, found: dict[str, Part], groups: list[Group]) -> set[Key]:
    """Give the keys of all cells that a run counts in: a row for each machine group, and once each level above."""
    if "machineGroup" not in query.groups:
        groups = groups[:1]
    depth = len(query.groups)
    levels = (0, depth) if query.flatten else range(depth + 1)
    leaves = [tuple([group if name == "machineGroup" else found[name] for name in query.groups]) for group in groups]
    return {leaf[:level] for leaf in leaves for level in levels}


def _list_groups(query: Query, machine: Machine) -> list[Group]:
    """Give the machine's groups that count; none when the machine itself is filtered out.

    A machine is kept through any kept group, counts only in kept ones, and is out with any excluded one.
    """
    excluded = [g for g in machine.groups if g.id in query.drop.get("machineGroup", ())]
    if excluded or not _is_wanted(query, "machine", machine):
        return []
    return [group for group in machine.groups if _is_wanted(query, "machineGroup", group)]


def _filter_atoms(query: Query, atoms: list[Atom]) -> list[Atom]:
    if query.only_down:
        atoms = [a for a in atoms if a.planned_down or a.down]
    for kind in ("shift", "operator", "jobOperation"):
        if kind in query.keep or kind in query.drop:
            find = ATOM_PARTS[kind]
            atoms = [a for a in atoms if _is_wanted(query, kind, find(a))]
    return atoms


def _is_wanted(query: Query, kind: str, part: Part) -> bool:
    identity = part.id if isinstance(part, Member) else None
    return (kind not in query.keep or identity in query.keep[kind]) and identity not in query.drop.get(kind, ())
