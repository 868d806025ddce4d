"""How runs look, as JSON and as text; the shapes are a contract with whoever reads ``--json``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from mmflow.cli.output import Output
from mmflow.errors import EXIT_OK, EXIT_RUN
from mmflow.ledger import Delivery, Run, Slot
from mmflow.windows import Span

if TYPE_CHECKING:
    from mmflow.run import Result
    from mmflow.sinks import Receipt

UNSHOWN: Final = ("bytes", "files")  # of a receipt: what nobody reads, or what is said otherwise


def run_document(run: Run, deliveries: Sequence[Delivery], slot: Slot | None = None) -> dict[str, object]:
    """Give the JSON of one run; ``next_at`` is when its slot is worked on again, if it is the slot's latest."""
    return {
        "run": run.id,
        "job": run.job,
        "slot": run.slot,
        "kind": run.kind,
        "state": run.state,
        "next_at": find_next(run, slot),
        "rows": run.rows,
        "asked": {"requests": run.requests, "tries": run.tries, "bytes": run.received},
        "started": run.started,
        "finished": run.finished,
        "error": run.error,
        "notices": run.notices,
        "spans": [span_document(site, span) for site, span in run.spans],
        "deliveries": [
            {
                "sink": delivery.sink,
                "type": delivery.type,
                "state": delivery.state,
                "attempts": delivery.attempts,
                "updated": delivery.updated,
                "next_at": delivery.next_at,
                "rows": delivery.receipt.rows if delivery.receipt else None,
                "receipt": delivery.receipt,
                "error": delivery.error,
            }
            for delivery in deliveries
        ],
    }


def find_next(run: Run, slot: Slot | None) -> datetime | None:
    """Give when a run's slot is worked on again, None when it is not, or another run was begun since."""
    return slot.next_at if slot and slot.run == run.id and slot.state == "due" else None


def span_document(site: str, span: Span) -> dict[str, object]:
    """Give the JSON of one site's span."""
    return {
        "site": site,
        "start": span.start,
        "end": span.end,
        "start_local": local_time(span.start, span),
        "end_local": local_time(span.end, span),
        "first_day": span.first_day,
        "last_day": span.last_day,
        "hours": span.hours,
        "why": span.why,
    }


def local_time(moment: datetime, span: Span) -> datetime:
    """Give an instant in the plant's zone, with its offset."""
    return moment.astimezone(ZoneInfo(span.zone))


def end_run(out: Output, result: Result) -> int:
    """Show a run that has ended and give its exit code; what ended it before its time is raised, for stderr."""
    show_run(out, result.run, result.deliveries, say_why=result.cause is None)
    if result.cause:
        raise result.cause
    return EXIT_OK if result.run.state in ("ok", "degraded") else EXIT_RUN


def show_run(
    out: Output, run: Run, deliveries: Sequence[Delivery], slot: Slot | None = None, *, say_why: bool = True
) -> None:
    """Print what a run did, and why it is not ok unless that is said elsewhere; with its ``slot``, also what for."""
    if out.as_json:
        out.data(run_document(run, deliveries, slot))
        return
    rows = "" if run.rows is None else f", {run.rows} row{'s' * (run.rows != 1)}"
    out.line(f"{run.job}: {run.state}{rows}  (run {run.id})")
    if slot:
        out.line(f"  {describe_slot(run, slot)}")
    for site, span in run.spans:
        out.line(f"  {site}: {describe_span(span)}")
    for delivery in deliveries:
        out.line(f"  {delivery.sink}: {describe_delivery(delivery)}")
    for notice in run.notices:
        out.line(f"  note: {notice}")
    if say_why and (error := leave_out_said(run.error, deliveries)):
        out.line(f"  {error}")
    if run.state == "held":
        out.line(f"  'mmflow resend {run.id}' delivers it all the same")


def describe_slot(run: Run, slot: Slot) -> str:
    """Say what a run was for, and what has become of that."""
    facts = [f"{run.kind} slot {show_moment(run.slot)}, begun {show_moment(run.started)}"]
    if slot.run != run.id:
        facts.append(f"{slot.state} by run {slot.run}")
    elif next_at := find_next(run, slot):
        facts.append(f"next try {show_moment(next_at)}")
    if slot.tries > 1:
        facts.append(f"{slot.tries} runs so far")
    if slot.reason and slot.run == run.id and slot.reason != run.error:
        facts.append(slot.reason)
    return ", ".join(facts)


def show_moment(moment: datetime) -> str:
    """Give an instant to the minute."""
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def leave_out_said(error: str, deliveries: Sequence[Delivery]) -> str:
    """Give of a run's error what its deliveries have not said themselves."""
    for delivery in deliveries:
        error = error.replace(f"{delivery.sink}: {delivery.error}", "") if delivery.error else error
    return "; ".join(part for part in error.split("; ") if part)


def describe_span(span: Span) -> str:
    """Give a span in plant time."""
    start, end = local_time(span.start, span), local_time(span.end, span)
    return f"{start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} {span.zone}, {span.hours:g} h"


def describe_delivery(delivery: Delivery) -> str:
    """Give a delivery's state with its proof, its reason, or both."""
    proof = delivery.receipt
    facts: list[str] = [delivery.state]
    if proof:
        rows = f"{proof.rows} row{'s' * (proof.rows != 1)}"
        facts.append(f"{proof.path} ({rows}{count_more(proof)})" if proof.path else rows)
        facts += [f"{name.replace('_', ' ')} {value}" for name, value in proof.details.items() if name not in UNSHOWN]
    if delivery.error:
        facts.append(delivery.error)
    if delivery.attempts > 1:
        facts.append(f"{delivery.attempts} tries")
    if delivery.state == "retrying" and delivery.next_at:
        facts.append(f"next try {show_moment(delivery.next_at)}")
    return ", ".join(facts)


def count_more(proof: Receipt) -> str:
    """Say how many files there are beside the first; ``--json`` names them all."""
    return f", and {len(proof.more)} more file{'s' * (len(proof.more) != 1)}" if proof.more else ""
