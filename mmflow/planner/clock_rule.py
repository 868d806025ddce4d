"""Whether the wall clock can be believed: it decides what is due, so a wrong one would expire or send everything.

Between two looks the wall has to move as far as the monotonic clock. A step forward of up to a day counts as an outage;
after one back what was planned too early is planned again at its time, and people are told. After a larger one nothing
is planned until somebody says that it is right.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from mmflow.clock import Clock
from mmflow.ledger import Ledger
from mmflow.ledger.driver import as_moment, as_text

log = logging.getLogger(__name__)

STEP: Final = timedelta(minutes=1)  # a smaller difference is how clocks are set by the network
BACK: Final = timedelta(minutes=2)  # after a larger step back what was planned meanwhile was planned too early
MOST_NAMED: Final = 8
TOO_FAR: Final = timedelta(days=1)
LONGEST_OUTAGE: Final = timedelta(days=92)
BUILT: Final = datetime(2026, 1, 1, tzinfo=UTC)  # the year of this release: no true clock shows an earlier one
NOTED: Final = timedelta(seconds=30)  # how often the ledger is told what the clock shows
TICK, HELD, ACCEPTED = "clock_tick", "clock_held", "clock_accepted"  # keys of the ledger's notes
APART: Final = timedelta(minutes=1)  # from the clock of a database, by which leases go
ADVICE: Final = "set the clock, or say 'mmflow clock accept' if it is right"


@dataclass(slots=True)
class ClockRule:
    """Compares the two clocks at each look, and at the first one the wall with what the ledger knows.

    ``held`` says why nothing may be planned, "" while the clock is believed. It stays as it was found first, also for
    the daemons to come, so that it is told once and not again each minute.
    """

    clock: Clock
    held: str = field(default="", init=False)
    _wall: datetime | None = field(default=None, init=False)  # at the last look that was believed
    _elapsed: float = field(default=0.0, init=False)
    _noted: datetime | None = field(default=None, init=False)
    _forward: tuple[datetime, timedelta] | None = field(default=None, init=False)  # the last step that way
    _words: dict[str, str] = field(default_factory=dict, init=False)

    def look(self, ledger: Ledger) -> None:
        """Look at the clock now and find whether it can be believed; raises :class:`StateError`."""
        now = self.clock.now()
        found = self._find_doubt(ledger, now)
        if found and is_accepted(ledger, now):
            log.warning("the clock shows %s, which was accepted", show(now))
            found = ""
        if found:
            found = self.held or ledger.noted(HELD) or found
        if found != self.held:
            self._tell(ledger, found)
        if not found:
            self._believe(ledger, now)

    def _find_doubt(self, ledger: Ledger, now: datetime) -> str:
        if self._wall is None:
            last, held = read_notes(ledger)
            return doubt_start(now, last, held=held)
        passed = timedelta(seconds=self.clock.monotonic() - self._elapsed)
        step = now - (self._wall + passed)
        if abs(step) > TOO_FAR:
            return f"the clock went from {show(self._wall + passed)} to {show(now)} at once; {ADVICE}"
        if not self.held and step > STEP:
            self._forward = now - step, step
        if not self.held and abs(step) > STEP:
            log.warning("the clock went %s by %s; %s", *tell_step(step))
        return ""

    def _expect(self, ledger: Ledger) -> datetime | None:
        """Give what the clock would show now if nobody had set it; at a start what it showed at least."""
        if self._wall is None:
            return read_notes(ledger)[0]
        return self._wall + timedelta(seconds=self.clock.monotonic() - self._elapsed)

    def _tell(self, ledger: Ledger, found: str) -> None:
        if not found:
            log.warning("the clock is believed again; planning goes on")
        ledger.note(HELD, found)
        self.held = found
        if found:
            self._words["clock"] = f"nothing is planned: {found}"

    def take_words(self) -> list[tuple[str, str]]:
        """Give what people have to know of steps since the last time, each by the kind of notice that it is."""
        words, self._words = self._words, {}
        return list(words.items())

    def _believe(self, ledger: Ledger, now: datetime) -> None:
        if self._wall is None:
            warn_apart(ledger, now)
        expected = self._expect(ledger)
        if expected and expected - now > BACK:
            early = ledger.slots.take_back(now)
            self._words.setdefault("ahead", tell_early(now, expected - now, self._forward, early))
        self._wall, self._elapsed = now, self.clock.monotonic()
        if self._noted is None or abs(now - self._noted) >= NOTED:
            for key, value in ((TICK, as_text(now)), (HELD, ""), (ACCEPTED, "")):
                if ledger.noted(key) != value:
                    ledger.note(key, value)
            self._noted = now


def warn_apart(ledger: Ledger, now: datetime) -> None:
    """Warn of a clock that differs from that of the ledger's database: then machines plan at different times."""
    apart = abs(ledger.slots.now() - now)
    if apart > APART:
        text = (
            "the clocks of this machine and of the ledger's database are %.0f seconds apart; set both by a time server"
        )
        log.warning(text, apart.total_seconds())


