"""The hooks a plugin may implement; each returns frozen declarations and does nothing else.

A plugin is a module that an entry point of the group ``mmflow`` names, in any installed package::

    [project.entry-points.mmflow]
    mine = "my_package"

``mmflow_api = 1`` in the module says which plugin interface it was written for (1 unless said). The module is imported
by every command, so it holds options and declarations alone; whatever delivers is named by text and imported when
something is delivered.
"""

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
