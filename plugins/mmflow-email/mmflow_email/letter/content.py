"""Gathers everything a letter says, as plain data: what templates get, and what the plain text is written from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final, TypeGuard

from mmflow import Cell, Column, FooterRow, LightRule, RunInfo, Table, find_lights
from mmflow_email.letter.charts import Collector
from mmflow_email.letter.figures import (
    UNKNOWN,
    bare_label,
    tidy_text,
    write_cell,
    write_change,
    write_quantity,
)
from mmflow_email.letter.moments import list_windows, say_changing, say_extracted, say_window
from mmflow_email.letter.options import LetterOptions
from mmflow_email.letter.ranking import Ranking, Watch, choose_top

MOST_COLUMNS: Final = 12
MOST_TILES: Final = 4
MOST_NAME: Final = 14  # characters of a name that stand in one line on a phone
PHONE: Final = 328  # points between the margins
MOST_NOTICES: Final = 12
LONGEST_NOTICE: Final = 400
SYMBOLS: Final[Mapping[str, str]] = {"red": "✕", "amber": "!", "green": "✓"}
ARROWS: Final[Mapping[int, str]] = {1: "▲", -1: "▼", 0: "="}
ROW_LABELS: Final[Mapping[str, str]] = {"rest": "Rest", "total": "Total"}
Content = dict[str, Any]


@dataclass(slots=True)
class Layout:
    """Which columns the table of a letter shows, and which of them say how they changed."""

    columns: Sequence[Column]
    shown: list[int]
    merged: bool  # a change stands in the cell that changed, and not in a column of its own
    rules: list[LightRule]
    places: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        """Note where each column is."""
        self.places = {column.name: place for place, column in enumerate(self.columns)}

    @classmethod
    def of(cls, table: Table, options: LetterOptions) -> Layout:
        """Choose them: those of the job, or all but comparison and limits, which the numbers show themselves."""
        names = {column.name: place for place, column in enumerate(table.columns)}
        merged = options.columns is None
        rules = find_lights(options.lights, table.columns)
        limits = {place for rule in rules for place in (rule.amber_column, rule.red_column)}
        if options.columns is not None:
            shown = [names[name] for name in options.columns if name in names]
        else:
            shown = [place for place, c in enumerate(table.columns) if c.role != "compare" and place not in limits]
        return cls(table.columns, shown, merged, rules)

    @property
    def visible(self) -> list[int]:
        """The places that have room."""
        return self.shown[:MOST_COLUMNS]

    def write_row(self, row: Sequence[Cell], colours: Mapping[int, str]) -> Content:
        """Give every cell of a row by the name of its column."""
        return {
            column.name: self.write_cell(place, row, colours.get(place, ""))
            for place, column in enumerate(self.columns)
        }

    def write_cell(self, place: int, row: Sequence[Cell], light: str) -> Content:
        """Describe one cell; ``tone`` is good or bad where a change is told and the better direction is known."""
        column, cell = self.columns[place], row[place]
        change = self._change(place, row)
        written = write_cell(cell, column)
        own = column.role == "compare" and column.name.endswith("_change") and is_number(cell)
        return {
            "text": write_change(cell, column) if own and is_number(cell) else written,
            "value": plain(cell),
            "light": light,
            "symbol": SYMBOLS.get(light, ""),
            **(judge(cell, column, told=False) if own else judge(change, column)),
        }

    def _change(self, place: int, row: Sequence[Cell]) -> Cell:
        found = self.places.get(f"{self.columns[place].name}_change")
        return row[found] if self.merged and found is not None and self.columns[found].role == "compare" else None


def judge(change: Cell, column: Column, *, told: bool = True) -> dict[str, str]:
    """Say which way a number went, and whether that is good; empty when nothing is known."""
    if not is_number(change):
        return {"change": "", "arrow": "", "tone": ""}
    text = write_change(change, column)
    way = ((change > 0) - (change < 0)) if text.strip("+-0., pt") else 0  # what rounds to nothing went nowhere
    better = {"up": 1, "down": -1}.get(column.direction, 0)
    tone = {1: "good", -1: "bad"}.get(way * better, "")
    return {"change": text if told else "", "arrow": ARROWS[way], "tone": tone}


def is_number(cell: Cell) -> TypeGuard[int | float]:
    """Tell numbers from everything else."""
    return isinstance(cell, int | float) and not isinstance(cell, bool)


def plain(cell: Cell) -> str | int | float | bool | None:
    """Give a value as templates get it: days and times as ISO texts."""
    return cell if cell is None or isinstance(cell, str | int | float) else cell.isoformat()


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
        "compared": name_comparison(table.columns) if layout.merged else "",
        "sites": [site for site, _ in run.spans],
        "missing": [{"site": site, "reason": tidy_text(reason, LONGEST_NOTICE)} for site, reason in facts.missing],
        "filters": [*say_filters(facts.filter, "only"), *say_filters(facts.exclude, "without")],
        "notices": [],
        "attached": [tidy_text(name, 120) for name in attached],
        "columns": [describe_column(layout.columns[place]) for place in layout.visible],
        "stacked": measure_table(table, layout, found) > PHONE,
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


def measure_table(table: Table, layout: Layout, found: Survey) -> float:
    """Guess how wide the table is on a phone, where small letters take about seven points."""
    footers = [layout.write_row(row.values, {}) for row in table.footer]
    return sum(measure_column(layout.columns[place], [*found.rows, *footers]) for place in layout.visible)


def measure_column(column: Column, rows: Sequence[Content]) -> float:
    """Guess the width of a column: its longest number, or the longest word of its texts."""
    numeric = column.type in ("number", "integer")
    words = max(map(len, column.label.split()), default=0)
    for row in rows:
        cell = row[column.name]
        text = len(cell["text"]) + 3 * bool(cell["light"])
        words = max(words, text if numeric else min(text, MOST_NAME), len(cell["change"]) + 1 if cell["change"] else 0)
    return 8 + 6.9 * words


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
