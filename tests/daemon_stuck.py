"""A daemon whose watchdog has little patience: ``python -m tests.daemon_stuck START REAL SPEED WORDS…``."""

from __future__ import annotations

import sys

from mmflow.daemon import Daemon
from tests.daemons import main

if __name__ == "__main__":
    Daemon.__init__.__kwdefaults__.update(tick=0.5, stuck=3.0)
    sys.exit(main(*sys.argv[1:]))
