"""The one line, and the only place that knows its order: plan, fetch, load, shape, judge, deliver, record."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from mmflow.breaker import find_parked, free_sites, watch_sites
from mmflow.cells import settle_window
from mmflow.check import CheckedJob
from mmflow.check.uses import SinkUse
from mmflow.deliver import Means, deliver
from mmflow.deliver.chosen import choose_sinks
from mmflow.deliver.ending import judge_run, list_shortfalls
from mmflow.deliver.patience import WAITING
from mmflow.deliver.told import about_run, delivery_key
from mmflow.errors import BadRequest, GiveUp, Held, ProblemsError, RunError, UserError
from mmflow.fetch import Missing, Service, fetch
from mmflow.fetch.complaints import locate_errors
from mmflow.files import explain_errors
from mmflow.gate import NO_ROWS, judge
from mmflow.job import Job
from mmflow.ledger import JobLock, Ledger
from mmflow.load import load
from mmflow.load.idle import find_idle
from mmflow.logs import bind
from mmflow.plan import Plan, make_plan
from mmflow.plant import PlantCalendar
from mmflow.restate import judge_moves
from mmflow.run.ending import record_failure
from mmflow.run.kept import RUN_TIME, drop, name_run, open_snapshot, sweep
from mmflow.run.order import Engine, Order, Report, Result, destination
from mmflow.run.pace import LATEST, tell_slow
from mmflow.shape import shape
from mmflow.table import Table, share_database
from mmflow.windows import Span

__all__ = [
    "Engine",
    "Order",
    "Report",
    "Result",
    "calendars_of",
    "make_report",
    "plan_job",
    "run_job",
    "run_slot",
    "settle_job",
]

log = logging.getLogger(__name__)


def plan_job(engine: Engine, job: Job, order: Order) -> Plan:
    """Plan only; nothing is asked."""
    return make_plan(job, calendars_of(engine, job, kept=order.lease is not None), order.slot, spans=order.spans)


def calendars_of(engine: Engine, job: Job, *, kept: bool = False) -> dict[str, PlantCalendar]:
    """Give the calendar of each of a job's sites; ``kept`` is for a daemon, which goes by the last good holidays."""
    sites = engine.settings.sites
    return {name: PlantCalendar.from_site(name, sites[name], engine.root, kept=kept) for name in job.sites}


def make_report(
    engine: Engine, checked: CheckedJob, plan: Plan, folder: Path, snapshot: Path, service: Service | None = None
) -> Report:
    """Go down the line from the plan to the verdict: raw answers under ``folder``, the table at ``snapshot``.

    ``service`` is how the sites are asked, the engine's unless given.
    """
    job = checked.job
    for site, span in plan.spans:
        log.info("%s: %s to %s, %s", site, span.start, span.end, span.why)
    try:
        spool = fetch(plan, job, service or engine.service, folder)
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
    calendars = calendars_of(engine, checked.job, kept=order.lease is not None)
    return settle_window(checked, calendars, destination(engine, checked), order.slot)


def run_job(engine: Engine, checked: CheckedJob, order: Order) -> Result:
    """Execute a job for one slot and record it.

    What the steps raise ends the run, is on record and becomes the result's ``cause``; it is a :class:`Held` when the
    gate stopped the report. A sink that fails is no cause: its delivery says so, and the run is ``failed`` or, when the
    sink is not required, ``degraded``. Raises :class:`UserError` for an unknown sink and :class:`StateError` when the
    job is running already or the ledger cannot be used.
    """
    uses = choose_sinks(checked.sinks, order.sinks)
    run = name_run(engine.clock.now())
    with (
        lock_job(engine, checked.job.job, order, run),
        engine.open_ledger() as ledger,
        bind(job=checked.job.job, run=run),
    ):
        if engine.tidy:
            sweep(engine, ledger)
        ledger.begin_run(run, checked.job.job, order.slot, order.kind, order.lease.fence if order.lease else None)
        cause = None
        try:
            with record_failure(engine, ledger, run, order), share_database():
                execute(engine, checked, uses, order, run, ledger)
        except (RunError, UserError) as error:
            cause = error
        return Result(ledger.read_run(run), ledger.deliveries(run), cause)


def run_slot(engine: Engine, checked: CheckedJob, order: Order) -> None:
    """Do a leased slot: the run, or what is left of one. How it ends, or when it goes on, is in the ledger then.

    Raises what :func:`run_job` does, and :class:`Busy` also when the lease is lost.
    """
    assert order.lease, "the caller has leased the slot"
    with engine.open_ledger() as ledger:
        if put_off(engine, checked, order, ledger):
            return
    if not (order.lease.resume and resume_run(engine, checked, order)):
        run_job(engine, checked, order)


def put_off(engine: Engine, checked: CheckedJob, order: Order, ledger: Ledger) -> bool:
    """Put a slot back without a run when none of its sites may be asked now; tell whether that was done.

    Who fills in windows by hand does not wait for a key that is refused.
    """
    assert order.lease, "the caller has leased the slot"
    trouble = None if order.lease.resume else find_parked(engine.hosts, checked.job.sites, ledger, order.until)
    if trouble is None or order.until is None or trouble.resume_at >= order.until:
        return False
    if trouble.refused and not trouble.probe and order.kind == "backfill":
        ledger.slots.close(order.lease, "failed", trouble.reason)  # somebody waits, and it was shown for all just now
        return True
    ledger.slots.put_back(order.lease, trouble.resume_at, trouble.reason)
    return True


