"""The one line, and the only place that knows its order: plan, fetch, load, shape, judge, deliver, record."""

from __future__ import annotations

import logging
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Final

from mmflow.atomic import STATE
from mmflow.cells import settle_window
from mmflow.check import CheckedJob
from mmflow.check.uses import SinkUse
from mmflow.clock import Clock
from mmflow.deliver import Means, Messages, blame, deliver
from mmflow.deliver.chosen import choose_sinks
from mmflow.deliver.difference import Difference, find_difference
from mmflow.deliver.ending import is_settled, judge_run
from mmflow.deliver.told import Destination, about_rehearsal, about_run, delivery_key, sink_info
from mmflow.durations import parse_duration
from mmflow.errors import (
    BadRequest,
    GiveUp,
    Held,
    MmflowError,
    ProblemsError,
    RunError,
    StateError,
    UserError,
)
from mmflow.fetch import Missing, Service, Spool, fetch
from mmflow.fetch.complaints import locate_errors
from mmflow.files import explain_errors
from mmflow.gate import NO_ROWS, Verdict, judge
from mmflow.hosts import Host
from mmflow.job import Job
from mmflow.ledger import Delivery, JobLock, Ledger, Run, RunState, SlotKind
from mmflow.load import load
from mmflow.plan import Plan, make_plan
from mmflow.plant import PlantCalendar
from mmflow.refs import Redactor
from mmflow.settings import Settings
from mmflow.shape import Shaped, shape
from mmflow.sinks import Reference, Rendering, find_function
from mmflow.table import Table
from mmflow.windows import Span

log = logging.getLogger(__name__)

RUN_TIME: Final = "%Y%m%dT%H%M%S"


def say_nothing(text: str) -> None:
    """Take progress nobody watches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """What every run needs, made once by the command line, the daemon or a test. ``settings`` are resolved."""

    root: Path
    settings: Settings
    clock: Clock
    redactor: Redactor
    hosts: Mapping[str, Host]
    progress: Callable[[str], None] = field(default=say_nothing)

    @property
    def state(self) -> Path:
        """Where ledger, spool, snapshots and locks are."""
        return self.root / STATE

    @property
    def service(self) -> Service:
        """How the sites are asked."""
        cache, network = self.state / "cache", self.settings.network
        return Service(hosts=self.hosts, network=network, clock=self.clock, cache=cache, tell=self.progress)

    def open_ledger(self) -> Ledger:
        """Open the record."""
        return Ledger.open(self.state / "ledger.sqlite", self.clock)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Which question a run answers: a due instant, and spans when dates were given by hand."""

    slot: datetime
    kind: SlotKind = "manual"
    spans: Mapping[str, Span] | None = None
    sinks: frozenset[str] | None = None  # only these, by name
    messages: Messages = field(default_factory=Messages)


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


def plan_job(engine: Engine, job: Job, order: Order) -> Plan:
    """Plan only; nothing is asked."""
    return make_plan(job, calendars_of(engine, job), order.slot, spans=order.spans)


def calendars_of(engine: Engine, job: Job) -> dict[str, PlantCalendar]:
    """Give the calendar of each of a job's sites."""
    return {name: PlantCalendar.from_site(name, engine.settings.sites[name], engine.root) for name in job.sites}


def make_report(engine: Engine, checked: CheckedJob, plan: Plan, folder: Path, snapshot: Path) -> Report:
    """Go down the line from the plan to the verdict: raw answers under ``folder``, the table at ``snapshot``."""
    job = checked.job
    for site, span in plan.spans:
        log.info("%s: %s to %s, %s", site, span.start, span.end, span.why)
    try:
        spool = fetch(plan, job, engine.service, folder)
    except BadRequest as refused:
        if not refused.complaints:
            raise
        raise ProblemsError(locate_errors(refused.complaints, checked.layers)) from refused
    started = engine.clock.monotonic()
    with explain_errors(folder), load(plan, job, spool, folder) as raw:
        shaped = shape(raw, job, plan, snapshot, checked.document)
    log.info("shaped in %.1f s, rows: %d", engine.clock.monotonic() - started, len(shaped.table))
    return Report(plan, spool, shaped, judge(shaped, job, spool))


def settle_job(engine: Engine, checked: CheckedJob, order: Order) -> CheckedJob:
    """Give the job with the dates that stand in cells, when its window names some and none were given by hand."""
    if order.spans is not None:
        return checked
    return settle_window(checked, calendars_of(engine, checked.job), destination(engine, checked), order.slot)


