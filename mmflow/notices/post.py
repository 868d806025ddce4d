"""Sends what is to be told, from short-lived processes, so that nothing that hangs there can hold up the daemon.

What becomes due while a way hangs goes out by the others, from a process of its own.

A message stands in the ledger until it has been sent, and its next try is put off before each try: a kill, or a way
that hangs, delays it and loses nothing. It may go out twice, under one id, and never not at all without a word.

What has to be said while the ledger cannot be used goes out past it.
"""

from __future__ import annotations

import logging
import os
import queue
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

import msgspec

from mmflow.atomic import STATE
from mmflow.clock import Clock
from mmflow.errors import MmflowError, StateError, TryLater
from mmflow.ledger import Ledger
from mmflow.ledger.notices import Batch, NewNotice, NoticeRow, make_id, next_wait
from mmflow.logs import Form, open_logs
from mmflow.notices.errand import BEGIN, Errand
from mmflow.notices.office import Office, name_way, open_office, resolve_people, resolve_way, surround
from mmflow.notices.rounds import Rounds
from mmflow.notices.verdict import Way
from mmflow.notices.words import compose
from mmflow.printed import Printed, keep_terminal
from mmflow.refs import Redactor
from mmflow.sinks import NoticeItem, find_function
from mmflow.stops import ignore_interrupts
from mmflow.text import describe, is_interrupt, join_lines, read_error

if TYPE_CHECKING:
    from multiprocessing.connection import Connection


log = logging.getLogger(__name__)

PATIENCE: Final = 120.0  # seconds that a round of sending may take
LOOK_EVERY: Final = 2.0  # seconds
MOST_ERRANDS: Final = 8  # at once, each with another way that hangs
CLOSE: Final = 5.0  # seconds that what is being sent may still take at the end
REST: Final = 20.0  # seconds until the next process when one could send nothing at all
MEND_WAIT: Final = timedelta(hours=1)  # until a way is tried again that somebody has to mend
GIVEN_UP: Final = timedelta(days=1)


class Postman:
    """Sends due notices while it is open: a thread that looks, and a process for each round of sending.

    ``open_ledger`` gives the thread a connection of its own; ``settings`` gives the text of ``mmflow.yaml`` in force.
    ``form`` is that of the log on stderr. When it is closed, what is being sent is given up soon, and the next daemon
    sends what waits.
    """

    def __init__(
        self,
        root: Path,
        clock: Clock,
        environ: Mapping[str, str],
        settings: Callable[[], str],
        open_ledger: Callable[[], Ledger],
        *,
        form: Form = "text",
        patience: float = PATIENCE,
        look_every: float = LOOK_EVERY,
        trouble: Callable[[str], None] = lambda _text: None,
        looked: Callable[[], None] = lambda: None,
    ) -> None:
        self._root, self._clock, self._environ, self._settings = root, clock, environ, settings
        self._patience, self._form = patience, form
        self._rest_until, self._trouble = 0.0, ""
        self._errands: list[Errand] = []
        self._rounds = Rounds("notices", self.look, open_ledger, look_every, trouble, looked=looked)

    def __enter__(self) -> Self:
        self._rounds.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        end = time.monotonic() + CLOSE
        self._rounds.close(CLOSE)
        while self._errands and time.monotonic() < end:
            self._look_after(0.05)

    def look(self, ledger: Ledger) -> None:
        """Send what is due by ways that are free; raises :class:`StateError` as long as nothing can be sent at all."""
        self._look_after()
        due = ledger.notices.list_due()
        busy = {via for errand in self._errands for via in errand.busy}
        free = [way for way in due if read_via(way) not in busy]
        if free and len(self._errands) < MOST_ERRANDS and self._clock.monotonic() >= self._rest_until:
            self._errands.append(self._begin(ways=free))
        if due and self._trouble:
            raise StateError(self._trouble)

    def _look_after(self, wait: float = 0.0) -> None:
        """Take note of what has been sent meanwhile, and end what takes too long."""
        ended = [errand for errand in self._errands if not errand.goes_on(wait)]
        for errand in ended:
            self._errands.remove(errand)
            self._note(errand)

    def tell(self, notices: Sequence[NewNotice]) -> bool:
        """Send these now and past the ledger, since it cannot be used; give whether all of them went out."""
        batches = make_batches(notices, self._clock.now())
        return not batches or self.send(batches)

    def send(self, past: Sequence[Batch] = ()) -> bool:
        """Send what is due, or these past the ledger, in a process that is ended when it takes too long.

        Give whether all went well; what is due and could not be sent is tried again.
        """
        errand = self._begin(past)
        while errand.goes_on(0.05):
            pass
        self._note(errand)
        if errand.trouble:
            log.warning("notices cannot be sent now: %s", errand.trouble)
        return errand.well

    def _begin(self, past: Sequence[Batch] = (), ways: Sequence[str] | None = None) -> Errand:
        about = self._root, self._settings(), self._clock, dict(self._environ), self._patience, self._form
        return Errand(send_apart, (*about, past, ways), self._patience, map(read_via, ways or ()))

    def _note(self, errand: Errand) -> None:
        """Keep what keeps all from being sent, after which no process is begun for a while; "" is for nothing."""
        self._trouble = errand.trouble
        if self._trouble:
            self._rest_until = self._clock.monotonic() + REST


