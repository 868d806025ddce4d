"""The tables of docs/catalogue.md, from the catalogue itself."""

from __future__ import annotations

from typing import Final

from mmflow.catalogue import GROUPS, METRICS, Metric, list_units
from mmflow.schema.reference import write_table

BETTER: Final = {"up": "more", "down": "less", "": ""}


def metrics_table() -> str:
    """Give all metrics of the catalogue as a Markdown table."""
    headings = ("metric", "label", "unit", "several rows become one by", "better", "what it is", "source", "certainty")
    return write_table(headings, map(describe_metric, METRICS.values()))


def describe_metric(row: Metric) -> tuple[str, ...]:
    """Give a metric as the cells of a Markdown table."""
    quotient = f"`{row.numerator}` / `{row.denominator}`"
    kind = quotient if row.kind == "derivable" else row.kind.replace("_", " ")
    return f"`{row.name}`", row.label, row.unit, kind, BETTER[row.direction], row.description, row.source, row.certainty


def groups_table() -> str:
    """Give all groups of the catalogue as a Markdown table."""
    headings = ("group", "label", "type", "id beside it", "what it is", "source", "certainty")
    rows = (
        (f"`{row.name}`", row.label, row.type, row.id_column, row.description, row.source, row.certainty)
        for row in GROUPS.values()
    )
    return write_table(headings, rows)


def units_table() -> str:
    """Give the units that values can be shown in as a Markdown table."""
    found = {unit: list_units(unit) for unit in dict.fromkeys(row.unit for row in METRICS.values()) if unit}
    rows = ((f"`{unit}`", ", ".join(f"`{other}`" for other in units)) for unit, units in found.items())
    return write_table(("unit of the service", "can be shown in"), rows)
