"""What may be said about a Google spreadsheet in YAML, and which of it contradicts itself. Light."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from msgspec import Meta

from mmflow import Lights, Options, Outline, Secret, check_lights, suggest_name
from mmflow_sheets.grid import LARGEST_SHEET, read_cell

Finding = tuple[str | tuple[str, ...], str]
SERVICE: Final = "https://sheets.googleapis.com"
_URL: Final = re.compile(r"https://docs\.google\.com/spreadsheets/(?:u/\d+/)?d/([A-Za-z0-9_-]+)(?:[/?#].*)?")
_ID: Final = re.compile(r"[A-Za-z0-9_-]{6,}")
_CELL: Final = re.compile(r"[A-Z]{1,3}[1-9]\d{0,6}")
_RANGE_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,249}")
LONGEST_TAB: Final = 100
LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
_TEXTS: Final = re.compile(r'"[^"]*"|\\.|\[(?:h+|m+|s+)\]|am/pm|a/p', re.IGNORECASE)
_WRONG: Final = re.compile(r'["\\\[\]]|[a-z](?<![ymdhs])', re.IGNORECASE | re.ASCII)


class SheetsConnection(Options):
    """How Google is reached, and as whom."""

    credentials: Annotated[
        Secret,
        Meta(
            description="The JSON of a service account or of an authorized user.",
            examples=["${file:secrets/google.json}"],
        ),
    ]
    base_url: Annotated[str, Meta(description="Where the service is, for a gateway or a test.", examples=[SERVICE])] = (
        SERVICE
    )


class ChartSpec(Options):
    """One chart of the delivered rows, drawn by Google Sheets itself."""

    kind: Annotated[
        Literal["column", "bar", "line", "area", "scatter"], Meta(description="What is drawn.", examples=["line"])
    ] = "column"
    x: Annotated[str, Meta(description="Column along the axis, by its name.", examples=["machine"])]
    y: Annotated[
        tuple[str, ...],
        Meta(min_length=1, description="Columns that are drawn, by their names.", examples=[["oee", "availability"]]),
    ]
    title: Annotated[str, Meta(description="Words above it.", examples=["OEE by machine"])] = ""
    stacked: Annotated[
        Literal["no", "yes", "percent"], Meta(description="Values on top of each other, or as shares of 100 percent.")
    ] = "no"
    at: Annotated[
        str,
        Meta(
            pattern=r"^([A-Z]{1,3}[1-9]\d{0,6})?$(?!\n)",
            description="Cell of its corner; right of the table unless given.",
            examples=["H2"],
        ),
    ] = ""


class SheetsOptions(Options):
    """Options of the sheets sink."""

    spreadsheet: Annotated[
        str,
        Meta(
            description="The spreadsheet: its address in the browser, or the id in it.",
            examples=["https://docs.google.com/spreadsheets/d/1AbCdEfGhIjKlMnOpQrStUvWxYz0123456789/edit"],
        ),
    ]
    tab: Annotated[
        str, Meta(description="The tab that gets the table; people may rename it later.", examples=["Morning"])
    ] = "Data"
    anchor: Annotated[
        str,
        Meta(
            pattern=r"^[A-Z]{1,3}[1-9]\d{0,6}$(?!\n)",
            description="Cell in which the table begins; people may move it later.",
            examples=["B4"],
        ),
    ] = "A1"
    range: Annotated[
        str, Meta(description="A named range that gets the table, in the place of a tab.", examples=["OeeTable"])
    ] = ""
    create_tab: Annotated[bool, Meta(description="Add the tab when the spreadsheet has none of that name.")] = True
    mode: Annotated[
        Literal["replace", "replace_window", "append"],
        Meta(
            description=(
                "replace: this report alone. replace_window: rows of other days stay. "
                "append: rows of other deliveries stay."
            )
        ),
    ] = "replace"
    header: Annotated[
        Literal["labels", "names", "none"], Meta(description="First row: headings for people, API names, or none.")
    ] = "labels"
    footer: Annotated[
        Literal["keep", "drop"], Meta(description="Rows under the table (totals, rest), which only replace writes.")
    ] = "keep"
    formats: Annotated[
        Literal["write", "keep"],
        Meta(description="Formats of numbers and days, and bold headings: as mmflow knows them, or as they stand."),
    ] = "write"
    date_format: Annotated[
        str, Meta(min_length=1, description="How days look, as a pattern of Google Sheets.", examples=["d.m.yyyy"])
    ] = "yyyy-mm-dd"
    datetime_format: Annotated[
        str,
        Meta(min_length=1, description="How times look, as a pattern of Google Sheets.", examples=["d.m.yyyy h:mm"]),
    ] = "yyyy-mm-dd hh:mm"
    freeze_header: Annotated[
        Literal["new_tab", "always", "never"],
        Meta(description="Keep the headings in view: in a tab that mmflow adds, always, or never."),
    ] = "new_tab"
    grid: Annotated[
        Literal["grow", "fit"],
        Meta(description="grow: rows of the tab are only added. fit: empty rows below a smaller table are cut off."),
    ] = "grow"
    note: Annotated[
        Literal["about", "notices", "none"],
        Meta(description="Note on the first cell: days, time of extraction and notices; notices alone; or none."),
    ] = "about"
    lights: Lights | None = None
    chart: Annotated[ChartSpec | None, Meta(description="One chart of the delivered rows.")] = None

    @property
    def id(self) -> str:
        """The id of the spreadsheet, "" when there is none in what was written."""
        return find_id(self.spreadsheet)


def validate_connection(connection: SheetsConnection) -> Iterator[Finding]:
    """Find an address to which no token may go."""
    if fault := find_fault(connection.base_url):
        yield "base_url", fault


def find_fault(url: str) -> str:
    """Say what is wrong with an address: it is none, or everybody could read along; "" for nothing."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "is no address, expected https:// and a host; mend it"
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
        return "does not begin with https:// (http:// is for this machine alone); mend it"
    return "" if parts.hostname else "is no address, expected https:// and a host; mend it"


