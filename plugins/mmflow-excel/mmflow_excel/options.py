"""What may be said about a workbook in YAML. Light: nothing heavy is imported."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta, field

from mmflow import Lights, Options

ChartType = Literal["column", "bar", "line", "stacked", "pareto"]
STYLE: Final = r"^(Light ([1-9]|1\d|2[01])|Medium ([1-9]|1\d|2[0-8])|Dark ([1-9]|1[01])|none)$(?!\n)"


class Chart(Options):
    """A chart of Excel's own, drawn from the cells of a sheet, so that it follows when they are changed."""

    type: Annotated[
        ChartType,
        Meta(description="column, bar (lying), line, stacked, or pareto: largest first, with the share so far."),
    ] = "column"
    title: Annotated[str, Meta(description="Heading of the chart.", examples=["OEE by machine"])] = ""
    x: Annotated[
        str, Meta(description="Column that names the bars; the first one unless given.", examples=["machine"])
    ] = ""
    y: Annotated[
        tuple[str, ...],
        Meta(
            description="Columns of numbers to draw; the first number unless given, every column of a pivot.",
            examples=[["goodParts", "rejectedParts"]],
        ),
    ] = ()
    line: Annotated[
        tuple[str, ...],
        Meta(description="Columns drawn as lines over the bars, on an axis of their own.", examples=[["oee"]]),
    ] = ()
    x_title: Annotated[str, Meta(description="Words along the axis of the names.")] = ""
    y_title: Annotated[str, Meta(description="Words along the axis of the numbers.", examples=["minutes"])] = ""
    y_min: Annotated[float, Meta(description="Where the axis of the numbers begins.", examples=[0])] | None = None
    y_max: Annotated[float, Meta(description="Where it ends; 1 is 100 %.", examples=[1])] | None = None
    rows: Annotated[int, Meta(ge=1, description="Draw only the first rows.", examples=[10])] | None = None
    sheet: Annotated[
        str,
        Meta(
            description="Sheet it stands on, made when there is none; beside its numbers unless given.",
            examples=["Charts"],
        ),
    ] = ""


class Pivot(Options):
    """Values laid out crosswise, such as a row for each machine and a column for each day; nothing is added up."""

    rows: Annotated[
        str | tuple[str, ...],
        Meta(description="Column (or columns) with a row for each value.", examples=["machine"]),
    ]
    columns: Annotated[str, Meta(description="Column whose values become the columns.", examples=["day"])]
    value: Annotated[str, Meta(description="Column that fills the cells.", examples=["oee"])]


class Sheet(Options):
    """A further sheet with the same rows in another form."""

    name: Annotated[str, Meta(min_length=1, description="Name of the sheet.", examples=["By day"])]
    columns: Annotated[
        tuple[str, ...],
        Meta(description="These columns, in this order; all unless given.", examples=[["machine", "downtime"]]),
    ] = ()
    sort: Annotated[
        tuple[str, ...],
        Meta(description="Columns to sort by, with - in front for the largest first.", examples=[["-downtime"]]),
    ] = ()
    limit: Annotated[int, Meta(ge=1, description="Keep only the first rows.", examples=[10])] | None = None
    pivot: Annotated[
        Pivot | None,
        Meta(
            description="Lay values out crosswise instead of listing rows.",
            examples=[{"rows": "machine", "columns": "day", "value": "oee"}],
        ),
    ] = None
    charts: Annotated[
        tuple[Chart, ...], Meta(description="Charts of this sheet.", examples=[[{"type": "line", "title": "OEE"}]])
    ] = ()


class ExcelOptions(Options):
    """Options of the excel sink."""

    path: Annotated[
        str,
        Meta(
            description="Where it goes under the output folder; words in braces are filled in.",
            examples=["morning/{date}.xlsx"],
        ),
    ] = "{job}.xlsx"
    mode: Annotated[
        Literal["replace", "replace_window"],
        Meta(
            description="replace: the workbook holds this report alone. replace_window: rows of other days stay in it."
        ),
    ] = "replace"
    sheet: Annotated[str, Meta(description="Name of the sheet that holds the table.", examples=["Yesterday"])] = "Data"
    table_style: Annotated[
        str, Meta(pattern=STYLE, description="Look of the tables, in Excel's words, or none.", examples=["Light 9"])
    ] = "Medium 2"
    footer: Annotated[
        Literal["keep", "drop"],
        Meta(description="Rows under the table (totals, rest); replace_window always drops them."),
    ] = "keep"
    lights: Lights | None = None
    formats: Annotated[
        dict[str, str],
        Meta(
            description="Number formats of Excel by column, where the usual one is not liked.",
            examples=[{"oee": "0%", "day": "ddd dd.mm."}],
        ),
    ] = field(default_factory=dict)
    hidden: Annotated[
        tuple[str, ...],
        Meta(
            description="Columns that are in the workbook and not shown, such as the limits of traffic lights.",
            examples=[["oeeWarningThreshold"]],
        ),
    ] = ()
    charts: Annotated[
        tuple[Chart, ...],
        Meta(
            description="Charts of the table.",
            examples=[[{"type": "column", "title": "OEE", "x": "machine", "y": ["oee"]}]],
        ),
    ] = ()
    sheets: Annotated[
        tuple[Sheet, ...],
        Meta(
            description="Further sheets: other columns, another order, or a pivot.",
            examples=[[{"name": "By day", "pivot": {"rows": "machine", "columns": "day", "value": "oee"}}]],
        ),
    ] = ()
    about: Annotated[
        bool, Meta(description="Add a sheet About: window, sites, filters, when it was read, what to know.")
    ] = True
    template: Annotated[
        str,
        Meta(
            description="Workbook beside the job that is filled; its charts, pivots and macros stay. Needs target.",
            examples=["morning-template.xlsm"],
        ),
    ] = ""
    target: Annotated[
        str,
        Meta(
            description="Table or named range to fill, in the template, or without one in the workbook that is there.",
            examples=["Downtimes"],
        ),
    ] = ""
    on_overflow: Annotated[
        Literal["split", "fail"],
        Meta(description="More rows than a sheet can hold (1,048,576): go on in further sheets, or fail."),
    ] = "split"
    when_open: Annotated[
        Literal["pending", "wait"],
        Meta(
            description="While somebody has the workbook open: write 'NAME (pending HH.MM)' beside it, or wait; "
            "both try again."
        ),
    ] = "pending"
