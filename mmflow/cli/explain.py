"""``mmflow explain``: the values of a job that count, and where each of them comes from."""

from __future__ import annotations

import argparse
from dataclasses import replace

from mmflow.check.faults import write_flow
from mmflow.cli.arguments import add_job
from mmflow.cli.session import Session, open_session
from mmflow.document import Value
from mmflow.errors import EXIT_OK, EXIT_USER, UnresolvedReference
from mmflow.origins import Origin, list_origins
from mmflow.refs import HIDDEN, has_reference
from mmflow.secrecy import looks_like_secret

SUMMARY = "Show the effective values of a job and where each comes from."
EXAMPLES = """
mmflow explain morning-oee
mmflow explain jobs/morning-oee.yaml --json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the job."""
    add_job(parser)


def run(args: argparse.Namespace) -> int:
    """Print one line a value; exit code 2 when the job has mistakes, which are shown too."""
    session = open_session(args)
    checked = session.workspace.read_job(args.job, session.around.cwd)
    origins = [annotate(session, one) for one in list_origins(checked, session.workspace.registry)]
    if session.out.as_json:
        session.out.data({"job": checked.name, "values": origins, "problems": checked.problems})
    else:
        session.out.table(("key", "value", "from"), [(one.path, write_flow(one.value), one.source) for one in origins])
    for problem in checked.problems if not session.out.as_json else ():
        session.out.note(str(problem))
    return EXIT_USER if any(problem.severity == "error" for problem in checked.problems) else EXIT_OK


def annotate(session: Session, origin: Origin) -> Origin:
    """Hide what looks like a secret, and say of a reference whether it has a value."""
    text = origin.value
    if not isinstance(text, str):
        return replace(origin, value=hide(origin.value))
    if not has_reference(text):
        return replace(origin, value=hide(text))
    try:
        session.resolver.resolve(text)
        state = "has a value"
    except UnresolvedReference as error:
        state = error.message
    return replace(origin, source=f"{origin.source} ({state})")


def hide(value: Value) -> Value:
    """Give a value with stars for everything that looks like a secret."""
    if isinstance(value, dict):
        return {key: hide(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [hide(inner) for inner in value]
    return HIDDEN if isinstance(value, str) and looks_like_secret(value) else value
