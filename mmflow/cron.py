"""Cron lines: exactly five fields, read by cronsim, for which this is the only door."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
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
SHOWN: Final = 20  # characters of a field; what is longer may be anything
# cronsim's word for the field that it could not read, what may stand there, and where it begins anew, also in words.
_RANGES: Final = {
    "minute": ("minute", "0 to 59", (("0", "59"),)),
    "hour": ("hour", "0 to 23", (("0", "23"),)),
    "day-of-month": ("day of the month", "1 to 31 that the month has", (("1", "31"),)),
    "month": ("month", "1 to 12 or jan to dec", (("1", "12"), ("jan", "dec"))),
    "day-of-week": ("day of the week", "0 to 7 or sun to sat", (("0", "6"), ("sun", "sat"))),
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
        return (_explain(text.split(), str(error).removeprefix("Bad ")),)
    return () if comes else (f"no day is ever like that; write for example {EXAMPLE!r}",)


def _explain(parts: Sequence[str], field: str) -> str:
    """Say of a field that cannot be read what stands there and what may."""
    from cronsim import CronSimError

    name, span, rounds = _RANGES[field]
    at = FIELDS.index(name)
    found = f"the {name}{f' {parts[at]!r}' * (len(parts[at]) <= SHOWN)} cannot be read"
    for way in _turn_round(parts[at], rounds):
        with suppress(CronSimError):
            _open(" ".join([*parts[:at], way, *parts[at + 1 :]]), SOME_DAY)
            return f"{found}, since a range goes upwards; write {way}"
    return f"{found}, expected {span}; write for example {EXAMPLE!r}"


def _turn_round(part: str, rounds: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Give what a range that goes over the end may mean, such as ``fri-sat,sun-mon`` for ``fri-mon``."""
    begin, _, end = part.partition("-")
    first, last = rounds[-1 if begin[-1:].isalpha() else 0]
    yield f"{begin if begin == last else f'{begin}-{last}'},{first}-{end}"
    if begin == "7":  # a Sunday, which begins the week as 0
        yield f"0-{end}"


def _open(text: str, start: datetime) -> CronSim:
    from cronsim import CronSim

    return CronSim(text, start)
