"""Delivering without a job or a service: a table, a ledger, and sinks that do as they are told."""

from datetime import UTC, date, datetime

from mmflow.check.uses import SinkUse
from mmflow.deliver import Destination, Means, Messages, deliver
from mmflow.deliver.told import about_run, delivery_key
from mmflow.job import Job
from mmflow.options import Options, convert_values
from mmflow.refs import Redactor
from mmflow.sinks import SinkType
from mmflow.table import make_table
from mmflow.testing.deliveries import DAY, PARTS, make_span

SLOT = datetime(2026, 11, 22, 11, 40, tzinfo=UTC)
PASSWORD = "pw-7c1f93ab"
FRIDAY, SATURDAY = date(2026, 11, 20), date(2026, 11, 21)
JOB = convert_values(
    {"job": "daily", "report": {"metrics": ["goodParts"], "group_by": ["day"]}, "window": "yesterday", "sinks": [{}]},
    Job,
)
SPANS = (("boston", make_span(SATURDAY, SATURDAY)), ("austin", make_span(FRIDAY, FRIDAY)))


class Attaching(Options):
    """Options of a sink that may attach files of others."""

    attach: tuple[str, ...] = ()


class Script:
    """A sink that does as it is told, one line for each attempt, and remembers what it was told itself."""

    def __init__(self, *lines):
        self.lines = list(lines)
        self.heard = []

    def __call__(self, _table, _options, run):
        self.heard.append(run)
        line = self.lines.pop(0)
        if isinstance(line, BaseException):
            raise line
        return line

    def use(self, name="script", semantics="transactional", probe=None, attach=(), **keys):
        kind = SinkType(
            name="script",
            summary="A script.",
            options=Attaching,
            deliver=self,
            semantics=semantics,
            probe=probe,
            distribution="acme",
        )
        return SinkUse(name, kind, Attaching(attach=attach), **keys)


class Stage:
    """A run that has a table, and everything that delivering it needs."""

    def __init__(self, root, ledger, clock):
        self.root, self.ledger, self.clock = root, ledger, clock
        self.redactor = Redactor()
        self.redactor.remember(PASSWORD)
        self.where = Destination(root, root / "out", 0o644, root / "jobs")
        self.table = make_table([(SATURDAY, 5.0)], columns=(DAY, PARTS), path=root / "table.parquet")
        self.waits = []
        clock.sleep = self.waits.append

    def deliver(self, *uses, run="r1", spans=SPANS, missing=(), messages=Messages()):  # noqa: B008  frozen
        """Deliver to these sinks and give what is on record, by sink."""
        self.ledger.begin_run(run, "daily", SLOT, "manual")
        keys = [(use.name, use.type.name, delivery_key(use, "daily", SLOT, spans)) for use in uses]
        self.ledger.note_plan(run, spans, keys)
        self.ledger.note_table(run, 1, (), SLOT, "table.parquet", missing)
        means = Means(self.where, self.ledger, self.clock, self.redactor, messages)
        known = self.ledger.read_run(run)
        deliver(self.table, uses, about_run(known, self.table, JOB), means)
        return {delivery.sink: delivery for delivery in self.ledger.deliveries(run)}

    def again(self, *uses, run="r1", messages=Messages()):  # noqa: B008  frozen
        """Deliver once more to sinks of a run, as ``resend --failed`` does."""
        known = self.ledger.read_run(run)
        means = Means(self.where, self.ledger, self.clock, self.redactor, messages)
        deliver(self.table, uses, about_run(known, self.table, JOB), means)
        return {delivery.sink: delivery for delivery in self.ledger.deliveries(run)}
