"""Faults on demand, and the quota: what a service under load, or the way to it, does to calls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from threading import Lock
from typing import Final, Literal

from mmflow_sheets.testing.envelope import ApiError, explain_reason

Kind = Literal[
    "quota", "unavailable", "internal", "disabled", "bad_gateway", "drop_before", "drop_after", "cut", "slow"
]
KINDS: Final[tuple[str, ...]] = Kind.__args__  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: which calls it meets, and how often.

    It meets calls whose ``"METHOD /path"`` holds ``match`` (``"/v4/"`` meets the API and not the token endpoint, ""
    meets all); the first ``after`` of them pass unharmed, then it strikes ``times`` times (None: until it is cleared).

    ``quota`` 429, ``unavailable`` 503, ``internal`` 500, ``disabled`` 403 because the API is not enabled,
    ``bad_gateway`` an HTML page with 502: all without doing anything. ``drop_before`` hangs up without doing anything,
    ``drop_after`` does all and then hangs up, ``cut`` does all and breaks off in the middle of the answer, ``slow``
    waits ``seconds`` first.
    """

    kind: Kind
    times: int | None = 1
    after: int = 0
    match: str = "/v4/"
    seconds: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"found the fault {self.kind!r}, expected one of {', '.join(KINDS)}")


@dataclass(slots=True)
class _Armed:
    fault: Fault
    met: int = 0

    def strikes(self, call: str) -> bool:
        """Count a call that the fault meets, and say whether it is struck."""
        fault = self.fault
        is_spent = fault.times is not None and self.met >= fault.after + fault.times
        if is_spent or fault.match not in call:
            return False
        self.met += 1
        return self.met > fault.after


@dataclass(slots=True)
class Faults:
    """The faults that wait for calls; may be used from many threads."""

    armed: list[_Armed] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)

    def add(self, *faults: Fault) -> None:
        """Arm more faults, after those that are there."""
        with self.lock:
            self.armed.extend(map(_Armed, faults))

    def clear(self) -> None:
        """Disarm all."""
        with self.lock:
            self.armed.clear()

    def pick(self, call: str) -> Fault | None:
        """Give the fault that strikes this call, if any does."""
        with self.lock:
            return next((one.fault for one in self.armed if one.strikes(call)), None)


@dataclass(slots=True)
class Quota:
    """How many reads and writes a minute of the clock allows to each caller; None is no limit."""

    now: Callable[[], datetime]
    reads: int | None = None
    writes: int | None = None
    used: dict[tuple[str, str, datetime], int] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)

    def count(self, email: str, *, is_read: bool) -> None:
        """Count a call, and refuse it when the minute is used up."""
        kind, limit = ("Read", self.reads) if is_read else ("Write", self.writes)
        with self.lock:
            key = (email, kind, self.now().replace(second=0, microsecond=0))
            self.used[key] = self.used.get(key, 0) + 1
            if limit is not None and self.used[key] > limit:
                raise refuse_quota(kind)


def refuse_quota(kind: str) -> ApiError:
    """Give the 429 of Google."""
    metric = f"quota metric '{kind} requests' and limit '{kind} requests per minute per user'"
    message = (
        f"Quota exceeded for {metric} of service 'sheets.googleapis.com' for consumer 'project_number:1234567890'."
    )
    limit = f"{kind}RequestsPerMinutePerUser"
    return ApiError(
        429, message, explain_reason("RATE_LIMIT_EXCEEDED", quota_limit=limit, service="sheets.googleapis.com")
    )


def refuse_disabled() -> ApiError:
    """Give the 403 of a project in which nobody has enabled the Sheets API."""
    page = "https://console.developers.google.com/apis/api/sheets.googleapis.com/overview?project=1234567890"
    message = (
        "Google Sheets API has not been used in project 1234567890 before or it is disabled. Enable it by visiting "
        f"{page} then retry. If you enabled this API recently, wait a few minutes for the action to propagate to our "
        "systems and retry."
    )
    return ApiError(403, message, explain_reason("SERVICE_DISABLED", service="sheets.googleapis.com"))


ANSWERS: Final[dict[str, Callable[[], ApiError]]] = {
    "quota": lambda: refuse_quota("Write"),
    "unavailable": lambda: ApiError(503),
    "internal": lambda: ApiError(500),
    "disabled": refuse_disabled,
}
