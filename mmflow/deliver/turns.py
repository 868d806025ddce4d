"""Whose turn it is: in which order sinks get the table, and which of them get nothing this time, and why."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from mmflow.check.uses import SinkUse, attached, waits_for
from mmflow.job import WhenSpec
from mmflow.ledger import Delivery
from mmflow.lights import as_number
from mmflow.sinks import Receipt
from mmflow.table import Table

FAILED = frozenset({"failed", "unknown", "quarantined"})


def order_uses(uses: Sequence[SinkUse]) -> list[SinkUse]:
    """Give the sinks in the order of the job, but each after those that it attaches or stands in for."""
    named = {use.name: use for use in uses}
    ordered: dict[str, SinkUse] = {}

    def visit(use: SinkUse, above: frozenset[str]) -> None:
        for name in waits_for(use, uses):
            if name in named and name not in above:
                visit(named[name], above | {name})
        ordered.setdefault(use.name, use)

    for use in uses:
        visit(use, frozenset({use.name}))
    return list(ordered.values())


def put_last(ordered: Sequence[SinkUse], crashed: Collection[str]) -> list[SinkUse]:
    """Let those sinks come last during which the process ended, with those that wait for them: they may end it again.

    What is left by a process that was killed looks the same, and costs nothing but the order.
    """
    late: dict[str, SinkUse] = {}
    for use in ordered:
        if use.name in crashed or any(name in late for name in waits_for(use, ordered)):
            late[use.name] = use
    return [*(use for use in ordered if use.name not in late), *late.values()]


def find_files(use: SinkUse, deliveries: Mapping[str, Delivery], root: Path) -> dict[str, tuple[Path, ...]]:
    """Give the files that the attached sinks have written in this run; of one whose are gone or others, none."""
    found: dict[str, tuple[Path, ...]] = {}
    for name in attached(use):
        receipt = deliveries[name].receipt if name in deliveries else None
        files = [root / path for path in (receipt.path, *receipt.more) if path] if receipt else []
        if receipt and files and deliveries[name].state not in FAILED and is_unchanged(receipt, files):
            found[name] = tuple(files)
    return found


def is_unchanged(receipt: Receipt, files: Sequence[Path]) -> bool:
    """Tell whether the files of a receipt are still there, and one alone as it was: a later run may write to its path.

    The hash of several files is one of their hashes, which only their sink can make.
    """
    if not all(map(Path.is_file, files)):
        return False
    if len(files) > 1 or not receipt.sha256:
        return True
    with files[0].open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == receipt.sha256


def spare_fallback(use: SinkUse, uses: Sequence[SinkUse], deliveries: Mapping[str, Delivery]) -> str:
    """Give why a sink that stands in for others is not needed, "" when it is, or when it stands in for none."""
    backed = [other.name for other in uses if other.fallback == use.name]
    if not backed or any(deliveries[name].state in FAILED for name in backed):
        return ""
    return f"not needed: {', '.join(backed)} did not fail"


def fails_condition(use: SinkUse, table: Table, missing: Sequence[tuple[str, str]]) -> str:
    """Give why the sink's own ``when`` does not hold, "" when it does."""
    if isinstance(use.when, WhenSpec):
        return "" if any_row(table, use.when) else f"no row has {describe_when(use.when)}"
    reasons = {
        "rows": "" if len(table) else "the report has no rows",
        "empty": f"the report has {len(table)} row{'s' * (len(table) != 1)}" if len(table) else "",
        "partial": "" if missing else "no site is missing",
    }
    return reasons.get(use.when, "")


def any_row(table: Table, when: WhenSpec) -> bool:
    """Tell whether one row of the table is as a condition wants it; what is not known never is."""
    places = {column.name: place for place, column in enumerate(table.columns)}
    if when.column not in places:
        return False

    def limit(bound: float | str | None, row: Sequence[object]) -> float | None:
        if isinstance(bound, str):
            return as_number(row[places[bound]]) if bound in places else None  # type: ignore[arg-type]
        return bound

    for row in table.rows():
        value = as_number(row[places[when.column]])
        above, below = limit(when.above, row), limit(when.below, row)
        if value is not None and ((above is not None and value > above) or (below is not None and value < below)):
            return True
    return False


def describe_when(when: WhenSpec) -> str:
    """Say a condition: ``downtime above 60``."""
    parts = [f"{word} {bound}" for word, bound in (("above", when.above), ("below", when.below)) if bound is not None]
    return f"{when.column} {' or '.join(parts)}"
