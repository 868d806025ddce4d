"""Whether a run took far longer than those of its job do: a service or a destination that is getting slow."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median
from typing import Final

from mmflow.ledger import Run

LATEST: Final = 30  # runs that are looked at
LEAST: Final = 5  # of them that were as good and of this kind; from fewer nothing follows
TIMES: Final = 3  # as long as usual
MARGIN: Final = 60.0  # seconds beyond the usual, below which nobody minds


def tell_slow(run: Run, seconds: float, latest: Iterable[Run]) -> str:
    """Say that a run was slow, "" when it was not: three times as long as usual, and a minute more."""
    usual = [
        (one.finished - one.started).total_seconds()
        for one in latest
        if one.id != run.id and one.kind == run.kind and one.finished and one.state in ("ok", "degraded")
    ]
    if len(usual) < LEAST:
        return ""
    middle = median(usual)
    if seconds <= max(TIMES * middle, middle + MARGIN):
        return ""
    return f"it took {seconds:,.0f} s, usually {middle:,.0f} s"