def resume_run(engine: Engine, checked: CheckedJob, order: Order) -> bool:
    """Go on with the deliveries that are left of a run; False when its table is gone and has to be made anew."""
    assert order.lease, "only leased slots are resumed"
    run = order.lease.resume
    with lock_job(engine, checked.job.job, order, run), engine.open_ledger() as ledger, bind(run=run):
        try:
            table = open_snapshot(engine, ledger.read_run(run))
        except (GiveUp, UserError) as gone:
            log.warning("%s; all of it is done anew", gone)
            return False
        ledger.begin_resume(run, order.lease)
        open_ones = {delivery.sink for delivery in ledger.deliveries(run)}
        uses = [use for use in checked.sinks if use.name in open_ones]
        with record_failure(engine, ledger, run, order), share_database():
            deliver_run(engine, checked, uses, run, table, ledger, order)
    return True


def lock_job(engine: Engine, job: str, order: Order, run: str) -> JobLock:
    """Give the lock of a job; windows that are filled in have one each, since they may run side by side."""
    folder = engine.state / "locks"
    if order.kind == "backfill":
        return JobLock(folder, f"{job}.backfill-{order.slot:{RUN_TIME}}")
    return JobLock(folder, job, run if order.lease else "")


def execute(
    engine: Engine, checked: CheckedJob, uses: Sequence[SinkUse], order: Order, run: str, ledger: Ledger
) -> None:
    """Go down the whole line for one run."""
    began = engine.clock.monotonic()
    checked = settle_job(engine, checked, order)
    plan = plan_job(engine, checked.job, order)
    ledger.note_plan(run, plan.spans, list_deliveries(uses, plan.job, plan.slot, plan.spans, order.messages.to))
    spool, snapshot = engine.state / "spool" / run, engine.state / "snapshots" / f"{run}.parquet"
    with ask_sites(engine, plan, order, ledger) as service, note_traffic(service, run, ledger):
        report = make_report(engine, checked, plan, spool, snapshot, service)
    kept = snapshot.relative_to(engine.root).as_posix()
    missing = [(site.site, site.reason) for site in report.spool.missing]
    ledger.note_table(run, len(report.table), report.table.notices, report.spool.extracted_at, kept, missing)
    skipped = find_idle(plan, report.spool) if order.kind == "schedule" else ""
    if report.verdict.state == "hold" and not skipped:  # what a check expects is said of days on which people work
        raise Held(report.verdict.reasons, passing=report.verdict.passing)
    skipped = skipped or "; ".join(report.verdict.reasons)
    if order.kind == "restate" and not skipped:
        about = about_run(ledger.read_run(run), report.table, checked.job)
        skipped = judge_moves(about, report.table, uses, ledger, engine.root, spool / "moves")
    if skipped:
        ledger.finish_run(run, "ok", skipped=skipped, lease=order.lease)
    else:
        silent = order.kind == "backfill" and not order.lease  # else the slot says whether its messages go out
        quiet = replace(order, messages=replace(order.messages, send=False)) if silent else order
        deliver_run(engine, checked, uses, run, report.table, ledger, quiet, began)
    drop(spool)


def ask_sites(engine: Engine, plan: Plan, order: Order, ledger: Ledger) -> AbstractContextManager[Service]:
    """Give how the sites are asked: under a lease those in trouble are left out, by hand all are tried."""
    if order.lease is None:
        return free_sites(engine.service, ledger)
    return watch_sites(engine.service, [site for site, _ in plan.spans], ledger, order.until)


@contextmanager
def note_traffic(service: Service, run: str, ledger: Ledger) -> Iterator[None]:
    """Record how much was asked inside the block, also when it came to nothing."""
    try:
        yield
    finally:
        traffic = service.traffic
        ledger.note_traffic(run, traffic.requests, traffic.tries, traffic.received)


def deliver_run(
    engine: Engine,
    checked: CheckedJob,
    uses: Sequence[SinkUse],
    run: str,
    table: Table,
    ledger: Ledger,
    order: Order,
    began: float | None = None,
) -> None:
    """Deliver the table and record what the run has become, counting the sinks that had it before.

    Under a lease it has become nothing yet when some are tried again later, nor by hand when it waits for sinks that
    this is not about. ``began`` is when the run did, by the
    monotonic clock; without it nobody asks whether it was slow.
    """
    known = ledger.read_run(run)
    about = about_run(known, table, checked.job, ledger.list_restated(known) if checked.job.restate else ())
    where = destination(engine, checked)
    means = Means(where, ledger, engine.clock, engine.redactor, order.messages, order.lease, order.until)
    next_at = deliver(table, uses, about, means)
    deliveries = ledger.deliveries(run)
    if order.lease and next_at:
        left = "; ".join(f"{one.sink}: {one.error}" for one in deliveries if one.state == "retrying")
        ledger.postpone_run(run, order.lease, next_at, f"trying again at {next_at:%Y-%m-%d %H:%M} UTC: {left}")
        return
    if order.lease is None and any(one.state in WAITING for one in deliveries):
        log.info("the other sinks of this run are tried again later, as they were to be")
        return
    lacks = [*(str(Missing(*pair)) for pair in known.missing), *([] if known.rows else [NO_ROWS])]
    lacks += list_shortfalls(deliveries, checked.sinks, ledger)
    if began is not None:
        slow = tell_slow(known, engine.clock.monotonic() - began, ledger.runs(known.job, LATEST))
        lacks += [slow] if slow else []
    state, error = judge_run(deliveries, checked.sinks, lacks)
    ledger.finish_run(run, state, error=error, lease=order.lease, whole=order.whole)


def list_deliveries(
    uses: Sequence[SinkUse],
    job: str,
    slot: datetime,
    spans: Sequence[tuple[str, Span]],
    to: Sequence[str] = (),
) -> list[tuple[str, str, str]]:
    """Give the deliveries to come, as the ledger wants them: sink, type and key."""
    return [(use.name, use.type.name, delivery_key(use, job, slot, spans, to)) for use in uses]
