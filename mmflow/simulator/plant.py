"""The plant: sixty machines in groups, three schedules of shifts, operators and jobs, all from one seed."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from itertools import product
from typing import Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from mmflow.simulator.days import DAY, Day, Days, read_minutes, to_instant
from mmflow.simulator.facts import Atom, Duty, Workday, clip_atom, make_atoms
from mmflow.simulator.members import Group, Job, Machine, Operator, Schedule, Shift
from mmflow.simulator.rota import find_job, find_operator, plan_shifts

OPENED = to_instant(datetime(2015, 1, 1, tzinfo=UTC))
DECOMMISSIONED = to_instant(datetime(2026, 4, 1, 1, tzinfo=UTC))
CORRECTED_AFTER = DAY

Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


@dataclass(frozen=True, slots=True)
class Kind:
    """A row of machines of one kind. Seconds are the range of the fastest realistic time for one part."""

    name: str
    make: str
    model: str
    count: int
    groups: tuple[str, ...]
    schedule: str | None
    seconds: tuple[int, int]


KINDS = (
    Kind("Mill {:02}", "Haas", "VF-2", 24, ("Mills",), "Standard", (40, 240)),
    Kind("Mill-Turn {}", "Mazak", "Integrex i-200", 2, ("Mills", "Lathes"), "Standard", (120, 240)),
    Kind("Lathe {:02}", "Okuma", "LB3000", 18, ("Lathes",), "Standard", (25, 120)),
    Kind("Swiss {}", "Citizen", "L20", 6, ("Lathes",), "Four-Ten", (12, 40)),
    Kind("Grinder {}", "Studer", "S33", 6, ("Grinders",), "Weekend", (60, 180)),
    Kind('Saw {} (12" bar, wet)', "Behringer", "HBE261A", 3, ("Saws",), "Four-Ten", (30, 90)),
    Kind("Wire EDM {}", "Sodick", "ALC600G", 1, ("EDM",), None, (180, 240)),
)
RETIRED = "Lathe 18"

# name, first and last weekday (Monday is 0), and the shifts of each of those days
SCHEDULES = (
    ("Standard", 0, 4, (("First", "06:00", "14:00"), ("Second", "14:00", "22:00"), ("Third", "22:00", "06:00"))),
    ("Weekend", 4, 6, (("First", "06:00", "18:00"), ("Second", "18:00", "06:00"))),
    ("Four-Ten", 0, 3, (("Day", "06:00", "16:00"), ("Night", "16:00", "02:00"))),
)

OPERATORS = (
    *("Ana García", "Ben Okafor", "Chloé Martin", "Dmitri Volkov", "Emma Nguyen", "Frank O'Neill"),
    *("Grace Kim", "Hugo Łukasik", "Ines Duarte", "Jamal Carter", "Kirsten Bjørn", "Li Wei"),
)
PARTS = ("Bracket", "Flange", "Housing", "Spindle", "Valve body", "Bushing", "Cover", "Shaft")


class Plant:
    """One company with its machines and everything that happened in it since 2015.

    The same arguments give the same plant and the same facts in every process and on every Python. Production
    days run from ``start_of_day`` to the same wall-clock time of the next date in ``zone``; start of day and
    shifts lie on quarters of an hour.
    """

    def __init__(
        self,
        *,
        seed: int = 1,
        zone: str = "America/New_York",
        start_of_day: str = "06:00",
        week_starts: Weekday = "monday",
        company: str = "Demo Plant",
        holidays: Collection[date] = (),
    ) -> None:
        self.seed = seed
        self.zone = ZoneInfo(zone)
        self.start_of_day = start_of_day
        self.week_starts = week_starts
        self.company = company
        self.holidays = frozenset(holidays)  # days on which no shift begins
        self.company_id = self._make_id("company", company)
        self.days = Days(self.zone, read_minutes(start_of_day))
        self.groups = tuple(self._make_groups())
        self.schedules = tuple(self._make_schedules())
        self.machines = tuple(self._make_machines())
        self.operators = tuple(Operator(self._make_id("operator", n), n, i) for i, n in enumerate(OPERATORS))
        self.jobs = tuple(self._make_jobs())
        # A year of every schedule, which is small.
        self._shifts = lru_cache(maxsize=4 * 400)(self._plan_shifts)
        # Two weeks of the whole plant; an atom takes about 300 bytes, so this stays below 30 MB.
        self._atoms = lru_cache(maxsize=60 * 14)(self._make_atoms)

    def truth(self, start: datetime, end: datetime, now: datetime | None = None) -> dict[str, list[Atom]]:
        """Give every atom of the half-open span by name of machine, in order, cut at the borders of the span.

        ``now`` hides what has not happened yet and corrections not yet made; without it everything is final.
        """
        span = to_instant(start), to_instant(end)
        moment = None if now is None else to_instant(now)
        return {m.name: list(self.atoms(m, *span, moment)) for m in self.machines}

    def atoms(self, machine: Machine, start: int, end: int, now: int | None = None) -> Iterator[Atom]:
        """Give the atoms of one machine between two instants, in order, as they were known at ``now``."""
        for day in self.list_days(start, end if now is None else min(end, now)):
            yield from self.day_atoms(machine, day, start, end, now)

    def list_days(self, start: int, end: int) -> list[Day]:
        """Give every production day that touches the span and in which the plant existed."""
        return list(self.days.between(max(start, OPENED), end))

    def day_atoms(self, machine: Machine, day: Day, start: int, end: int, now: int | None = None) -> list[Atom]:
        """Give the part of one production day that lies between two instants and before ``now``."""
        known = now is None or now >= day.end + CORRECTED_AFTER
        limits = [t for t in (end, now, machine.decommissioned_at) if t is not None]
        first, last = max(start, OPENED), min(limits)
        atoms = self._atoms(machine, day, known)
        if first <= day.start and day.end <= last:
            return atoms
        return [clip_atom(a, first, last) for a in atoms if a.start < last and a.start + a.length > first]

    def _plan_shifts(self, schedule: Schedule | None, day: Day) -> tuple[tuple[Shift, bool] | None, ...]:
        return plan_shifts(self.days, schedule, day, self.holidays)

    def _make_atoms(self, machine: Machine, day: Day, corrected: bool) -> list[Atom]:
        return make_atoms(self.seed, self._plan_work(machine, day), corrected=corrected)

    def _plan_work(self, machine: Machine, day: Day) -> Workday:
        shifts = machine.schedule.shifts if machine.schedule else ()
        crew = {shift: find_operator(self.operators, machine, shift, day.date) for shift in shifts}
        on_duty = {key: Duty(key[0], crew[key[0]], key[1]) for key in product(shifts, (False, True))}
        planned = self._shifts(machine.schedule, day)
        duties = tuple(None if key is None else on_duty[key] for key in planned)
        return Workday(machine, day, *find_job(self.seed, self.jobs, machine, day.date), duties)

    def _make_id(self, kind: str, name: str) -> str:
        digest = hashlib.blake2b(f"{self.seed}/{kind}/{name}".encode(), digest_size=16).digest()
        return str(UUID(bytes=digest, version=4))

    def _make_groups(self) -> Iterator[Group]:
        names = dict.fromkeys(name for kind in KINDS for name in kind.groups)
        for rank, name in enumerate(names):
            yield Group(self._make_id("machineGroup", name), name, rank)

    def _make_schedules(self) -> Iterator[Schedule]:
        rank = 0
        for name, first, last, rows in SCHEDULES:
            shifts = []
            for place, (label, begin, end) in enumerate(rows):
                minutes = read_minutes(begin), read_minutes(end)
                until = minutes[1] + (24 * 60 if minutes[1] <= minutes[0] else 0)
                identity = self._make_id("shift", f"{name}/{label}")
                shifts.append(Shift(identity, label, rank, place, first, last, minutes[0], until))
                rank += 1
            yield Schedule(name, tuple(shifts))

    def _make_machines(self) -> Iterator[Machine]:
        groups = {group.name: group for group in self.groups}
        schedules = {schedule.name: schedule for schedule in self.schedules}
        names = [(kind, kind.name.format(n + 1)) for kind in KINDS for n in range(kind.count)]
        for rank, (kind, name) in enumerate(names):
            dice = hashlib.blake2b(f"{self.seed}/{name}".encode(), digest_size=8).digest()
            slowest, fastest = kind.seconds[1] * 1000, kind.seconds[0] * 1000
            yield Machine(
                self._make_id("machine", name),
                name,
                rank,
                ref=1001 + 7 * rank,
                make=kind.make,
                model=kind.model,
                groups=tuple(groups[g] for g in kind.groups),
                schedule=schedules[kind.schedule] if kind.schedule else None,
                ideal_ms=fastest + (slowest - fastest) * dice[0] // 255,
                uptime=140 + dice[1] // 4,
                speed=780 + dice[2] * 3 // 4,
                reject_odds=10 + dice[3] // 4,
                dark_odds=160 if kind.schedule is None else 40 * (dice[4] < 60),
                decommissioned_at=DECOMMISSIONED if name == RETIRED else None,
            )

    def _make_jobs(self) -> Iterator[Job]:
        for rank in range(40):
            part = PARTS[rank % len(PARTS)]
            name = f"J-{1040 + rank // 2} {part} / OP{10 + 10 * (rank % 2)}"
            dice = hashlib.blake2b(f"{self.seed}/{name}".encode(), digest_size=2).digest()
            yield Job(self._make_id("jobOperation", name), name, rank, part, 850 + dice[0], 1200 + dice[1] * 2)
