"""One chart of the delivered rows, which Google Sheets draws and which follows the table from delivery to delivery."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmflow import Column, GiveUp, RunInfo
from mmflow_sheets.layout import Layout, chart_corner
from mmflow_sheets.mark import name_sink
from mmflow_sheets.options import ChartSpec, SheetsOptions
from mmflow_sheets.target import Target, make_number


def draw_chart(
    chart: ChartSpec, options: SheetsOptions, run: RunInfo, target: Target, columns: Sequence[Column], layout: Layout
) -> dict[str, Any]:
    """Give the request that draws the chart, or that lets the one that is there show the new rows where it stands."""
    number = make_number(f"{name_sink(run)}/chart")
    spec = describe_chart(chart, run, target, columns, layout)
    if number in target.charts:
        return {"updateChartSpec": {"chartId": number, "spec": spec}}
    row, column = chart_corner(options, layout.new)
    corner = {"sheetId": target.sheet, "rowIndex": row, "columnIndex": column}
    position = {"overlayPosition": {"anchorCell": corner}}
    return {"addChart": {"chart": {"chartId": number, "spec": spec, "position": position}}}


def describe_chart(
    chart: ChartSpec, run: RunInfo, target: Target, columns: Sequence[Column], layout: Layout
) -> dict[str, Any]:
    """Describe the chart of the rows that stand there, without totals."""
    names = [column.name for column in columns]
    if missing := {chart.x, *chart.y}.difference(names):
        raise GiveUp(f"the chart wants columns that the table has not: {', '.join(sorted(missing))}; mend it")
    shown = layout.new.rows(0, max(layout.header + layout.body, 1))

    def source(name: str) -> dict[str, Any]:
        return {"sourceRange": {"sources": [shown.column(names.index(name)).on(target.sheet)]}}

    axis = "BOTTOM_AXIS" if chart.kind == "bar" else "LEFT_AXIS"
    basic: dict[str, Any] = {
        "chartType": chart.kind.upper(),
        "legendPosition": "BOTTOM_LEGEND",
        "headerCount": layout.header,
        "domains": [{"domain": source(chart.x)}],
        "series": [{"series": source(name), "targetAxis": axis} for name in chart.y],
    }
    if chart.stacked != "no":
        basic["stackedType"] = "STACKED" if chart.stacked == "yes" else "PERCENT_STACKED"
    return {"title": chart.title or run.job, "basicChart": basic}
