"""What a run is given, and what comes of it: who asks for which window, and where everything is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from mmflow.atomic import STATE
from mmflow.check import CheckedJob
from mmflow.clock import Clock
from mmflow.deliver import Messages
from mmflow.deliver.told import Destination
from mmflow.errors import RunError, UserError
from mmflow.fetch import Service, Spool
from mmflow.gate import Verdict
from mmflow.hosts import Host
from mmflow.ledger import Delivery, Ledger, Run, Slot, SlotKind, find_place
from mmflow.plan import Plan
from mmflow.refs import Redactor
from mmflow.settings import Settings
from mmflow.shape import Shaped
from mmflow.table import Table
from mmflow.windows import Span


def say_nothing(text: str) -> None:
    """Take progress nobody watches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """What every run needs, made once by the command line, the daemon or a test. ``settings`` are resolved.

    ``ledger`` is one that is open already and stays so; without it each run opens its own. ``tidy`` tells whether runs
    drop what retention allows.
    """

    root: Path
    settings: Settings
    clock: Clock
    redactor: Redactor
    hosts: Mapping[str, Host]
    progress: Callable[[str], None] = field(default=say_nothing)
    ledger: Ledger | None = None
    tidy: bool = True

    @property
    def state(self) -> Path:
        """Where ledger, spool, snapshots and locks are."""
        return self.root / STATE

    @property
    def service(self) -> Service:
        """How the sites are asked."""
        return Service(
            hosts=self.hosts,
            network=self.settings.network,
            clock=self.clock,
            cache=self.state / "cache",
            tell=self.progress,
            budget=self.state / "budget",
        )

    def open_ledger(self) -> AbstractContextManager[Ledger]:
        """Open the record, or give the one that is open."""
        if self.ledger:
            return nullcontext(self.ledger)
        return Ledger.open(find_place(self.settings.state, self.state), self.clock)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Which question a run answers: a due instant, and spans when dates were given by hand.

    ``lease`` is the slot when a daemon gave it out. Then the run begins only if nobody else has taken the slot over,
    and what fails for a while is left to a later lease, as long as that is before ``until``.
    """

    slot: datetime
    kind: SlotKind = "manual"
    spans: Mapping[str, Span] | None = None
    sinks: frozenset[str] | None = None  # only these, by name
    messages: Messages = field(default_factory=Messages)
    lease: Slot | None = None
    until: datetime | None = None

    @property
    def whole(self) -> bool:
        """Whether all sinks of the job get the report, and everybody their messages."""
        return self.sinks is None and self.messages.send

    @classmethod
    def of_slot(cls, slot: Slot, until: datetime, sinks: Sequence[str] | None = None) -> Order:
        """Give the order for a leased slot; nobody is mailed by what is late or made up for."""
        messages = Messages(send=not (why := keep_silent(slot)), why=why, expires=slot.expires)
        chosen = None if sinks is None else frozenset(sinks)
        spans = dict(slot.spans) or None
        return cls(slot=slot.due, kind=slot.kind, spans=spans, sinks=chosen, messages=messages, lease=slot, until=until)


def keep_silent(slot: Slot) -> str:
    """Give why the messages of a slot do not go out, however early it is; "" when they do."""
    if slot.kind == "restate":
        return "it only brings earlier figures up to date"
    return "" if slot.send else "made up for later"


@dataclass(frozen=True, slots=True)
class Report:
    """What the line has made before anything is delivered."""

    plan: Plan
    spool: Spool
    shaped: Shaped
    verdict: Verdict

    @property
    def table(self) -> Table:
        """Give the finished table."""
        return self.shaped.table


@dataclass(frozen=True, slots=True)
class Result:
    """How a run ended, as the ledger has it, and what ended it before its time, when something did."""

    run: Run
    deliveries: Sequence[Delivery]
    cause: RunError | UserError | None = None


def destination(engine: Engine, checked: CheckedJob) -> Destination:
    """Say where this job's files go."""
    return Destination(
        root=engine.root,
        output=engine.root / engine.settings.output,
        output_mode=int(engine.settings.output_mode, 8),
        job_folder=(engine.root / checked.document.name).parent,
        network=engine.settings.network,
        clock=engine.clock,
    )
