"""``mmflow validate``: every problem of mmflow.yaml and the jobs at once.

Without ``--live`` it needs neither network nor secrets.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from mmflow.check import CheckedJob
from mmflow.check.layers import Layers
from mmflow.cli.output import Output
from mmflow.cli.session import Session, open_engine, open_output, open_session
from mmflow.errors import EXIT_OK, EXIT_RUN, EXIT_USER, Problem, ProblemsError, describe_problems
from mmflow.resolve import resolve_settings

log = logging.getLogger(__name__)

T = TypeVar("T")
R = TypeVar("R")

SUMMARY = "Check mmflow.yaml and the jobs, and show every problem at once."
EXAMPLES = """
mmflow validate                    mmflow.yaml and all jobs
mmflow validate morning-oee        mmflow.yaml and one job
mmflow validate --live             ask the service and the sinks too, deliver nothing
mmflow validate --strict           warnings count too, for CI
mmflow validate --json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare which jobs, and how strict."""
    parser.add_argument(
        "job", metavar="JOB", nargs="?", help="a job's name, or a path that ends in .yaml (default: all)"
    )
    parser.add_argument("--live", action="store_true", help="ask the service and the sinks too; delivers nothing")
    parser.add_argument("--strict", action="store_true", help="exit with 2 for warnings too")


def run(args: argparse.Namespace) -> int:
    """Print the problems; exit code 2 when one of them is an error, 1 when only a site did not answer."""
    count, problems = find_problems(args)
    show_problems(open_output(args), count, problems)
    failed = [problem for problem in problems if args.strict or problem.severity == "error"]
    if not failed:
        return EXIT_OK
    return EXIT_RUN if args.live and is_unanswered(failed) else EXIT_USER


def is_unanswered(failed: Sequence[Problem]) -> bool:
    """Tell whether nothing is wrong but that sites did not answer."""
    from mmflow.live import NO_ANSWER

    return all(problem.id == NO_ANSWER for problem in failed)


def find_problems(args: argparse.Namespace) -> tuple[int, Sequence[Problem]]:
    """Give the number of jobs that were looked at, and all problems once, sorted."""
    try:
        session = open_session(args, sinks=False)
        jobs, unread = read_jobs(session, args.job)
    except ProblemsError as error:
        return 0, error.problems
    for job in jobs:
        log.info("checked %s", job.document.name)
    found = {*session.workspace.checked.problems, *unread, *(problem for job in jobs for problem in job.problems)}
    if args.live:
        found.update(ask_live(session, jobs, all_sites=not args.job))
    return len(jobs) + len({problem.file for problem in unread}), sorted(found)


def read_jobs(session: Session, word: str | None) -> tuple[Sequence[CheckedJob], Sequence[Problem]]:
    """Give the jobs asked for, and the problems of files that could not be read."""
    if word:
        job = session.workspace.read_job(word, session.around.cwd)
        return [session.workspace.check_lead(job)], []
    return session.workspace.read_jobs()


def ask_live(session: Session, jobs: Sequence[CheckedJob], *, all_sites: bool) -> Iterable[Problem]:
    """Give what only the service and the sinks know of the jobs without mistakes, and references without a value."""
    from mmflow.live import check_live

    def unlock(site: str) -> str:
        resolve_settings(checked, session.resolver, (site,), record=False)
        return site

    checked = session.workspace.checked
    if any(problem.severity == "error" for problem in checked.problems):
        session.out.note("the service is not asked, because mmflow.yaml has mistakes")
        return ()
    resolved, unresolved = gather(jobs, session.resolve_job)
    wanted = checked.site_names if all_sites else dict.fromkeys(site for one in resolved for site in one.job.sites)
    ready, locked = gather(wanted, unlock)
    if not ready:
        return {*unresolved, *locked}
    with open_engine(session, ready) as engine:
        return {*unresolved, *locked, *check_live(engine, resolved, Layers(checked.document.values, checked.document))}


def gather(items: Iterable[T], resolve: Callable[[T], R]) -> tuple[list[R], set[Problem]]:
    """Resolve what can be resolved, and give the problems of the rest."""
    done: list[R] = []
    problems: set[Problem] = set()
    for item in items:
        try:
            done.append(resolve(item))
        except ProblemsError as error:
            problems.update(error.problems)
    return done, problems


def show_problems(out: Output, count: int, problems: Sequence[Problem]) -> None:
    """Print the problems and a line that sums them up."""
    if out.as_json:
        out.data({"jobs": count, "problems": problems})
    elif problems:
        out.line(describe_problems(problems))
    else:
        out.line(f"{count} job{'s' * (count != 1)}, no problems")
