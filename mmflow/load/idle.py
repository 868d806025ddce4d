"""Whether anything was planned to run in a window, by the service's own word; no answer is never taken for a no.

Assumptions, because the service publishes names and not formulas: ``nonOptionalTime`` is the planned production time of
the machines asked about, and 0 where there was none. A service that says null there is not believed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from mmflow.fetch import Answer, Spool
from mmflow.load.repeats import find_repeated
from mmflow.plan import Plan
from mmflow.question import PLANNED_TIME


class Planned(msgspec.Struct):
    """The total that an answer holds, in ms; None when it does not say."""

    time: float | None = msgspec.field(default=None, name=PLANNED_TIME)


class Envelope(msgspec.Struct):
    """The part of an answer that holds the totals."""

    aggregate: Planned


_DECODER: Final = msgspec.json.Decoder(Envelope)


def find_idle(plan: Plan, spool: Spool) -> str:
    """Give why a scheduled report is skipped: nothing was planned to run at any site; "" when that is not certain.

    It is not while a site is missing or does not say, and of a window that was still running when the site was asked.
    """
    planned = dict(read_planned(plan, spool))
    unfinished = any(span.end > spool.extracted_at for _, span in plan.spans)
    if not planned or spool.missing or unfinished or any(time != 0 for time in planned.values()):
        return ""
    return f"nothing was scheduled to run in {'; '.join(dict.fromkeys(span.why for _, span in plan.spans))}"


def list_unsaid(plan: Plan, spool: Spool) -> Iterator[str]:
    """Say which sites that were asked for their planned time did not give it."""
    for site, time in read_planned(plan, spool):
        if time is None:
            yield f"{site} does not say whether anything was scheduled to run; it is taken for granted"


def read_planned(plan: Plan, spool: Spool) -> Iterator[tuple[str, float | None]]:
    """Give the planned time of each site that was asked for it and answered, in ms; None when it does not say."""
    for query in plan.queries:
        if query.key == "planned":
            answers = [one for one in spool.answers if (one.slice.query, one.slice.site) == ("planned", query.site)]
            times = [read_time(answer) for answer in answers]
            if times:
                yield query.site, None if None in times else sum(time for time in times if time is not None)


def read_time(answer: Answer) -> float | None:
    """Give what one answer says; None also when it says two things, or something else than a number."""
    content = answer.path.read_bytes()
    try:
        found = _DECODER.decode(content).aggregate.time
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return None if find_repeated(content) else found
