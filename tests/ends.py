"""Slots that end as a test wants them to, and what has to be known of their jobs."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from mmflow.job import Notify, Schedule
from mmflow.ledger import Ledger, NewSlot, PlanStep
from mmflow.sinks import Receipt
from tests.ledgers import NOON, SLOT, SPAN

HOOK = {"type": "webhook", "connection": "ops_hook"}


@dataclass(frozen=True)
class Plan:
    """As much of a job's plan as notices need."""

    owner: str = "ann@example.com"
    notify: Notify = field(default_factory=lambda: Notify(via=(HOOK,)))
    schedule: Schedule | None = None
    zone: str = "America/New_York"


def end_slot(
    ledger: Ledger,
    state: str,
    *,
    job: str = "daily",
    due: datetime = SLOT,
    kind: Any = "schedule",
    error: str = "",
    sinks: dict[str, str] | None = None,
) -> str:
    """Plan, lease and run a slot that ends with its run in this state; give the run. ``sinks`` end as they say."""
    run = f"{job}-{due:%d%H%M}-{kind}"
    new = NewSlot(due=due, kind=kind, next_at=SLOT)
    ledger.slots.plan([PlanStep(job=job, cursor=due, timetable="t", slots=(new,))])
    until = NOON + timedelta(days=90)
    taken = (
        ledger.slots.take_windows(job, "me", until, 1) if kind == "backfill" else ledger.slots.take("me", until, 1000)
    )
    slot = next(slot for slot in taken if slot.job == job)
    ledger.begin_run(run, job, due, kind, slot.fence)
    ledger.note_plan(run, (("boston", SPAN),), [(sink, sink, f"{run}-{sink}") for sink in sinks or {}])
    if state != "failed" or sinks:
        ledger.note_table(run, 7, (), due, f"snapshots/{run}.parquet")
    for sink, became in (sinks or {}).items():
        ledger.commit_delivery(ledger.take_delivery(run, sink), became, receipt=Receipt(rows=7), error="disk full")
    ledger.finish_run(run, state, error=error)
    return run


def skip_slot(
    ledger: Ledger,
    reason: str,
    *,
    job: str = "daily",
    due: datetime = SLOT,
    state: Any = "skipped",
    kind: Any = "schedule",
) -> None:
    """Plan a slot that has ended with that."""
    slot = NewSlot(due=due, kind=kind, state=state, reason=reason)
    ledger.slots.plan([PlanStep(job=job, cursor=due, timetable="t", slots=(slot,))])
