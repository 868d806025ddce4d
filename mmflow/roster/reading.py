"""What texts of jobs say, checked one after the other, or by several processes where there are very many."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache, partial
from hashlib import sha256
from multiprocessing import get_context
from pathlib import Path
from threading import Thread
from typing import Final, TypeAlias

from mmflow.check import check_job
from mmflow.document import read_text
from mmflow.errors import Problem, ProblemsError
from mmflow.roster.plans import JobPlan, Needs, plan_job
from mmflow.workspace import Workspace, read_workspace

log = logging.getLogger(__name__)

Texts: TypeAlias = Sequence[tuple[str, bytes]]
"""Texts of jobs, each with the name of its file from the root."""

MANY: Final = 1500  # texts that take longer than it takes to start processes for them
BATCH: Final = 100  # texts given to a process at a time
MOST_PROCESSES: Final = 4


@dataclass(frozen=True, slots=True)
class Reading:
    """What a text says: its plan, or the errors that keep it from having one; ``name`` is "" when it has none."""

    plan: JobPlan | None = None
    name: str = ""
    problems: tuple[Problem, ...] = ()


def read_job(file: str, data: bytes, workspace: Workspace, needs: Needs) -> Reading:
    """Check one text; ``file`` is its name from the root. Nothing is raised for what it says."""
    name = ""
    try:
        checked = check_job(read_text(data, file), workspace.checked, workspace.registry)
        name = checked.name
        plan = plan_job(checked, sha256(data).hexdigest(), workspace.checked, needs)
    except ProblemsError as error:
        return Reading(None, name, keep_errors(error.problems))
    return Reading(plan, name)


def read_jobs(texts: Texts, workspace: Workspace) -> list[Reading]:
    """Check texts, in their order."""
    needs = Needs(workspace.checked.document.values)
    return [read_job(file, data, workspace, needs) for file, data in texts]


def read_many(texts: Texts, workspace: Workspace, settings: str, now: datetime, *, many: int = MANY) -> list[Reading]:
    """Do as :func:`read_jobs`, from so ``many`` texts on with several processes.

    ``settings`` is the text of ``mmflow.yaml``, from which each process makes the ``workspace`` for itself.
    """
    processes = min(os.cpu_count() or 1, MOST_PROCESSES)
    if len(texts) < many or processes < 2:
        return read_jobs(texts, workspace)
    batches = [texts[at : at + BATCH] for at in range(0, len(texts), BATCH)]
    read = partial(_read_batch, root=workspace.root, settings=settings, now=now)
    try:
        Thread(target=bool).start()  # where none can be started the pool would leave its processes behind
        with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
            return [reading for batch in pool.map(read, batches) for reading in batch]
    except (OSError, RuntimeError) as error:  # no room for processes or threads; it goes without them
        log.warning("jobs are checked one after the other, because no process could be started for it: %s", error)
        return read_jobs(texts, workspace)


def _read_batch(texts: Texts, root: Path, settings: str, now: datetime) -> list[Reading]:
    return read_jobs(texts, _open_workspace(settings, root, now))


_open_workspace = lru_cache(maxsize=1)(read_workspace)  # a process that checks keeps it from batch to batch


def keep_errors(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Leave out what are only warnings."""
    return tuple(problem for problem in problems if problem.severity == "error")
