"""Excel workbooks: made new with tables, pivots, charts and traffic lights, or templates that are filled."""

from __future__ import annotations

from collections.abc import Iterable

from mmflow import SinkType, hookimpl
from mmflow_excel.options import ExcelOptions
from mmflow_excel.rules import validate_excel

mmflow_api = 1


@hookimpl
def mmflow_sinks() -> Iterable[SinkType]:
    """Give the sink."""
    yield SinkType(
        name="excel",
        summary="An Excel workbook: tables, pivots, charts and traffic lights, or a template that is filled.",
        options=ExcelOptions,
        deliver="mmflow_excel.deliver:deliver_excel",
        render="mmflow_excel.preview:render_excel",
        check="mmflow_excel.preview:check_excel",
        read="mmflow_excel.preview:read_excel",
        read_window="mmflow_excel.cells_window:read_window",
        validate=validate_excel,
        modes=("replace", "replace_window"),
    )
