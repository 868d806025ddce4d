"""The columns of the finished table, from the job alone: their order, labels, units and rounding.

The order is: groups, metrics, own columns, each as the job lists them; then, for a comparison, the earlier value and
the difference of each number.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from mmflow.catalogue import GROUPS, Conversion, convert_unit, metric
from mmflow.job import Job, MetricUse
from mmflow.plan import Plan
from mmflow.shape.relations import Derived, trim_noise
from mmflow.table.cells import Column, quote_name

# How people call the other span.
EARLIER = {"previous": "previous", "same_weekday": "a week before", "last_year": "a year before"}

# What needs no unit beside the name: parts and parts per hour say it, a ratio has none.
PLAIN_UNITS = frozenset({"", "parts", "parts/h", "ratio"})
AS_IS = Conversion()


@dataclass(frozen=True, slots=True)
class Heading:
    """A column of the finished table and where its values come from."""

    column: Column
    source: str  # column of the joined rows
    conversion: Conversion = AS_IS
    decimals: int | None = None  # what values are rounded to, when the job says so

    @property
    def sql(self) -> str:
        """Write the values in the column's unit, rounded only when the job says so, halves away from zero."""
        value = f"j.{quote_name(self.source)}"
        if self.conversion.divide != 1:
            value = f"{value} / {self.conversion.divide}"
        if self.conversion.multiply != 1:
            value = trim_noise(f"{value} * {self.conversion.multiply}")
        return value if self.decimals is None else f"round({value}, {self.decimals})"


def list_headings(job: Job, plan: Plan, derived: Sequence[Derived]) -> tuple[Heading, ...]:
    """Give the columns of the report in order; columns fetched only for an expression are not among them."""
    zones = {span.zone for _, span in plan.spans}
    zone = zones.pop() if len(zones) == 1 else "UTC"
    groups = [_head_group(name, zone) for name in plan.groups]
    numbers = [*(_head_metric(use, zone) for use in job.report.metrics), *map(_head_derived, derived)]
    compared = list(_head_compared(numbers, EARLIER[job.shape.compare.to])) if job.shape.compare else []
    return (*groups, *numbers, *compared)


def _head_group(name: str, zone: str) -> Heading:
    group = GROUPS[name]
    return Heading(Column(name, group.label, group.type, "group", description=group.description, zone=zone), name)


def _head_metric(use: str | MetricUse, zone: str) -> Heading:
    used = MetricUse(metric=use) if isinstance(use, str) else use
    found = metric(used.metric)
    timed = found.unit == "time"
    conversion = convert_unit(found.unit, used.unit)
    unit = "" if timed else used.unit or found.unit
    column = Column(
        used.metric,
        used.label or name_unit(found.label, unit),
        "datetime" if timed else "number",
        "metric",
        unit,
        first_number(used.decimals, conversion.decimals, found.decimals),
        found.direction,
        found.description,
        zone,
    )
    return Heading(column, used.metric, conversion, used.decimals)


def name_unit(label: str, unit: str) -> str:
    """Write a heading that tells readers the unit: ``Down time (min)``; the job's own labels stay as they are."""
    return label if unit in PLAIN_UNITS else f"{label} ({unit})"


def show_rows(headings: Sequence[Heading]) -> str:
    """Begin the query that shows joined rows ``j`` as the report does."""
    return f"SELECT {', '.join(f'{heading.sql} AS {quote_name(heading.column.name)}' for heading in headings)}"


def first_number(*numbers: int | None) -> int | None:
    """Give the first that is there."""
    return next((number for number in numbers if number is not None), None)


def _head_derived(derived: Derived) -> Heading:
    """Describe an own column. Its unit is taken at the job's word; only % turns a ratio into percent."""
    spec = derived.spec
    conversion = convert_unit("ratio", "%") if spec.unit == "%" else AS_IS
    decimals = first_number(spec.decimals, conversion.decimals)
    label = spec.label or name_unit(derived.name, spec.unit)
    column = Column(derived.name, label, derived.type, "derived", spec.unit, decimals)
    return Heading(column, derived.name, conversion, spec.decimals)


def _head_compared(headings: Sequence[Heading], earlier: str) -> Iterator[Heading]:
    for heading in headings:
        column = heading.column
        if column.type not in ("number", "integer"):
            continue
        for suffix, label in (("previous", earlier), ("change", "change")):
            head = replace(column, name=f"{column.name}_{suffix}", label=f"{column.label}, {label}", role="compare")
            yield replace(heading, column=head, source=head.name)
