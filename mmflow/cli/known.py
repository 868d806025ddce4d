"""Jobs and settings as the daemon goes by them: as they are, or as they were last good when they are not now."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from mmflow.check import CheckedJob, check_job
from mmflow.cli.session import Session, open_output, open_session
from mmflow.document import read_text
from mmflow.errors import ProblemsError, UserError
from mmflow.workspace import find_root

if TYPE_CHECKING:
    from mmflow.cli import Surroundings


def open_known(args: argparse.Namespace) -> Session:
    """Do as :func:`open_session`, but go by ``mmflow.yaml`` as it was last good when it is not now, and say so."""
    try:
        session = open_session(args)
        _ = session.workspace.settings
    except ProblemsError as error:
        with suppress(ProblemsError):
            session = open_last(args)
            session.out.note(f"{error.problems[0]}; its last good version counts, also for the daemon")
            return session
        raise
    return session


def open_last(args: argparse.Namespace) -> Session:
    """Open the root by ``mmflow.yaml`` as it was last good; :class:`ProblemsError` when it never was."""
    from mmflow.roster.in_force import open_in_force

    around: Surroundings = args.around
    root = find_root(around.cwd, Path(args.root) if args.root else None, around.environ, getattr(args, "job", "") or "")
    return Session(open_in_force(root, around.clock), around, open_output(args))


def read_known(session: Session, word: str) -> CheckedJob:
    """Do as ``session.read_job``, but give a job that cannot be used as it was last good, and say so."""
    try:
        return session.read_job(word)
    except UserError as error:
        last = next((job for job in list_last(session, word) if is_meant(session, job, word)), None)
        if last is None:
            raise
        session.out.note(f"{str(error).splitlines()[0]}; its last good version counts, also for the daemon")
        return last


def is_meant(session: Session, job: CheckedJob, word: str) -> bool:
    """Tell whether a word of the command line is the name of a job, or the path of its file."""
    return word in (job.name, job.document.name) or session.around.cwd / word == session.root / job.document.name


def list_last(session: Session, word: str = "") -> Iterator[CheckedJob]:
    """Give the jobs as they were last good whose files are there, and with a ``word`` those that may be meant by it."""
    from mmflow.roster.shelf import read_shelf

    workspace = session.workspace
    for file, kept in read_shelf(session.root).jobs.items():
        if word.endswith(".yaml") or word in kept.text:
            with suppress(ProblemsError):
                job = check_job(read_text(kept.text, file), workspace.checked, workspace.registry)
                if (session.root / file).exists() and not any(one.severity == "error" for one in job.problems):
                    yield job
