"""The things a report can be grouped by, each with an id, a name and a rank that fixes its place in an answer."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, eq=False)
class Member:
    """Anything with an id. Two members are the same only when they are one object: a plant makes each once."""

    id: str
    name: str
    rank: int


@dataclass(frozen=True, slots=True, eq=False)
class Group(Member):
    """A machine group."""


@dataclass(frozen=True, slots=True, eq=False)
class Operator(Member):
    """A person who attends machines."""


@dataclass(frozen=True, slots=True, eq=False)
class Job(Member):
    """A job operation. Ideal and expected time of a part are thousandths of the machine's ideal time."""

    part: str
    ideal_pace: int
    expected_pace: int


@dataclass(frozen=True, slots=True, eq=False)
class Shift(Member):
    """A shift of one schedule on its weekdays ``first`` to ``last`` (Monday is 0).

    ``begin`` and ``end`` are minutes after midnight of the day it begins on; an end above 1440 crosses midnight.
    """

    place: int
    first: int
    last: int
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Schedule:
    """The week of those machines that follow it."""

    name: str
    shifts: tuple[Shift, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Machine(Member):
    """A machine. ``uptime`` and odds are of 256, ``speed`` thousandths of the ideal pace, times milliseconds."""

    ref: int
    make: str
    model: str
    groups: tuple[Group, ...]
    schedule: Schedule | None
    ideal_ms: int
    uptime: int
    speed: int
    reject_odds: int
    dark_odds: int
    decommissioned_at: int | None