def run_job(engine: Engine, checked: CheckedJob, order: Order) -> Result:
    """Execute a job for one slot and record it.

    What the steps raise ends the run, is on record and becomes the result's ``cause``; it is a :class:`Held` when the
    gate stopped the report. A sink that fails is no cause: its delivery says so, and the run is ``failed`` or, when the
    sink is not required, ``degraded``. Raises :class:`UserError` for an unknown sink and :class:`StateError` when the
    job is running already or the ledger cannot be used.
    """
    uses = choose_sinks(checked.sinks, order.sinks)
    run = name_run(engine.clock.now())
    with JobLock(engine.state / "locks", checked.job.job), engine.open_ledger() as ledger:
        sweep(engine, ledger)
        ledger.begin_run(run, checked.job.job, order.slot, order.kind)
        cause = None
        try:
            with record_failure(engine, ledger, run):
                execute(engine, checked, uses, order, run, ledger)
        except (RunError, UserError) as error:
            cause = error
        return Result(ledger.read_run(run), ledger.deliveries(run), cause)


@contextmanager
def record_failure(engine: Engine, ledger: Ledger, run: str) -> Iterator[None]:
    """Record why a run ends before its time, also when somebody interrupts it, and let the error go on."""
    try:
        yield
    except BaseException as error:
        state: RunState = "held" if isinstance(error, Held) else "failed"
        try:
            ledger.finish_run(run, state, error=engine.redactor.redact(name_cause(error)))
        except StateError as lost:
            log.error("the end of run %s is not on record: %s", run, lost)  # noqa: TRY400  # the error goes on below
        raise


def name_cause(error: BaseException) -> str:
    """Give the sentence for what ended a run; of what nobody expected, also its kind."""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    return str(error) if isinstance(error, MmflowError) else f"{type(error).__name__}: {error}"


def execute(
    engine: Engine, checked: CheckedJob, uses: Sequence[SinkUse], order: Order, run: str, ledger: Ledger
) -> None:
    """Go down the whole line for one run."""
    checked = settle_job(engine, checked, order)
    plan = plan_job(engine, checked.job, order)
    ledger.note_plan(run, plan.spans, list_deliveries(uses, plan.job, plan.slot, plan.spans, order.messages.to))
    spool, snapshot = engine.state / "spool" / run, engine.state / "snapshots" / f"{run}.parquet"
    report = make_report(engine, checked, plan, spool, snapshot)
    kept = snapshot.relative_to(engine.root).as_posix()
    missing = [(site.site, site.reason) for site in report.spool.missing]
    ledger.note_table(run, len(report.table), report.table.notices, report.spool.extracted_at, kept, missing)
    if report.verdict.state == "hold":
        raise Held(report.verdict.reasons)
    if report.verdict.state == "skip":
        ledger.finish_run(run, "ok", skipped="; ".join(report.verdict.reasons))
    else:
        messages = replace(order.messages, send=False) if order.kind == "backfill" else order.messages
        deliver_run(engine, checked, uses, run, report.table, ledger, messages)
    drop(spool)


def deliver_run(
    engine: Engine,
    checked: CheckedJob,
    uses: Sequence[SinkUse],
    run: str,
    table: Table,
    ledger: Ledger,
    messages: Messages,
) -> None:
    """Deliver the table and record what the run has become, counting the sinks that had it before."""
    known = ledger.read_run(run)
    about = about_run(known, table, checked.job)
    deliver(table, uses, about, Means(destination(engine, checked), ledger, engine.clock, engine.redactor, messages))
    lacks = [*(str(Missing(*pair)) for pair in known.missing), *([] if known.rows else [NO_ROWS])]
    state, error = judge_run(ledger.deliveries(run), checked.sinks, lacks)
    ledger.finish_run(run, state, error=error)


def resend_run(
    engine: Engine,
    checked: CheckedJob,
    run: str,
    sinks: frozenset[str] | None,
    *,
    failed: bool,
    messages: Messages | None = None,
) -> Result:
    """Deliver a past run's table again, from its snapshot, with the sinks as the job names them now.

    ``failed`` leaves out what is done, and what a later run has delivered. A held run is released in this way. Messages
    of a backfill go out only by the names of their sinks. Raises :class:`UserError` for an unknown run or sink,
    :class:`GiveUp` when there is no snapshot.
    """
    with JobLock(engine.state / "locks", checked.job.job), engine.open_ledger() as ledger:
        known = ledger.read_run(run)
        table = open_snapshot(engine, known)
        done = {delivery.sink for delivery in ledger.deliveries(run) if is_settled(delivery)}
        uses = [use for use in choose_sinks(checked.sinks, sinks) if not (failed and use.name in done)]
        if not uses:
            raise UserError(f"nothing of run {run} is left to send: all is done, or a later run has taken its place")
        deliveries = list_deliveries(uses, known.job, known.slot, known.spans)
        for sink, _, key in deliveries:
            if (standing := ledger.standing_run(key)) not in ("", run):
                log.warning("%s: this replaces what run %s delivered", sink, standing)
        ledger.begin_resend(run, known.job, deliveries)
        with record_failure(engine, ledger, run):
            sends = sinks is not None or known.kind != "backfill"
            again = replace(messages or Messages(send=sends), again=not failed)
            deliver_run(engine, checked, uses, run, table, ledger, again)
        return Result(ledger.read_run(run), ledger.deliveries(run))


