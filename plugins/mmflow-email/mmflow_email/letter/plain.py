"""Writes a letter as plain text, useful on its own: for readers without HTML, and for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from mmflow import align_texts

WIDEST: Final = 110  # characters of a line of the table; wider ones become a paragraph for each row
WIDEST_CELL: Final = 40
Content = dict[str, Any]


def write_text(content: Content) -> str:
    """Write the whole text."""
    parts = [list(part) for part in (say_head(content), say_banner(content), say_finds(content))]
    parts += [list(say_table(content)), list(say_foot(content))]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def say_head(content: Content) -> Iterator[str]:
    """Say what this is about."""
    yield content["title"]
    yield f"{', '.join(content['sites'])}: {content['window']}" if len(content["sites"]) == 1 else content["window"]
    for part in content["intro"]:
        yield ""
        yield part


def say_banner(content: Content) -> Iterator[str]:
    """Say what readers must know before they read the numbers."""
    for missing in content["missing"]:
        yield f"MISSING: {missing['site']}: {missing['reason']}"
    for notice in content["notices"]:
        yield f"NOTE: {notice}"


def say_finds(content: Content) -> Iterator[str]:
    """Say what stands out: lights, the numbers of the whole, losses, and what pictures show."""
    if content["lights"]["any"]:
        yield "Lights: " + ", ".join(f"{content['lights'][colour]} {colour}" for colour in ("red", "amber", "green"))
    for row in content["attention"]:
        yield f"* {row['name']}: " + ", ".join(f"{part['label']} {part['text']}" for part in row["parts"]) + " [red]"
    if content["attention_more"] > 0:
        yield f"* and {content['attention_more']} more with a red light"
    for tile in content["headline"]:
        yield f"{tile['label']}: {with_marks(tile)}"
    if content["top"]:
        yield content["top"]["title"] + ":"
        for place, entry in enumerate(content["top"]["entries"], 1):
            yield f"  {place}. {entry['name']}: {entry['text']}" + (f" ({entry['share']})" if entry["share"] else "")
    for chart in content["charts"]:
        yield f"[picture] {chart['alt']}"


def say_table(content: Content) -> Iterator[str]:
    """Write the table, or that there is none."""
    if not content["count"]:
        yield "No rows: nothing was found for this window."
        return
    columns = content["columns"]
    rows = [[with_marks(row[column["name"]]) for column in columns] for row in content["rows"]]
    rows += [[with_marks(row["cells"][column["name"]]) for column in columns] for row in content["footers"]]
    labels = [column["label"] for column in columns]
    lines = list(align_texts(labels, rows, [column["numeric"] for column in columns], widest=WIDEST_CELL))
    yield from lines if max(map(len, lines)) <= WIDEST else list_rows(labels, rows)
    yield from say_hidden(content)


def list_rows(labels: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Write rows that are too wide for lines: the first cell, and the others below it."""
    for row in rows:
        yield row[0]
        for label, cell in zip(labels[1:], row[1:], strict=True):
            yield f"  {label}: {cell}"


def say_hidden(content: Content) -> Iterator[str]:
    """Count what the letter leaves out, and say where it is."""
    where = f"; see {', '.join(content['attached'])}" if content["attached"] else ""
    if content["hidden"] > 0:
        yield f"and {content['hidden']:,} more row{'s' * (content['hidden'] != 1)}{where}"
    if content["hidden_columns"]:
        yield f"not shown: {', '.join(content['hidden_columns'])}{where}"


def say_foot(content: Content) -> Iterator[str]:
    """Say where the numbers come from and whether they may change."""
    yield "-- "
    if content["filters"]:
        yield "; ".join(content["filters"])
    if content["compared"]:
        yield f"Changes are against {content['compared']}."
    yield f"Numbers as of {content['extracted']}. {content['changing']}"
    if content["moved"]["count"]:
        yield content["moved"]["text"]
    owner = f", owner {content['owner']}" if content["owner"] else ""
    yield f"Job {content['job']}, run {content['run']}{owner}"


def with_marks(cell: Content) -> str:
    """Write a cell with its light as a word and its change."""
    change = f" ({cell['change']})" if cell["change"] else ""
    light = f" [{cell['light']}]" if cell["light"] in ("red", "amber") else ""
    return f"{cell['text']}{change}{light}"
