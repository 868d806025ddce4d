"""What stands beside the daemon's loop, in threads of its own: deadlines, the heartbeat, metrics, a copy each day."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mmflow.atomic import STATE
from mmflow.clock import Clock
from mmflow.deadlines import BEAT_EVERY, LOOK_EVERY, DeadlineWatch, beat
from mmflow.durations import parse_duration
from mmflow.ledger import Ledger
from mmflow.ledger.backup import BACKUPS
from mmflow.ledger.notices import NewNotice
from mmflow.metrics import Health
from mmflow.notices.rounds import Rounds
from mmflow.refs import Resolver
from mmflow.resolve import resolve_settings
from mmflow.roster import Roster

if TYPE_CHECKING:
    from httpx import Client

log = logging.getLogger(__name__)

COPY_EVERY: Final = 300.0  # seconds between two looks whether today's copy is there
HEART_LOOK: Final = 1.0  # seconds between two looks whether it is time to beat


@contextmanager
def stand_beside(
    roster: Roster,
    resolver: Resolver,
    clock: Clock,
    health: Health,
    open_ledger: Callable[[], Ledger],
    *,
    tell: Callable[[Sequence[NewNotice]], bool],
    metrics: str = "",
    dropped: Callable[[], int] = lambda: 0,
    root: Path,
) -> Iterator[None]:
    """Watch, and answer on the address ``metrics``, until the block ends. Raises :class:`UserError` for the address.

    ``tell`` tells people past a ledger that cannot be used; ``dropped`` gives how many lines of the log were dropped.
    """

    def note(part: str, trouble: str) -> None:
        health.trouble(part, trouble) if trouble else health.well(part)

    def back_up(ledger: Ledger) -> None:
        if copy := ledger.back_up_daily(root / STATE / BACKUPS):
            log.info("the ledger was copied to %s", copy)

    def wait() -> timedelta:
        return parse_duration(roster.settings.settings.daemon.notice_wait)

    watch = DeadlineWatch(root, clock, roster, wait, tell, inside=True)
    heart = Heart(roster, resolver, clock, health)
    with ExitStack() as stack:
        if metrics:
            from mmflow.metrics.listener import Listener
            from mmflow.metrics.meters import Meters

            listener = stack.enter_context(Listener(metrics, health, Meters(health, open_ledger, dropped)))
            log.info("%s/health and /metrics tell how it is", listener.url)
        stack.enter_context(
            Rounds(
                "deadlines",
                watch.look,
                open_ledger,
                LOOK_EVERY,
                partial(note, "deadlines"),
                blind=watch.look_blind,
                looked=partial(health.looked, "deadlines", LOOK_EVERY),
            )
        )
        # At once too, for a machine that never runs for long.
        stack.enter_context(Rounds("backup", back_up, open_ledger, COPY_EVERY, partial(note, "backup"), at_once=True))
        stack.enter_context(Rounds("heartbeat", heart.look, open_ledger, HEART_LOOK))
        yield


class Heart:
    """Asks the address of ``daemon.heartbeat``, as it is now, once a minute while all is well.

    The first time is after a minute, so that a daemon that ends and is started again and again is not taken for a good
    one.
    """

    def __init__(self, roster: Roster, resolver: Resolver, clock: Clock, health: Health) -> None:
        self._roster, self._resolver, self._clock, self._health = roster, resolver, clock, health
        self._next = clock.monotonic() + BEAT_EVERY

    def look(self, ledger: Ledger) -> None:
        """Beat if it is time and there is an address; a ledger that cannot be read is no health.

        Raises :class:`StateError`, and :class:`UserError` for an address without a value; it is time until that ends.
        """
        written, now = self._roster.settings.settings.daemon.heartbeat, self._clock.monotonic()
        if not written or now < self._next:
            return
        ledger.notices.next_due()
        url = self._resolver.resolve(written)
        self._resolver.redactor.remember(url)
        self._next = now + BEAT_EVERY
        beat(url, self._open_http, lambda: self._health.reasons)

    def _open_http(self) -> Client:
        from mmflow.api.outward import open_client

        return open_client(resolve_settings(self._roster.settings, self._resolver, ask=False, record=False).network)