def list_deliveries(
    uses: Sequence[SinkUse],
    job: str,
    slot: datetime,
    spans: Sequence[tuple[str, Span]],
    to: Sequence[str] = (),
) -> list[tuple[str, str, str]]:
    """Give the deliveries to come, as the ledger wants them: sink, type and key."""
    return [(use.name, use.type.name, delivery_key(use, job, slot, spans, to)) for use in uses]


def rehearse_sink(engine: Engine, checked: CheckedJob, use: SinkUse, report: Report) -> Rendering:
    """Give what a sink would write; raises :class:`UserError` for a sink that has nothing to show."""
    if use.type.render is None:
        raise UserError(f"the sink {use.type.name} cannot show what it would write; preview without --sink")
    shown = ask_sink(engine, checked, use, use.type.render, report)
    if isinstance(shown, bytes):
        return Rendering(shown.decode("utf-8", "replace"), shown, ".txt")
    return shown if isinstance(shown, Rendering) else Rendering(str(shown), str(shown).encode(), ".txt")


def compare_sink(engine: Engine, checked: CheckedJob, use: SinkUse, report: Report) -> Difference:
    """Give what a delivery would change at its destination; :class:`UserError` for a sink that cannot be read."""
    if use.type.read is None:
        raise UserError(f"the sink {use.type.name} cannot be read back; preview without --diff")
    read = use.type.read

    def compare(table: Table, *told: object) -> Difference:
        return find_difference(table, find_function(read)(table, *told))  # a reader may give its rows one by one

    found = ask_sink(engine, checked, use, compare, report)
    assert isinstance(found, Difference)
    return found


def ask_sink(engine: Engine, checked: CheckedJob, use: SinkUse, reference: Reference, report: Report) -> object:
    """Call a function of a sink that writes nothing; its bugs become errors that name it."""
    about = about_rehearsal(report.plan, report.spool, report.table, checked.job)
    info = sink_info(about, use, destination(engine, checked))
    try:
        return find_function(reference)(report.table, use.options, info)
    except MmflowError:
        raise
    except (Exception, SystemExit) as error:
        log.exception("sink %s failed", use.name)
        raise GiveUp(blame(use, f"raised {type(error).__name__}: {error}")) from error


def open_snapshot(engine: Engine, run: Run) -> Table:
    """Open the stored table of a run."""
    path = engine.root / run.snapshot
    if run.rows is None:
        raise GiveUp(f"run {run.id} ended before there was a table; run the job again for its window")
    if not run.snapshot or not path.exists():
        kept = engine.settings.retention.snapshots
        raise GiveUp(f"run {run.id} has no stored table (they are kept {kept}); run the job again for its window")
    return Table.open(path)


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


def name_run(now: datetime) -> str:
    """Make an id that sorts by time and is short enough to type."""
    return f"{now:{RUN_TIME}}-{secrets.token_hex(4)}"


def sweep(engine: Engine, ledger: Ledger) -> None:
    """Drop what retention allows: old runs, their snapshots, and raw answers that failed runs left.

    Files go by their names, which begin with the time of their run, so that nothing a killed process left is kept.
    """
    now, keep = engine.clock.now(), engine.settings.retention
    snapshots, runs = (now - parse_duration(text) for text in (keep.snapshots, keep.runs))
    ledger.forget_before(snapshots, runs)
    oldest = f"{max(snapshots, runs):{RUN_TIME}}"
    for path in (*(engine.state / "snapshots").glob("*"), *(engine.state / "spool").glob("*")):
        if path.name.lstrip(".") < oldest:
            drop(path)


def drop(path: Path) -> None:
    """Remove a file or a folder; one that another process removes, or has open, is no reason to fail a run."""
    try:
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    except OSError as error:
        log.warning("%s is not needed any more and cannot be removed: %s", path, error)
