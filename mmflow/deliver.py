"""Each sink gets the finished table, one after the other and independently; what came of it goes to the ledger."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TypeAlias
from zoneinfo import ZoneInfo

import msgspec

from mmflow.atomic import STATE
from mmflow.check.uses import SinkUse
from mmflow.clock import Clock
from mmflow.errors import MmflowError, TryLater, Unknown
from mmflow.fetch import Spool
from mmflow.job import Job, find_time_group
from mmflow.ledger import Delivery, DeliveryState, Ledger, Run, SiteSpans
from mmflow.plan import Plan
from mmflow.refs import Redactor
from mmflow.sinks import Partial, Receipt, RunInfo, find_function
from mmflow.table import Table
from mmflow.windows import Span

ATTEMPTS = 3
LONGEST_WAIT = 60.0

Detail: TypeAlias = str | int | float | bool | None

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Destination:
    """Where files go and where a job's own files are."""

    root: Path
    output: Path
    output_mode: int
    job_folder: Path


@dataclass(frozen=True, slots=True)
class Means:
    """What every delivery needs beside the table and the sink."""

    where: Destination
    ledger: Ledger
    clock: Clock
    redactor: Redactor


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """Which run a table comes from, and the column that places its rows in time ("" for none)."""

    run: str
    job: str
    slot: datetime
    spans: SiteSpans
    missing: Collection[str] = ()  # sites that are not in the table
    extracted: datetime
    time_column: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one attempt ended."""

    state: DeliveryState
    receipt: Receipt | None = None
    error: str = ""
    wait: float | None = None  # seconds until it may be tried again, when it may


def deliver(table: Table, uses: Sequence[SinkUse], run: Run, means: Means) -> None:
    """Deliver to every sink and record what came of it; a sink that fails does not stop the others.

    A sink that says "try later" is tried up to three times, unless it asks for more than a minute. Errors are recorded
    without secrets, never raised.
    """
    for use in uses:
        deliver_one(table, use, run, means)


def deliver_one(table: Table, use: SinkUse, run: Run, means: Means) -> None:
    """Deliver to one sink, with its retries."""
    about, ledger, started = about_run(run, table), means.ledger, means.clock.monotonic()
    for attempt in range(1, ATTEMPTS + 1):
        taken = ledger.take_delivery(run.id, use.name)
        info = sink_info(about, use, means.where, taken, ledger.last_receipt(taken.key))
        outcome = hide_secrets(attempt_delivery(table, use, info), use, means.redactor)
        again = outcome.wait is not None and attempt < ATTEMPTS
        state: DeliveryState = "retrying" if again else outcome.state
        ledger.commit_delivery(taken, state, receipt=outcome.receipt, error=outcome.error)
        if not again:
            log.info("sink %s: %s in %.1f s", use.name, state, means.clock.monotonic() - started)
            break
        log.info("sink %s: %s; trying again", use.name, outcome.error)
        means.clock.sleep(max(outcome.wait or 2.0**attempt, 0.0))


def attempt_delivery(table: Table, use: SinkUse, info: RunInfo) -> Outcome:
    """Call the sink once; whatever a plugin raises becomes an outcome."""
    try:
        receipt = find_function(use.type.deliver)(table, use.options, info)
    except TryLater as error:
        return postpone(error)
    except Unknown as error:
        return Outcome("unknown", error=str(error))
    except Partial as part:
        return Outcome("failed", receipt=part.receipt, error=f"{part}: {', '.join(map(str, part.retry))}")
    except MmflowError as error:
        return Outcome("failed", error=str(error))
    except (Exception, SystemExit) as error:  # a stranger's code: its bug must not stop the other sinks
        log.exception("sink %s failed", use.name)
        return Outcome("failed", error=blame(use, f"raised {type(error).__name__}: {error}"))
    if not isinstance(receipt, Receipt):
        return Outcome("unknown", error=blame(use, f"gave {type(receipt).__name__}, not a Receipt"))
    return Outcome("done", receipt=receipt)


def postpone(error: TryLater) -> Outcome:
    """Give the outcome of an attempt that may be repeated: at once when the wait is short, else by somebody later."""
    wait = error.after or 0.0
    if wait <= LONGEST_WAIT:
        return Outcome("failed", error=str(error), wait=wait)
    return Outcome("failed", error=f"{error}; it may work after {wait:.0f} seconds")


def check_sink(use: SinkUse, info: RunInfo) -> str:
    """Let a sink say whether it could deliver, writing nothing; give what is in the way, "" for nothing."""
    if use.type.check is None:
        return ""
    try:
        find_function(use.type.check)(use.options, info)
    except MmflowError as error:
        return str(error)
    except (Exception, SystemExit) as error:  # a stranger's code: its bug must not hide what else is found
        log.exception("the check of sink %s failed", use.name)
        return blame(use, f"raised {type(error).__name__} in its check: {error}")
    return ""


def hide_secrets(outcome: Outcome, use: SinkUse, redactor: Redactor) -> Outcome:
    """Give the outcome as it may be stored; a receipt that cannot be stored leaves the delivery unknown."""
    outcome = replace(outcome, error=redactor.redact(outcome.error))
    if outcome.receipt is None:
        return outcome
    try:
        receipt = msgspec.convert(msgspec.to_builtins(outcome.receipt), Receipt)
    except (TypeError, ValueError) as error:
        found = redactor.redact(str(error))
        return Outcome("unknown", error=blame(use, f"gave a receipt that cannot be stored: {found}"))
    details = {redactor.redact(name): hide(value, redactor) for name, value in receipt.details.items()}
    return replace(
        outcome, receipt=msgspec.structs.replace(receipt, path=redactor.redact(receipt.path), details=details)
    )


def hide(value: Detail, redactor: Redactor) -> Detail:
    """Give a value of a receipt without secrets."""
    return redactor.redact(value) if isinstance(value, str) else value


def blame(use: SinkUse, what: str) -> str:
    """Give the sentence for a plugin that broke the contract."""
    return f"{use.type.name} {what}; this is a bug in {use.type.distribution or 'its package'}"


def about_run(run: Run, table: Table) -> About:
    """Say of a recorded run what its sinks are told."""
    return About(
        run=run.id,
        job=run.job,
        slot=run.slot,
        spans=run.spans,
        missing=[site for site, _ in run.missing],
        extracted=run.extracted or run.started,
        time_column=time_column(table),
    )


def about_rehearsal(plan: Plan, spool: Spool, table: Table) -> About:
    """Say of a report that nobody gets what a sink is told when it only shows what it would write."""
    return About(
        run="preview",
        job=plan.job,
        slot=plan.slot,
        spans=plan.spans,
        missing=[site.site for site in spool.missing],
        extracted=spool.extracted_at,
        time_column=time_column(table),
    )


def about_check(job: Job, spans: SiteSpans, now: datetime) -> About:
    """Say what a sink is told when it only looks whether it could deliver a report about these spans."""
    column = find_time_group(job.report.group_by)
    return About(run="check", job=job.job, slot=now, spans=spans, extracted=now, time_column=column)


def sink_info(
    about: About, use: SinkUse, where: Destination, taken: Delivery | None = None, previous: Receipt | None = None
) -> RunInfo:
    """Put together what a sink is told; ``taken`` is its delivery, None when nothing is delivered."""
    return RunInfo(
        run=about.run,
        job=about.job,
        sink=use.name,
        slot=about.slot,
        key=taken.key if taken else delivery_key(use, about.job, about.slot, about.spans),
        generation=taken.generation if taken else 0,
        fence=taken.fence if taken else 0,
        spans=tuple((site, span) for site, span in about.spans if site not in about.missing),
        time_column=about.time_column,
        extracted_at=about.extracted,
        root=where.root,
        output=where.output,
        output_mode=where.output_mode,
        job_folder=where.job_folder,
        store=where.root / STATE / "sinks" / about.job / use.name,
        names=path_names(about, use.name),
        connection=use.connection,
        previous=previous,
        log=logging.getLogger(f"mmflow.sink.{use.name}"),
    )


def time_column(table: Table) -> str:
    """Give the finest time group of the table, "" when it has none."""
    return find_time_group(column.name for column in table.columns if column.role == "group")


def path_names(about: About, sink: str) -> dict[str, str]:
    """Give the words that a path or a subject may use; days and times are the plant's, of the first site.

    ``date`` is the production day, or ``first_to_last`` when the report is about several.
    """
    span = about.spans[0][1]
    first, last = span.first_day.isoformat(), span.last_day.isoformat()
    start = span.start.astimezone(ZoneInfo(span.zone))
    return {
        "job": about.job,
        "sink": sink,
        "site": "-".join(site for site, _ in about.spans),
        "run": about.run,
        "date": first if first == last else f"{first}_to_{last}",
        "first_day": first,
        "last_day": last,
        "week": "{}-W{:02}".format(*span.first_day.isocalendar()),
        "month": first[:7],
        "year": first[:4],
        "time": f"{start:%H%M}",
    }


def delivery_key(use: SinkUse, job: str, slot: datetime, spans: Sequence[tuple[str, Span]]) -> str:
    """Give the key under which deliveries replace each other.

    Replaceable sinks: job, sink and the set of spans, so that a later run of the same window replaces the earlier.
    Messages: the slot, since a message that was sent cannot be replaced.
    """
    if use.type.semantics == "message":
        return f"{job}/{use.name}@{slot:%Y%m%dT%H%M%SZ}"
    text = ";".join(f"{site}:{span.start.isoformat()}/{span.end.isoformat()}" for site, span in sorted_spans(spans))
    return f"{job}/{use.name}#{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def sorted_spans(spans: Sequence[tuple[str, Span]]) -> list[tuple[str, Span]]:
    """Give the spans by site, so that the order of sites in a job does not matter."""
    return sorted(spans, key=lambda pair: pair[0])
