"""Traffic lights as Excel's own conditional formats: whoever edits a number, or a limit, sees the colour change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from mmflow import Column, LightRule
from mmflow_excel.formats import divide_by
from mmflow_excel.places import Area, name_column

LARGEST_RATIO: Final = 1.5  # a limit of the plant above it is percent

# Fill and letters, as Excel's own "Good", "Neutral" and "Bad".
PAINTS: Final[Mapping[str, Mapping[str, str]]] = {
    "red": {"bg_color": "#FFC7CE", "font_color": "#9C0006"},
    "amber": {"bg_color": "#FFEB9C", "font_color": "#7F6000"},
    "green": {"bg_color": "#C6EFCE", "font_color": "#006100"},
}


@dataclass(frozen=True, slots=True)
class Paint:
    """A colour for cells of which a formula, written for the first of them, is true; the first that is true counts."""

    area: Area
    formula: str
    colour: str


def paint_column(rule: LightRule, columns: Sequence[Column], first: int, last: int) -> list[Paint]:
    """Give the formats of one column of a table, whose rows count from 1."""

    def cell(place: int) -> str:
        return f"${name_column(place + 1)}{first}"

    def limit(number: float | None, place: int | None) -> tuple[str, str] | None:
        """Give a limit as a formula, and when it is known."""
        if place is not None:
            known = f"ISNUMBER({cell(place)})"
            return scale_limit(rule, columns, cell(place), place), known
        return None if number is None else (repr(number / divide_by(columns[rule.place])), "TRUE")

    value = cell(rule.place)
    known = [f"ISNUMBER({value})"]
    if rule.of is not None:
        goal = cell(rule.of)
        known += [f"ISNUMBER({goal})", f"{goal}<>0"]
        value = f"{value}/{goal}"
    area = Area(first, rule.place + 1, last, rule.place + 1)
    red, amber = limit(rule.red, rule.red_column), limit(rule.amber, rule.amber_column)
    return write_paints(area, value, known, red, amber, rule)


def scale_limit(rule: LightRule, columns: Sequence[Column], cell: str, place: int) -> str:
    """Write a limit that stands in a column in the measure of the cells that it limits."""
    if rule.scaled:
        return f"IF({cell}>{LARGEST_RATIO},{cell}/100,{cell})"
    ours, theirs = divide_by(columns[rule.place]), divide_by(columns[place])
    if ours == theirs:
        return cell
    return f"{cell}/100" if ours > theirs else f"{cell}*100"


def paint_limits(area: Area, red: float | None, amber: float | None, rule: LightRule) -> list[Paint]:
    """Give the formats of cells that have the same limits, as numbers in the measure of the cells."""
    value = f"{name_column(area.left)}{area.top}"
    limits = [None if limit is None else (repr(limit), "TRUE") for limit in (red, amber)]
    return write_paints(area, value, [f"ISNUMBER({value})"], limits[0], limits[1], rule)


def write_paints(
    area: Area,
    value: str,
    known: Sequence[str],
    red: tuple[str, str] | None,
    amber: tuple[str, str] | None,
    rule: LightRule,
) -> list[Paint]:
    """Give the formats for red, amber and green, in the order in which they are tried."""
    sign = "<" if rule.better == "up" else ">"
    paints = []
    for colour, limit in (("red", red), ("amber", amber)):
        if limit is not None:
            # IF, since AND works out all of its parts: a division by nothing would be an error in the middle of it
            paints.append(
                Paint(area, f"=IF(AND({','.join([*known, limit[1]])}),{value}{sign}{limit[0]},FALSE)", colour)
            )
    anywhere = [limit[1] for limit in (red, amber) if limit is not None]
    if anywhere:
        either = f"OR({','.join(anywhere)})"
        paints.append(Paint(area, f"=AND({','.join([*known, either])})", "green"))
    return paints
