"""The durable record: slots, runs, deliveries and receipts, kept so that nothing is lost, doubled or unexplained."""

from __future__ import annotations

from mmflow.ledger.lock import JobLock
from mmflow.ledger.records import Delivery, DeliveryState, Run, RunState, SiteSpans, SlotKind
from mmflow.ledger.store import Ledger

__all__ = ["Delivery", "DeliveryState", "JobLock", "Ledger", "Run", "RunState", "SiteSpans", "SlotKind"]
