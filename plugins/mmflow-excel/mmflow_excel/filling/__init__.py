"""Fills a table or a named range of an existing workbook, and leaves everything else as it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Protocol

from mmflow import Cell, Column, RunInfo, Table


class FillOptions(Protocol):
    """What the options of a sink say about filling."""

    @property
    def target(self) -> str | None:
        """Name of the table, or of the range, that is filled."""

    @property
    def mode(self) -> str:
        """Whether rows of other days stay (``replace_window``) or not (``replace``)."""


def fill_template(template: Path, table: Table, options: FillOptions, run: RunInfo, out: BinaryIO) -> int:
    """Write the workbook ``template`` to ``out`` with the table in ``options.target``; gives the rows written.

    ``template`` is the file that is filled: the one of the option ``template``, or the delivered file itself where that
    option is absent or ``mode`` is ``replace_window`` and the file exists: its rows of other days stay then. It is read
    only, and may be the file that ``out`` takes the place of. :class:`mmflow.GiveUp` says what is wrong with it.
    """
    raise NotImplementedError


def check_target(template: Path, target: str) -> tuple[str, ...]:
    """Give the headings of a target; :class:`mmflow.GiveUp` when the workbook, or the target in it, cannot be filled.

    For ``check``: reads only, and says of the target what can be said without a report.
    """
    raise NotImplementedError


def read_target(path: Path, target: str, columns: Sequence[Column]) -> Iterator[tuple[Cell, ...]]:
    """Give the rows that stand in a target now, as cells of these columns of a report; for ``read``."""
    raise NotImplementedError
