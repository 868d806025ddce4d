"""Every metric and group that is known: unit, label, how several values become one, and how sure we are of it.

The service publishes names, not definitions. ``certainty`` says where unit and meaning come from: ``documented`` (the
service's documentation or its maker's own public code), ``inferred`` (from those, or from what public scripts rely on),
``assumed`` (nothing public says it). A name that is not here may still exist, see :func:`metric`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from mmflow.errors import UserError
from mmflow.table.cells import ColumnType, Direction

Kind = Literal["sum", "min", "max", "constant", "derivable", "ask_only"]
Certainty = Literal["documented", "inferred", "assumed"]
Unit = Literal["ms", "parts", "ratio", "parts/h", "ms/part", "time", ""]

REFERENCE = "REST reference"
GUIDE = "API integration guide"
SAMPLE = "maker's sample application"
SKILLS = "maker's query notes"
SCRIPTS = "public scripts"
OURS = "mmflow"


@dataclass(frozen=True, slots=True)
class Metric:
    """A number that the service gives.

    ``kind`` says how the values of several rows become one: ``sum``, ``min``, ``max``; ``constant`` is the same in
    every row; ``derivable`` is ``numerator`` over ``denominator``, both metrics themselves; ``ask_only`` cannot be had
    from other rows at all, the service must be asked for the coarser row. ``decimals`` are for showing, in the base
    unit. ``direction`` is the better one.
    """

    name: str
    label: str
    unit: Unit
    kind: Kind
    description: str
    source: str
    certainty: Certainty
    direction: Direction = ""
    decimals: int | None = 0
    numerator: str = ""
    denominator: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Something that rows can be grouped by.

    ``id_column`` is the column beside it that holds the service's id, ``""`` when there is none. ``time`` groups
    place a row in time. ``ours`` are made by mmflow, the service does not have them.
    """

    name: str
    label: str
    type: ColumnType
    description: str
    source: str
    certainty: Certainty
    id_column: str = ""
    time: bool = False
    ours: bool = False


@dataclass(frozen=True, slots=True)
class Conversion:
    """From one unit to another: ``multiply`` or ``divide``. ``decimals`` are for showing, None: as before."""

    multiply: int = 1
    divide: int = 1
    decimals: int | None = None


METRICS: Mapping[str, Metric] = {
    row.name: row
    for row in (
        Metric(
            "actualPartTime", "Actual part time", "ms/part", "ask_only",
            "Observed time for a part.", REFERENCE, "inferred", "down",
        ),
        Metric(
            "allTime", "All time", "ms", "sum",
            "All time of the machine, scheduled or not.", SCRIPTS, "inferred",
        ),
        Metric(
            "availability", "Availability", "ratio", "ask_only",
            "First factor of OEE: share of the planned time in which the machine ran.", SAMPLE, "documented", "up", 3,
        ),
        Metric(
            "averagePartsPerHour", "Parts per hour", "parts/h", "ask_only",
            "Parts made in an hour, on average.", REFERENCE, "documented", "up", 1,
        ),
        Metric(
            "categorizedDowntime", "Categorized down time", "ms", "sum",
            "Down time that has a reason.", REFERENCE, "inferred",
        ),
        Metric("downtime", "Down time", "ms", "sum", "Time in which the machine was down.", GUIDE, "inferred", "down"),
        Metric(
            "expectedPartsPerHour", "Expected parts per hour", "parts/h", "ask_only",
            "Parts that the standard expects in an hour.", REFERENCE, "documented", "", 1,
        ),
        Metric(
            "expectedPartTime", "Expected part time", "ms/part", "ask_only",
            "Time that the standard expects for a part.", REFERENCE, "inferred",
        ),
        Metric(
            "expectedSetupTime", "Expected setup time", "ms", "sum",
            "Time that the standard expects for setting up.", REFERENCE, "inferred",
        ),
        Metric("goodParts", "Good parts", "parts", "sum", "Parts made less rejected parts.", GUIDE, "documented", "up"),
        Metric(
            "idealPartsPerHour", "Ideal parts per hour", "parts/h", "ask_only",
            "Parts that the fastest realistic cycle gives in an hour.", REFERENCE, "documented", "", 1,
        ),
        Metric(
            "idealPartTime", "Ideal part time", "ms/part", "ask_only",
            "Fastest realistic time for a part.", REFERENCE, "inferred",
        ),
        Metric(
            "inCycleIdealParts", "Ideal parts in cycle", "parts", "sum",
            "Parts that the time in cycle gives at the ideal rate; may be a fraction.", REFERENCE, "documented", "", 1,
        ),
        Metric(
            "maxEndTime", "Last end", "time", "max",
            "Latest end of what was counted.", REFERENCE, "inferred", "", None,
        ),
        Metric(
            "minStartTime", "First start", "time", "min",
            "Earliest start of what was counted.", REFERENCE, "inferred", "", None,
        ),
        Metric(
            "nonOptionalTime", "Required time", "ms", "sum",
            "Time that counts as planned production.", REFERENCE, "inferred",
        ),
        Metric(
            "nonconformParts", "Nonconforming parts", "parts", "sum",
            "Rejected parts that do not conform but are not scrap.", REFERENCE, "documented", "down",
        ),
        Metric(
            "nonconformRate", "Nonconforming rate", "ratio", "derivable",
            "Nonconforming parts over all parts.", REFERENCE, "inferred", "down", 3, "nonconformParts", "totalParts",
        ),
        Metric(
            "oee", "OEE", "ratio", "ask_only",
            "Overall equipment effectiveness: availability x performance x quality.", SAMPLE, "documented", "up", 3,
        ),
        Metric(
            "oeeFailureThreshold", "OEE failure threshold", "", "constant",
            "Goal limit: OEE below it counts as failed. Ratio or percent is not known.", REFERENCE, "assumed", "", None,
        ),
        Metric(
            "oeeWarningThreshold", "OEE warning threshold", "", "constant",
            "Goal limit: OEE below it is a warning. Ratio or percent is not known.", REFERENCE, "assumed", "", None,
        ),
        Metric(
            "ooe", "OOE", "ratio", "ask_only",
            "Overall operations effectiveness: as OEE, over operating time.", REFERENCE, "inferred", "up", 3,
        ),
        Metric("partsGoal", "Parts goal", "parts", "sum", "Parts that were to be made.", REFERENCE, "documented"),
        Metric(
            "partsGoalFailureThreshold", "Parts goal failure threshold", "", "constant",
            "Goal limit for failed. Its unit is not known.", REFERENCE, "assumed", "", None,
        ),
        Metric(
            "partsGoalWarningThreshold", "Parts goal warning threshold", "", "constant",
            "Goal limit for a warning. Its unit is not known.", REFERENCE, "assumed", "", None,
        ),
        Metric(
            "performance", "Performance", "ratio", "ask_only",
            "Second factor of OEE: speed against the ideal while running.", REFERENCE, "inferred", "up", 3,
        ),
        Metric(
            "plannedDowntime", "Planned down time", "ms", "sum",
            "Down time that was planned.", REFERENCE, "inferred",
        ),
        Metric(
            "rejectedParts", "Rejected parts", "parts", "sum",
            "Scrap and nonconforming parts.", GUIDE, "documented", "down",
        ),
        Metric("setupTime", "Setup time", "ms", "sum", "Time spent setting up.", GUIDE, "inferred", "down"),
        Metric("timeInCut", "Time in cut", "ms", "sum", "Time in which the spindle cut.", SAMPLE, "documented", "up"),
        Metric("timeInCycle", "Time in cycle", "ms", "sum", "Time in which a cycle ran.", GUIDE, "documented", "up"),
        Metric("totalParts", "Total parts", "parts", "sum", "All parts made, good or not.", GUIDE, "documented", "up"),
        Metric(
            "utilizationRate", "Utilization", "ratio", "derivable",
            "Time in cycle over all time, unscheduled hours included.",
            SKILLS, "documented", "up", 3, "timeInCycle", "allTime",
        ),
    )
}  # fmt: skip

