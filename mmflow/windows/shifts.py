"""Windows that are one shift: the running one, the latest that has ended, or one by its name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from mmflow.errors import UserError, hint_names
from mmflow.plant import ONE_DAY, OWN, WEEKDAYS, PlantCalendar, ShiftSchedule, ShiftSpan
from mmflow.plant.instants import read_day
from mmflow.windows.spans import Earlier, Moment, Span, show_day, show_days, span_instants

# Within so many days a weekly schedule shows each of its shifts: also one of today's that has not ended yet, and one
# that a change of the clocks swallowed a week ago.
NEAR: Final = 15
# How many days before to look, of which the first that has the shift is taken, how that is called, and those days.
BACK: Final[Mapping[Earlier, tuple[Sequence[int], str, str]]] = {
    "previous": (range(1, NEAR), "the same shift on the latest day before", "in the fortnight"),
    "same_weekday": (range(7, 22, 7), "the same shift a week earlier", "a week, two or three"),
    "last_year": (range(364, 379, 7), "the same shift 52 weeks earlier", "52, 53 or 54 weeks"),
}


class NoShift(UserError):  # noqa: N818  # said of a slot, where the window as such makes sense
    """The shift exists, but not at this slot."""


@dataclass(frozen=True, slots=True)
class ShiftWords:
    """One shift as it was written: ``shift`` is a name, ``current`` or ``last``.

    A name without ``on``, or with a weekday there, means the latest such shift that has ended. Without ``schedule``
    the job's machine groups choose it. Holidays take no shift away.
    """

    summary: str
    shift: str
    on: str = ""  # "", a weekday in full, "today", "yesterday" or a date
    schedule: str = ""

    def resolve(self, moment: Moment) -> Span:
        """Give the span of the shift; raises :class:`NoShift` when there is none at that moment."""
        return span_shift(moment.calendar, self.find_shift(moment), self.summary)

    def earlier(self, moment: Moment, to: Earlier) -> Span:
        """Give the shift of the same name a day, a week or 52 weeks before, or on the next earlier day that has it."""
        shift = self.find_shift(moment)
        steps, why, days = BACK[to]
        back = (shift.day - timedelta(days=step) for step in steps)
        found = (near for day in back for near in moment.calendar.shifts_on(day, shift.schedule))
        before = next((near for near in found if near.name == shift.name), None)
        if before is None:  # clock changes move a shift to another production day
            place = f"at site {moment.calendar.name} {days} before {show_day(shift.day)}"
            raise NoShift(f"no shift {shift.name!r} starts {place}; compare it with previous")
        return span_shift(moment.calendar, before, why)

    def find_schedule(self, calendar: PlantCalendar, machine_groups: Sequence[str]) -> ShiftSchedule:
        """Give the schedule that is meant; raises :class:`UserError` when it, or its shift, does not exist."""
        name = self.schedule or calendar.schedule_of(machine_groups)
        schedule = calendar.find_schedule("" if name == OWN else name)
        names = {pattern.name for pattern in schedule.patterns}
        where = f"schedule {schedule.name or OWN!r} of site {calendar.name}"
        if not names:
            raise UserError(f"{where} has no shifts; add them to it in mmflow.yaml, or name another schedule")
        if self.shift not in {"current", "last", *names}:
            raise UserError(f"{where} has no shift {self.shift!r}; {hint_names(self.shift, names)}")
        return schedule

    def find_shift(self, moment: Moment) -> ShiftSpan:
        """Give the shift itself; of several that overlap the one that ends last."""
        schedule = self.find_schedule(moment.calendar, moment.machine_groups)
        found: list[ShiftSpan] = []
        for day in self._list_near(moment):
            if found and day < found[0].day - ONE_DAY:
                break  # a shift is at most a day long, so none of these ends later
            found += [shift for shift in moment.calendar.shifts_on(day, schedule.name) if self._fits(shift, moment)]
        if not found:
            raise NoShift(self._explain_none(moment))
        return max(found, key=lambda shift: (shift.end, shift.start))

    def _list_near(self, moment: Moment) -> Iterator[date]:
        """Give the days to look at, latest first."""
        last = self._day(moment)
        first = last or moment.today - timedelta(days=NEAR)
        return reversed(list(moment.calendar.days(first, last or moment.today)))

    def _day(self, moment: Moment) -> date | None:
        if self.on in ("", *WEEKDAYS):
            return None
        return {"today": moment.today, "yesterday": moment.yesterday}.get(self.on) or read_day(self.on)

    def _fits(self, shift: ShiftSpan, moment: Moment) -> bool:
        if self.shift == "current":
            return shift.start <= moment.at < shift.end
        named = self.shift in ("last", shift.name)
        if self._day(moment):
            return named
        return named and shift.end <= moment.at and self.on in ("", WEEKDAYS[shift.day.weekday()])

    def _explain_none(self, moment: Moment) -> str:
        site = f"at site {moment.calendar.name}"
        if self.shift == "current":
            return f"no shift is running {site} at the slot; use last_shift, or run the job while there is a shift"
        if day := self._day(moment):
            return f"no shift {self.shift!r} starts {site} on {show_day(day)}; leave out 'on' for the latest one"
        return f"no shift {self.shift!r} {site} starts on a {self.on}; leave out 'on' for the latest one"


def span_shift(calendar: PlantCalendar, shift: ShiftSpan, why: str) -> Span:
    """Give the span of a shift, saying whose it is."""
    schedule = f", schedule {shift.schedule}" if shift.schedule else ""
    days = show_days(calendar, shift.day, shift.day)
    return span_instants(calendar, shift.start, shift.end, f"{why}: {shift.name} of {days}{schedule}")
