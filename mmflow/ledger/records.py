"""What the ledger gives back: runs and deliveries as frozen values."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from mmflow.sinks import Receipt
from mmflow.windows import Span

SiteSpans = tuple[tuple[str, Span], ...]
SlotKind = Literal["schedule", "manual", "backfill"]
RunState = Literal["running", "ok", "degraded", "held", "failed"]
DeliveryState = Literal[
    "pending", "running", "retrying", "unknown", "done", "failed", "skipped", "superseded", "quarantined"
]


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One sink's part of one run.

    Deliveries of equal ``key`` replace each other; the one of the highest ``generation`` is what stands at the
    destination. A new generation begins when the last one is done: tries of one delivery share theirs, also when a
    later run takes it up. ``fence`` rises with each try of the key; a commit with an older fence is refused.
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
    """One execution for one slot. ``slot`` is the due instant; times are UTC; ``rows`` is None until it is known.

    ``spans`` are the spans each site was asked for, ``extracted`` is just before the first question, so that no figure
    is older, ``snapshot`` is the path of the stored table, relative to the root, empty when there is none (any more).
    ``missing`` holds the sites that are not in the table, each with the reason.
    """

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
    spans: SiteSpans
    extracted: datetime | None
    snapshot: str
    version: str
    missing: tuple[tuple[str, str], ...]
