"""Traffic lights: which cells of a table are red, amber or green, by limits of the job or of the plant itself.

MachineMetrics keeps limits for OEE and for parts made. They come as metrics (``oeeWarningThreshold``), so a report that
asks for them carries each machine's own limits in its rows. Whether the service gives them as 0.6 or as 60 is not
documented: what is above :data:`LARGEST_RATIO` is taken for percent.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Final, Literal, NamedTuple

from msgspec import Meta

from mmflow.errors import hint_names
from mmflow.options import Options
from mmflow.table.cells import Cell, Column

Colour = Literal["red", "amber", "green"]
Better = Literal["up", "down"]
LARGEST_RATIO: Final = 1.5
Limit = float | str


class Light(Options):
    """The limits of one column, each a number in the unit of that column or the name of a column that holds it."""

    amber: Annotated[Limit, Meta(description="Limit of amber: a number or a column.", examples=[0.65])] | None = None
    red: Annotated[Limit, Meta(description="Limit of red: a number or a column.", examples=[0.5])] | None = None
    better: (
        Annotated[Better, Meta(description="up: below a limit is worse; down: above it. By the column unless given.")]
        | None
    ) = None


Lights = Annotated[
    Literal["plant"] | dict[str, Light],
    Meta(
        description="Traffic lights: plant (the limits in MachineMetrics, which the report asks for), or by column.",
        examples=[{"oee": {"amber": 0.65, "red": 0.5}}],
    ),
]


class PlantLimits(NamedTuple):
    """The metrics that limit another; ``of`` is what that one is divided by before it is compared."""

    warning: str
    failure: str
    of: str = ""


# Names: REST reference. What a limit of parts is measured against is an assumption: the share of the goal.
PLANT: Final[Mapping[str, PlantLimits]] = {
    "oee": PlantLimits("oeeWarningThreshold", "oeeFailureThreshold"),
    "goodParts": PlantLimits("partsGoalWarningThreshold", "partsGoalFailureThreshold", "partsGoal"),
}


@dataclass(frozen=True, slots=True)
class LightRule:
    """How the cells of one column are coloured.

    ``amber`` and ``red`` are numbers, or places of the columns that hold them (``amber_column``, ``red_column``).
    ``scaled`` is for limits of the plant: both sides are ratios then.
    """

    place: int
    better: Better
    amber: float | None = None
    red: float | None = None
    amber_column: int | None = None
    red_column: int | None = None
    scaled: bool = False
    percent: bool = False  # the column is shown in percent
    of: int | None = None  # the column that it is a share of

    def colour(self, row: Sequence[Cell]) -> Colour | None:
        """Give the colour of this column's cell in a row; None where the value, or every limit, is not known."""
        value = self._value(row)
        red = self._limit(self.red, self.red_column, row)
        amber = self._limit(self.amber, self.amber_column, row)
        if value is None or (red is None and amber is None):
            return None
        if red is not None and self._worse(value, red):
            return "red"
        return "amber" if amber is not None and self._worse(value, amber) else "green"

    def excess(self, row: Sequence[Cell]) -> float:
        """Tell how far this column's cell lies beyond its limit of red, as a share of that limit; 0 when it does not.

        Shares of different columns can be compared. What lies beyond a limit of 0 is taken as it is.
        """
        value, red = self._value(row), self._limit(self.red, self.red_column, row)
        if value is None or red is None or not self._worse(value, red):
            return 0.0
        return abs(value - red) / (abs(red) or 1.0)

    def _worse(self, value: float, limit: float) -> bool:
        return value < limit if self.better == "up" else value > limit

    def _value(self, row: Sequence[Cell]) -> float | None:
        value = as_number(row[self.place])
        if value is None or not self.scaled:
            return value
        if self.of is not None:
            goal = as_number(row[self.of])
            return value / goal if goal else None
        return value / 100 if self.percent else value

    def _limit(self, fixed: float | None, column: int | None, row: Sequence[Cell]) -> float | None:
        limit = fixed if column is None else as_number(row[column])
        return limit / 100 if limit is not None and self.scaled and limit > LARGEST_RATIO else limit


def as_number(cell: Cell) -> float | None:
    """Give a cell as a number, None for anything else."""
    return float(cell) if isinstance(cell, int | float) and not isinstance(cell, bool) else None


def find_lights(lights: Literal["plant"] | Mapping[str, Light] | None, columns: Sequence[Column]) -> list[LightRule]:
    """Give the rules for a table with these columns, in their order; what the table has no columns for is left out."""
    places = {column.name: place for place, column in enumerate(columns)}
    if lights is None:
        return []
    if lights == "plant":
        return [rule for name in places if (rule := plant_rule(name, places, columns))]
    return [job_rule(place, lights[name], places, columns[place]) for name, place in places.items() if name in lights]


def plant_rule(name: str, places: Mapping[str, int], columns: Sequence[Column]) -> LightRule | None:
    """Give the rule of the plant's own limits for a column, None when there is none or the report lacks the limits."""
    limits = PLANT.get(name)
    if limits is None or not {limits.warning, limits.failure, limits.of} - {""} <= places.keys():
        return None
    return LightRule(
        places[name],
        "up",
        amber_column=places[limits.warning],
        red_column=places[limits.failure],
        scaled=True,
        percent=columns[places[name]].unit == "%",
        of=places[limits.of] if limits.of else None,
    )


def job_rule(place: int, light: Light, places: Mapping[str, int], column: Column) -> LightRule:
    """Give the rule that a job wrote for a column."""

    def split(limit: Limit | None) -> tuple[float | None, int | None]:
        return (None, places.get(limit)) if isinstance(limit, str) else (limit, None)

    (amber, amber_column), (red, red_column) = split(light.amber), split(light.red)
    better = light.better or guess_better(amber, red) or column.direction or "up"
    return LightRule(place, better, amber, red, amber_column, red_column)


def guess_better(amber: float | None, red: float | None) -> Better | None:
    """Tell from two numbers which way is better: red lies on the worse side of amber."""
    if amber is None or red is None or amber == red:
        return None
    return "up" if red < amber else "down"


def check_lights(
    lights: Literal["plant"] | Mapping[str, Light] | None,
    columns: Collection[str],
    units: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[tuple[tuple[str, ...], str]]:
    """Say what is wrong with lights beside the columns of a report and their units, as far as these are known.

    Gives ``(path below the option, sentence)``.
    """
    if lights == "plant":
        if not any(name in columns and set(limits) - {""} <= {*columns} for name, limits in PLANT.items()):
            wanted = "; ".join(" and ".join([name, *filter(None, limits)]) for name, limits in PLANT.items())
            yield (), f"the report has no limits of the plant; add the metrics {wanted}"
        return
    for name, light in (lights or {}).items():
        if name not in columns:
            yield (name,), f"the report has no column {name!r}; {hint_names(name, columns)}"
        if light.amber is None and light.red is None:
            yield (name,), "has no limit; write amber, red or both"
        for key, limit in (("amber", light.amber), ("red", light.red)):
            if isinstance(limit, float | int) and units.get(name) == "ratio" and limit > LARGEST_RATIO:
                yield (name, key), f"is {limit:g}, and {name} is 0 to 1 here; write {limit / 100:g}, or unit: '%' there"
            if isinstance(limit, str) and limit not in columns:
                yield (name, key), f"the report has no column {limit!r}; {hint_names(limit, columns)}"
