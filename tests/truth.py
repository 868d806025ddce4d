"""What a plant really did, added up by code that imports nothing of mmflow: the atoms are handed in.

An atom is one machine for at most a quarter of an hour, with times in milliseconds and counts of parts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("America/New_York")
START_OF_DAY = timedelta(hours=6)


def wall(day: date) -> datetime:
    """06:00 in Boston on a day; no clock change of that zone falls on six o'clock."""
    return datetime(day.year, day.month, day.day, 6, tzinfo=ZONE)


def production_day(atom: Any) -> date:
    """The day that began at six in the morning before the atom."""
    local = datetime.fromtimestamp(atom.start / 1000, ZONE).replace(tzinfo=None)
    return (local - START_OF_DAY).date()


def total(atoms: Iterable[Any], name: str) -> int:
    return sum(getattr(atom, name) for atom in atoms)


def divide(above: float, below: float) -> float | None:
    return above / below if below else None


def parts(atoms: list[Any]) -> int:
    return total(atoms, "good") + total(atoms, "nonconform") + total(atoms, "scrap")


def rejects(atoms: list[Any]) -> int:
    return total(atoms, "nonconform") + total(atoms, "scrap")


def planned(atoms: list[Any]) -> int:
    """Time in shifts without planned stops."""
    return sum(atom.length - atom.planned_down for atom in atoms if atom.shift is not None)


def ideal(atoms: list[Any]) -> int:
    """How long the good parts made in shifts would have taken at each one's own ideal time."""
    return sum(atom.ideal_ms * atom.good for atom in atoms if atom.shift is not None)


MEASURES: Mapping[str, Callable[[list[Any]], float | None]] = {
    "totalParts": parts,
    "goodParts": lambda atoms: total(atoms, "good"),
    "rejectedParts": rejects,
    "timeInCycle": lambda atoms: total(atoms, "in_cycle"),
    "timeInCut": lambda atoms: total(atoms, "in_cut"),
    "allTime": lambda atoms: total(atoms, "length"),
    "oee": lambda atoms: divide(ideal(atoms), planned(atoms)),
    "utilizationRate": lambda atoms: divide(total(atoms, "in_cycle"), total(atoms, "length")),
    "actualPartTime": lambda atoms: divide(total(atoms, "in_cycle"), parts(atoms)),
}


def by_machine(truth: Mapping[str, list[Any]]) -> dict[tuple[str, ...], list[Any]]:
    """Group the atoms of a span by machine, without machines that have none."""
    return {(name,): atoms for name, atoms in truth.items() if atoms}


def by_machine_day(truth: Mapping[str, list[Any]]) -> dict[tuple[str, ...], list[Any]]:
    """Group the atoms of a span by machine and production day."""
    found: dict[tuple[str, ...], list[Any]] = {}
    for name, atoms in truth.items():
        for atom in atoms:
            found.setdefault((name, production_day(atom).isoformat()), []).append(atom)
    return found


def by_hour(atoms: Iterable[Any]) -> dict[tuple[int], list[Any]]:
    """Group atoms by the hours since 1970 in which they began; no atom is cut, for it is at most a quarter."""
    found: dict[tuple[int], list[Any]] = {}
    for atom in atoms:
        found.setdefault((atom.start // 3_600_000,), []).append(atom)
    return found
