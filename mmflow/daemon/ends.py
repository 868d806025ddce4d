"""What follows from slots that have ended: failures are counted, people are told, and followers are looked at."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from mmflow.clock import Clock
from mmflow.daemon.every import Every
from mmflow.ledger import Ledger
from mmflow.metrics import Health
from mmflow.notices import follow_ends, tell_keys
from mmflow.planner import Planner
from mmflow.roster import Roster

PAUSE: Final = 5.0
MOST: Final = 2000  # slots of one look: after a long outage there are very many, and what is due does not wait for that


@dataclass(slots=True)
class Ends:
    """Looks every few seconds for slots that have ended, and at once when it is told that there are some."""

    clock: Clock
    roster: Roster
    planner: Planner
    health: Health
    _time: Every = field(init=False)

    def __post_init__(self) -> None:
        self._time = Every(self.clock, PAUSE)

    def note(self) -> None:
        """Have the next look be at once."""
        self._time.again()

    def follow(self, ledger: Ledger, wait: timedelta) -> bool:
        """Let happen what follows, notices to go out after ``wait``; tell whether there is more to do."""
        if not self._time.is_time():
            return False
        now = self.clock.now()
        ended = follow_ends(ledger, self.roster.plans, now, wait, self.health.ended, MOST)
        for slot in ended:
            self.planner.note_end(slot.job)
        tell_keys(ledger, self.roster.settings, now, wait)
        if more := len(ended) >= MOST:
            self.note()
        return more
