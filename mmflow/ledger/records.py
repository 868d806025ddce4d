"""What the ledger gives back: runs and deliveries as frozen values."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from mmflow.sinks import MovedCell, Receipt
from mmflow.windows import Span

SiteSpans = tuple[tuple[str, Span], ...]
SlotKind = Literal["schedule", "manual", "backfill", "restate"]
SlotState = Literal["due", "running", "done", "failed", "skipped", "expired"]
RunState = Literal["running", "retrying", "ok", "degraded", "held", "failed"]
DeliveryState = Literal[
    "pending", "running", "retrying", "unknown", "done", "failed", "skipped", "superseded", "quarantined"
]


class Slot(msgspec.Struct, frozen=True, kw_only=True):
    """A due instant of a job, and who works on it. Times are UTC.

    ``send`` tells whether its messages go out. A slot that is ``due`` is worked on from ``next_at`` on, those of the
    lowest ``rank`` first, and not past ``expires``. ``run`` is its latest run; ``resume`` the run of which only
    deliveries are left, "" for a run from the start. ``owner`` holds it until ``lease_until``, ``fence`` rises with
    each lease. ``begun`` tells whether a run has begun under the present lease, ``tries`` counts those runs, ``deaths``
    those whose process died. ``spans`` are dates given by hand. ``told`` tells whether its end has had its
    consequences: notices, failures counted, jobs that follow.
    """

    job: str
    due: datetime
    kind: SlotKind
    state: SlotState
    reason: str
    updated: datetime
    send: bool
    planned: datetime | None
    next_at: datetime | None
    rank: str
    expires: datetime | None
    spans: SiteSpans
    resume: str
    run: str
    owner: str
    lease_until: datetime | None
    fence: int
    begun: bool
    tries: int
    deaths: int
    told: bool


class NewSlot(msgspec.Struct, frozen=True, kw_only=True):
    """A slot as the planner writes it: one to be worked on, or one that ends at once, with the reason."""

    due: datetime
    kind: SlotKind = "schedule"
    state: SlotState = "due"
    reason: str = ""
    send: bool = True
    next_at: datetime | None = None  # the due instant unless given
    rank: str = ""  # the due instant unless given
    expires: datetime | None = None
    spans: SiteSpans = ()


class PlanStep(msgspec.Struct, frozen=True, kw_only=True):
    """What one look at the clock means for a job: how far it is planned now, and the slots that lie behind that.

    ``timetable`` is the fingerprint it was planned by. ``slots`` are written once, ``again`` are those to be worked on
    even if they were before, and ``turned`` say what becomes of those that wait.
    """

    job: str
    cursor: datetime
    timetable: str
    slots: tuple[NewSlot, ...] = ()
    again: tuple[NewSlot, ...] = ()
    turned: tuple[NewSlot, ...] = ()


class JobRow(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a job that has a schedule. ``cursor`` is the instant up to which its slots are in the ledger.

    ``timetable`` is the fingerprint of the schedule it was planned by. A paused job has ``paused_until`` (the year 9999
    for "until somebody resumes it") and ``paused_why``. ``failures`` counts the slots that failed since the last that
    did not.
    """

    job: str
    cursor: datetime
    timetable: str
    paused_until: datetime | None
    paused_why: str
    failures: int
    updated: datetime


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One sink's part of one run.

    Deliveries of equal ``key`` replace each other; the one of the highest ``generation`` is what stands at the
    destination. A new generation begins when the last one is done: tries of one delivery share theirs, also when a
    later run takes it up. ``fence`` rises with each try of the key; a commit with an older fence is refused. One that
    is ``retrying`` is tried again from ``next_at`` on. ``passing`` tells whether what it met may be gone in a while.
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
    next_at: datetime | None = None
    passing: bool = False


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One execution for one slot. ``slot`` is the due instant; times are UTC; ``rows`` is None until it is known.

    ``spans`` are the spans each site was asked for, ``extracted`` is just before the first question, so that no figure
    is older, ``snapshot`` is the path of the stored table, relative to the root, empty when there is none (any more).
    ``missing`` holds the sites that are not in the table, each with the reason. ``requests``
    were put to the service in so many ``tries``, and ``received`` bytes came back as they came over the wire.
    ``passing`` tells whether what ended it before its time may be gone in a while.
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
    requests: int
    tries: int
    received: int
    passing: bool = False


class Moved(msgspec.Struct, frozen=True, kw_only=True):
    """What moved since the run ``since``: ``total`` cells and rows, of which the first are in ``cells``.

    ``why`` tells why there was nothing to compare with, "" when there was.
    """

    since: str = ""
    why: str = ""
    total: int = 0
    cells: tuple[MovedCell, ...] = ()


def as_run(row: tuple[object, ...]) -> Run:
    """Build a run from its columns; its fields stand in the order of ``RUN_COLUMNS``."""
    values = dict(zip(Run.__struct_fields__, row, strict=True))
    values |= {name: msgspec.json.decode(str(values[name])) for name in ("notices", "spans", "missing")}
    values["passing"] = bool(values["passing"])
    return msgspec.convert(values, Run)


def as_delivery(row: tuple[object, ...]) -> Delivery:
    """Build a delivery from its columns; its fields stand in the order of ``DELIVERY_COLUMNS``."""
    values = dict(zip(Delivery.__struct_fields__, row, strict=True))
    values["receipt"] = msgspec.json.decode(str(values["receipt"])) if values["receipt"] else None
    values["next_at"] = values["next_at"] or None
    values["passing"] = bool(values["passing"])
    return msgspec.convert(values, Delivery)
