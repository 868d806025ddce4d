"""``mmflow schema``: the JSON Schemas that make editors complete and check YAML while it is written."""

from __future__ import annotations

import argparse

from mmflow.check.layers import get
from mmflow.cli.session import Session, open_session
from mmflow.errors import EXIT_OK
from mmflow.schema import Schema
from mmflow.schema.editors import compose_job, compose_settings, encode_schema, write_schemas

SUMMARY = "Print the JSON Schema of jobs or settings, or write both for the editor."
EXAMPLES = """
mmflow schema                      print the schema of a job
mmflow schema settings             print that of mmflow.yaml
mmflow schema --write              write both under .mmflow/, after installing a sink
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare which schema, and where it goes."""
    parser.add_argument("kind", nargs="?", choices=["job", "settings"], default="job", help="of what (default: job)")
    parser.add_argument("--write", action="store_true", help="write both under .mmflow/ instead")


def run(args: argparse.Namespace) -> int:
    """Print or write."""
    session = open_session(args)
    if args.write:
        write(session)
    else:
        args.around.stdout.write(encode_schema(compose(session, args.kind)).decode())
    return EXIT_OK


def write(session: Session) -> None:
    """Write both schemas and say where they are."""
    written = write_schemas(session.root, session.workspace.registry, default_keys(session))
    names = [path.relative_to(session.root).as_posix() for path in written]
    if session.out.as_json:
        session.out.data({"files": names})
    for name in names if not session.out.as_json else ():
        session.out.line(f"wrote {name}")


def compose(session: Session, kind: str) -> Schema:
    """Give one schema, with the options of the sinks that are installed."""
    registry = session.workspace.registry
    return compose_job(registry, default_keys(session)) if kind == "job" else compose_settings(registry)


def default_keys(session: Session) -> list[str]:
    """Give the keys that jobs need not have, because mmflow.yaml gives them."""
    defaults = get(session.workspace.checked.document.values, ("defaults",))
    return list(defaults) if isinstance(defaults, dict) else []
