"""A table by day and machine as reports give it, and deliveries of it."""

from collections.abc import Callable, Sequence
from itertools import count

import pytest

from mmflow.options import convert_values
from mmflow.plugins import load
from mmflow.sinks import RunInfo, find_function
from mmflow.table import Cell, Column, FooterRow, Table, make_table
from mmflow.testing.deliveries import DAY, DOWN, MACHINE, PARTS, make_outline


@pytest.fixture
def table(tmp_path) -> Callable[..., Table]:
    """Make a table from rows; columns are day, machine, parts and downtime unless given."""
    numbers = count()

    def make(
        rows: Sequence[Sequence[Cell]],
        columns: Sequence[Column] = (DAY, MACHINE, PARTS, DOWN),
        footer: Sequence[FooterRow] = (),
    ) -> Table:
        path = tmp_path / f"snapshot-{next(numbers)}.parquet"
        return make_table(rows, columns=columns, path=path, footer=footer)

    return make


@pytest.fixture
def deliver():
    """Deliver a table with a sink of this package, as the engine does: by its name and the options as written."""
    sinks = load().sinks

    def call(sink: str, table: Table, run: RunInfo, **written):
        options = convert_values(written, sinks[sink].options)
        return find_function(sinks[sink].deliver)(table, options, run)

    return call


@pytest.fixture
def stand():
    """Give the rows that stand where a delivery would write."""
    sinks = load().sinks

    def call(sink: str, table: Table, run: RunInfo, **written):
        options = convert_values(written, sinks[sink].options)
        return list(find_function(sinks[sink].read)(table, options, run))

    return call


@pytest.fixture
def validate():
    """Give the findings of a sink about its options as written."""
    sinks = load().sinks

    def call(sink: str, time_column: str = "day", **written) -> dict[str, str]:
        options = convert_values(written, sinks[sink].options)
        return dict(find_function(sinks[sink].validate)(options, make_outline(time_column=time_column)))

    return call
