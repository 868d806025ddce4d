"""The gate: whether the finished table may go to its readers, or is held."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from mmflow.errors import UserError
from mmflow.fetch import Spool
from mmflow.job import ROW_BOUND, Job
from mmflow.shape import Shaped

_COMPARISONS: Mapping[str, Callable[[int, int], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "=": operator.eq,
}
NO_ROWS: Final = "the report has no rows"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do with the table. All texts are sentences with figures.

    ``hold``: nobody gets it, and ``reasons`` say why. ``skip``: nobody gets it and that is in order. ``deliver``: it
    goes out. ``passing`` tells of a table that is held only because the job waits for a missing site.
    """

    state: Literal["deliver", "hold", "skip"]
    reasons: tuple[str, ...] = ()
    passing: bool = False


def judge(shaped: Shaped, job: Job, spool: Spool) -> Verdict:
    """Judge a table by the job's checks and by what it says about missing sites and empty reports."""
    missing = tuple(map(str, spool.missing))
    reasons = tuple(find_reasons(shaped, job, missing))
    if reasons:
        return Verdict("hold", reasons, passing=job.on_partial == "wait" and set(reasons) <= set(missing))
    if shaped.facts.rows == 0 and job.on_empty == "skip" and not missing:
        return Verdict("skip", (NO_ROWS,))
    return Verdict("deliver")


def find_reasons(shaped: Shaped, job: Job, missing: tuple[str, ...]) -> Iterator[str]:
    """Give everything that speaks against delivery."""
    rows = shaped.facts.rows
    if job.on_partial != "deliver" or any(check.sites == "all" for check in job.checks):
        yield from missing
    if rows == 0 and job.on_empty == "fail":
        yield NO_ROWS
    for check in job.checks:
        if check.rows and not compare_count(rows, check.rows):
            yield f"the report has {rows} row{'s' * (rows != 1)}, expected {check.rows}"
    yield from map(str, shaped.facts.breaches)


def compare_count(count: int, bound: str) -> bool:
    """Say whether a number of rows is as a check wants it: ``>= 1``; raises :class:`UserError` for other texts."""
    match = ROW_BOUND.fullmatch(bound)
    if match is None:
        raise UserError(f"rows: found '{bound[:40]}', expected a comparison such as '>= 1'")
    return _COMPARISONS[match[1]](count, int(match[2]))
