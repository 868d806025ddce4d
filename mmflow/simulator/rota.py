"""Who works when on what: the shifts of each quarter of an hour, the operator of a cell, the job of a machine."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from datetime import date, timedelta

from mmflow.simulator.days import QUARTER, Day, Days, find_instant
from mmflow.simulator.members import Job, Machine, Operator, Schedule, Shift

BREAK_ATOMS = 2


def plan_shifts(
    days: Days, schedule: Schedule | None, day: Day, holidays: Collection[date] = ()
) -> tuple[tuple[Shift, bool] | None, ...]:
    """Give the shift of each quarter of a production day, and whether it is the break in the middle of the shift.

    A shift belongs to the weekday on which it begins, and keeps its wall-clock borders when the clock changes. On
    holidays none begins.
    """
    quarters: list[tuple[Shift, bool] | None] = [None] * ((day.end - day.start) // QUARTER)
    for begun in (day.date + timedelta(days=n) for n in (-1, 0, 1)):
        for shift in schedule.shifts if schedule else ():
            if shift.first <= begun.weekday() <= shift.last and begun not in holidays:
                start, end = (find_instant(days.zone, begun, m) for m in (shift.begin, shift.end))
                middle = (end - start) // QUARTER // 2
                for place, instant in enumerate(range(start, end, QUARTER)):
                    if day.start <= instant < day.end:
                        is_break = middle <= place < middle + BREAK_ATOMS
                        quarters[(instant - day.start) // QUARTER] = shift, is_break
    return tuple(quarters)


def find_job(seed: int, jobs: Sequence[Job], machine: Machine, day: date) -> tuple[Job, bool]:
    """Give the job that a machine works on that day, and whether this is the first day of it."""
    run, place = divmod(day.toordinal() + machine.rank, 2 + machine.rank % 3)
    dice = hashlib.blake2b(f"{seed}/{machine.id}/{run}".encode(), digest_size=2).digest()
    return jobs[int.from_bytes(dice) % len(jobs)], place == 0


def find_operator(operators: Sequence[Operator], machine: Machine, shift: Shift, day: date) -> Operator:
    """Give who attends a machine in a shift: four people a shift, each a cell of fifteen machines, in turn by week."""
    turn = machine.rank // 15 + day.toordinal() // 7
    return operators[4 * shift.place + turn % 4]
