"""``mmflow demo``: the main job on the simulated plant, from nothing to a file, without a key or a network."""

from __future__ import annotations

import argparse
from pathlib import Path

from mmflow.cli.init import STARTER, write_starter
from mmflow.cli.session import open_engine, open_session
from mmflow.cli.show import run_document, show_run
from mmflow.errors import EXIT_OK, EXIT_RUN

SUMMARY = "Run a first job on a simulated plant and show what it made; needs no key and no network."
EXAMPLES = """
mmflow demo               in the folder mmflow-demo
mmflow demo trial         in another folder
"""

SHOWN_LINES = 6


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the folder."""
    parser.add_argument("folder", nargs="?", default="mmflow-demo", help="where to work (default: mmflow-demo)")


def run(args: argparse.Namespace) -> int:
    """Write the starter files unless they are there, run their job, and show the file."""
    from mmflow.run import Order, run_job

    folder: Path = args.around.cwd / args.folder
    if not all((folder / name).exists() for name in STARTER):
        write_starter(folder)
    args.root = str(folder)
    session = open_session(args)
    out = session.out
    checked = session.resolve_job(session.read_job("morning-oee"))
    with open_engine(session, checked.job.sites, record=True) as engine:
        result = run_job(engine, checked, Order(slot=engine.clock.now()))
    if result.cause:
        raise result.cause
    made = [folder / delivery.receipt.path for delivery in result.deliveries if delivery.receipt]
    if out.as_json:
        out.data({**run_document(result.run, result.deliveries), "files": [str(path) for path in made]})
    else:
        out.line(f"the job     {folder / 'jobs' / 'morning-oee.yaml'}")
        show_run(out, result.run, result.deliveries)
        for path in made:
            out.line(f"\n{path}")
            for line in path.read_text(encoding="utf-8-sig").splitlines()[:SHOWN_LINES]:
                out.line(f"  {line}")
        out.line(f"\nnext: change the job and run it again: mmflow run morning-oee --root {args.folder}")
    return EXIT_OK if result.run.state == "ok" else EXIT_RUN