def read_notes(ledger: Ledger) -> tuple[datetime | None, bool]:
    """Give when the clock was believed last, None for never, and whether it has not been since."""
    return as_moment(ledger.noted(TICK)), bool(ledger.noted(HELD))


def read_belief(ledger: Ledger, now: datetime) -> tuple[datetime | None, str]:
    """Give when the clock was believed last, and why it is not now, "" when it is."""
    last, _ = read_notes(ledger)
    return last, "" if is_accepted(ledger, now) else ledger.noted(HELD) or doubt_start(now, last, held=False)


def accept_clock(ledger: Ledger, now: datetime) -> str:
    """Leave word that the clock is right as it shows ``now``, for the daemon's next look or its next start.

    Give the doubt that is settled by it. Nothing is left, and "" given, when there is none: a later step is another
    matter.
    """
    _, doubt = read_belief(ledger, now)
    if doubt:
        ledger.note(ACCEPTED, as_text(now))
    return doubt


def is_accepted(ledger: Ledger, now: datetime) -> bool:
    """Tell whether the clock was accepted as it is: within a day of what it shows now."""
    try:
        accepted = as_moment(ledger.noted(ACCEPTED))
    except ValueError:  # the word of an earlier version, which did not say what was accepted
        return False
    return accepted is not None and abs(now - accepted) <= TOO_FAR


def doubt_start(now: datetime, last: datetime | None, *, held: bool) -> str:
    """Say why the clock cannot be believed at a start, by when the daemon last believed it; "" when it can.

    ``held`` tells that it was not believed when the daemon ended.
    """
    if now < BUILT:
        return f"the clock shows {show(now)}, before this version of mmflow was made; {ADVICE}"
    if last and last - now > TOO_FAR:
        return f"the clock shows {show(now)}, and it was {show(last)} before; {ADVICE}"
    if last and (now - last > LONGEST_OUTAGE or (held and now - last > TOO_FAR)):
        return f"the clock shows {show(now)}, long after {show(last)}, when it was last believed; {ADVICE}"
    return ""


def tell_early(
    now: datetime, length: timedelta, forward: tuple[datetime, timedelta] | None, early: Sequence[tuple[str, datetime]]
) -> str:
    """Say for people from when to when the clock was ahead, and which reports were made too early by it."""
    known = forward is not None and abs(forward[1] - length) <= BACK
    since = f" from {show(forward[0])}" if forward and known else ""
    said = f"it was ahead by {timedelta(seconds=round(length.total_seconds()))}{since} until {show(now)}"
    if not early:
        return f"{said}; no report was made too early"
    named = ", ".join(f"{job} of {show(due)}" for job, due in early[:MOST_NAMED])
    more = f" and {len(early) - MOST_NAMED} more" if len(early) > MOST_NAMED else ""
    return (
        f"{said}; made too early, and made again at their time: {named}{more}; "
        "files and tables are replaced then, and a message that went out is not sent twice"
    )


def tell_step(step: timedelta) -> tuple[str, timedelta, str]:
    """Give direction, length and consequence of a step, for the log."""
    length = timedelta(seconds=round(abs(step).total_seconds()))
    if step > timedelta():
        return "forward", length, "what was due meanwhile is made up for as each job says"
    return "back", length, "what was due after that comes again at its time"


def show(moment: datetime) -> str:
    """Write an instant for people, in UTC."""
    return f"{moment:%Y-%m-%d %H:%M} UTC"
