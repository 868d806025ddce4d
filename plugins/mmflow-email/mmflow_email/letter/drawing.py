"""Draws one picture with matplotlib, the same bytes for the same numbers. Only ever runs in the child process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from textwrap import wrap
from typing import Any, Final

import matplotlib as mpl
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

WIDTH: Final = 3.3  # inches of 100 points: a phone shows a picture in this size, a desk somewhat larger
DENSITY: Final = 240  # dots per inch: sharp on both
FONT: Final = 8.4  # 11.5 points of a phone
SMALL: Final = 7.6
LONGEST_LINE: Final = 18  # characters of a name beside a lying bar
MOST_NAMES: Final = 14  # below an axis
WIDEST_NAMES: Final = 36  # characters that stand below an axis without being turned
INK, QUIET, LINES, RUNNING = "#1f2933", "#52606d", "#d9e2ec", "#b44d12"
COLOURS: Final = ("#2563a8", "#e08e0b", "#2f855a", "#8b5fbf", "#c05780", "#0f8b8d", "#7b6d4f", "#5a6b7b")
LIGHTS: Final[Mapping[str | None, str]] = {"red": "#c0392b", "amber": "#d98c00", "green": "#2f855a", None: COLOURS[0]}
Plot = dict[str, Any]


def draw_picture(plot: Plot) -> bytes:
    """Draw what :mod:`mmflow_email.letter.charts` describes, as a PNG file."""
    use_own_fonts()
    figure = Figure(figsize=(WIDTH, height_of(plot)), dpi=DENSITY, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    (LYING if plot["lying"] else STANDING)[plot["kind"]](axes, plot)
    dress_axes(axes, plot)
    written = BytesIO()
    figure.savefig(written, format="png", metadata={"Software": None})
    return written.getvalue()


def use_own_fonts() -> None:
    """Use the fonts of the package alone, so that every machine draws alike."""
    own = Path(mpl.get_data_path())
    manager = font_manager.fontManager
    manager.ttflist = [font for font in manager.ttflist if Path(font.fname).is_relative_to(own)]
    mpl.rcdefaults()
    mpl.rcParams.update({"font.family": "DejaVu Sans", "font.size": FONT, "text.color": INK, "text.parse_math": False})


def height_of(plot: Plot) -> float:
    """Give the height in inches: lying bars need room for their names each, standing ones for turned names below."""
    legend = 0.16 * -(-len(plot["series"]) // 2) if len(plot["series"]) > 1 else 0.0
    if not plot["lying"]:
        return 2.2 + legend + (0.045 * max(map(len, names_below(plot))) if is_turned(plot) else 0.0)
    lines = max(label.count("\n") + 1 for label in map(fold_name, plot["labels"]))
    return max(1.2, 0.5 + legend + (0.08 + 0.13 * lines) * len(plot["labels"]))


def fold_name(name: str) -> str:
    """Write a long name in up to three lines."""
    return "\n".join(wrap(name, LONGEST_LINE, max_lines=3, placeholder="…")) or name


def dress_axes(axes: Axes, plot: Plot) -> None:
    """Take away what says nothing, and write numbers as people do."""
    lying = plot["lying"]
    numbers = axes.xaxis if lying else axes.yaxis
    numbers.set_major_locator(MaxNLocator(4 if lying else 6))
    numbers.set_major_formatter(FuncFormatter(lambda number, _: f"{number:,.10g}{plot['sign']}"))
    numbers.grid(visible=True, color=LINES, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=QUIET, length=0, labelcolor=INK)
    for side in axes.spines.values():
        side.set_visible(False)
    axes.spines["left" if lying else "bottom"].set(visible=True, color=QUIET)
    (axes.set_xlabel if lying else axes.set_ylabel)(plot["axis"], color=QUIET)
    if len(plot["series"]) > 1:
        axes.figure.legend(loc="outside upper left", ncols=2, frameon=False, fontsize=SMALL)


def draw_bars(axes: Axes, plot: Plot) -> None:
    """Draw lying bars, the first on top."""
    (series,) = plot["series"]
    bars = axes.barh(places(plot), numbers_of(series), color=colours_of(series), height=0.7)
    axes.bar_label(bars, series["texts"], padding=3, fontsize=SMALL, color=INK)
    name_lines(axes, plot)
    axes.margins(x=0.24, y=0.02)


def draw_columns(axes: Axes, plot: Plot) -> None:
    """Draw standing bars."""
    (series,) = plot["series"]
    bars = axes.bar(places(plot), numbers_of(series), color=colours_of(series), width=0.7)
    if len(plot["labels"]) * max(map(len, series["texts"])) <= WIDEST_NAMES:
        axes.bar_label(bars, series["texts"], padding=2, fontsize=SMALL, color=INK)
    name_places(axes, plot)


def draw_pareto(axes: Axes, plot: Plot) -> None:
    """Draw standing bars and, on a scale of its own, the share that they add up to."""
    draw_columns(axes, plot)
    shares = axes.twinx()
    shares.plot(places(plot), plot["running"], color=RUNNING, marker="o", markersize=3, linewidth=1.4)
    shares.set(ylim=(0, 106), ylabel="cumulative")
    shares.yaxis.label.set_color(RUNNING)
    shares.yaxis.set_major_formatter(FuncFormatter(lambda number, _: f"{number:.0f} %"))
    shares.tick_params(length=0, labelcolor=RUNNING)
    for side in shares.spines.values():
        side.set_visible(False)


def draw_stacks(axes: Axes, plot: Plot) -> None:
    """Draw standing bars of several parts."""
    for base, numbers, look in list_parts(plot):
        axes.bar(places(plot), numbers, bottom=base, width=0.7, **look)
    name_places(axes, plot)


def draw_lying_stacks(axes: Axes, plot: Plot) -> None:
    """Draw lying bars of several parts."""
    for base, numbers, look in list_parts(plot):
        axes.barh(places(plot), numbers, left=base, height=0.7, **look)
    name_lines(axes, plot)
    axes.margins(y=0.02)


def list_parts(plot: Plot) -> Iterator[tuple[list[float], list[float], dict[str, Any]]]:
    """Give of each part where it begins, how long it is, and how it looks."""
    base = [0.0] * len(plot["labels"])
    for place, series in enumerate(plot["series"]):
        numbers = numbers_of(series)
        yield base, numbers, {"color": COLOURS[place], "label": series["name"]}
        base = [below + number for below, number in zip(base, numbers, strict=True)]


def draw_lines(axes: Axes, plot: Plot) -> None:
    """Draw a line for each series; it is broken where a value is not known."""
    marker = "o" if len(plot["labels"]) <= 40 else None
    for place, series in enumerate(plot["series"]):
        numbers = [float("nan") if number is None else number for number in series["values"]]
        axes.plot(places(plot), numbers, color=COLOURS[place], marker=marker, markersize=3, label=series["name"])
    name_places(axes, plot)


def name_places(axes: Axes, plot: Plot) -> None:
    """Write the names below, turned when they are long, and not all of them when there are many."""
    look: dict[str, Any] = {"rotation": 50, "ha": "right", "rotation_mode": "anchor"} if is_turned(plot) else {}
    axes.set_xticks(places(plot)[:: step_of(plot)], names_below(plot), **look)
    axes.margins(x=0.02)


def name_lines(axes: Axes, plot: Plot) -> None:
    """Write the names beside lying bars, the first on top."""
    axes.set_yticks(places(plot), list(map(fold_name, plot["labels"])))
    axes.invert_yaxis()


def step_of(plot: Plot) -> int:
    """Tell how many places there are for each name below an axis."""
    return -(-len(plot["labels"]) // MOST_NAMES)


def is_turned(plot: Plot) -> bool:
    """Tell whether names below an axis are too long to stand side by side."""
    return sum(len(name) + 2 for name in names_below(plot)) > WIDEST_NAMES


def names_below(plot: Plot) -> list[str]:
    """Give the names that stand below an axis; long ones keep their end, where most of them differ."""
    shown = plot["labels"][:: step_of(plot)]
    return [name if len(name) <= LONGEST_LINE + 2 else f"{name[:7]}…{name[-12:]}" for name in shown]


def places(plot: Plot) -> list[int]:
    """Give a place on the axis to each point."""
    return list(range(len(plot["labels"])))


def numbers_of(series: Mapping[str, Any]) -> list[float]:
    """Give the heights of bars; nothing is drawn where a value is not known."""
    return [number or 0.0 for number in series["values"]]


def colours_of(series: Mapping[str, Any]) -> Sequence[str]:
    """Give the colour of each bar: its light, if it has one."""
    return [LIGHTS[light] for light in series["lights"]]


LYING: Final[Mapping[str, Callable[[Axes, Plot], None]]] = {
    "bar": draw_bars,
    "column": draw_bars,
    "stacked": draw_lying_stacks,
}
STANDING: Final[Mapping[str, Callable[[Axes, Plot], None]]] = {
    "column": draw_columns,
    "pareto": draw_pareto,
    "stacked": draw_stacks,
    "line": draw_lines,
}