def find_id(spreadsheet: str) -> str:
    """Give the id in an address of a spreadsheet, or the id that it is itself; "" for anything else."""
    if address := _URL.fullmatch(spreadsheet):
        return address[1]
    return spreadsheet if _ID.fullmatch(spreadsheet) else ""


def validate_sheets(options: SheetsOptions, outline: Outline) -> Iterator[Finding]:
    """Find an address that is none, two targets at once, and columns that the report has not."""
    if not options.id:
        yield "spreadsheet", "is no spreadsheet; copy its address from the browser, or the id in it"
    yield from validate_target(options)
    if options.mode == "replace_window" and not outline.time_column:
        yield "mode", "replace_window needs a time group in the report, such as day; add one, or use replace"
    if options.mode != "replace" and options.grid == "fit":
        yield "grid", f"fit cuts off rows below a smaller table, and {options.mode} keeps them; leave it out"
    yield from validate_formats(options)
    for path, message in check_lights(options.lights, outline.columns, outline.units):
        yield ("lights", *path), message
    if options.chart:
        yield from validate_chart(options.chart, outline)


def validate_target(options: SheetsOptions) -> Iterator[Finding]:
    """Find a target that cannot be, or two."""
    if not options.tab.strip() or len(options.tab) > LONGEST_TAB:
        yield "tab", f"is no name of a tab; write 1 to {LONGEST_TAB} characters"
    if far := find_far(options.anchor):
        yield "anchor", far
    if options.range and not _RANGE_NAME.fullmatch(options.range):
        yield "range", f"{options.range!r} cannot name a range; write letters, digits and _, a letter first"
    if options.range and _CELL.fullmatch(options.range.upper()):
        yield "range", f"{options.range!r} is a cell, expected the name of a range; name the cell in anchor"
    if options.range and (options.tab != "Data" or options.anchor != "A1"):
        yield "range", "a named range says by itself where the table goes; leave tab and anchor out"


def find_far(cell: str) -> str:
    """Say so when a tab with this cell would be larger than a spreadsheet can be; "" otherwise."""
    row, column = read_cell(cell)
    cells = (row + 1) * (column + 1)
    if cells <= LARGEST_SHEET:
        return ""
    return f"a tab that reaches to {cell} has {cells:,} cells, and at most {LARGEST_SHEET:,} are possible; begin nearer"


def validate_formats(options: SheetsOptions) -> Iterator[Finding]:
    """Find patterns that Google Sheets does not know."""
    for key, pattern in (("date_format", options.date_format), ("datetime_format", options.datetime_format)):
        if wrong := find_wrong(pattern):
            yield key, f"{wrong!r} is no part of a pattern, expected letters of y m d h s; put words into quotes"


def find_wrong(pattern: str) -> str:
    """Give the first sign that a pattern of days and times cannot have, "" when there is none."""
    found = _WRONG.search(_TEXTS.sub("", pattern))
    return found[0] if found else ""


def validate_chart(chart: ChartSpec, outline: Outline) -> Iterator[Finding]:
    """Find columns of a chart that the report has not, and a kind that cannot be as asked."""
    if chart.stacked != "no" and chart.kind in ("line", "scatter"):
        yield ("chart", "stacked"), f"a {chart.kind} chart cannot be stacked; choose column, bar or area"
    if chart.at and (far := find_far(chart.at)):
        yield ("chart", "at"), far
    for key, names in (("x", (chart.x,)), ("y", chart.y)):
        for name in names:
            if name not in outline.columns:
                near = suggest_name(name, outline.columns)
                hint = f"did you mean {near!r}?" if near else f"there are: {', '.join(outline.columns)}"
                yield ("chart", key), f"the report has no column {name!r}; {hint}"
