"""``mmflow simulate``: a plant on this machine that answers as MachineMetrics would."""

from __future__ import annotations

import argparse
from threading import Event

from mmflow.cli.session import open_output
from mmflow.errors import UserError

SUMMARY = "Serve a simulated plant over HTTP, to try jobs and to rehearse faults."
EXAMPLES = """
mmflow simulate                                       at http://127.0.0.1:8765 for the key 'simulated'
mmflow simulate --now 2026-11-22T11:40Z               a plant in which it is always that morning
mmflow simulate --key boston --key austin             two companies, one key each
mmflow simulate --profile contrary                    everything unpublished the other way round
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the simulator's own arguments."""
    from mmflow.simulator import command

    command.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Serve until Ctrl-C; a port that is taken raises :class:`UserError`."""
    from mmflow.simulator import command

    out = open_output(args)
    try:
        simulator = command.open_simulator(args)
    except OSError as error:
        raise UserError(f"cannot listen on {args.host}:{args.port}: {error.strerror}; choose another --port") from error
    if out.as_json:
        out.data({"url": simulator.url, "keys": list(simulator.service.keys), "profile": args.profile})
    else:
        out.line(command.describe(simulator))
    args.around.stdout.flush()  # a program that started it waits for this line
    command.serve_until(Event(), simulator)
    return 0
