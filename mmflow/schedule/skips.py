"""``calendar:`` of a schedule: the days on which it is skipped, and why."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from mmflow.errors import UserError, hint_names
from mmflow.plant import ONE_DAY, WEEKDAYS, PlantCalendar
from mmflow.plant.holidays import read_file, read_ics
from mmflow.plant.instants import read_day
from mmflow.text import BadText, check_inside, decode_text

HOLIDAYS: Final = "holidays"
WEEKENDS: Final = "weekends"
WEEKEND: Final = frozenset({5, 6})
FILES: Final = (".ics", ".csv")
LONGEST: Final = 3_660  # days of a range
DIGIT: Final = re.compile("[0-9]")
CELL_END: Final = re.compile("[,;\t]")  # as programs of different countries write it


@dataclass(frozen=True, slots=True)
class Skip:
    """Some days, by their dates or by their weekdays (0 is Monday), and what is said of one of them."""

    says: str
    days: frozenset[date] = frozenset()
    weekdays: frozenset[int] = frozenset()

    def reason(self, day: date) -> str:
        """Say why a day is skipped, "" when it is not."""
        if day not in self.days and day.weekday() not in self.weekdays:
            return ""
        return f"{day} {self.says.format(weekday=WEEKDAYS[day.weekday()].title())}"


def read_skips(
    calendar: str | Sequence[str], plants: Sequence[PlantCalendar], zone: ZoneInfo, root: Path, *, kept: bool = False
) -> tuple[Skip, ...]:
    """Read every entry of a ``calendar:``; files are read now, their paths start at ``root``.

    ``kept`` is for a daemon, which goes by the last good ones. Raises :class:`UserError` for an entry that means
    nothing and for a file that cannot be used.
    """
    return tuple(
        read_skip(entry, plants, zone, root, kept=kept)
        for entry in ([calendar] if isinstance(calendar, str) else calendar)
    )


def read_skip(entry: str, plants: Sequence[PlantCalendar], zone: ZoneInfo, root: Path, *, kept: bool = False) -> Skip:
    """Read one entry."""
    if entry == HOLIDAYS:
        return skip_holidays(plants)
    if entry == WEEKENDS:
        return Skip("is a {weekday}", weekdays=WEEKEND)
    if entry.lower().endswith(FILES):
        says = "is in " + entry.replace("{", "{{").replace("}", "}}")
        return Skip(says, days=read_days_file(entry, zone, root, kept=kept))
    if " to " in entry:
        return Skip(f"lies in {entry}", days=read_range(entry))
    if not entry[:1].isdigit():
        near = hint_names(entry, [HOLIDAYS, WEEKENDS])
        hint = near if near.startswith("did you mean") else "write holidays, weekends, a date, A to B, or a file"
        raise UserError(f"{entry!r} names no days; {hint}")
    return Skip("is in the calendar of the schedule", days=frozenset({read_day(entry)}))


def skip_holidays(plants: Sequence[PlantCalendar]) -> Skip:
    """Give the days that are holidays at every plant: where one of them works, there is something to report."""
    shared = frozenset[date].intersection(*(plant.holidays for plant in plants)) if plants else frozenset[date]()
    return Skip(f"is a holiday of {' and '.join(plant.name for plant in plants)}", days=shared)


def read_range(entry: str) -> frozenset[date]:
    """Read ``2026-12-24 to 2027-01-01``, both included."""
    first, last = (read_day(text.strip()) for text in entry.split(" to ", 1))
    if first > last:
        raise UserError(f"{first} lies after {last}; exchange them")
    if (last - first).days >= LONGEST:
        raise UserError(f"{entry!r} is longer than ten years; check the years")
    return frozenset(first + number * ONE_DAY for number in range((last - first).days + 1))


def read_days_file(name: str, zone: ZoneInfo, root: Path, *, kept: bool = False) -> frozenset[date]:
    """Give the days of an ICS file, or of the first column of a CSV file."""
    try:
        check_inside(root / name, root)
    except BadText as bad:
        raise UserError(f"the file of days {name} lies outside the folder of mmflow.yaml; put it inside") from bad
    try:
        return parse_days(name, read_file(name, root, kept=kept), zone)
    except BadText as bad:
        hint = f"; {bad.hint}" if bad.hint else ""
        raise UserError(f"the file of days {name} {bad.message}{hint}") from bad


def parse_days(name: str, data: bytes, zone: ZoneInfo) -> frozenset[date]:
    """Give the days of the content of a file; raises :class:`BadText`."""
    return read_ics(data, zone) if name.lower().endswith(".ics") else read_csv(data)


def read_csv(data: bytes) -> frozenset[date]:
    """Give the days in the first column; a first row without a digit is a heading, and empty rows do not count.

    Raises :class:`BadText` that names the line, and never what stands there: the file may be the wrong one.
    """
    days: set[date] = set()
    for number, line in enumerate(decode_text(data).splitlines(), 1):
        first = CELL_END.split(line)[0].strip(' "')
        try:
            days |= {read_day(first)} if first else set()
        except UserError as error:
            if number > 1 or DIGIT.search(first):
                raise BadText(f"has no day at line {number}", "write days like 2026-12-24") from error
    return frozenset(days)
