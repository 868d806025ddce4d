"""Finds the workbooks that a delivery builds on: the one that stands there, what waits beside it, the template."""

from __future__ import annotations

import os
from pathlib import Path

from mmflow import GiveUp, RunInfo
from mmflow_excel.options import ExcelOptions
from mmflow_excel.pending import list_pending


def find_earlier(path: Path) -> Path | None:
    """Give the workbook as it was left last: what waits beside it, unless somebody has saved it since."""
    waiting = list_pending(path)[-1:]
    if not path.is_file():
        return next(iter(waiting), None)
    return max([path, *waiting], key=lambda one: (one.stat().st_mtime_ns, one != path))


def find_source(path: Path, options: ExcelOptions, run: RunInfo) -> Path:
    """Give the workbook that is filled: the template, or the workbook that is there."""
    earlier = find_earlier(path)
    if earlier is not None and (options.mode == "replace_window" or not options.template):
        return earlier
    if not options.template:
        raise GiveUp(f"there is no workbook {path} to be filled; put one there, or name a template")
    return find_template(options.template, run)


def find_template(name: str, run: RunInfo) -> Path:
    """Give the path of a template in the folder of the job; it may lie anywhere under the root."""
    found = Path(os.path.realpath(run.job_folder / name))
    if not found.is_relative_to(os.path.realpath(run.root)):
        raise GiveUp(f"the template {name} lies outside of {run.root}; put it beside the job")
    if not found.is_file():
        raise GiveUp(f"there is no template {found}; put it beside the job, or mend its name")
    return found
