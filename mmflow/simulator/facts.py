"""What each machine did in each quarter of an hour: atoms, drawn from a hash of seed, machine and day."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass

import msgspec

from mmflow.simulator.days import MINUTE, QUARTER, Day
from mmflow.simulator.members import Job, Machine, Operator, Shift

BREAK = "Break"
REASONS = (
    *("Tooling | Tool change", "Tooling | Broken tool", "Material | Waiting for stock", "Waiting for operator"),
    *("Quality | First article", "Maintenance | Repair", "Chips", "Program edit"),
)
DICE = struct.Struct("<6BH")  # what each atom is drawn from: six numbers below 256 and one below 65536
SETUP_ATOMS = 3
EXPECTED_SETUP = 10 * MINUTE


class Atom(msgspec.Struct, frozen=True, gc=False):
    """One machine for one quarter of an hour, or for the part of it that lies in a window.

    Times are milliseconds, ``start`` counts from 1970 in UTC. ``in_cycle + setup + planned_down + down`` fill an
    atom of a shift; outside every shift the rest is idle. A machine cuts at the start of its cycle, then comes
    what kept it from running. ``ideal_ms`` and ``expected_ms`` are of one part. ``reason`` tells why it was down;
    without one, downtime is uncategorized.
    """

    start: int
    length: int
    shift: Shift | None
    operator: Operator | None
    job: Job | None
    reason: str | None = None
    in_cycle: int = 0
    in_cut: int = 0
    setup: int = 0
    expected_setup: int = 0
    planned_down: int = 0
    down: int = 0
    good: int = 0
    nonconform: int = 0
    scrap: int = 0
    goal: int = 0
    ideal_ms: int = 0
    expected_ms: int = 0

    @property
    def end(self) -> int:
        """The instant at which it ends."""
        return self.start + self.length

    @property
    def total(self) -> int:
        """All parts made."""
        return self.good + self.nonconform + self.scrap

    @property
    def required(self) -> int:
        """Planned production time: in a shift, without planned downtime."""
        return 0 if self.shift is None else self.length - self.planned_down


@dataclass(frozen=True, slots=True)
class Duty:
    """A quarter of an hour in which a machine is scheduled."""

    shift: Shift
    operator: Operator
    is_break: bool


@dataclass(frozen=True, slots=True)
class Workday:
    """What is planned for one machine on one production day: its job and its duty in each quarter of an hour."""

    machine: Machine
    day: Day
    job: Job
    is_first_day: bool
    duties: tuple[Duty | None, ...]


def make_atoms(seed: int, work: Workday, *, corrected: bool) -> list[Atom]:
    """Give all atoms of a machine in one production day.

    ``corrected`` tells what is known a day later: more parts were found bad, more downtime has a reason.
    """
    key = f"{seed}/{work.machine.id}/{work.day.start}".encode()
    dice = DICE.iter_unpack(hashlib.shake_128(key).digest(DICE.size * len(work.duties)))
    starts = range(work.day.start, work.day.end, QUARTER)
    setups_left = SETUP_ATOMS if work.is_first_day else 0
    atoms = []
    for start, duty, throw in zip(starts, work.duties, dice, strict=True):
        if duty is None:
            atoms.append(_run_dark(start, work, throw, corrected=corrected))
        elif duty.is_break:
            atoms.append(_take_break(start, work, duty))
        elif setups_left:
            setups_left -= 1
            atoms.append(_set_up(start, work, duty))
        else:
            atoms.append(_run_shift(start, work, duty, throw, corrected=corrected))
    return atoms


def _take_break(start: int, work: Workday, duty: Duty) -> Atom:
    return Atom(start, QUARTER, duty.shift, duty.operator, work.job, BREAK, planned_down=QUARTER)


def _set_up(start: int, work: Workday, duty: Duty) -> Atom:
    job, operator = work.job, duty.operator
    return Atom(start, QUARTER, duty.shift, operator, job, setup=QUARTER, expected_setup=EXPECTED_SETUP)


def _run_dark(start: int, work: Workday, dice: tuple[int, ...], *, corrected: bool) -> Atom:
    """Outside every shift a few machines run on alone; nobody expects it, so there is neither goal nor downtime."""
    if dice[0] >= work.machine.dark_odds:
        return Atom(start, QUARTER, None, None, None)
    return _make_parts(start, work, None, dice, QUARTER, None, corrected=corrected)


def _run_shift(start: int, work: Workday, duty: Duty, dice: tuple[int, ...], *, corrected: bool) -> Atom:
    roll, cause, told, *_, severity = dice
    lost = _lose_time(work.machine, roll, severity)
    is_told = told >= (32 if corrected else 96)
    reason = REASONS[cause % len(REASONS)] if lost and is_told else None
    return _make_parts(start, work, duty, dice, QUARTER - lost, reason, corrected=corrected)


def _lose_time(machine: Machine, roll: int, severity: int) -> int:
    """Most quarters run through, some stand wholly, the rest lose one to thirteen minutes."""
    if roll < machine.uptime:
        return 0
    if roll < machine.uptime + 24:
        return QUARTER
    return MINUTE + (12 * MINUTE * severity >> 16)


def _make_parts(
    start: int,
    work: Workday,
    duty: Duty | None,
    dice: tuple[int, ...],
    in_cycle: int,
    reason: str | None,
    *,
    corrected: bool,
) -> Atom:
    machine, job = work.machine, work.job
    pace, reject, split = dice[3:6]
    ideal = machine.ideal_ms * job.ideal_pace // 1000
    expected = ideal * job.expected_pace // 1000
    total = in_cycle * (machine.speed - pace // 4) // (1000 * ideal)
    bad = min(total, 1 + total // 40) if reject < machine.reject_odds else 0
    scrap = bad if split & 1 else bad // 2
    found_later = 1 if corrected and split >= 240 and total > bad else 0
    return Atom(
        start,
        QUARTER,
        duty.shift if duty else None,
        duty.operator if duty else None,
        job,
        reason,
        in_cycle=in_cycle,
        in_cut=in_cycle * (600 + pace) // 1000,
        down=QUARTER - in_cycle if duty else 0,
        good=total - bad - found_later,
        nonconform=bad - scrap + found_later,
        scrap=scrap,
        goal=QUARTER // expected if duty else 0,
        ideal_ms=ideal,
        expected_ms=expected,
    )


def clip_atom(atom: Atom, start: int, end: int) -> Atom:
    """Give the part of a whole atom between two instants; the parts of one atom add up to it exactly."""
    begin, until = max(start - atom.start, 0), min(end - atom.start, atom.length)

    def cut_time(offset: int, length: int) -> int:
        return min(max(until - offset, 0), length) - min(max(begin - offset, 0), length)

    def cut_count(count: int, length: int) -> int:
        return count * min(until, length) // length - count * min(begin, length) // length if count else 0

    return msgspec.structs.replace(
        atom,
        start=atom.start + begin,
        length=until - begin,
        in_cycle=cut_time(0, atom.in_cycle),
        in_cut=cut_time(0, atom.in_cut),
        setup=cut_time(0, atom.setup),
        planned_down=cut_time(0, atom.planned_down),
        down=cut_time(atom.in_cycle, atom.down),
        good=cut_count(atom.good, atom.in_cycle),
        nonconform=cut_count(atom.nonconform, atom.in_cycle),
        scrap=cut_count(atom.scrap, atom.in_cycle),
        goal=cut_count(atom.goal, atom.length),
        expected_setup=cut_count(atom.expected_setup, atom.length),
    )
