"""What the ledger gives back: runs and deliveries as frozen values."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from mmflow.sinks import Receipt

SlotKind = Literal["schedule", "manual", "backfill"]
SlotState = Literal["due", "running", "done", "failed", "skipped", "expired"]
RunState = Literal["running", "ok", "degraded", "held", "failed"]
DeliveryState = Literal[
    "pending", "running", "retrying", "unknown", "done", "failed", "skipped", "superseded", "quarantined"
]


class SpanRecord(msgspec.Struct, frozen=True):
    """The span one site was asked for: UTC, half-open, with the zone and the production days it was made from."""

    site: str
    start: datetime
    end: datetime
    zone: str
    first_day: str
    last_day: str


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One sink's part of one run.

    Deliveries of equal ``key`` replace each other; the one of the highest ``generation`` is what stands at the
    destination. ``fence`` rises each time the delivery is taken up; a commit with an older fence is refused.
    """

    run: str
    sink: str
    type: str
    key: str
    generation: int
    fence: int
    state: DeliveryState
    attempts: int
    receipt: Receipt | None
    error: str
    updated: datetime


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One execution for one slot. ``slot`` is the due instant; times are UTC; ``rows`` is None until it is known."""

    id: str
    job: str
    slot: datetime
    kind: SlotKind
    state: RunState
    started: datetime
    finished: datetime | None
    rows: int | None
    error: str
    notices: tuple[str, ...]
    spans: tuple[SpanRecord, ...]
    snapshot: str
    version: str
