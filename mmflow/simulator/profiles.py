"""What nobody outside knows about the service, each thing as one switch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Profile:
    """How the simulated service behaves where no public material says how the real one does.

    A client is right only when it works under every combination; the suite runs under the two of ``PROFILES``.
    """

    ids: Literal["all", "shift", "none"] = "all"
    """Which groups put an ``…Id`` column on flat rows; only ``shiftId`` has been seen in use."""
    day_text: Literal["instant", "date"] = "instant"
    """A day as ``2026-11-22T00:00:00.000Z`` or as ``2026-11-22``."""
    hour_text: Literal["utc", "offset"] = "utc"
    """An hour as ``2026-11-22T06:00:00.000Z`` or as the plant's clock with its offset from UTC."""
    time_order: Literal["ascending", "descending"] = "ascending"
    """Order of days and hours in ``items``."""
    wrong_type: Literal["400", "404"] = "400"
    """Answer to a content type that is not JSON: the documented 400, or the ``Cannot POST`` page of Express."""
    flatten_false: Literal["false", "true"] = "false"
    """What the text ``"false"`` means for ``flatten``; a truthiness test would make it true."""
    ungrouped_items: Literal["empty", "absent", "total"] = "empty"
    """``items`` of a flat answer without ``groupBy``: ``[]``, no key at all, or one row with the totals."""
    missing: Literal["omitted", "zero"] = "omitted"
    """Combinations without data: no row, or a row of zeros for each time at which anybody else has one."""
    empty_rate: Literal["null", "zero"] = "null"
    """A rate whose denominator is zero."""
    unplanned: Literal["zero", "null"] = "zero"
    """``nonOptionalTime`` where none was planned."""
    counts: Literal["int", "float"] = "int"
    """Counts and milliseconds as ``12`` or ``12.0``."""
    csv: Literal["text", "ignored"] = "text"
    """``"csv": true`` gives ``text/csv``, or JSON as if it had not been said."""
    both_windows: Literal["refused", "days", "instants"] = "refused"
    """Both pairs of dates in one query: 400, or one of them wins."""
    thresholds: Literal["ratio", "percent"] = "ratio"
    """Threshold metrics as 0.6 or as 60."""
    timestamps: Literal["iso", "ms"] = "iso"
    """``minStartTime`` and ``maxEndTime`` as ISO text in UTC or as epoch milliseconds."""
    no_shift: str | None = "No Shift"
    """Label of the time outside every shift."""
    no_shift_id: str | None = None
    """``shiftId`` of that time."""
    time_entity: Literal["entity", "column"] = "entity"
    """How a nested answer names a day or an hour: ``"entity": {"id": …}`` or ``"day": …``."""
    error_body: Literal["json", "text"] = "json"
    """Bodies of 401, 403, 404 and 429: the documented envelope, or one plain word."""
    retry_after: Literal["seconds", "date", "none"] = "seconds"
    """What a 429 of the rate limit says about waiting."""
    unlisted_metrics: bool = False
    """Whether ``quality``, ``scrapParts`` and ``scrapRate`` exist; they sort after the known part of the list."""


PROFILES: dict[str, Profile] = {
    "documented": Profile(),
    "contrary": Profile(
        ids="shift",
        day_text="date",
        hour_text="offset",
        time_order="descending",
        wrong_type="404",
        flatten_false="true",
        ungrouped_items="absent",
        missing="zero",
        empty_rate="zero",
        unplanned="null",
        counts="float",
        csv="ignored",
        both_windows="days",
        thresholds="percent",
        timestamps="ms",
        no_shift_id="0",
        time_entity="column",
        error_body="text",
        retry_after="none",
        unlisted_metrics=True,
    ),
}
