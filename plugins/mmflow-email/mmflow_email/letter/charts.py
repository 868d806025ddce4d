"""Collects what a picture shows while the rows go by, and says in words what it shows.

Rows are drawn as they are and never added up: a sum of ratios would be a lie. The one exception is what a
Pareto leaves out, which is about amounts by its nature.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from mmflow import Cell, Column
from mmflow_email.letter.figures import bare_label, scale_of, tidy_text, write_cell, write_quantity, write_short
from mmflow_email.letter.options import LetterChart

MOST_BARS: Final = 20
MOST_PARETO: Final = 12  # they stand beside each other on a phone, too
MOST_LYING: Final = 30
MOST_STANDING: Final = 8  # bars with names that are no days; more lie down, since names need room on a phone
MOST_POINTS: Final = 400  # of one line
MOST_SERIES: Final = 8
LONGEST_NAME: Final = 48  # characters of a name in a picture
MOST_DRAWN: Final = {"bar": MOST_LYING, "column": MOST_BARS, "pareto": MOST_PARETO}
MOST_KEPT: Final = {  # points
    "bar": 5_000,
    "column": 5_000,
    "line": MOST_POINTS * MOST_SERIES,
    "stacked": MOST_BARS * MOST_SERIES,
    "pareto": 5_000,
}
RATES: Final = ("ratio", "%", "parts/h", "ms/part")  # units of numbers that have no sum
Colours = Mapping[int, str]


@dataclass(slots=True)
class Point:
    """One number of one row; ``rest`` are its other groups, ``order`` is what numbers stand in."""

    name: str
    rest: str
    number: float | None
    light: str | None


@dataclass(slots=True)
class Collector:
    """Takes the rows of one picture; :meth:`plot` then describes it in plain data."""

    chart: LetterChart
    x: Column
    numbers: list[Column]
    places: list[int]  # of the numbers in a row
    x_place: int
    others: list[int]  # places of the groups that also tell rows apart
    columns: Sequence[Column]
    points: list[list[Point]] = field(default_factory=list)  # one list for each column of numbers
    rest: tuple[int, float] = (0, 0.0)  # of a Pareto: how many small ones, and what they add up to
    cut: int = 0

    @classmethod
    def of(cls, chart: LetterChart, columns: Sequence[Column]) -> Collector:
        """Make one; :class:`LookupError` names the column that the report has not."""
        found = {column.name: place for place, column in enumerate(columns)}
        for name in (chart.x, *chart.numbers):
            if name not in found:
                raise LookupError(f"the report has no column {name}")
        places = [found[name] for name in chart.numbers]
        for place in places:
            check_number(chart, columns[place])
        others = [p for p, column in enumerate(columns) if column.role == "group" and column.name != chart.x]
        numbers = [columns[place] for place in places]
        made = cls(chart, columns[found[chart.x]], numbers, places, found[chart.x], others, columns)
        made.points = [[] for _ in places]
        return made

    def add(self, row: Sequence[Cell], colours: Colours) -> None:
        """Take one row."""
        name = tidy_text(write_short(row[self.x_place], self.x), LONGEST_NAME)
        rest = " · ".join(tidy_text(write_cell(row[p], self.columns[p]), LONGEST_NAME) for p in self.others)
        for listed, place, column in zip(self.points, self.places, self.numbers, strict=True):
            cell = row[place]
            number = cell * scale_of(column) if isinstance(cell, int | float) else None
            listed.append(Point(name, rest, number, colours.get(place)))
        self._bound()

    def _bound(self) -> None:
        """Keep few in memory: of bars those that will be drawn, of lines and stacks the first."""
        if len(self.points[0]) <= MOST_KEPT[self.chart.kind]:
            return
        if self.chart.kind in MOST_DRAWN:
            self._choose_bars()
            return
        for listed in self.points:
            listed.pop()
        self.cut += 1

    def _choose_bars(self) -> None:
        """Keep the bars that are drawn: of a Pareto the largest, of days the first, of others the worst."""
        if self.chart.kind == "pareto":
            self._fold()
            return
        (listed,) = self.points
        most = MOST_DRAWN[self.chart.kind]
        if len(listed) <= most:
            return
        if not self._over_time:
            way = 1 if self.numbers[0].direction == "up" else -1
            listed.sort(key=lambda point: (point.number is None, way * (point.number or 0)))
        self.cut += len(listed) - most
        del listed[most:]

    @property
    def _over_time(self) -> bool:
        return self.x.type in ("date", "datetime")

    def _fold(self) -> None:
        """Put the small ones of a Pareto together."""
        known = sorted((p for p in self.points[0] if (p.number or 0) > 0), key=lambda point: -(point.number or 0))
        small = known[MOST_PARETO:]
        self.points[0] = known[:MOST_PARETO]
        self.rest = (self.rest[0] + len(small), self.rest[1] + sum(point.number or 0 for point in small))

    def plot(self) -> dict[str, Any] | None:
        """Describe the picture for :mod:`mmflow_email.letter.drawing`; None when there is no number to draw."""
        if not any(point.number is not None for listed in self.points for point in listed):
            return None
        series = self._series() if self.chart.kind in ("line", "stacked") else self._bars()
        column = self.numbers[0]
        percent = column.unit in ("ratio", "%")
        labels = series.pop("labels")
        return {
            "kind": self.chart.kind,
            "title": self.title,
            "axis": bare_label(column) + ("" if column.unit in ("", "ratio", "%", "parts") else f" ({column.unit})"),
            "sign": " %" if percent else "",
            "labels": labels,
            "lying": self.chart.kind == "bar" or self._lies(len(labels)),
            **series,
        }

    def _lies(self, count: int) -> bool:
        return self.chart.kind in ("column", "stacked") and count > MOST_STANDING and not self._over_time

    @property
    def title(self) -> str:
        """The heading of the picture."""
        numbers = ", ".join(bare_label(column) for column in self.numbers)
        return tidy_text(self.chart.title, 120) or f"{numbers} by {bare_label(self.x)}"

    def _bars(self) -> dict[str, Any]:
        self._choose_bars()
        points = self.points[0]
        labels = name_points(points)
        texts = ["" if p.number is None else self._write(p.number) for p in points]
        series = {
            "name": bare_label(self.numbers[0]),
            "values": [point.number for point in points],
            "lights": [point.light for point in points],
            "texts": texts,
        }
        return {"labels": labels, "series": [series], "running": list(add_up(points, self.rest[1]))}

    def _series(self) -> dict[str, Any]:
        many = len({(point.name, point.rest) for point in self.points[0]}) > len({p.name for p in self.points[0]})
        labels = list(dict.fromkeys(point.name for listed in self.points for point in listed))
        most = MOST_BARS if self.chart.kind == "stacked" else MOST_POINTS
        self.cut += max(len(labels) - most, 0)
        labels = labels[:most]
        named: dict[str, dict[str, float | None]] = {}
        for column, listed in zip(self.numbers, self.points, strict=True):
            for point in listed:
                parts = [point.rest] * many + [bare_label(column)] * (len(self.numbers) > 1 or not many)
                named.setdefault(" · ".join(filter(None, parts)), {})[point.name] = point.number
        self.cut += max(len(named) - MOST_SERIES, 0)
        series = [
            {"name": name, "values": [values.get(label) for label in labels]}
            for name, values in list(named.items())[:MOST_SERIES]
        ]
        return {"labels": labels, "series": series}

    def _write(self, number: float) -> str:
        return write_cell(number / scale_of(self.numbers[0]), self.numbers[0])

    def say(self, plot: Mapping[str, Any]) -> str:
        """Say what the picture shows, for those who cannot see it."""
        series = plot["series"]
        if len(series) > 1:
            told = [f"{tidy_text(one['name'], 40)} {self._say_whole(one['values'])}" for one in series]
            words = f"{self.title}, {len(plot['labels'])} points: {', '.join(told)}"
        else:
            known = [pair for pair in zip(plot["labels"], series[0]["values"], strict=True) if pair[1] is not None]
            words = f"{self.title}: {'; '.join(self._say_points(known))}"
        return tidy_text(words + self.say_cut(), 400)

    def _say_whole(self, values: Sequence[float | None]) -> str:
        """Say what one of several series comes to: a line ends somewhere, a stack has a sum."""
        known = [number for number in values if number is not None]
        word, number = ("ends at", known[-1] if known else 0) if self.chart.kind == "line" else ("sum", sum(known))
        return (
            f"{word} {write_quantity(number / scale_of(self.numbers[0]), self.numbers[0])}" if known else "is unknown"
        )

    def _say_points(self, known: list[tuple[str, float]]) -> Iterator[str]:
        column = self.numbers[0]

        def told(pair: tuple[str, float]) -> str:
            return f"{pair[0]} {write_quantity(pair[1] / scale_of(column), column)}"

        if self.chart.kind == "pareto":
            yield from (told(pair) for pair in known[:3])
            return
        if self.chart.kind == "line":
            yield f"from {told(known[0])} to {told(known[-1])}"
        yield f"highest {told(max(known, key=lambda pair: pair[1]))}"
        if len(known) > 1:
            yield f"lowest {told(min(known, key=lambda pair: pair[1]))}"

    def say_cut(self) -> str:
        """Say how much the picture leaves out."""
        if count := self.rest[0]:
            total = self.rest[1] + sum(point.number or 0 for point in self.points[0])
            return f"; {count} others make up {100 * self.rest[1] / total:.0f} % and are not shown"
        if not self.cut:
            return ""
        if self.chart.kind in MOST_DRAWN:
            shown = len(self.points[0])
            return "; " + self._say_chosen(f"{shown} of {shown + self.cut:,}")
        return f"; {self.cut:,} more {'are' if self.cut != 1 else 'is'} not shown"

    def _say_chosen(self, count: str) -> str:
        if self._over_time:
            return f"the first {count} are shown"
        word = "worst" if self.numbers[0].direction else "largest"
        return f"the {word} {count} are shown, the {word} first"


def check_number(chart: LetterChart, column: Column) -> None:
    """Raise :class:`LookupError` when a picture cannot show a column."""
    if column.type not in ("number", "integer"):
        raise LookupError(f"{column.name} holds no numbers")
    if chart.kind in ("pareto", "stacked") and column.unit in RATES:
        raise LookupError(f"{column.name} is a rate, and rates cannot be added up as a {chart.kind} chart does")


def name_points(points: Sequence[Point]) -> list[str]:
    """Name bars by their x, and by their other groups as well where that alone would be one name for several."""
    names = [point.name for point in points]
    if len(set(names)) == len(names):
        return names
    return [f"{point.name} · {point.rest}" if point.rest else point.name for point in points]


def add_up(points: Sequence[Point], rest: float) -> Iterator[float]:
    """Give the share of all, in percent, that each point and those before it make; ``rest`` is not among them."""
    total = rest + sum(point.number or 0 for point in points)
    running = 0.0
    for point in points:
        running += point.number or 0
        yield 100 * running / total if total else 0.0
