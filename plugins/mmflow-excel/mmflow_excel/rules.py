"""Finds options of a workbook that contradict each other, or name what the report has not. Light, for ``validate``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import Final

from mmflow import Outline, check_lights, check_template, suggest_name
from mmflow_excel.names import check_sheet, find_doubles
from mmflow_excel.options import Chart, ExcelOptions, Sheet

Place = tuple[str | int, ...]
Finding = tuple[str | Place, str]
LONGEST_FORMAT: Final = 200
MOST_PARTS: Final = 4  # of a format: positive, negative, zero, text
CHANGING: Final = ("{date}", "{first_day}", "{last_day}", "{time}", "{run}")
SUFFIXES: Final = (".xlsx", ".xlsm")
# What makes no sense in a workbook that is there.
NEW_ONLY: Final = (
    "lights",
    "formats",
    "hidden",
    "charts",
    "sheets",
    "sheet",
    "table_style",
    "footer",
    "about",
    "on_overflow",
)
USUAL: Final = ExcelOptions()
# What formats are made of besides quoted text: letters of dates, digits, signs, colours and conditions in brackets.
FORM: Final = re.compile(r"general|am/pm|a/p|[ymdhsgeb0-9.,#?%/;:@$€£¥+()!^&'~{}<>= -]|\[[^\]]*\]|[_*].", re.IGNORECASE)


def validate_excel(options: ExcelOptions, outline: Outline) -> Iterator[Finding]:
    """Find what single options cannot say about themselves."""
    yield from find_paths(options)
    if options.mode == "replace_window":
        yield from find_window(options, outline)
    if options.template or options.target:
        yield from find_filling(options)
        return
    yield from find_names(options)
    yield from find_columns("formats", options.formats, outline.columns)
    yield from find_formats(options)
    yield from find_columns("hidden", options.hidden, outline.columns)
    for path, message in check_lights(options.lights, outline.columns, outline.units):
        yield ("lights", *path), message
    yield from find_charts(("charts",), options.charts, outline.columns)
    for number, sheet in enumerate(options.sheets):
        yield from find_sheet(("sheets", number), sheet, outline.columns)


def find_paths(options: ExcelOptions) -> Iterator[Finding]:
    """Check the names of files."""
    if problem := check_template(options.path):
        yield "path", problem
    suffix = PurePosixPath(options.path).suffix.lower()
    if suffix not in SUFFIXES:
        yield "path", f"ends in {suffix or 'no suffix'!r}, expected .xlsx (or .xlsm for a template with macros)"
    elif suffix == ".xlsm" and not (options.template or options.target):
        yield "path", "ends in .xlsm, and a workbook without a template holds no macros; write .xlsx"


def find_window(options: ExcelOptions, outline: Outline) -> Iterator[Finding]:
    """Check that rows of other days can be kept."""
    if not outline.time_column:
        yield "mode", "replace_window needs a time group in the report, such as day; add one, or use replace"
    for word in CHANGING:
        if word in options.path:
            yield (
                "path",
                f"{options.path!r} is a new file every time, replace_window needs one that stays; leave {word} out",
            )


def find_filling(options: ExcelOptions) -> Iterator[Finding]:
    """Check what is said about a workbook that is filled."""
    if not options.target:
        yield "template", "needs target: the name of the table or range in it that is filled"
    suffix = PurePosixPath(options.template).suffix.lower()
    if options.template and suffix not in SUFFIXES:
        yield "template", f"ends in {suffix or 'no suffix'!r}, expected .xlsx or .xlsm; save it as one in Excel"
    elif options.template and suffix != PurePosixPath(options.path).suffix.lower():
        yield "path", f"has another suffix than the template; write {suffix}"
    for key in NEW_ONLY:
        if getattr(options, key) != getattr(USUAL, key):
            yield key, "has no effect in a workbook that is filled; make it in the template, with Excel"


def find_names(options: ExcelOptions) -> Iterator[Finding]:
    """Check the names of sheets, and that no two are alike."""
    listed: list[tuple[Place, str]] = [(("sheet",), options.sheet)]
    listed += [(("sheets", number, "name"), sheet.name) for number, sheet in enumerate(options.sheets)]
    for place, name in [*listed, *list_chart_sheets(options)]:
        if problem := check_sheet(name):
            yield place, problem
    for place, name in list_chart_sheets(options):
        if options.about and name.lower() == "about":
            yield place, "'About' is taken by the sheet about the report; choose another, or write 'about: false'"
    reserved = ["About"] if options.about else []
    names = [*reserved, *(name for _, name in listed)]
    for double in find_doubles(names):
        place, name = listed[double - len(reserved)]
        yield place, f"a second sheet {name!r}; Excel needs names that differ in more than the case"


def list_chart_sheets(options: ExcelOptions) -> Iterator[tuple[Place, str]]:
    """Give the names of sheets on which charts are to stand."""
    for number, chart in enumerate(options.charts):
        if chart.sheet:
            yield ("charts", number, "sheet"), chart.sheet
    for outer, sheet in enumerate(options.sheets):
        for number, chart in enumerate(sheet.charts):
            if chart.sheet:
                yield ("sheets", outer, "charts", number, "sheet"), chart.sheet


def find_columns(key: str, names: Iterable[str], columns: tuple[str, ...]) -> Iterator[Finding]:
    """Check that columns named in a list or as keys are there."""
    keyed = isinstance(names, dict)
    for number, name in enumerate(names):
        yield from find_column((key, name if keyed else number), name, columns)


def find_formats(options: ExcelOptions) -> Iterator[Finding]:
    """Check what can be said of number formats; Excel repairs a workbook with a broken one by dropping all of them."""
    for name, form in options.formats.items():
        plain = re.sub(r'\\.|"[^"]*"', "", form)
        if not form.strip() or len(form) > LONGEST_FORMAT:
            yield ("formats", name), f"has {len(form)} characters, expected 1 to {LONGEST_FORMAT}"
        elif '"' in plain or plain.count("[") != plain.count("]") or plain.count(";") > MOST_PARTS - 1:
            yield ("formats", name), f"{form!r} is no number format of Excel; close its quotes and brackets"
        elif odd := FORM.sub("", plain):
            yield ("formats", name), f"{form!r} is no number format of Excel; put {odd[0]!r} between double quotes"


def find_column(place: Place, name: str, columns: tuple[str, ...]) -> Iterator[Finding]:
    """Check that a column is there."""
    if name not in columns:
        near = suggest_name(name, columns)
        hint = f"did you mean {near!r}?" if near else f"there are: {', '.join(columns)}"
        yield place, f"the report has no column {name!r}; {hint}"


def find_sheet(place: Place, sheet: Sheet, columns: tuple[str, ...]) -> Iterator[Finding]:
    """Check what one further sheet shows."""
    for number, name in enumerate(sheet.columns):
        yield from find_column((*place, "columns", number), name, columns)
    for number in find_doubles(sheet.columns):
        yield (*place, "columns", number), f"{sheet.columns[number]!r} is there twice; name each column once"
    for number, name in enumerate(sheet.sort):
        yield from find_column((*place, "sort", number), name.removeprefix("-"), columns)
    if sheet.pivot is None:
        shown = sheet.columns or columns
        yield from find_charts((*place, "charts"), sheet.charts, tuple(name for name in shown if name in columns))
        return
    if sheet.columns:
        yield (*place, "columns"), "has no effect beside pivot, which names its own columns"
    yield from find_pivot((*place, "pivot"), sheet, columns)


def find_pivot(place: Place, sheet: Sheet, columns: tuple[str, ...]) -> Iterator[Finding]:
    """Check the columns of a pivot, and its charts, whose numbers have no names before a run."""
    pivot = sheet.pivot
    if pivot is None:
        return
    rows = (pivot.rows,) if isinstance(pivot.rows, str) else pivot.rows
    if not rows:
        yield (*place, "rows"), "is empty; name a column, such as machine"
    for name in rows:
        yield from find_column((*place, "rows"), name, columns)
    yield from find_column((*place, "columns"), pivot.columns, columns)
    yield from find_column((*place, "value"), pivot.value, columns)
    if len({*rows, pivot.columns, pivot.value}) < len(rows) + 2:
        yield place, "names one column twice; rows, columns and value are different columns"
    for number, chart in enumerate(sheet.charts):
        if chart.x and chart.x not in rows:
            yield (*place[:-1], "charts", number, "x"), f"the pivot has no column {chart.x!r} of names; leave x out"


def find_charts(place: Place, charts: tuple[Chart, ...], columns: tuple[str, ...]) -> Iterator[Finding]:
    """Check the columns of charts."""
    for number, chart in enumerate(charts):
        here = (*place, number)
        if chart.x:
            yield from find_column((*here, "x"), chart.x, columns)
        for key, names in (("y", chart.y), ("line", chart.line)):
            for which, name in enumerate(names):
                yield from find_column((*here, key, which), name, columns)
        yield from find_form(here, chart)


def find_form(place: Place, chart: Chart) -> Iterator[Finding]:
    """Check that a chart's options go together."""
    if chart.type == "pareto" and len(chart.y) > 1:
        yield (*place, "y"), "a pareto chart has one column of numbers; name one"
    if chart.type == "pareto" and chart.line:
        yield (*place, "line"), "a pareto chart draws its own line; leave this out"
    if chart.type in ("bar", "line") and chart.line:
        yield (*place, "line"), f"lines go over columns, not in a {chart.type} chart; use column or stacked"
    if chart.y_min is not None and chart.y_max is not None and chart.y_min >= chart.y_max:
        yield (*place, "y_max"), "is not above y_min"
