"""How long to wait before asking again: by chance when nobody says, else as the other side said."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from random import Random

TRIES = 6
TRIES_WHEN_CUT = 3  # an answer that always breaks off is broken
FIRST_WAIT = 1.0  # seconds, doubling with each try
LONGEST_WAIT = 60.0
LONGEST_REQUESTED_WAIT = 3600.0

_SECONDS = re.compile(r"[0-9]{1,12}")


def draw_wait(tries: int, rng: Random) -> float:
    """Give the seconds to wait after so many tries (from 1): full jitter, so that many clients spread out."""
    return rng.uniform(0, min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(tries - 1, 30)))


def read_retry_after(value: str, date: str, now: datetime) -> float | None:
    """Give the seconds that a ``Retry-After`` header asks for: from 0 to an hour, None when it makes no sense.

    A date is measured against the answer's own ``Date`` header, so that a wrong clock on either side does not
    matter; ``now`` (aware) stands in when there is none.
    """
    if _SECONDS.fullmatch(value.strip()):
        return min(float(value.strip()), LONGEST_REQUESTED_WAIT)
    until = _read_date(value)
    if until is None:
        return None
    wait = (until - (_read_date(date) or now)).total_seconds()
    return min(max(wait, 0.0), LONGEST_REQUESTED_WAIT)


def _read_date(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
