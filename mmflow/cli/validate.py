"""``mmflow validate``: every problem of mmflow.yaml and the jobs at once, without network and without secrets."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from mmflow.check import CheckedJob
from mmflow.cli.output import Output
from mmflow.cli.session import Session, open_output, open_session
from mmflow.errors import EXIT_OK, EXIT_USER, Problem, ProblemsError, describe_problems

SUMMARY = "Check mmflow.yaml and the jobs, and show every problem at once."
EXAMPLES = """
mmflow validate                    mmflow.yaml and all jobs
mmflow validate morning-oee        mmflow.yaml and one job
mmflow validate --strict           warnings count too, for CI
mmflow validate --json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare which jobs, and how strict."""
    parser.add_argument(
        "job", metavar="JOB", nargs="?", help="a job's name, or a path that ends in .yaml (default: all)"
    )
    parser.add_argument("--strict", action="store_true", help="exit with 2 for warnings too")


def run(args: argparse.Namespace) -> int:
    """Print the problems; exit code 2 when one of them is an error."""
    count, problems = find_problems(args)
    show_problems(open_output(args), count, problems)
    failed = any(args.strict or problem.severity == "error" for problem in problems)
    return EXIT_USER if failed else EXIT_OK


def find_problems(args: argparse.Namespace) -> tuple[int, Sequence[Problem]]:
    """Give the number of jobs that were looked at, and all problems once, sorted."""
    try:
        session = open_session(args)
        jobs, unread = read_jobs(session, args.job)
    except ProblemsError as error:
        return 0, error.problems
    found = {*session.workspace.checked.problems, *unread, *(problem for job in jobs for problem in job.problems)}
    return len(jobs) + len({problem.file for problem in unread}), sorted(found)


def read_jobs(session: Session, word: str | None) -> tuple[Sequence[CheckedJob], Sequence[Problem]]:
    """Give the jobs asked for, and the problems of files that could not be read."""
    if word:
        return [session.workspace.read_job(word, session.around.cwd)], []
    return session.workspace.read_jobs()


def show_problems(out: Output, count: int, problems: Sequence[Problem]) -> None:
    """Print the problems and a line that sums them up."""
    if out.as_json:
        out.data({"jobs": count, "problems": problems})
    elif problems:
        out.line(describe_problems(problems))
    else:
        out.line(f"{count} job{'s' * (count != 1)}, no problems")