def send_apart(
    root: Path,
    settings: str,
    clock: Clock,
    environ: Mapping[str, str],
    patience: float,
    form: Form,
    past: Sequence[Batch],
    ways: Container[str] | None,
    said: Connection,
) -> None:
    """Send what is due by these ways, or these messages past the ledger, as the whole life of a process.

    It ends in any case. Its exit code says whether all went well, and ``said`` is told what :class:`Errand` wants to
    hear. What strangers' code prints becomes lines of the log.
    """

    def say(done: str = "", trouble: str = "") -> None:
        with suppress(OSError):  # nobody listens any more
            said.send((done, redactor.shorten(trouble)))

    ignore_interrupts()
    redactor = Redactor()
    limit = threading.Timer(2 * patience + BEGIN, os._exit, (1,))  # also when the daemon has been killed meanwhile
    limit.daemon = True
    limit.start()
    terminal, printed = keep_terminal(), Printed()
    with open_logs(root / STATE / "logs", redactor, stream=terminal, form=form, clock=clock), printed.belong_to():
        well = False
        try:
            office = open_office(root, settings, clock, environ, redactor, terminal)
            well = send_past(past, office, patience) if past else send_due(office, patience, ways, say) >= 0
        except MmflowError as error:
            say(trouble=str(error))
        except Exception as error:
            log.exception("notices cannot be sent now")
            say(trouble=describe(error))
    sys.exit(0 if well else 1)


@dataclass(frozen=True, slots=True)
class Sent:
    """What came of one try: no error, or one, perhaps with the seconds to wait."""

    batch: Batch
    error: str = ""
    wait: timedelta = field(default=timedelta(0))


def send_due(
    office: Office,
    patience: float = PATIENCE,
    ways: Container[str] | None = None,
    free: Callable[[str], None] = lambda _via: None,
) -> int:
    """Send what is due now by all ways or these, and write down what came of it; give how many messages were sent.

    ``free`` is told by what nothing is being sent any more.
    """
    count = 0
    with office.open_ledger() as ledger:
        batches = ledger.notices.take(timedelta(seconds=patience + BEGIN), ways)
        left = Counter(read_via(batch.way) for batch in batches)
        for sent in send_all(batches, office, patience):
            settle(ledger, sent, office)
            count += not sent.error
            via = read_via(sent.batch.way)
            left[via] -= 1
            if not left[via]:
                free(via)
    return count


def read_via(way: str) -> str:
    """Give by what a way tells people, whoever they are."""
    return msgspec.json.encode(msgspec.json.decode(way, type=Way).via, order="deterministic").decode()


def send_past(batches: Sequence[Batch], office: Office, patience: float = PATIENCE) -> bool:
    """Send messages that stand in no ledger; give whether all went out."""
    errors = [sent.error for sent in send_all(batches, office, patience) if sent.error]
    for error in errors:
        log.warning("nobody could be told past the ledger: %s; tried again in a minute", error)
    return not errors


def make_batches(notices: Iterable[NewNotice], now: datetime) -> list[Batch]:
    """Put notices that stand in no ledger into messages, one for each way; the log alone is told by none."""
    ways: dict[str, list[NoticeRow]] = {}
    for notice in notices:
        if notice.way:
            written = msgspec.structs.asdict(notice) | {"id": notice.id, "created": now}
            ways.setdefault(notice.way, []).append(NoticeRow(**written, attempts=0, batch="", error=""))
    return [Batch(id=make_id(*(row.id for row in rows)), way=way, rows=tuple(rows)) for way, rows in ways.items()]


