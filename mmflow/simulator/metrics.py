"""Every metric as a sum of atoms or a quotient of two sums, so that no level of a report is ever a mean of means.

Definitions (the service publishes names, not formulas; these are assumptions that fit all that is public)::

    required       time in shifts without planned downtime, the planned production time of OEE
    availability   in-cycle time / required                     only what happened in shifts counts here
    performance    ideal time of all parts / in-cycle time
    quality        ideal time of good parts / ideal time of all parts
    oee            ideal time of good parts / required          = availability x performance x quality
    ooe            the same over all time in shifts, planned downtime included
    utilization    in-cycle time / all time, scheduled or not
    downtime       time in shifts that is neither in cycle nor set-up; planned downtime is part of it
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import Literal

from mmflow.simulator.days import HOUR
from mmflow.simulator.facts import Atom

Quantity = Callable[[Atom], int]
Kind = Literal["sum", "rate", "threshold", "time"]

THOUSANDTHS = 1000  # parts of parts are counted in thousandths: whole numbers add up in any order


def _in_shift(quantity: Quantity) -> Quantity:
    return lambda atom: quantity(atom) if atom.shift is not None else 0


def _downtime(atom: Atom) -> int:
    return atom.planned_down + atom.down


def _ideal_time(atom: Atom) -> int:
    return atom.total * atom.ideal_ms


QUANTITIES: dict[str, Quantity] = {
    "all": attrgetter("length"),
    "in_cycle": attrgetter("in_cycle"),
    "in_cut": attrgetter("in_cut"),
    "setup": attrgetter("setup"),
    "expected_setup": attrgetter("expected_setup"),
    "planned_down": attrgetter("planned_down"),
    "downtime": _downtime,
    "categorized": lambda atom: _downtime(atom) if atom.reason is not None else 0,
    "required": attrgetter("required"),
    "good": attrgetter("good"),
    "nonconform": attrgetter("nonconform"),
    "scrap": attrgetter("scrap"),
    "rejected": lambda atom: atom.nonconform + atom.scrap,
    "total": attrgetter("total"),
    "goal": attrgetter("goal"),
    "ideal_time": _ideal_time,
    "expected_time": lambda atom: atom.total * atom.expected_ms,
    "in_cycle_ideal": lambda atom: atom.in_cycle * THOUSANDTHS // atom.ideal_ms if atom.in_cycle else 0,
    "shift_all": _in_shift(attrgetter("length")),
    "shift_in_cycle": _in_shift(attrgetter("in_cycle")),
    "shift_ideal_time": _in_shift(_ideal_time),
    "shift_good_ideal_time": _in_shift(lambda atom: atom.good * atom.ideal_ms),
}


@dataclass(frozen=True, slots=True)
class Metric:
    """How one metric follows from sums: a sum ``over / per``, a rate ``over * scale / under``.

    A threshold is a constant ratio; a time is the first start or the last end of what there is.
    """

    name: str
    kind: Kind
    over: str = ""
    under: str = ""
    scale: int = 1
    per: int = 1
    constant: float = 0.0
    is_listed: bool = True


def _sum(name: str, over: str, *, is_listed: bool = True) -> Metric:
    return Metric(name, "sum", over, is_listed=is_listed)


def _rate(name: str, over: str, under: str, scale: int = 1, *, is_listed: bool = True) -> Metric:
    return Metric(name, "rate", over, under, scale, is_listed=is_listed)


ROWS = (
    _rate("actualPartTime", "in_cycle", "total"),
    _sum("allTime", "all"),
    _rate("availability", "shift_in_cycle", "required"),
    _rate("averagePartsPerHour", "total", "all", HOUR),
    _sum("categorizedDowntime", "categorized"),
    _sum("downtime", "downtime"),
    _rate("expectedPartsPerHour", "total", "expected_time", HOUR),
    _rate("expectedPartTime", "expected_time", "total"),
    _sum("expectedSetupTime", "expected_setup"),
    _sum("goodParts", "good"),
    _rate("idealPartsPerHour", "total", "ideal_time", HOUR),
    _rate("idealPartTime", "ideal_time", "total"),
    Metric("inCycleIdealParts", "sum", "in_cycle_ideal", per=THOUSANDTHS),
    Metric("maxEndTime", "time", "end"),
    Metric("minStartTime", "time", "start"),
    _sum("nonOptionalTime", "required"),
    _sum("nonconformParts", "nonconform"),
    _rate("nonconformRate", "nonconform", "total"),
    _rate("oee", "shift_good_ideal_time", "required"),
    Metric("oeeFailureThreshold", "threshold", constant=0.4),
    Metric("oeeWarningThreshold", "threshold", constant=0.6),
    _rate("ooe", "shift_good_ideal_time", "shift_all"),
    _sum("partsGoal", "goal"),
    Metric("partsGoalFailureThreshold", "threshold", constant=0.75),
    Metric("partsGoalWarningThreshold", "threshold", constant=0.9),
    _rate("performance", "shift_ideal_time", "shift_in_cycle"),
    _sum("plannedDowntime", "planned_down"),
    _sum("rejectedParts", "rejected"),
    _sum("setupTime", "setup"),
    _sum("timeInCut", "in_cut"),
    _sum("timeInCycle", "in_cycle"),
    _sum("totalParts", "total"),
    _rate("utilizationRate", "in_cycle", "all"),
    _rate("quality", "shift_good_ideal_time", "shift_ideal_time", is_listed=False),
    _sum("scrapParts", "scrap", is_listed=False),
    _rate("scrapRate", "scrap", "total", is_listed=False),
)

METRICS: dict[str, Metric] = {metric.name: metric for metric in ROWS}
