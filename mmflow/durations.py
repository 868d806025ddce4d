"""Amounts of time as people write them: ``7 days``, ``8 hours``, ``1 month``, ``15 min``."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

UNITS: Final = ("second", "minute", "hour", "day", "week", "month")
SHORT: Final = {"s": "second", "sec": "second", "min": "minute", "mins": "minute", "h": "hour", "d": "day"}
SECONDS: Final = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400, "week": 604_800}
LONGEST: Final = timedelta(days=36_525)

_AMOUNT = re.compile(r"([1-9][0-9]{0,8}) ?([a-z]+)", re.ASCII)


def parse_amount(text: str, *, units: tuple[str, ...] = UNITS) -> tuple[int, str]:
    """Give the count and the unit in the singular: ``7 days`` is ``(7, "day")``, and ``15 min`` is ``(15, "minute")``.

    Raises :class:`ValueError` with one sentence when the text is something else or its unit is not allowed.
    """
    match = _AMOUNT.fullmatch(text.strip())
    unit = SHORT.get(match[2], match[2].removesuffix("s")) if match else ""
    if match is None or unit not in units:
        listed = ", ".join(f"{unit}s" for unit in units)
        usual = "day" if "day" in units else units[0]
        raise ValueError(f"expected a whole number from 1 and a unit ({listed}), such as '7 {usual}s'")
    return int(match[1]), unit


def parse_duration(text: str, *, units: tuple[str, ...] = tuple(SECONDS)) -> timedelta:
    """Give the length of ``5 minutes`` or ``30 days`` (24 hours each); raises like :func:`parse_amount`.

    Months have no fixed length and are refused, as is anything above a hundred years.
    """
    count, unit = parse_amount(text, units=units)
    seconds = count * SECONDS[unit]
    if seconds > LONGEST.total_seconds():
        raise ValueError("expected at most a hundred years")
    return timedelta(seconds=seconds)
