"""Cron lines: exactly five fields, read by cronsim, for which this is the only door."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from mmflow.errors import UserError

if TYPE_CHECKING:
    from cronsim import CronSim

FIELDS: Final = ("minute", "hour", "day of the month", "month", "day of the week")
SOME_DAY: Final = datetime(2000, 1, 1)  # noqa: DTZ001  cron lines speak of the wall clock
EXAMPLE: Final = "40 6 * * mon-fri"
# cronsim's word for the field that it could not read, and what may stand there.
_RANGES: Final = {
    "minute": ("minute", "0 to 59"),
    "hour": ("hour", "0 to 23"),
    "day-of-month": ("day of the month", "1 to 31 that the month has"),
    "month": ("month", "1 to 12 or jan to dec"),
    "day-of-week": ("day of the week", "0 to 7 or sun to sat"),
}


@dataclass(frozen=True, slots=True)
class Cron:
    """A cron line that can be read. Its times are those of a wall clock, without a zone."""

    text: str

    @property
    def is_fixed(self) -> bool:
        """Tell whether it names times of day: neither minute nor hour holds a star, as Debian's cron has it."""
        minute, hour = self.text.split()[:2]
        return "*" not in minute + hour

    @property
    def times(self) -> tuple[time, ...]:
        """Give the times of day at which it is ever due, in order."""
        fields = _open(self.text, SOME_DAY)
        return tuple(time(hour, minute) for hour in sorted(fields.hours) for minute in sorted(fields.minutes))

    @property
    def weekdays(self) -> frozenset[int]:
        """Give the days of the week (0 is Monday) when it is due on all of them and no other days; else nothing."""
        fields = _open(self.text, SOME_DAY)
        if self.text.split()[2:4] != ["*", "*"] or any(isinstance(day, tuple) for day in fields.weekdays):
            return frozenset()
        return frozenset((day - 1) % 7 for day in fields.weekdays if isinstance(day, int))

    def comes_on(self, day: date) -> bool:
        """Tell whether it is due at all on a day."""
        midnight = datetime.combine(day, time())
        return next(self.walls_after(midnight - timedelta(minutes=1))).date() == day

    def walls_after(self, wall: datetime) -> Iterator[datetime]:
        """Give the naive times on the wall after one, ascending; ends when fifty years have none."""
        return iter(_open(self.text, wall))

    def walls_until(self, wall: datetime) -> Iterator[datetime]:
        """Give the naive times on the wall up to one, included, descending; ends when fifty years have none."""
        from cronsim import CronSim

        return iter(CronSim(self.text, wall.replace(microsecond=0) + timedelta(seconds=1), reverse=True))

    def explain(self) -> str:
        """Say in words when it is due: ``at 06:00 on the last day of every month``."""
        words = _open(self.text, SOME_DAY).explain()
        return words[:1].lower() + words[1:]


@lru_cache(maxsize=4096)  # many jobs are due at the same times
def read_cron(text: str) -> Cron:
    """Read a cron line; raises :class:`UserError` that names the first field that is wrong."""
    for fault in find_faults(text):
        raise UserError(fault)
    return Cron(text)


def find_faults(text: str) -> Iterator[str]:
    """Say of each field what is wrong with it, or else with all of them together."""
    parts = text.split()
    if len(parts) != len(FIELDS):
        found = f"found {len(parts)} field{'s' * (len(parts) != 1)}"
        yield f"{found}, expected five: {', '.join(FIELDS)}; write {EXAMPLE!r}"
        return
    if together := _find_fault(text):
        alone = (" ".join(["*"] * at + [part] + ["*"] * (len(FIELDS) - 1 - at)) for at, part in enumerate(parts))
        yield from [fault for line in alone for fault in _find_fault(line)] or together


@lru_cache(maxsize=4096)
def _find_fault(text: str) -> tuple[str, ...]:
    from cronsim import CronSimError

    try:
        comes = any(True for _ in Cron(text).walls_after(SOME_DAY))
    except CronSimError as error:
        name, span = _RANGES[str(error).removeprefix("Bad ")]
        return (f"the {name} cannot be read, expected {span}; write for example {EXAMPLE!r}",)
    return () if comes else (f"no day is ever like that; write for example {EXAMPLE!r}",)


def _open(text: str, start: datetime) -> CronSim:
    from cronsim import CronSim

    return CronSim(text, start)
