"""A daemon whose loop stands still while there is a file ``hang``: ``python -m tests.daemon_hung START REAL SPEED …``.

It waits for the locks of others for two seconds, not for thirty.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from mmflow.daemon import Daemon
from mmflow.ledger import sqlite
from tests.daemons import main

if __name__ == "__main__":
    root = Path(sys.argv[sys.argv.index("--root") + 1])
    look = Daemon.look

    def hang(daemon: Daemon) -> None:
        """Turn the loop once, or never again."""
        while (root / "hang").exists():
            time.sleep(0.1)
        look(daemon)

    Daemon.look = hang  # type: ignore[method-assign]
    sqlite.open_sqlite.__kwdefaults__.update(patience=2.0)
    sys.exit(main(*sys.argv[1:]))
