"""Draws one picture with matplotlib, the same bytes for the same numbers. Only ever runs in the child process."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

WIDTH: Final = 6.32  # inches of 100 points, the width of the letter
DENSITY: Final = 200  # dots per inch: sharp on a phone
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
    KINDS[plot["kind"]](axes, plot)
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
    mpl.rcParams.update({"font.family": "DejaVu Sans", "font.size": 11, "text.color": INK, "text.parse_math": False})


def height_of(plot: Plot) -> float:
    """Give the height in inches: lying bars need one line each."""
    return max(1.6, 0.7 + 0.29 * len(plot["labels"])) if plot["kind"] == "bar" else 3.4


def dress_axes(axes: Axes, plot: Plot) -> None:
    """Take away what says nothing, and write numbers as people do."""
    lying = plot["kind"] == "bar"
    numbers = axes.xaxis if lying else axes.yaxis
    numbers.set_major_formatter(FuncFormatter(lambda number, _: f"{number:,.10g}{plot['sign']}"))
    numbers.grid(visible=True, color=LINES, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=QUIET, length=0, labelcolor=INK)
    for side in axes.spines.values():
        side.set_visible(False)
    axes.spines["left" if lying else "bottom"].set(visible=True, color=QUIET)
    (axes.set_xlabel if lying else axes.set_ylabel)(plot["axis"], color=QUIET)
    if len(plot["series"]) > 1:
        columns = min(4, len(plot["series"]))
        axes.figure.legend(loc="outside upper left", ncols=columns, frameon=False, fontsize=9.5)


def draw_bars(axes: Axes, plot: Plot) -> None:
    """Draw lying bars, the first on top."""
    (series,) = plot["series"]
    bars = axes.barh(places(plot), numbers_of(series), color=colours_of(series), height=0.7)
    axes.bar_label(bars, series["texts"], padding=4, fontsize=9.5, color=INK)
    axes.set_yticks(places(plot), plot["labels"])
    axes.invert_yaxis()
    axes.margins(x=0.14, y=0.02)


def draw_columns(axes: Axes, plot: Plot) -> None:
    """Draw standing bars."""
    (series,) = plot["series"]
    bars = axes.bar(places(plot), numbers_of(series), color=colours_of(series), width=0.7)
    if len(plot["labels"]) <= 12:
        axes.bar_label(bars, series["texts"], padding=2, fontsize=9.5, color=INK)
    name_places(axes, plot)


def draw_pareto(axes: Axes, plot: Plot) -> None:
    """Draw standing bars and, on a scale of its own, the share that they add up to."""
    draw_columns(axes, plot)
    shares = axes.twinx()
    shares.plot(places(plot), plot["running"], color=RUNNING, marker="o", markersize=4, linewidth=1.6)
    shares.set(ylim=(0, 106), ylabel="cumulative")
    shares.yaxis.label.set_color(RUNNING)
    shares.yaxis.set_major_formatter(FuncFormatter(lambda number, _: f"{number:.0f} %"))
    shares.tick_params(length=0, labelcolor=RUNNING)
    for side in shares.spines.values():
        side.set_visible(False)


def draw_stacks(axes: Axes, plot: Plot) -> None:
    """Draw standing bars of several parts."""
    base = [0.0] * len(plot["labels"])
    for place, series in enumerate(plot["series"]):
        numbers = [number or 0.0 for number in series["values"]]
        axes.bar(places(plot), numbers, bottom=base, color=COLOURS[place], width=0.7, label=series["name"])
        base = [below + number for below, number in zip(base, numbers, strict=True)]
    name_places(axes, plot)


def draw_lines(axes: Axes, plot: Plot) -> None:
    """Draw a line for each series; it is broken where a value is not known."""
    marker = "o" if len(plot["labels"]) <= 40 else None
    for place, series in enumerate(plot["series"]):
        numbers = [float("nan") if number is None else number for number in series["values"]]
        axes.plot(places(plot), numbers, color=COLOURS[place], marker=marker, markersize=4, label=series["name"])
    name_places(axes, plot)


def name_places(axes: Axes, plot: Plot) -> None:
    """Write the names below, turned when they are long, and not all of them when there are many."""
    labels: list[str] = plot["labels"]
    step = -(-len(labels) // 31)
    turned = len(labels) * max(map(len, labels), default=0) > 72
    axes.set_xticks(
        places(plot)[::step], labels[::step], rotation=40 if turned else 0, ha="right" if turned else "center",
        rotation_mode="anchor" if turned else "default",
    )  # fmt: skip
    axes.margins(x=0.02)
    axes.yaxis.set_major_locator(MaxNLocator(6))


def places(plot: Plot) -> list[int]:
    """Give a place on the axis to each point."""
    return list(range(len(plot["labels"])))


def numbers_of(series: Mapping[str, Any]) -> list[float]:
    """Give the heights of bars; nothing is drawn where a value is not known."""
    return [number or 0.0 for number in series["values"]]


def colours_of(series: Mapping[str, Any]) -> Sequence[str]:
    """Give the colour of each bar: its light, if it has one."""
    return [LIGHTS[light] for light in series["lights"]]


KINDS: Final[Mapping[str, Callable[[Axes, Plot], None]]] = {
    "bar": draw_bars,
    "column": draw_columns,
    "pareto": draw_pareto,
    "stacked": draw_stacks,
    "line": draw_lines,
}