def send_all(batches: Sequence[Batch], office: Office, patience: float) -> Iterator[Sent]:
    """Send messages side by side, and give what came of each as soon as it is known.

    One that has not ended in time counts as failed.
    """
    found: queue.SimpleQueue[Sent] = queue.SimpleQueue()
    end = office.clock.monotonic() + patience
    left = {batch.id: batch for batch in batches}
    for batch in batches:
        threading.Thread(target=lambda one: found.put(send_batch(one, office)), args=(batch,), daemon=True).start()
    with suppress(queue.Empty):
        while left:
            sent = found.get(timeout=max(0.0, end - office.clock.monotonic()))
            del left[sent.batch.id]
            yield sent
    yield from (give_up_waiting(batch, patience) for batch in left.values())


def give_up_waiting(batch: Batch, patience: float) -> Sent:
    """Give what came of a try that has not ended."""
    name = name_way(msgspec.json.decode(batch.way, type=Way))
    return Sent(batch, f"{name}: it has not ended in {patience:.0f} s", next_wait(batch.rows[0].attempts))


def settle(ledger: Ledger, sent: Sent, office: Office) -> None:
    """Write down what came of a try; after a day without success it was the last one."""
    now, batch = office.clock.now(), sent.batch
    if not sent.error:
        ledger.notices.settle(batch, "done")
    elif now - batch.rows[0].created >= GIVEN_UP:
        log.error("nobody could be told for a day, and it is given up: %s", sent.error)
        ledger.notices.settle(batch, "failed", sent.error)
    else:
        again = now + sent.wait
        advice = "; see to it, then 'mmflow doctor' tries whether it works" if sent.wait == MEND_WAIT else ""
        log.warning("nobody could be told yet: %s; tried again at %s UTC%s", sent.error, f"{again:%H:%M:%S}", advice)
        ledger.notices.settle(batch, "pending", sent.error, again)


def send_batch(batch: Batch, office: Office) -> Sent:
    """Send one message once; whatever a notifier raises becomes what came of it."""
    way = msgspec.json.decode(batch.way, type=Way)
    name = name_way(way)
    try:
        tell_people(batch, way, office)
    except TryLater as error:
        return Sent(batch, explain(name, read_error(error), office), choose_wait(error.after, batch.rows[0].attempts))
    except MmflowError as error:
        return Sent(batch, explain(name, read_error(error), office), MEND_WAIT)
    except BaseException as error:  # a stranger's code
        if is_interrupt(error):
            raise
        log.exception("%s failed", name)
        return Sent(batch, explain(name, f"raised {describe(error)}", office), MEND_WAIT)
    return Sent(batch)


def choose_wait(asked: float | None, attempts: int) -> timedelta:
    """Give how long to wait for the next try: as long as the other side asks for, an hour at most."""
    if not (asked and asked > 0):  # nor is "not a number"
        return next_wait(attempts)
    return timedelta(seconds=min(asked, MEND_WAIT.total_seconds()))


def explain(name: str, error: str, office: Office) -> str:
    """Give the sentence for what keeps people from being told."""
    return office.resolver.redactor.shorten(join_lines(f"{name}: {error}"))


def tell_people(batch: Batch, way: Way, office: Office) -> None:
    """Call the notifier of a way; raises what it raises, and what keeps the way from being used."""
    use = resolve_way(way, office)
    redact, root = office.resolver.redactor.redact, office.workspace.root
    clean = [read_item(row, redact) for row in batch.rows]
    assert use.type.notify, "found by resolve_way"
    notice = compose(batch.id, clean, resolve_people(way, office), batch.rows[0].created, root)
    find_function(use.type.notify)(notice, use.options, surround(use, office))


def read_item(row: NoticeRow, redact: Callable[[str], str]) -> NoticeItem:
    """Give what a notice tells, without secrets; what has no time of its own happened when it was written down."""
    item = msgspec.json.decode(row.content, type=NoticeItem)
    return replace(
        item,
        at=item.at or row.created,
        reason=join_lines(redact(item.reason)),
        hits=redact(item.hits),
        advice=redact(item.advice),
        command=redact(item.command),
    )
