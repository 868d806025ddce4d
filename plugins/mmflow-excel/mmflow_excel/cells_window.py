"""Reads the window of a report from cells of a workbook, such as ``Input!B3:D4``."""

from __future__ import annotations

from datetime import date, datetime
from typing import Protocol

from mmflow import RunInfo


class WindowOptions(Protocol):
    """What the options of a sink say about its workbook."""

    @property
    def path(self) -> str:
        """Template of the workbook's name under the output folder."""

    @property
    def template(self) -> str | None:
        """Name of the workbook in the job's folder that it is made from."""


def read_window(options: WindowOptions, cells: str, run: RunInfo) -> tuple[date, date] | tuple[datetime, datetime]:
    """Give the two moments that stand in ``cells`` (a range or a name) of the workbook at ``options.path``.

    Where that file does not exist yet, ``options.template`` in the job's folder is read. Two days are both included;
    two naive times of the plant are a half-open window. :class:`mmflow.GiveUp` names sheet and cell of what is wrong.
    """
    raise NotImplementedError
