"""What a sink would do with a report, while nothing is written and nothing is on record."""

from __future__ import annotations

from mmflow.check import CheckedJob
from mmflow.check.uses import SinkUse
from mmflow.deliver import blame_error
from mmflow.deliver.difference import Difference, find_difference
from mmflow.deliver.told import about_rehearsal, sink_info
from mmflow.errors import GiveUp, MmflowError, UserError
from mmflow.run.order import Engine, Report, destination
from mmflow.sinks import Reference, Rendering, find_function
from mmflow.table import Table


def rehearse_sink(engine: Engine, checked: CheckedJob, use: SinkUse, report: Report) -> Rendering:
    """Give what a sink would write; raises :class:`UserError` for a sink that has nothing to show."""
    if use.type.render is None:
        raise UserError(f"the sink {use.type.name} cannot show what it would write; preview without --sink")
    shown = ask_sink(engine, checked, use, use.type.render, report)
    if isinstance(shown, bytes):
        return Rendering(shown.decode("utf-8", "replace"), shown, ".txt")
    return shown if isinstance(shown, Rendering) else Rendering(str(shown), str(shown).encode(), ".txt")


def compare_sink(engine: Engine, checked: CheckedJob, use: SinkUse, report: Report) -> Difference:
    """Give what a delivery would change at its destination; :class:`UserError` for a sink that cannot be read."""
    if use.type.read is None:
        raise UserError(f"the sink {use.type.name} cannot be read back; preview without --diff")
    read = use.type.read

    def compare(table: Table, *told: object) -> Difference:
        return find_difference(table, find_function(read)(table, *told))  # a reader may give its rows one by one

    found = ask_sink(engine, checked, use, compare, report)
    assert isinstance(found, Difference)
    return found


def ask_sink(engine: Engine, checked: CheckedJob, use: SinkUse, reference: Reference, report: Report) -> object:
    """Call a function of a sink that writes nothing; its bugs become errors that name it."""
    about = about_rehearsal(report.plan, report.spool, report.table, checked.job)
    info = sink_info(about, use, destination(engine, checked))
    try:
        return find_function(reference)(report.table, use.options, info)
    except MmflowError:
        raise
    except BaseException as error:
        raise GiveUp(blame_error(use, error)) from error
