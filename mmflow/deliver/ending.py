"""What a run has become, by what came of its deliveries."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final

from mmflow.check.uses import SinkUse
from mmflow.fetch import Missing
from mmflow.ledger import Delivery, Ledger, RunState

SETTLED: Final = frozenset({"done", "superseded"})  # what needs no more work


def is_settled(delivery: Delivery) -> bool:
    """Tell whether a delivery needs no more work: it is done, or it had its turn and there was nothing to be done."""
    return delivery.state in SETTLED or (delivery.state == "skipped" and delivery.attempts > 0)


def judge_run(deliveries: Sequence[Delivery], uses: Sequence[SinkUse], lacks: Sequence[str]) -> tuple[RunState, str]:
    """Say what a run is: ok only when every required delivery is settled and its readers do without nothing.

    A sink is not required as long as one that stands in for it has delivered. The run is held as long as a required
    sink has not got it and that is only because nobody sent it there.
    """
    done = {delivery.sink for delivery in deliveries if delivery.state in SETTLED}
    required = find_required(uses, done)
    bad = [delivery for delivery in deliveries if not is_settled(delivery)]
    parts = [delivery for delivery in deliveries if delivery.state == "done" and delivery.error]
    errors = [f"{delivery.sink}: {delivery.error or delivery.state}" for delivery in (*bad, *parts)]
    if states := {delivery.state for delivery in bad if delivery.sink in required}:
        return "held" if states == {"skipped"} else "failed", "; ".join(errors)
    return ("degraded", "; ".join([*lacks, *errors])) if errors or lacks else ("ok", "")


def list_shortfalls(deliveries: Sequence[Delivery], uses: Sequence[SinkUse], ledger: Ledger) -> Iterator[str]:
    """Say what readers do without whose message an earlier run of the slot has sent, and it is not sent again."""
    messages = {use.name for use in uses if use.type.semantics == "message"}
    for delivery in deliveries:
        if delivery.sink not in messages or delivery.state != "skipped":
            continue
        if (standing := ledger.standing_run(delivery.key)) not in ("", delivery.run):
            told = f"{delivery.sink}, sent by run {standing}"
            sent = ledger.delivery(standing, delivery.sink)
            lacks = [*(str(Missing(*pair)) for pair in ledger.read_run(standing).missing), sent.error]
            yield from (f"{told}: {lack}" for lack in lacks if lack)


def find_required(uses: Sequence[SinkUse], done: Collection[str]) -> set[str]:
    """Give the sinks without which the run is not done: those of which no stand-in has delivered."""
    fallbacks = {use.name: use.fallback for use in uses}
    return {use.name for use in uses if use.required and not has_stand_in(use.name, fallbacks, done)}


def has_stand_in(name: str, fallbacks: Mapping[str, str], done: Collection[str]) -> bool:
    """Tell whether one of those that stand in for a sink, one after the other, has delivered."""
    seen = {name}
    while (name := fallbacks.get(name, "")) and name not in seen:
        if name in done:
            return True
        seen.add(name)
    return False
