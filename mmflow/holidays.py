"""The plant's holidays, from a list of dates or an ICS file."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

from mmflow.errors import UserError


def read_holidays(holidays: str | tuple[str, ...], zone: ZoneInfo, root: Path) -> frozenset[date]:
    """Give the holidays as dates; raises UserError for a date or file that cannot be read."""
    if isinstance(holidays, str):
        raise UserError("holidays: an ICS file cannot be read yet; write a list of dates")
    return frozenset(map(read_date, holidays))


def read_date(text: str) -> date:
    """Read one date of the list."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise UserError(f"holidays: {text!r} is not a date like 2026-12-25") from error
