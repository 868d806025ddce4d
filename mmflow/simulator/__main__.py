"""``python -m mmflow.simulator`` serves the simulated plant."""

from __future__ import annotations

import argparse
import sys
from threading import Event

from mmflow.simulator.command import add_arguments, describe, open_simulator, serve_until


def main() -> int:
    """Serve until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m mmflow.simulator", description="A simulated MachineMetrics.")
    add_arguments(parser)
    simulator = open_simulator(parser.parse_args())
    sys.stdout.write(describe(simulator) + "\n")
    sys.stdout.flush()
    serve_until(Event(), simulator)
    return 0


if __name__ == "__main__":
    sys.exit(main())
