"""Days and instants as the numbers that Google Sheets keeps them as: days since the end of 1899, in local time.

Such a number has no zone. In the hour that comes twice when clocks go back, the second one is marked by half a
millisecond, which nobody sees; instants are kept to the millisecond.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo

EPOCH: Final = datetime(1899, 12, 30)  # noqa: DTZ001  a local time, whatever the zone
DAY_MS: Final = 86_400_000
MARK: Final = 0.5  # milliseconds
EARLIEST, LATEST = 36_526, 73_051  # 2000 to 2100: what is taken for a day when nothing else says so


@cache
def find_zone(name: str) -> ZoneInfo:
    """Give a zone by its name."""
    return ZoneInfo(name)


def day_serial(day: date) -> int:
    """Give the number of a day."""
    return day.toordinal() - EPOCH.toordinal()


def instant_serial(instant: datetime, zone: str) -> float:
    """Give the number of an instant as people in a zone see it."""
    local = instant.astimezone(find_zone(zone))
    passed = round((local.replace(tzinfo=None) - EPOCH) / timedelta(milliseconds=1))
    return (passed + MARK * local.fold) / DAY_MS


def serial_day(serial: float) -> date:
    """Give the day of a number; :class:`ValueError` or :class:`OverflowError` when there is none."""
    return date.fromordinal(EPOCH.toordinal() + int(serial // 1))


def serial_local(serial: float) -> datetime:
    """Give the local time of a number, to the millisecond, with the mark of an hour that comes twice as ``fold``."""
    halves = round(serial * DAY_MS * 2)
    return EPOCH + timedelta(milliseconds=halves // 2) if halves % 2 == 0 else _second(halves)


def _second(halves: int) -> datetime:
    return (EPOCH + timedelta(milliseconds=halves // 2)).replace(fold=1)


def serial_instant(serial: float, zone: str) -> datetime:
    """Give the instant, in UTC, that people in a zone mean by a number."""
    return serial_local(serial).replace(tzinfo=find_zone(zone)).astimezone(UTC)
