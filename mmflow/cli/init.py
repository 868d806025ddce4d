"""``mmflow init``: the files of a first installation, ready to run."""

from __future__ import annotations

import argparse
from importlib.resources import files
from pathlib import Path

from mmflow.cli.session import open_output
from mmflow.errors import UserError

SUMMARY = "Write the files of a first installation: mmflow.yaml and one job that runs at once."
EXAMPLES = """
mmflow init                 in this folder
mmflow init reports         in a new folder
"""

STARTER = ("mmflow.yaml", "jobs/morning-oee.yaml")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the folder."""
    parser.add_argument("folder", nargs="?", help="where to write (default: --root, else here)")


def run(args: argparse.Namespace) -> int:
    """Write the files, and the schemas that editors complete from."""
    out = open_output(args)
    if args.root and args.folder:
        raise UserError("a folder and --root name two places to write to; leave one of them out")
    named = args.folder or args.root or "."
    folder = args.around.cwd / named
    made = write_starter(folder)
    if out.as_json:
        out.data({"root": str(folder), "files": made})
        return 0
    for name in made:
        out.line(f"wrote {Path(named) / name}")
    go = "" if named == "." else f"cd {named} && "
    out.line(f"next: {go}mmflow run morning-oee")
    return 0


def write_starter(folder: Path) -> list[str]:
    """Write the starter files and give their names.

    Raises :class:`UserError` when one is there already, and when the folder cannot be made or written.
    """
    from mmflow.plugins import load
    from mmflow.schema.editors import write_schemas

    there = [name for name in STARTER if (folder / name).exists()]
    if there:
        raise UserError(f"{folder / there[0]} is there already; choose an empty folder: mmflow init FOLDER")
    source = files("mmflow.starter")
    try:
        for name in STARTER:
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(source.joinpath(name).read_text(encoding="utf-8"), encoding="utf-8")
        schemas = write_schemas(folder, load())
    except OSError as error:
        raise UserError(f"nothing can be written to {folder}: {error.strerror}; choose another folder") from error
    return [*STARTER, *(path.relative_to(folder).as_posix() for path in schemas)]
