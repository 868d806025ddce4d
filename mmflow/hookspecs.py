"""The hooks a plugin may implement; each returns frozen declarations and does nothing else."""

from __future__ import annotations

from collections.abc import Iterable

import pluggy

from mmflow.sinks import SinkType

PROJECT = "mmflow"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def mmflow_sinks() -> Iterable[SinkType]:  # type: ignore[empty-body]
    """Give the kinds of destination that this plugin adds.

    >>> @hookimpl
    ... def mmflow_sinks():
    ...     yield SinkType(name="mine", summary="Where mine goes.", options=MyOptions, deliver="my_pkg.deliver:deliver")
    """
