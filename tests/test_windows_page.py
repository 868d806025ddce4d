"""docs/windows.md: every row of its tables is true for the plant and the slot that the page names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from mmflow.document import read_text
from mmflow.job import WindowSpec
from mmflow.options import convert_values
from mmflow.plant import PlantCalendar
from mmflow.settings import Settings
from mmflow.windows import WINDOW_WORDS, Earlier, earlier_span, resolve_window

PAGE = (Path(__file__).parent.parent / "docs" / "windows.md").read_text(encoding="utf-8")
AT = datetime.fromisoformat("2026-11-18T14:10-05:00")


def read_plant() -> PlantCalendar:
    (block,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    settings = convert_values(read_text(block, "windows.md").values, Settings)
    return PlantCalendar.from_site("boston", settings.sites["boston"], Path())


def read_window(cell: str) -> str | WindowSpec:
    values: Any = read_text(f"window: {cell.strip('`')}", "windows.md").values
    written = values["window"]
    return written if isinstance(written, str) else convert_values(written, WindowSpec)


def list_rows(heading: str) -> Iterator[Any]:
    """Give the cells of every row of the tables with this heading."""
    for table in re.findall(rf"^\| {re.escape(heading)} \|\n\|[-|]+\|\n((?:\|.*\|\n)+)", PAGE, re.MULTILINE):
        for row in table.splitlines():
            cells = [cell.strip() for cell in row.strip("|").split("|")]
            yield pytest.param(*cells, id=cells[0])


SPANS = list(list_rows("Window | From | To | Hours"))
EARLIER = list(list_rows("Window | `previous` | `same_weekday` | `last_year`"))


@pytest.mark.parametrize(("window", "start", "end", "hours"), SPANS)
def test_row_is_true(window: str, start: str, end: str, hours: str) -> None:
    """The span that the page shows is the one a run would ask."""
    plant = read_plant()
    span = resolve_window(read_window(window), plant, AT)
    shown = [f"{plant.wall(moment):%Y-%m-%d %H:%M}" for moment in (span.start, span.end)]
    assert shown == [start, end]
    assert span.hours == pytest.approx(float(hours), abs=0.005)


@pytest.mark.parametrize(("window", "previous", "same_weekday", "last_year"), EARLIER)
def test_comparison_is_true(window: str, previous: str, same_weekday: str, last_year: str) -> None:
    """The production days that the page shows are those of the span compared with."""
    shown: dict[Earlier, str] = {"previous": previous, "same_weekday": same_weekday, "last_year": last_year}
    for to, days in shown.items():
        span = earlier_span(read_window(window), read_plant(), AT, to)
        first, _, last = days.partition(" to ")
        assert [str(span.first_day), str(span.last_day)] == [first, last or first], to


def test_page_shows_every_word() -> None:
    """A word that is added to the table has to be added to the page."""
    shown = {row.values[0].strip("`") for row in SPANS}
    assert set(WINDOW_WORDS) - shown == set()
    assert len(EARLIER) == 8