GROUPS: Mapping[str, Group] = {
    row.name: row
    for row in (
        Group("machine", "Machine", "text", "A machine, by name.", REFERENCE, "documented", "machineId"),
        Group(
            "machineGroup", "Machine group", "text",
            "A group of machines. A machine may be in several, so that groups overlap.",
            SCRIPTS, "inferred", "machineGroupId",
        ),
        Group(
            "shift", "Shift", "text",
            "A shift, by name; No Shift is time outside all. Names may repeat, so rows are told apart by id.",
            SCRIPTS, "inferred", "shiftId",
        ),
        Group("day", "Day", "date", "A production day.", REFERENCE, "documented", time=True),
        Group("hour", "Hour", "datetime", "An hour, by its start.", SCRIPTS, "inferred", time=True),
        Group("operator", "Operator", "text", "An operator, by name.", GUIDE, "documented", "operatorId"),
        Group(
            "jobOperation", "Job operation", "text",
            "An operation of a job. The company chooses how it is named.", GUIDE, "documented", "jobOperationId",
        ),
        Group(
            "week", "Week", "text", "A production week, named by its first day: 2026-11-16.",
            OURS, "documented", time=True, ours=True,
        ),
        Group("month", "Month", "text", "A month: 2026-11.", OURS, "documented", time=True, ours=True),
        Group("quarter", "Quarter", "text", "A quarter: 2026-Q4.", OURS, "documented", time=True, ours=True),
        Group("weekday", "Weekday", "text", "The weekday of a production day: Monday.", OURS, "documented", ours=True),
        Group("site", "Site", "text", "A site of mmflow.yaml.", OURS, "documented", ours=True),
    )
}  # fmt: skip

# What the service filters by: whatever has an id there.
FILTERS = tuple(name for name, group in GROUPS.items() if group.id_column)

CONVERSIONS: Mapping[tuple[str, str], Conversion] = {
    ("ms", "s"): Conversion(divide=1_000, decimals=0),
    ("ms", "min"): Conversion(divide=60_000, decimals=1),
    ("ms", "h"): Conversion(divide=3_600_000, decimals=2),
    ("ratio", "%"): Conversion(multiply=100, decimals=1),
    ("ms/part", "s/part"): Conversion(divide=1_000, decimals=1),
    ("ms/part", "min/part"): Conversion(divide=60_000, decimals=2),
}


def metric(name: str) -> Metric:
    """Give what is known of a metric. One that is not known is a number without a unit, never put together by us."""
    return METRICS.get(name) or Metric(name, name, "", "ask_only", "Not in the catalogue.", "", "assumed", "", None)


def list_units(unit: str) -> list[str]:
    """Give the units that values in ``unit`` can be shown in, itself first."""
    return [unit, *(target for source, target in CONVERSIONS if source == unit)]


def convert_unit(source: str, target: str) -> Conversion:
    """Give the way from one unit to another, nothing to do when they are equal or no ``target`` is named.

    Raises :class:`UserError` that names the units which are possible.
    """
    if target in (source, ""):
        return Conversion()
    if found := CONVERSIONS.get((source, target)):
        return found
    possible = list_units(source)
    if len(possible) == 1:
        raise UserError(
            f"found unit {target!r} for a value {f'in {source}' if source else 'without unit'}; remove the unit"
        )
    raise UserError(f"{source} cannot be shown in {target!r}; expected one of: {', '.join(possible)}")
