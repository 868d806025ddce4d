"""Due when a shift has ended, by the calendars of the plants."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import count
from typing import Final

from mmflow.errors import UserError
from mmflow.plant import ONE_DAY, PlantCalendar
from mmflow.plant.instants import YEARS
from mmflow.schedule.ordering import Group, ascend, descend
from mmflow.windows.shifts import ShiftWords

LONGEST: Final = 3 * ONE_DAY  # from the start of a day to the end of its last shift, whatever the clocks do


@dataclass(frozen=True, slots=True)
class AfterShift:
    """So long after the shift of a production day has ended, at the last of the plants that have it that day."""

    shift: str
    settle: timedelta
    plants: tuple[tuple[PlantCalendar, str], ...]  # each with the name of the schedule of shifts

    @property
    def facts(self) -> tuple[object, ...]:
        """Give all that decides when it is due, as plain data."""
        return (
            self.shift,
            self.settle.total_seconds(),
            *(
                (calendar.zone.key, str(calendar.start_of_day), repr(sorted_patterns(calendar, name, self.shift)))
                for calendar, name in self.plants
            ),
        )

    def forward(self, after: datetime) -> Iterator[datetime]:
        """Give the due instants after one, ascending, in UTC."""
        first = min(calendar.day_of(after - self.settle - LONGEST) for calendar, _ in self.plants)
        return ascend(self._group(first, 1), after)

    def backward(self, until: datetime) -> Iterator[datetime]:
        """Give the due instants up to one, included, descending, in UTC."""
        last = max(calendar.day_of(until - self.settle) for calendar, _ in self.plants)
        return descend(self._group(last, -1), until)

    def day_of(self, due: datetime) -> date:
        """Give the production day of the shift."""
        last = max(calendar.day_of(due - self.settle) for calendar, _ in self.plants)
        near = (last - number * ONE_DAY for number in range(LONGEST.days + 1))
        return next((day for day in near if due in self._ends(day)), last)

    def note(self, _due: datetime) -> str:
        """Say nothing: a shift that is longer or shorter by a change of the clocks ends when it ends."""
        return ""

    def _group(self, day: date, step: int) -> Iterator[Group]:
        for number in count(0, step):
            if (near := day + number * ONE_DAY).year not in YEARS:
                return
            yield self._bound(near, step), self._ends(near)

    def _bound(self, day: date, step: int) -> datetime:
        starts = [calendar.day_start(day) for calendar, _ in self.plants]
        return self.settle + (min(starts) if step > 0 else max(starts) + LONGEST)

    def _ends(self, day: date) -> list[datetime]:
        shifts = (shift for calendar, name in self.plants for shift in calendar.shifts_on(day, name))
        ends = [shift.end for shift in shifts if shift.name == self.shift]
        return [max(ends) + self.settle] if ends else []


def sorted_patterns(calendar: PlantCalendar, schedule: str, shift: str) -> list[tuple[object, ...]]:
    """Give when a shift starts and ends in a schedule, in one order."""
    patterns = calendar.find_schedule(schedule).patterns
    return sorted((sorted(p.weekdays), str(p.start), str(p.end)) for p in patterns if p.name == shift)


def find_plants(
    shift: str, calendars: Sequence[PlantCalendar], machine_groups: Sequence[str]
) -> tuple[tuple[PlantCalendar, str], ...]:
    """Give each plant with the schedule in which the machine groups find a shift of that name.

    Raises :class:`UserError` for a plant that has none.
    """
    words = ShiftWords("", shift)
    found = tuple((calendar, words.find_schedule(calendar, machine_groups)) for calendar in calendars)
    for calendar, schedule in found:
        names = {pattern.name for pattern in schedule.patterns}
        if shift not in names:  # "current" and "last", which only a window knows
            raise UserError(f"site {calendar.name} has no shift {shift!r}; there are: {', '.join(sorted(names))}")
    return tuple((calendar, schedule.name) for calendar, schedule in found)
