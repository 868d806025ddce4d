"""Google Sheets for mmflow: the sink ``sheets``."""

from __future__ import annotations

from collections.abc import Iterable

from mmflow import SinkType, hookimpl
from mmflow_sheets.options import SheetsConnection, SheetsOptions, validate_connection, validate_sheets

mmflow_api = 1


@hookimpl
def mmflow_sinks() -> Iterable[SinkType]:
    """Give the sink."""
    yield SinkType(
        name="sheets",
        summary="A table in a Google spreadsheet, written in one step.",
        options=SheetsOptions,
        connection=SheetsConnection,
        validate_connection=validate_connection,
        deliver="mmflow_sheets.deliver:deliver_sheets",
        validate=validate_sheets,
        check="mmflow_sheets.look:check_sheets",
        render="mmflow_sheets.render:render_sheets",
        read="mmflow_sheets.look:read_sheets",
        probe="mmflow_sheets.look:probe_sheets",
        read_window="mmflow_sheets.look:read_window",
        modes=("replace", "replace_window", "append"),
    )
