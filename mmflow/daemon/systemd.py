"""What a service manager is told: ready, alive, stopping. Without one nothing happens."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

READY: Final = "READY=1"
ALIVE: Final = "WATCHDOG=1"
STOPPING: Final = "STOPPING=1"


def notify(environ: Mapping[str, str], *states: str) -> None:
    """Send states to the socket that systemd names; never raises, since no service manager is worth a report."""
    address = environ.get("NOTIFY_SOCKET", "")
    family = getattr(socket, "AF_UNIX", None)
    if not address or family is None:
        return
    if address.startswith("@"):  # a name that is in no folder
        address = "\0" + address[1:]
    with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as sender:
        sender.connect(address)
        sender.sendall("\n".join(states).encode())
