"""The daemon: a loop around the ledger that plans what is due, gives it out, and sees to what came of it.

It is woken by the alarm, by changed files and by work that has ended, and looks by itself twice a second, so that a
lost word costs half a second. Nothing that has to happen is kept here: after a kill the next one begins from the
ledger.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from threading import Event, Thread
from typing import Final

from mmflow.alarm import TICK, Alarm
from mmflow.clock import Clock
from mmflow.daemon import systemd
from mmflow.daemon.aside import Aside
from mmflow.daemon.ends import Ends
from mmflow.daemon.every import Every
from mmflow.daemon.later import ELSEWHERE, Later
from mmflow.daemon.signals import Signals
from mmflow.daemon.trouble import Trouble
from mmflow.daemon.watchdog import STUCK, Watchdog
from mmflow.daemon.work import MOST_LEASED, STOPPED, Work
from mmflow.durations import parse_duration
from mmflow.errors import EXIT_OK, EXIT_RUN, StateError
from mmflow.leases import Executor, Leases
from mmflow.ledger import Ledger
from mmflow.metrics import Health
from mmflow.notices import tell
from mmflow.planner import Planner
from mmflow.planner.choices import EXPIRED
from mmflow.planner.clock_rule import ClockRule
from mmflow.roster import Changes, Roster

__all__ = ["Daemon"]

log = logging.getLogger(__name__)

POLL: Final = 0.5  # real seconds between two looks
REST: Final = 5.0  # seconds that a part which raised is left alone
RECOVERY: Final = 5.0
WISHES: Final = 2.0
PLACES: Final = 5.0
LEDGER: Final = "ledger"  # the part that all others need
LAST_READ: Final = 5.0
SLOW_READ: Final = 120.0
FAILED: Final = frozenset({"failed", "held", "died", "timeout", "lost"})


class Daemon:
    """One daemon at work in one root, from :meth:`run` until it is told to stop.

    ``roster`` has been refreshed. ``open_ledger`` opens the ledger anew after trouble with it. ``alone`` says that no
    other daemon can be at work on it, so that all leases are those of processes that are gone. ``began`` is when
    this process did, by the monotonic clock: new jobs count from then on. ``tick`` and ``stuck`` are real seconds:
    between two ticks of the alarm, and until the watchdog ends a process that stands still.
    """

    def __init__(
        self,
        *,
        root: Path,
        clock: Clock,
        environ: Mapping[str, str],
        roster: Roster,
        executor: Executor,
        open_ledger: Callable[[], Ledger],
        alone: bool,
        health: Health | None = None,
        began: float | None = None,
        tick: float = TICK,
        stuck: float = STUCK,
    ) -> None:
        self._clock = clock
        self._environ = environ
        self._roster = roster
        self._executor = executor
        self._open_ledger = open_ledger
        self._alone = alone
        self.health = health or Health()
        self._stuck = stuck
        self._began = roster.looked if began is None else began
        self._once = False
        self._wake = Event()
        self._signals = Signals()
        self._alarm = Alarm(self._wake.set, clock, tick)
        self._planner = Planner(root, clock)
        self._rule = ClockRule(clock)
        lease = parse_duration(roster.settings.settings.daemon.lease)
        self._leases = Leases(
            clock=clock,
            executor=executor,
            stopped=STOPPED,
            wake=self._wake.set,
            length=lease,
            replaced=self._planner.find_replacement,
        )
        # Where there are others, one of them may have a worker free for what would wait in line here.
        most = MOST_LEASED if alone else roster.settings.settings.daemon.workers
        self._work = Work(root, clock, roster, self._planner, self._leases, most)
        self._later = Later.since(roster.settings)
        self._ledger: Ledger | None = None
        self._trouble = Trouble(clock)  # with the ledger
        self._resting: dict[str, float] = {}  # parts that raised, and until when they are left alone
        self._files_changed = Event()
        self._reading = Aside(roster.look, self._wake.set, clock, "mmflow-read")
        self._reads = 0  # signals to read the files anew that were heeded
        self._more = False  # whether the last look left something that it had no time for
        self._moves = 0  # what the watchdog looks at
        self.ended: Counter[str] = Counter()  # what came of the slots that were given out, by the state of their run
        self._aside: dict[str, str] = {}  # jobs that cannot be planned, of which people were told
        self._places = Every(clock, PLACES)
        self._tick, self._renewal = Every(clock, TICK), Every(clock, lease.total_seconds() / 3)
        self._recovery, self._wishes = Every(clock, RECOVERY), Every(clock, WISHES)
        self._ends = Ends(clock, roster, self._planner, self.health)

    # -- from beginning to end

    def run(self, *, once: bool = False) -> int:
        """Work until a signal says stop, or ``once`` until nothing is due, and give the exit code.

        What runs at a signal may go on for ``daemon.grace``; a second signal ends it at once. What people are to be
        told is gathered for a while, but not ``once``. Raises :class:`StateError` when the ledger cannot be used from
        the beginning, or in the end.
        """
        self._once = once
        self.begin()
        counts = {"loop of the daemon": lambda: self._moves, "alarm clock": lambda: self._alarm.ticks}
        with self._signals, self._alarm, Watchdog(counts, self._stuck):
            self._roster.watch(self._note_files)
            systemd.notify(self._environ, systemd.READY)
            log.info("at work, with %d job%s", count := len(self._roster.plans), "s" * (count != 1))
            try:
                self._loop()
            finally:
                self.end()
        if self._trouble.now:
            raise StateError(self._trouble.now)
        return EXIT_RUN if once and (self._rule.held or self._resting or FAILED & self.ended.keys()) else EXIT_OK

    def begin(self) -> None:
        """Open the ledger and take in the jobs; raises :class:`StateError`."""
        self._ledger = self._open_ledger()
        if self._alone and (left := self._ledger.slots.drop_leases(self._leases.owner)):
            log.warning("%d slots were left by a daemon that did not end in order; they are taken up", left)
        self._adopt(self._began)
        self._tell_changes(self._ledger, self._roster.troubles)

    def _loop(self) -> None:
        while not self._signals.stops:
            self.look()
            if self._more:
                continue
            if self._once and not self._leases.tasks and not (self._may_begin and self._can_begin()):
                return
            self._wake.wait(POLL)
            self._wake.clear()

    def end(self) -> None:
        """Begin nothing more, wait for what runs, and put back what does not end in time."""
        systemd.notify(self._environ, systemd.STOPPING)
        grace = parse_duration(self._roster.settings.settings.daemon.grace).total_seconds()
        log.info("stopping; what runs may go on for %g s", grace)
        stopping = Thread(target=self._executor.stop, args=(grace,), name="mmflow-stop", daemon=True)
        stopping.start()
        while stopping.is_alive():
            self._moves += 1
            self._guard("outcomes", self._settle)
            self._guard("leases", self._keep_leases)
            if self._signals.stops > 1:
                log.warning("told twice to stop: what runs is ended now")
                self._executor.stop(0)
            stopping.join(POLL / 5)
        self._resting = dict.fromkeys(self._resting, 0.0)  # there is no later
        self._guard("outcomes", self._settle)
        self._guard("ends", self._follow)
        self._guard("leases", self._release)
        self._roster.close()
        self._reading.wait(LAST_READ)  # it may be writing down what it has found
        self._close_ledger()
        log.info("stopped")

    # -- one look

    def look(self) -> None:
        """Turn the loop once: each part of the work gets its turn, whatever becomes of the others."""
        parts: Mapping[str, Callable[[Ledger], None]] = {
            "place": self._check_place,
            "outcomes": self._settle,
            "jobs": self._read_jobs,
            "clock": self._look_at_clock,
            "ends": self._follow,
            "planner": self._plan,
            "leases": self._keep_leases,
            "wishes": self._heed_wishes,
            "work": self._give_out,
            "alarm": self._set_alarm,
        }
        self._more = False
        for name, part in parts.items():
            self._guard(name, part)
        self.health.passed(self._alarm.ticks)
        systemd.notify(self._environ, systemd.ALIVE)

    def _guard(self, name: str, part: Callable[[Ledger], None]) -> None:
        """Do a part of the work; one that raises is left alone for a while, and the others go on."""
        self._moves += 1
        if self._is_resting(name) or self._is_resting(LEDGER):
            return
        try:
            part(self._find_ledger())
        except StateError as error:
            self._degrade(error)
        except Exception as error:
            log.exception("the part %s failed; it is tried again", name)
            self.health.failed()
            self.health.trouble(name, f"{type(error).__name__}; the log has the rest")
            self._rest(name)
        else:
            if self._resting.pop(name, None):
                self.health.well(name)

    def _is_resting(self, name: str) -> bool:
        return self._clock.monotonic() < self._resting.get(name, 0.0)

    def _rest(self, name: str) -> None:
        self._resting[name] = self._clock.monotonic() + REST

    def _check_place(self, ledger: Ledger) -> None:
        if self._places.is_time():
            ledger.check_place()

    def _settle(self, ledger: Ledger) -> None:
        settled = self._leases.settle(ledger)
        for _, outcome in settled:
            self.ended[outcome.run_state or outcome.state] += 1
            self.health.asked(outcome)
        if settled:
            self._ends.note()

    def _read_jobs(self, ledger: Ledger) -> None:
        """Have the files read beside the loop, as ten thousand jobs may have to be checked, and take in what counts."""
        try:
            found = self._reading.take()
            if found:
                self._tell_changes(ledger, self._roster.put_in_force(found))
                self._adopt(self._roster.looked)  # also when nothing is different: this may have failed the last time
                self._look_at_settings(ledger)
            self._look_at_reading()
            if not self._reading.busy and (self._files_changed.is_set() or self._signals.reads > self._reads):
                self._files_changed.clear()
                self._reads = self._signals.reads
                self._reading.begin()
        except BaseException:
            self._files_changed.set()
            raise

    def _look_at_reading(self) -> None:
        """Say so while a drive lets whoever reads from it wait; what was good before counts."""
        waited = self._reading.seconds
        text = f"they have been read for {waited:.0f} seconds, and no change counts until then"
        self._note("files", text if waited > SLOW_READ else "")

    def _adopt(self, seen: float) -> None:
        self._planner.adopt(self._roster.plans, self._roster.calendars, self._roster.names, seen=seen)

    def _look_at_settings(self, ledger: Ledger) -> None:
        before = self._later.moved
        self._later.look(self._roster.settings)
        self._note("state", ELSEWHERE if self._later.moved else "")
        if self._later.moved and not before:
            self._tell(ledger, "moved", ELSEWHERE)

    def _tell_changes(self, ledger: Ledger, changes: Changes) -> None:
        for line in changes.lines:
            log.info("%s", line)
        for kind, text in changes.words:
            self._tell(ledger, kind, text)

    def _look_at_clock(self, ledger: Ledger) -> None:
        self._rule.look(ledger)
        self._note("clock", self._rule.held)
        for kind, text in self._rule.take_words():
            self._tell(ledger, kind, text)

    def _follow(self, ledger: Ledger) -> None:
        self._more |= self._ends.follow(ledger, self._notice_wait)

    def _plan(self, ledger: Ledger) -> None:
        if self._rule.held:
            return
        tick = self._tick.is_time()
        if planned := self._planner.plan(ledger, tick=tick):
            self.health.count("slots_planned", more=planned)
            self._ends.note()  # what was skipped has ended
        self._more |= self._planner.behind
        if tick:
            self._tell_aside(ledger)
        if tick and (count := ledger.slots.retire(EXPIRED)):
            log.warning("slots that expired before they could begin: %d", count)
            self._ends.note()

    def _tell_aside(self, ledger: Ledger) -> None:
        """Tell of the jobs that cannot be planned, each once until it can be again."""
        aside = dict(self._planner.aside)
        for job, why in sorted(aside.items() - self._aside.items()):
            self._tell(ledger, "broken", f"{job} is not planned: {why}")
        self._aside = aside

    def _keep_leases(self, ledger: Ledger) -> None:
        if self._renewal.is_time():
            self._leases.renew(ledger)
        if self._recovery.is_time():
            self._work.recover(ledger)

    def _heed_wishes(self, ledger: Ledger) -> None:
        if self._wishes.is_time():
            self._leases.cancel_wished(ledger)

    def _give_out(self, ledger: Ledger) -> None:
        if self._may_begin and self._is_due():
            self._work.give_out(ledger)

    def _set_alarm(self, ledger: Ledger) -> None:
        now = self._clock.now()
        coming = [self._planner.next_due, ledger.slots.next_due()]
        self._alarm.set(min((moment for moment in coming if moment and moment > now), default=None))

    def _release(self, ledger: Ledger) -> None:
        if left := self._leases.release(ledger):
            log.warning("%d slots were put back, to go on when a daemon runs again", left)

    # -- ground

    @property
    def _notice_wait(self) -> timedelta:
        return timedelta() if self._once else parse_duration(self._roster.settings.settings.daemon.notice_wait)

    @property
    def _may_begin(self) -> bool:
        return not (self._rule.held or self._trouble.now or self._later.moved)

    def _is_due(self) -> bool:
        """Tell whether a slot may be worked on now."""
        at = self._ledger.slots.next_due() if self._ledger else None
        return at is not None and at <= self._clock.now()

    def _can_begin(self) -> bool:
        """Tell whether a slot may be worked on now that does not wait for an earlier one of its job."""
        return self._is_due() and self._ledger is not None and self._ledger.slots.any_due()

    def _note_files(self) -> None:
        self._files_changed.set()
        self._wake.set()

    def _note(self, part: str, trouble: str) -> None:
        self.health.trouble(part, trouble) if trouble else self.health.well(part)

    def _tell(self, ledger: Ledger, kind: str, text: str) -> None:
        tell(ledger, self._roster.settings, kind, text, self._clock.now(), self._notice_wait)

    def _find_ledger(self) -> Ledger:
        if self._ledger is None:
            self._ledger = self._open_ledger()
        if self._trouble.now:
            # A ledger that can be opened may still have no room to write.
            self._ledger.note("daemon_again", self._trouble.now)
            self._trouble.mend()
            # Leases ran out meanwhile of others who are alive: they get the time to renew them, as this one does now.
            self._renewal.again()
            self._recovery.put_off(self._renewal.seconds)
        if trouble := self._trouble.past:
            self._tell(self._ledger, "state", f"the ledger could be used again, after: {trouble}")
            self._trouble.end()
            self.health.well(LEDGER)
            log.warning("the ledger can be used again")
        return self._ledger

    def _degrade(self, error: StateError) -> None:
        """Go on without the ledger, which is opened anew at the next look; nothing can be leased meanwhile."""
        if self._trouble.meet(str(error)):
            still = "still " if self._trouble.lasts else ""
            log.error("the ledger %scannot be used, and nothing new is begun: %s", still, error)
        self.health.trouble(LEDGER, self._trouble.now)
        self._rest(LEDGER)
        self._close_ledger()

    def _close_ledger(self) -> None:
        ledger, self._ledger = self._ledger, None
        if ledger:
            try:
                ledger.close()
            except StateError as error:
                log.warning("%s", error)
