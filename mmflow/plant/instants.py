"""Days, instants and zones as people write them, in YAML and on the command line."""

from __future__ import annotations

import re
from bisect import bisect_left
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from mmflow.errors import UserError, suggest_name

YEARS: Final = range(1970, 2200)  # a year outside is a slip of the finger, and inside all arithmetic is safe
ALIKE: Final = 0.75  # how alike a name and a zone are when one may be a slip for the other: Boston is not Johnston

_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME: Final = re.compile(rf"({_DAY.pattern})[T ]([0-9]{{2}}:[0-9]{{2}}(?::[0-9]{{2}})?) ?(.*)")
_SHIFTED: Final = re.compile(r"Z|[+-][0-9]{2}:?[0-9]{2}")
# Names of a fixed distance from UTC: in a plant that changes its clocks they are an hour wrong for half the year.
_FIXED: Final = re.compile(r"(?:(?:Etc/)?(?:UTC|GMT)? ?[+-][0-9:]+)|[A-Z]{1,2}[SD]T")  # -05:00, UTC-5, EST, AKDT
# Other names that a system has for rules (EST5EDT, GB), for its own clock (localtime) or for clocks that count leap
# seconds (right/…) are not found everywhere, or mean something else elsewhere.
_PLACE: Final = re.compile(
    r"(?:Africa|America|Antarctica|Arctic|Asia|Atlantic|Australia|Brazil|Canada|Chile|Europe|Indian|Mexico|Pacific|US)/.+"
    r"|(?:Etc/)?UTC"
)
_VARIANT: Final = re.compile(r"(?:posix|right)/(.+)")
_ZERO: Final = re.compile(r"(?:Etc/)?(?:GMT0?|UCT|Greenwich|Universal|Zulu)")
_OLD: Final = {
    "CET": "Europe/Berlin",
    "CST6CDT": "America/Chicago",
    "Cuba": "America/Havana",
    "EET": "Europe/Athens",
    "EST5EDT": "America/New_York",
    "Egypt": "Africa/Cairo",
    "Eire": "Europe/Dublin",
    "GB": "Europe/London",
    "GB-Eire": "Europe/London",
    "Hongkong": "Asia/Hong_Kong",
    "Iceland": "Atlantic/Reykjavik",
    "Iran": "Asia/Tehran",
    "Israel": "Asia/Jerusalem",
    "Jamaica": "America/Jamaica",
    "Japan": "Asia/Tokyo",
    "Kwajalein": "Pacific/Kwajalein",
    "Libya": "Africa/Tripoli",
    "MET": "Europe/Berlin",
    "MST7MDT": "America/Denver",
    "NZ": "Pacific/Auckland",
    "NZ-CHAT": "Pacific/Chatham",
    "Navajo": "America/Denver",
    "PRC": "Asia/Shanghai",
    "PST8PDT": "America/Los_Angeles",
    "Poland": "Europe/Warsaw",
    "Portugal": "Europe/Lisbon",
    "ROC": "Asia/Taipei",
    "ROK": "Asia/Seoul",
    "Singapore": "Asia/Singapore",
    "Turkey": "Europe/Istanbul",
    "W-SU": "Europe/Moscow",
    "WET": "Europe/Lisbon",
}
_NO_PLACE: Final = ("Factory", "localtime", "posixrules")


def has_time(text: str) -> bool:
    """Tell whether a text means a date-time, and not a day."""
    return ":" in text


def read_day(text: str) -> date:
    """Read ``2026-11-01``; raises :class:`UserError` for anything else."""
    try:
        day = date.fromisoformat(text) if _DAY.fullmatch(text) else None
    except ValueError as error:
        raise UserError(f"{text!r} is not a day of the calendar; write one like 2026-11-01") from error
    if day is None:
        raise UserError(f"{text!r} is not a day; write it like 2026-11-01")
    if day.year not in YEARS:
        raise UserError(f"{text!r} lies outside the years {YEARS[0]} to {YEARS[-1]}; check the year")
    return day


def read_instant(text: str, zone: ZoneInfo | None = None) -> datetime:
    """Read a date-time to UTC: ``2026-11-01T06:00-05:00``, ``…Z`` or ``2026-11-01T06:00 America/New_York``.

    Without offset and zone it is on the wall of ``zone``, and refused when there is none. Raises :class:`UserError`.
    """
    match = _TIME.fullmatch(text)
    if match is None:
        raise UserError(f"{text!r} is not a date-time; write it like 2026-11-01T06:00-05:00")
    day, clock, place = match.groups()
    if not place and zone is None:
        raise UserError(f"{text!r} has no zone; write 2026-11-01T06:00-05:00 or 2026-11-01T06:00 America/New_York")
    read_day(day)
    offset = place if _SHIFTED.fullmatch(place) else ""
    try:
        wall = datetime.fromisoformat(f"{day}T{clock}{offset}")
    except ValueError as error:
        raise UserError(f"{text!r} is not a time of the day; write it like 2026-11-01T06:00-05:00") from error
    if wall.tzinfo is not None:
        return wall.astimezone(UTC)
    return first_instant(find_zone(place) if place or zone is None else zone, wall)


def first_instant(zone: ZoneInfo, wall: datetime) -> datetime:
    """Give the first UTC instant at which the clocks of ``zone`` show the naive ``wall`` or a later time.

    In a fold that is the first of the two; in a gap, where ``wall`` is never shown, it is the end of the gap.
    """
    found = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if found.astimezone(zone).replace(tzinfo=None) == wall:
        return found
    before = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)  # in a gap fold 1 lies before the change, fold 0 after

    def show_wall(second: int) -> datetime:
        return (before + timedelta(seconds=second)).astimezone(zone).replace(tzinfo=None)

    gap = range(int((found - before).total_seconds()) + 1)
    return before + timedelta(seconds=bisect_left(gap, wall, key=show_wall))


def find_zone(name: str) -> ZoneInfo:
    """Give the IANA zone of a place, or UTC; raises :class:`UserError` for offsets, old names and other text."""
    if _FIXED.fullmatch(name):
        raise UserError(f"{name!r} is a fixed offset, which knows no daylight saving; name a place: America/New_York")
    if instead := find_place(name):
        raise UserError(f"{name!r} names no place, and not every machine knows it; write {instead}")
    try:
        if _PLACE.fullmatch(name):
            return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        pass  # as any other text
    raise UserError(f"{name!r} is not a time zone; {hint_zone(name)}")


def find_place(name: str) -> str:
    """Give the zone to write for a name that only some systems have, "" for all others."""
    if variant := _VARIANT.fullmatch(name):
        name = variant[1]
        if _PLACE.fullmatch(name):
            return name
    if _ZERO.fullmatch(name):
        return "UTC"
    return "a place, such as America/New_York" if name in _NO_PLACE or variant else _OLD.get(name, "")


def hint_zone(name: str) -> str:
    """Say which zone was meant, by its whole name, by its city alone, or by an old name."""
    zones = sorted(filter(_PLACE.fullmatch, available_timezones()))
    known = _OLD | {zone.rpartition("/")[2]: zone for zone in zones}
    near = suggest_name(name.replace(" ", "_"), [*zones, *known], least=ALIKE)
    return f"did you mean {known.get(near, near)!r}?" if near else "name a place, such as America/New_York"
