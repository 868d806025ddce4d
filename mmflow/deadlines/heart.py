"""The heartbeat: an address is asked as long as all is well, so that somebody elsewhere notices when it is not."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from mmflow.errors import GiveUp, RunError, UserError
from mmflow.hosts import check_hook

if TYPE_CHECKING:
    from httpx import Client

log = logging.getLogger(__name__)

BEAT_EVERY: Final = 60.0  # seconds


def beat(url: str, open_http: Callable[[], Client], reasons: Callable[[], Sequence[str]]) -> None:
    """Ask the address once if all is well; raises nothing, and never shows the address, which may be a secret."""
    from mmflow.api.outward import call_address

    if troubles := reasons():
        log.warning("no heartbeat: %s", "; ".join(troubles))
        return
    try:
        if wrong := check_hook(url):
            raise GiveUp(f"the address {wrong}")
        with open_http() as client:
            call_address(client, "GET", url)
    except (RunError, UserError) as error:
        log.warning("the heartbeat was not heard: %s", error)
