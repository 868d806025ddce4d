"""What a sink is told about the run whose table it gets, and the key by which its deliveries replace each other."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from itertools import starmap
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from mmflow.atomic import STATE
from mmflow.check.uses import SinkUse
from mmflow.clock import Clock, SystemClock
from mmflow.fetch import Spool
from mmflow.job import Job, find_time_group
from mmflow.ledger import Delivery, Moved, Run, SiteSpans, SlotKind
from mmflow.plan import Plan
from mmflow.settings import Network
from mmflow.sinks import Facts, MovedWindow, Receipt, RunInfo
from mmflow.table import Table
from mmflow.windows import Span

if TYPE_CHECKING:
    from httpx import Client


@dataclass(frozen=True, slots=True)
class Destination:
    """Where files go, where a job's own files are, and how the network is reached."""

    root: Path
    output: Path
    output_mode: int
    job_folder: Path
    network: Network = field(default_factory=Network)
    clock: Clock = field(default_factory=SystemClock)


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """Which run a table comes from, and the column that places its rows in time ("" for none)."""

    run: str
    job: str
    slot: datetime
    kind: SlotKind = "manual"
    spans: SiteSpans
    missing: Collection[tuple[str, str]] = ()  # (site, reason) of those that are not in the table
    extracted: datetime
    time_column: str
    facts: Facts = field(default_factory=Facts)


def about_run(run: Run, table: Table, job: Job, restated: Iterable[tuple[Run, Moved]] = ()) -> About:
    """Say of a recorded run what its sinks are told; ``restated`` are windows that moved since the report before."""
    return About(
        run=run.id,
        job=run.job,
        slot=run.slot,
        kind=run.kind,
        spans=run.spans,
        missing=run.missing,
        extracted=run.extracted or run.started,
        time_column=time_column(table),
        facts=replace(find_facts(job, run.missing), moved=tuple(starmap(describe_moved, restated))),
    )


def describe_moved(run: Run, moved: Moved) -> MovedWindow:
    """Say which window a run restated, and what moved in it."""
    _, span = run.spans[0]
    return MovedWindow(first_day=span.first_day, last_day=span.last_day, total=moved.total, cells=moved.cells)


def about_rehearsal(plan: Plan, spool: Spool, table: Table, job: Job) -> About:
    """Say of a report that nobody gets what a sink is told when it only shows what it would write."""
    missing = [(site.site, site.reason) for site in spool.missing]
    return About(
        run="preview",
        job=plan.job,
        slot=plan.slot,
        spans=plan.spans,
        missing=missing,
        extracted=spool.extracted_at,
        time_column=time_column(table),
        facts=find_facts(job, missing),
    )


def about_check(job: Job, spans: SiteSpans, now: datetime) -> About:
    """Say what a sink is told when it only looks whether it could deliver a report about these spans."""
    column = find_time_group(job.report.group_by)
    facts = find_facts(job, ())
    return About(run="check", job=job.job, slot=now, spans=spans, extracted=now, time_column=column, facts=facts)


def find_facts(job: Job, missing: Collection[tuple[str, str]]) -> Facts:
    """Give what readers want to know of a report beside its numbers."""
    asked = job.report
    return Facts(
        description=job.description,
        owner=job.owner,
        filter=asked.filter,
        exclude=asked.exclude,
        missing=tuple(missing),
    )


def sink_info(
    about: About,
    use: SinkUse,
    where: Destination,
    taken: Delivery | None = None,
    previous: Receipt | None = None,
    *,
    to: tuple[str, ...] = (),
    attachments: Mapping[str, tuple[Path, ...]] | None = None,
) -> RunInfo:
    """Put together what a sink is told; ``taken`` is its delivery, None when nothing is delivered."""
    missing = {site for site, _ in about.missing}
    return RunInfo(
        run=about.run,
        job=about.job,
        sink=use.name,
        kind=about.kind,
        slot=about.slot,
        key=taken.key if taken else delivery_key(use, about.job, about.slot, about.spans, to),
        generation=taken.generation if taken else 0,
        fence=taken.fence if taken else 0,
        spans=tuple((site, span) for site, span in about.spans if site not in missing),
        time_column=about.time_column,
        extracted_at=about.extracted,
        facts=about.facts,
        root=where.root,
        output=where.output,
        output_mode=where.output_mode,
        job_folder=where.job_folder,
        store=where.root / STATE / "sinks" / about.job / use.name,
        names=path_names(about, use.name),
        connection=use.connection,
        previous=previous,
        to=to,
        attachments=attachments or {},
        open_http=partial(open_http, where.network),
        clock=where.clock,
        log=logging.getLogger(f"mmflow.sink.{use.name}"),
    )


def open_http(network: Network) -> Client:
    """Open a way to the network; the HTTP library is imported only now."""
    from mmflow.api.outward import open_client

    return open_client(network)


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


def delivery_key(
    use: SinkUse, job: str, slot: datetime, spans: Sequence[tuple[str, Span]], to: Sequence[str] = ()
) -> str:
    """Give the key under which deliveries replace each other.

    Replaceable sinks: job, sink and the set of spans, so that a later run of the same window replaces the earlier.
    Messages: the slot, since a message that was sent cannot be replaced, and ``to`` whom alone it went when that was
    said by hand: it is not the message of that slot.
    """
    if use.type.semantics == "message":
        return "".join([f"{job}/{use.name}@{slot:%Y%m%dT%H%M%SZ}", *(f" to {address}" for address in sorted(to))])
    text = ";".join(f"{site}:{span.start.isoformat()}/{span.end.isoformat()}" for site, span in sorted_spans(spans))
    return f"{job}/{use.name}#{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def sorted_spans(spans: Sequence[tuple[str, Span]]) -> list[tuple[str, Span]]:
    """Give the spans by site, so that the order of sites in a job does not matter."""
    return sorted(spans, key=lambda pair: pair[0])
