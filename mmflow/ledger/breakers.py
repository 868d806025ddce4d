"""Services and connections in trouble: nobody asks them for a while, then one, and when that works everybody.

A breaker opens after five failures in a row, or when more than half of the last twenty runs failed. What comes of runs
that were let in before it opened changes nothing any more: only the one that is let in to look closes it, or keeps it
open for twice as long.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import msgspec
from msgspec.structs import replace

from mmflow.clock import Clock
from mmflow.ledger import statements as sql
from mmflow.ledger.driver import Driver, as_text

PARKED: Final = "parked: "  # begins what is said of whoever was not let in
FAILURE: Final = "x"
ANSWER: Final = "."
WINDOW: Final = 20  # runs that are looked back at; those that nobody knows of worked
IN_A_ROW: Final = 5
FIRST_PAUSE: Final = timedelta(minutes=1)  # doubling with each one from then on
LONGEST_PAUSE: Final = timedelta(minutes=15)


class Trouble(msgspec.Struct, frozen=True, kw_only=True):
    """A service or a connection that did not always answer lately: nobody asks it before ``resume_at``.

    ``recent`` is what came of the last runs, the latest last. ``pauses`` counts how often in a row it was left alone, 0
    while all may ask. ``probe`` is when the one was let in that asks for all, None when nobody does. ``why`` is a
    sentence that stays the same while the trouble lasts, so that all jobs with one trouble have one reason. ``refused``
    says which key it refuses, "" when that is not the trouble.
    """

    host: str
    recent: str
    pauses: int
    resume_at: datetime
    probe: datetime | None
    why: str
    refused: str
    updated: datetime

    @property
    def reason(self) -> str:
        """Give what is said of whoever has to wait for it."""
        return f"{PARKED}{self.why}"

    def open_at(self, until: datetime | None) -> datetime:
        """Give when one may ask whose time is up at ``until``: who cannot wait to the end asks for all before that.

        It does a minute after it was asked last, and not while another does.
        """
        if until is None or until > self.resume_at or self.probe or not self.pauses:
            return self.resume_at
        return min(self.resume_at, self.updated + FIRST_PAUSE)


class BreakerBook:
    """The troubles of a ledger, by name. Every method raises :class:`StateError` like the ledger's.

    ``admitted`` is always the instant with which somebody was let in by :meth:`admit`, ``until`` the one at which the
    caller's time is up, None for one that can wait.
    """

    def __init__(self, driver: Driver, clock: Clock) -> None:
        self._driver = driver
        self._clock = clock

    def look(self, host: str, until: datetime | None = None) -> Trouble | None:
        """Give the trouble for which nobody may ask now, None when somebody may.

        While one asks for all, the others are to look again soon.
        """
        found, now = self._read(host), self._clock.now()
        if found is None or (at := found.open_at(until)) <= now:
            return None
        return replace(found, resume_at=min(at, now + FIRST_PAUSE) if found.probe else at)

    def admit(self, host: str, admitted: datetime, until: datetime | None = None) -> Trouble | None:
        """Give the trouble for which the caller may not ask now, which is ``admitted``; None when it may.

        Of those who come when the time of an open one is up, the first may; the others wait for what it finds.
        """
        found = self._read(host)
        if found and found.pauses and found.open_at(until) <= admitted:
            again = admitted + pause_after(found.pauses)  # for one that dies and tells nothing
            with self._driver.transaction():
                values = (as_text(again), as_text(admitted), host, as_text(found.resume_at))
                if self._driver.do(sql.PROBE_BREAKER, *values).rowcount:
                    return None
        return self.look(host, until)

    def fail(self, host: str, admitted: datetime, label: str, until: datetime | None = None) -> None:
        """Take note that nothing came from ``label``; ``until`` is when it may be asked again, if it said so."""
        now = self._clock.now()
        with self._driver.transaction():
            known = self._read(host) or no_trouble(
                host, now, f"{label} is not answering since {now:%Y-%m-%d %H:%M} UTC"
            )
            if until:
                known = replace(known, resume_at=max(known.resume_at, until), why=f"{label} asked for patience")
            self._write(self._count_failure(known, admitted, now))

    def _count_failure(self, known: Trouble, admitted: datetime, now: datetime) -> Trouble:
        if known.pauses:
            down = known.probe == admitted
        else:
            known = replace(known, recent=(known.recent + FAILURE)[-WINDOW:])
            down = is_down(known.recent)
        if not down:
            return known
        resume_at = max(known.resume_at, now + pause_after(known.pauses + 1))
        return replace(known, pauses=known.pauses + 1, resume_at=resume_at, probe=None)

    def refuse(self, host: str, until: datetime, why: str, key: str) -> None:
        """Leave it alone until then, and let one alone ask after that, because it refuses a key of this name."""
        with self._driver.transaction():
            trouble = no_trouble(host, until, why)
            self._write(replace(trouble, pauses=1, refused=key))

    def answer(self, host: str, admitted: datetime, key: str = "") -> None:
        """Take note that it answers, and accepts the key of this name, whichever it was before."""
        if not self._driver.do(sql.IN_TROUBLE, host, key).fetchone():
            return  # most of the time, and nothing is written
        with self._driver.transaction():
            self._drop_refused(host, key)
            if known := self._read(host):
                self._note_answer(known, admitted)

    def free(self, host: str, key: str) -> None:
        """Have all ask again: it has answered somebody by hand, and accepted the key of this name."""
        if self._driver.do(sql.IN_TROUBLE, host, key).fetchone():
            with self._driver.transaction():
                self._drop_refused(host, key)
                if known := self._read(host):
                    self._drop(known)

    def _note_answer(self, known: Trouble, admitted: datetime) -> None:
        recent = (known.recent + ANSWER)[-WINDOW:]
        if known.probe == admitted or not (known.pauses or FAILURE in recent):
            self._drop(known)
        elif not known.pauses:
            self._write(replace(known, recent=recent))

    def _drop_refused(self, host: str, key: str) -> None:
        # A key that is accepted ends the trouble of the one that stood in its place before, and has another host.
        for trouble in self._read_refused():
            if trouble.refused == key and trouble.host != host:
                self._drop(trouble)

    def _drop(self, known: Trouble) -> None:
        now = as_text(self._clock.now())
        self._driver.do(sql.DROP_BREAKER, known.host)
        self._driver.do(sql.WAKE_PARKED, now, known.reason, now)

    def list_refused(self) -> dict[str, str]:
        """Give the keys that are refused, by name, each with the sentence about it."""
        return {trouble.refused: trouble.why for trouble in self._read_refused()}

    def _read_refused(self) -> list[Trouble]:
        return [as_trouble(row) for row in self._driver.do(sql.REFUSED_KEYS).fetchall()]

    def _read(self, host: str) -> Trouble | None:
        row = self._driver.do(sql.READ_BREAKER, host).fetchone()
        return as_trouble(row) if row else None

    def _write(self, trouble: Trouble) -> None:
        self._driver.do(
            sql.PUT_BREAKER,
            *(trouble.host, trouble.recent, trouble.pauses, as_text(trouble.resume_at)),
            *(as_text(trouble.probe) if trouble.probe else "", trouble.why, trouble.refused),
            as_text(self._clock.now()),
        )


def no_trouble(host: str, now: datetime, why: str) -> Trouble:
    """Give what is known of one that nothing is known of."""
    return Trouble(host=host, recent="", pauses=0, resume_at=now, probe=None, why=why, refused="", updated=now)


def is_down(recent: str) -> bool:
    """Tell whether so much of what was asked lately failed that it is better left alone."""
    return recent.endswith(FAILURE * IN_A_ROW) or 2 * recent.count(FAILURE) > WINDOW


def pause_after(pauses: int) -> timedelta:
    """Give how long nobody asks, when it is left alone for so many times in a row."""
    return min(LONGEST_PAUSE, FIRST_PAUSE * (1 << min(pauses - 1, 8)))


def as_trouble(row: tuple[object, ...]) -> Trouble:
    """Build a trouble from its columns, which stand in the order of ``BREAKER_COLUMNS``."""
    values = dict(zip(Trouble.__struct_fields__, row, strict=True))
    values["probe"] = values["probe"] or None
    return msgspec.convert(values, Trouble)
