"""The plant's holidays, from a list of days or an ICS file; the only door to icalendar and dateutil."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from mmflow.atomic import STATE
from mmflow.errors import UserError
from mmflow.plant.instants import read_day
from mmflow.text import BadText, read_bytes

if TYPE_CHECKING:
    from icalendar import Event, vRecur

LARGEST: Final = 5_000_000
KEPT: Final = Path(STATE, "days")  # where a daemon keeps files of days as they were last good
LAST: Final = datetime.fromisoformat("2100-12-31")  # repeated events are listed up to here
FREQUENCIES: Final = frozenset({"DAILY", "WEEKLY", "MONTHLY", "YEARLY"})
MIDNIGHT: Final = time(0)


def read_holidays(
    holidays: str | tuple[str, ...], zone: ZoneInfo, root: Path, *, kept: bool = False
) -> frozenset[date]:
    """Give the days of a list, or of an ICS file, see :func:`read_file`.

    Raises :class:`UserError` for a day that does not exist and for a file that cannot be read or understood.
    """
    if not isinstance(holidays, str):
        return frozenset(map(read_day, holidays))
    try:
        return read_ics(read_file(holidays, root, kept=kept), zone)
    except BadText as bad:
        hint = f"; {bad.hint}" if bad.hint else ""
        raise UserError(f"the file of holidays {holidays} {bad.message}{hint}") from bad


def read_file(name: str, root: Path, *, kept: bool = False) -> bytes:
    """Give a file of days; its path starts at ``root``. Raises :class:`BadText`.

    A daemon and its workers go by what it ``kept`` of a file, if anything: the file itself may be broken since.
    """
    copy = root / KEPT / name
    counts = kept and ".." not in copy.parts and copy.is_file()  # of what lies above the root nothing is kept
    return read_bytes(copy if counts else root / name, LARGEST)


@lru_cache(maxsize=8)  # many jobs and sites name one file, and repeated events take long
def read_ics(text: bytes, zone: ZoneInfo) -> frozenset[date]:
    """Give every day that an event covers from midnight to midnight in ``zone``, repeated ones up to 2100.

    Cancelled events and those of some hours do not count. Raises :class:`BadText` for what is not RFC 5545.
    """
    try:
        events = parse_events(text)
        moved = {find_original(event, zone) for event in events if "RECURRENCE-ID" in event}
        held = [event for event in events if event.get("STATUS") != "CANCELLED"]
        return frozenset(day for event in held for day in list_days(event, zone, moved))
    except BadText:
        raise
    except ValueError as error:  # its words may quote the file, which may be the wrong one
        raise BadText("is no calendar in ICS form", "export it again, or list the days") from error


def parse_events(text: bytes) -> list[Event]:
    """Give the events of the one calendar in a file; raises :class:`ValueError` when there is none."""
    from icalendar import Calendar

    calendar = Calendar.from_ical(text)
    if not isinstance(calendar, Calendar):
        raise ValueError(calendar.name)  # noqa: TRY004  # a wrong file, not a wrong type
    return calendar.events


def find_original(event: Event, zone: ZoneInfo) -> tuple[str, datetime]:
    """Give the series and the original start of the one occurrence that this event stands in for."""
    return str(event.get("UID")), find_wall(event.decoded("RECURRENCE-ID"), zone)


def list_days(event: Event, zone: ZoneInfo, moved: set[tuple[str, datetime]]) -> Iterator[date]:
    """Give the whole days of an event and of its repetitions, but for those that were moved."""
    start, end = find_wall(event.start, zone), find_wall(event.end, zone)
    first = start if start.time() == MIDNIGHT else datetime.combine(start + timedelta(days=1), MIDNIGHT)
    for begin in list_starts(event, start, zone):
        if "RECURRENCE-ID" in event or (str(event.get("UID")), begin) not in moved:
            yield from ((begin + (first - start) + timedelta(days=n)).date() for n in range((end - first).days))


def list_starts(event: Event, start: datetime, zone: ZoneInfo) -> set[datetime]:
    """Give every local start of an event: its own, those of its rules and lists, less the exceptions."""
    rules = event.get("RRULE", [])
    starts = {start, *(find_wall(day, zone) for day, _ in event.rdates)}
    for rule in rules if isinstance(rules, list) else [rules]:
        starts |= repeat_start(rule, start, zone)
    return starts - {find_wall(day, zone) for day in event.exdates}


def repeat_start(rule: vRecur, start: datetime, zone: ZoneInfo) -> set[datetime]:
    """Give the local starts that a rule such as ``FREQ=YEARLY;BYMONTH=11;BYDAY=4TH`` makes, up to 2100."""
    from dateutil.rrule import rrulestr

    if not FREQUENCIES.issuperset(rule.get("FREQ", [""])):
        raise BadText("repeats an event more often than daily", "list the days")
    end = min([LAST, *(find_wall(day, zone) for day in rule.get("UNTIL", []))])
    endless = type(rule)({key: value for key, value in rule.items() if key != "UNTIL"})  # dateutil wants it naive
    text = endless.to_ical().decode()  # type: ignore[no-untyped-call]
    return set(takewhile(lambda day: day <= end, rrulestr(text, dtstart=start)))


def find_wall(moment: date | datetime, zone: ZoneInfo) -> datetime:
    """Give the naive local time; a day is its midnight, and a time without zone is local already."""
    if not isinstance(moment, datetime):
        return datetime.combine(moment, MIDNIGHT)
    return moment.astimezone(zone).replace(tzinfo=None) if moment.tzinfo else moment
