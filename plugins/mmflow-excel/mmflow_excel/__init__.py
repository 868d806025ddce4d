"""Excel workbooks for mmflow."""

from __future__ import annotations

from collections.abc import Iterable

from mmflow import SinkType, hookimpl

mmflow_api = 1


@hookimpl
def mmflow_sinks() -> Iterable[SinkType]:
    """Give the sink."""
    return ()
