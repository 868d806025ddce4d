"""The durable record: slots, runs, deliveries and receipts, kept so that nothing is lost, doubled or unexplained."""

from __future__ import annotations

from mmflow.ledger.lock import DaemonLock, JobLock, OsLock, list_held
from mmflow.ledger.opener import Opener
from mmflow.ledger.place import Database, Place, find_place
from mmflow.ledger.records import (
    Delivery,
    DeliveryState,
    JobRow,
    Moved,
    NewSlot,
    PlanStep,
    Run,
    RunState,
    SiteSpans,
    Slot,
    SlotKind,
    SlotState,
)
from mmflow.ledger.slots import SlotBook
from mmflow.ledger.store import Ledger
from mmflow.ledger.upkeep import Facts
from mmflow.sinks import MovedCell

__all__ = [
    "DaemonLock",
    "Database",
    "Delivery",
    "DeliveryState",
    "Facts",
    "JobLock",
    "JobRow",
    "Ledger",
    "Moved",
    "MovedCell",
    "NewSlot",
    "Opener",
    "OsLock",
    "Place",
    "PlanStep",
    "Run",
    "RunState",
    "SiteSpans",
    "Slot",
    "SlotBook",
    "SlotKind",
    "SlotState",
    "find_place",
    "list_held",
]
