"""Jobs and settings as the daemon goes by them: as they are, or as they were last good when they are not now."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from mmflow.check import CheckedJob, check_job
from mmflow.cli.session import Session, open_output, open_session
from mmflow.document import read_text
from mmflow.errors import Problem, ProblemsError, UserError
from mmflow.workspace import find_root, refuse_twins

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
    """Open the root by ``mmflow.yaml`` as it is, or else as it was last good; ProblemsError when it never was."""
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
    """Give the jobs as they were last good whose files say something else now, that a ``word`` may mean.

    A file that still says what was good is not in force only because of other files, or of ``mmflow.yaml``.
    """
    from mmflow.roster.shelf import read_shelf

    workspace = session.workspace
    for file, kept in read_shelf(session.root).jobs.items():
        if (word.endswith(".yaml") or word in kept.text) and has_changed(session.root / file, kept.text):
            with suppress(ProblemsError):
                job = check_job(read_text(kept.text, file), workspace.checked, workspace.registry)
                if not has_errors(job):
                    yield job


def list_known(session: Session, jobs: Sequence[CheckedJob], unread: Sequence[Problem]) -> Sequence[CheckedJob]:
    """Give the jobs of all files, as read, as the daemon goes by them: as they are, or as they were last good.

    Those whose name another file has too, which run from neither, have the problem that says so.
    """
    if not unread and not any(map(has_errors, jobs)):
        return jobs
    alone = (session.workspace.read_file(session.root / job.document.name) if has_errors(job) else job for job in jobs)
    good = {job.document.name: job for job in alone if not has_errors(job)}
    return refuse_twins([*good.values(), *(job for job in list_last(session) if job.document.name not in good)])


def has_changed(path: Path, text: str) -> bool:
    """Tell whether a file that is there says something else than a text, or cannot be read."""
    try:
        return path.read_bytes() != text.encode()
    except FileNotFoundError:
        return False
    except OSError:
        return True


def has_errors(job: CheckedJob) -> bool:
    """Tell whether a job cannot run."""
    return any(problem.severity == "error" for problem in job.problems)
