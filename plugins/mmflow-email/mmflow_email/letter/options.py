"""What may be said in YAML about how a letter looks and what stands in it. Light: nothing heavy is imported."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from mmflow import Lights, Options

BUILT_IN: Final = ("morning", "table")
ChartKind = Literal["bar", "column", "line", "stacked", "pareto"]


class LetterChart(Options):
    """One picture of the rows."""

    kind: Annotated[
        ChartKind,
        Meta(
            description="bar: lying, for long names. column: standing. line: over time. stacked: columns of several "
            "numbers. pareto: largest first, with a line of what they add up to."
        ),
    ]
    x: Annotated[str, Meta(description="Column that names the bars or points.", examples=["machine"])]
    y: Annotated[
        str | list[str],
        Meta(description="Column of the numbers; stacked and line take several.", examples=["downtime"]),
    ]
    title: Annotated[str, Meta(description="Heading of the picture.", examples=["Down time by machine"])] = ""

    @property
    def numbers(self) -> list[str]:
        """The columns of the numbers, at least one."""
        return [self.y] if isinstance(self.y, str) else self.y


class TopLosses(Options):
    """The few rows that matter most, named in words above the table."""

    by: Annotated[str, Meta(description="Column by which rows are ranked.", examples=["downtime"])]
    count: Annotated[int, Meta(ge=1, le=20, description="How many are named.", examples=[3])] = 3
    order: Annotated[
        Literal["worst", "largest", "smallest"],
        Meta(description="worst: by the better direction of the column; largest where it has none."),
    ] = "worst"
    title: Annotated[str, Meta(description="Heading of the list.", examples=["Top 3 losses"])] = ""


class LetterOptions(Options):
    """How a letter looks and what stands in it; the sink adds who gets it and when."""

    subject: Annotated[
        str,
        Meta(
            description="Subject, with the words of file names in braces, or Jinja.",
            examples=["OEE {date}", "OEE {date}: {{ lights.red }} red"],
        ),
    ] = "{job} {date}"
    template: Annotated[
        str,
        Meta(
            description="morning (what stands out, losses, pictures, table), table (the table alone), or a Jinja file "
            "in the job's folder.",
            examples=["table", "letters/plant.html"],
        ),
    ] = "morning"
    columns: (
        Annotated[
            list[str],
            Meta(
                max_length=12,
                description="Columns of the table in the letter, in this order; the first twelve unless given.",
                examples=[["machine", "oee", "downtime"]],
            ),
        ]
        | None
    ) = None
    rows: Annotated[
        int, Meta(ge=1, le=1000, description="Most rows in the letter; the rest is counted.", examples=[20])
    ] = 50
    lights: Lights | None = None
    charts: Annotated[
        list[LetterChart],
        Meta(max_length=8, description="Pictures.", examples=[[{"kind": "pareto", "x": "machine", "y": "downtime"}]]),
    ] = msgspec.field(default_factory=list)
    top: Annotated[
        TopLosses | Literal["none"] | None,
        Meta(
            description="Top losses in words above the table. Unless given, morning ranks by downtime where the report "
            "has it.",
            examples=[{"by": "downtime", "count": 5}],
        ),
    ] = None
    intro: Annotated[
        str,
        Meta(description="Paragraphs above everything, as plain text.", examples=["For the seven o'clock meeting."]),
    ] = ""
