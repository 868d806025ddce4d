"""Gathers everything a letter says, as plain data: what templates get, and what the plain text is written from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from mmflow import Column, FooterRow, RunInfo, Table
from mmflow_email.letter.charts import Collector
from mmflow_email.letter.figures import (
    UNKNOWN,
    bare_label,
    tidy_text,
    write_quantity,
)
from mmflow_email.letter.layout import MOST_COLUMNS, PHONE, Content, Layout, is_number, judge, measure_table
from mmflow_email.letter.moments import list_windows, say_changing, say_extracted, say_window
from mmflow_email.letter.moves import gather_moves
from mmflow_email.letter.options import LetterOptions
from mmflow_email.letter.ranking import Ranking, Watch, choose_top

MOST_TILES: Final = 4
MOST_NOTICES: Final = 12
LONGEST_NOTICE: Final = 400
ROW_LABELS: Final[Mapping[str, str]] = {"rest": "Rest", "total": "Total"}


@dataclass(slots=True)
class Survey:
    """What one walk over the rows finds."""

    rows: list[Content]
    watch: Watch
    ranking: Ranking | None
    collectors: list[Collector]
    failures: list[str]


def survey_rows(table: Table, options: LetterOptions, layout: Layout) -> Survey:
    """Walk over the rows once, in bounded memory; no further than needed."""
    found = start_survey(table, options, layout)
    whole = bool(found.watch.rules or found.ranking or found.collectors)
    for number, row in enumerate(islice(table.rows(), None if whole else options.rows)):
        colours = found.watch.add(row)
        if number < options.rows:
            found.rows.append(layout.write_row(row, colours))
        if found.ranking:
            found.ranking.add(row)
        for collector in found.collectors:
            collector.add(row, colours)
    return found


def start_survey(table: Table, options: LetterOptions, layout: Layout) -> Survey:
    """Prepare the walk; a picture that cannot be becomes a sentence."""
    top = choose_top(options.top, options.template, table.columns)
    ranking = Ranking(top, layout.places[top.by], table.columns) if top and top.by in layout.places else None
    collectors, failures = [], []
    for chart in options.charts:
        try:
            collectors.append(Collector.of(chart, table.columns))
        except LookupError as error:
            failures.append(f"no {chart.kind} chart of {tidy_text(', '.join(chart.numbers), 60)}: {error.args[0]}")
    return Survey([], Watch(layout.rules, table.columns), ranking, collectors, failures)


def gather_content(
    table: Table, options: LetterOptions, run: RunInfo, found: Survey, layout: Layout, *, attached: Sequence[str]
) -> Content:
    """Put everything together; texts of data are one visible line each and have an end."""
    facts = run.facts
    return {
        **{word: text for word, text in run.names.items() if word != "run"},
        "run": run.run,
        "kind": run.kind,
        "title": tidy_text(facts.description or run.job, 200),
        "description": tidy_text(facts.description, 400),
        "owner": tidy_text(facts.owner, 200),
        "intro": [" ".join(part.split()) for part in options.intro.split("\n\n") if part.strip()],
        "window": say_window(run),
        "windows": list_windows(run),
        "extracted": say_extracted(run),
        "extracted_at": run.extracted_at.isoformat(),
        "changing": say_changing(run),
        "moved": gather_moves(facts.moved, table.columns),
        "compared": name_comparison(table.columns) if layout.merged else "",
        "sites": [site for site, _ in run.spans],
        "missing": [{"site": site, "reason": tidy_text(reason, LONGEST_NOTICE)} for site, reason in facts.missing],
        "filters": [*say_filters(facts.filter, "only"), *say_filters(facts.exclude, "without")],
        "notices": [],
        "attached": [tidy_text(name, 120) for name in attached],
        "columns": [describe_column(layout.columns[place]) for place in layout.visible],
        "stacked": measure_table(table, layout, found.rows) > PHONE,
        "hidden_columns": [tidy_text(layout.columns[place].label, 60) for place in layout.shown[MOST_COLUMNS:]],
        "rows": found.rows,
        "count": len(table),
        "hidden": len(table) - len(found.rows),
        "footers": [describe_footer(row, layout) for row in table.footer],
        "headline": list(list_tiles(table, layout, found)),
        "lights": {**found.watch.counts, "any": bool(layout.rules) and any(found.watch.counts.values())},
        "attention": found.watch.reds,
        "attention_more": found.watch.counts["red"] - len(found.watch.reds),
        "top": found.ranking.describe(table.footer) if found.ranking else None,
        "charts": [],
    }


def name_comparison(columns: Sequence[Column]) -> str:
    """Say what changes are measured against, as the headings of the earlier numbers do; "" without a comparison."""
    earlier = (c.label for c in columns if c.role == "compare" and c.name.endswith("_previous"))
    word = next(earlier, "").rpartition(", ")[2]
    return "the window before" if word == "previous" else tidy_text(word, 60)


def limit_notices(notices: Sequence[str]) -> list[str]:
    """Cut sentences that have no end, and count those that are too many."""
    listed = [tidy_text(notice, LONGEST_NOTICE) for notice in notices[:MOST_NOTICES]]
    more = len(notices) - len(listed)
    return [*listed, *([f"and {more} more notices; mmflow runs show lists them"] if more > 0 else [])]


def say_filters(named: Mapping[str, Sequence[str]], word: str) -> Iterator[str]:
    """Say what the report was narrowed to."""
    for name, values in named.items():
        yield tidy_text(f"{word} {name}: {', '.join(values)}", 300)


def describe_column(column: Column) -> Content:
    """Describe a column for templates."""
    return {
        "name": column.name,
        "label": tidy_text(column.label, 80),
        "unit": column.unit,
        "type": column.type,
        "role": column.role,
        "numeric": column.type in ("number", "integer"),
        "better": column.direction,
    }


def describe_footer(row: FooterRow, layout: Layout) -> Content:
    """Describe a row under the table; its label stands in the first shown column when that is a group."""
    colours = (
        {rule.place: colour for rule in layout.rules if (colour := rule.colour(row.values))}
        if row.kind == "total"
        else {}
    )
    cells = {
        column.name: {"text": "", "value": None, "light": "", "symbol": "", **judge(None, column)}
        if column.role == "group" or row.values[place] is None
        else layout.write_cell(place, row.values, colours.get(place, ""))
        for place, column in enumerate(layout.columns)
    }
    label = ROW_LABELS[row.kind]
    first = layout.columns[layout.visible[0]] if layout.visible else None
    if first is not None and first.role == "group":
        cells[first.name]["text"] = label
    for column in layout.columns:
        if column.role != "group" and not cells[column.name]["text"]:
            cells[column.name]["text"] = UNKNOWN
    return {"kind": row.kind, "label": label, "cells": cells}


def list_tiles(table: Table, layout: Layout, found: Survey) -> Iterator[Content]:
    """Give the few numbers of the whole report that stand on top: those of the total, or of the only row."""
    total = next((row.values for row in table.footer if row.kind == "total"), None)
    if total is None and len(table) == 1:
        total = next(iter(table.rows()))
    if total is None:
        return
    colours = {rule.place: colour for rule in found.watch.rules if (colour := rule.colour(total))}
    wanted = [p for p in layout.shown if is_number(total[p]) and layout.columns[p].role in ("metric", "derived")]
    for place in wanted[:MOST_TILES]:
        column = layout.columns[place]
        cell = layout.write_cell(place, total, colours.get(place, ""))
        yield {**cell, "name": column.name, "label": bare_label(column), "text": write_quantity(total[place], column)}


def make_cid(run: RunInfo, number: int) -> str:
    """Name a picture: the same for each try of one delivery."""
    digest = hashlib.sha256(f"{run.key}#{run.generation}".encode()).hexdigest()[:20]
    return f"chart{number}.{digest}@mmflow"
