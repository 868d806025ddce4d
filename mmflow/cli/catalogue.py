"""``mmflow catalogue``: which metrics and groups there are, what they mean, and how sure that is."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict

from mmflow.catalogue import GROUPS, METRICS, Group, Metric, list_units
from mmflow.cli.output import Output
from mmflow.cli.session import open_output
from mmflow.errors import EXIT_OK, hint_names

SUMMARY = "Search the metrics and groups that a report can ask for: unit, meaning, and how sure that is."
EXAMPLES = """
mmflow catalogue                  all of them
mmflow catalogue groups           only what rows can be grouped by
mmflow catalogue metrics part     metrics about parts
mmflow catalogue down time        whatever speaks of down time
mmflow catalogue oee --json       for programs
"""

Row = Metric | Group
KINDS: Mapping[str, Mapping[str, Row]] = {"metrics": METRICS, "groups": GROUPS}
HEADINGS = {
    "metrics": ("metric", "label", "unit", "kind", "certainty", "what it is"),
    "groups": ("group", "label", "id", "certainty", "what it is"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what to search."""
    parser.add_argument(
        "words",
        nargs="*",
        metavar="[metrics|groups] [TEXT]",
        help="only metrics, only groups, and only what holds this text in name, label or meaning",
    )


def run(args: argparse.Namespace) -> int:
    """Print; needs no root, no network and no secret."""
    out = open_output(args)
    kinds, text = read_words(args.words)
    found = {kind: search_rows(KINDS[kind].values(), text) for kind in kinds}
    if out.as_json:
        out.data({kind: [describe_row(row) for row in rows] for kind, rows in found.items()})
    else:
        show_rows(out, found)
    if not any(found.values()):
        names = [name for kind in kinds for name in KINDS[kind]]
        out.note(f"nothing in the catalogue holds {text!r}; {hint_names(text, names)}")
    return EXIT_OK


def read_words(words: Sequence[str]) -> tuple[list[str], str]:
    """Give the kinds to search and the text to look for."""
    kind, rest = (words[0], words[1:]) if words and words[0] in KINDS else ("", words)
    return [kind] if kind else list(KINDS), " ".join(rest)


def search_rows(rows: Iterable[Row], text: str) -> list[Row]:
    """Give the rows that hold a text in name, label or meaning, whatever the case of its letters."""
    wanted = text.casefold()
    return [row for row in rows if any(wanted in part.casefold() for part in (row.name, row.label, row.description))]


def show_rows(out: Output, found: Mapping[str, Sequence[Row]]) -> None:
    """Print a table of each kind that was found."""
    tables = [(kind, rows) for kind, rows in found.items() if rows]
    for place, (kind, rows) in enumerate(tables):
        if place:
            out.line()
        out.table(HEADINGS[kind], map(list_cells, rows))


def list_cells(row: Row) -> tuple[str, ...]:
    """Give the cells of a row in the order of its headings."""
    middle = (row.unit, describe_kind(row)) if isinstance(row, Metric) else (row.id_column,)
    return (row.name, row.label, *middle, row.certainty, row.description)


def describe_kind(row: Metric) -> str:
    """Say how values become one: ``sum``, ``ask only``, or the quotient."""
    return f"{row.numerator} / {row.denominator}" if row.kind == "derivable" else row.kind.replace("_", " ")


def describe_row(row: Row) -> dict[str, object]:
    """Give a row as JSON has it; ``units`` are those it can be shown in."""
    return asdict(row) | ({"units": list_units(row.unit)} if isinstance(row, Metric) else {})
