"""Sends what is to be told, from a short-lived process, so that nothing that hangs there can hold up the daemon.

A message stands in the ledger until it has been sent, and its next try is put off before each try: a kill, or a way
that hangs, delays it and loses nothing. It may go out twice, under one id, and never not at all without a word.

What has to be said while the ledger cannot be used goes out past it.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import queue
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self, TextIO

import msgspec

from mmflow.atomic import STATE
from mmflow.check import check_settings
from mmflow.check.layers import get
from mmflow.check.uses import SinkUse
from mmflow.check.ways import fit_way
from mmflow.clock import Clock
from mmflow.document import change_texts, read_text
from mmflow.errors import GiveUp, MmflowError, StateError, TryLater
from mmflow.leaks import learn_secrets
from mmflow.ledger import Ledger, find_place
from mmflow.ledger.notices import Batch, NewNotice, NoticeRow, make_id, next_wait
from mmflow.logs import Form, open_logs
from mmflow.notices.rounds import Rounds
from mmflow.notices.verdict import Way
from mmflow.notices.words import compose
from mmflow.printed import Printed, keep_terminal
from mmflow.refs import Redactor, Resolver
from mmflow.resolve import connect_sink, resolve_settings, resolve_state
from mmflow.sinks import NoticeInfo, NoticeItem, find_function
from mmflow.stops import holding_stops, ignore_interrupts
from mmflow.text import describe, is_interrupt, read_error
from mmflow.workspace import SETTINGS_FILE, Workspace, load_admitted

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from httpx import Client

log = logging.getLogger(__name__)

PATIENCE: Final = 120.0  # seconds that a round of sending may take
BEGIN: Final = 30.0  # seconds that a process may need on a busy machine before it sends at all
LOOK_EVERY: Final = 2.0  # seconds
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
        self._rounds = Rounds("notices", self.look, open_ledger, look_every, trouble, looked=looked)

    def __enter__(self) -> Self:
        self._rounds.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._rounds.close()

    def look(self, ledger: Ledger) -> None:
        """Send if anything is due; raises :class:`StateError` as long as nothing can be sent at all."""
        due = ledger.notices.next_due()
        if due is None or due > self._clock.now():
            return
        if self._clock.monotonic() >= self._rest_until:
            self._trouble = self._send(())[1]
        if self._trouble:
            raise StateError(self._trouble)

    def tell(self, notices: Sequence[NewNotice]) -> bool:
        """Send these now and past the ledger, since it cannot be used; give whether all of them went out."""
        batches = make_batches(notices, self._clock.now())
        return not batches or self.send(batches)

    def send(self, past: Sequence[Batch] = ()) -> bool:
        """Send what is due, or these past the ledger, in a process that is ended when it takes too long.

        Give whether all went well; what is due and could not be sent is tried again.
        """
        well, trouble = self._send(past)
        if trouble:
            log.warning("notices cannot be sent now: %s", trouble)
        return well

    def _send(self, past: Sequence[Batch]) -> tuple[bool, str]:
        """Give as well what keeps all from being sent, after which no process is begun for a while, "" for nothing."""
        context = multiprocessing.get_context("spawn")
        heard, said = context.Pipe(duplex=False)
        given = (self._root, self._settings(), self._clock, dict(self._environ), self._patience, self._form, past, said)
        process = context.Process(target=send_apart, args=given, daemon=True)
        with holding_stops():
            process.start()
        said.close()
        process.join(self._patience + BEGIN)
        if process.exitcode is None:
            log.warning("sending notices took longer than %.0f s and was ended; it is tried again", self._patience)
            process.kill()
            process.join()
        code = process.exitcode
        process.close()
        with heard, suppress(EOFError, OSError):
            if trouble := str(heard.recv()) if heard.poll() else "":
                self._rest_until = self._clock.monotonic() + REST
                return False, trouble
        return code == 0, ""


def send_apart(
    root: Path,
    settings: str,
    clock: Clock,
    environ: Mapping[str, str],
    patience: float,
    form: Form,
    past: Sequence[Batch],
    said: Connection,
) -> None:
    """Send what is due, or these past the ledger, as the whole life of a process, and end it in any case.

    Its exit code says whether all went well, and ``said`` is told what keeps everything from being sent. What
    strangers' code prints becomes lines of the log.
    """
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
            well = send_past(past, office, patience) if past else send_due(office, patience) >= 0
        except MmflowError as error:
            said.send(redactor.shorten(str(error)))
        except Exception as error:
            log.exception("notices cannot be sent now")
            said.send(redactor.shorten(describe(error)))
    sys.exit(0 if well else 1)


@dataclass(frozen=True, slots=True)
class Office:
    """What every message needs, with references unresolved."""

    workspace: Workspace
    resolver: Resolver
    clock: Clock
    terminal: TextIO | None = None

    def open_ledger(self) -> Ledger:
        """Open the record, which is there: what is sent stands in it."""
        state = resolve_state(self.workspace.checked, self.resolver)
        return Ledger.open(find_place(state, self.workspace.root / STATE), self.clock, known="")

    def open_http(self) -> Client:
        """Open a way to the network."""
        from mmflow.api.outward import open_client

        settings = resolve_settings(self.workspace.checked, self.resolver, ask=False, record=False)
        return open_client(settings.network)


def open_office(
    root: Path,
    settings: str,
    clock: Clock,
    environ: Mapping[str, str],
    redactor: Redactor,
    terminal: TextIO | None = None,
) -> Office:
    """Read ``mmflow.yaml`` from its text, with the plugins that it lets in."""
    document = read_text(settings, SETTINGS_FILE)
    registry = load_admitted(document)
    workspace = Workspace(root, check_settings(document, registry, root, clock.now(), kept=True), registry)
    resolver = Resolver(environ, root, redactor)
    learn_secrets(workspace.checked, registry, resolver)
    return Office(workspace, resolver, clock, terminal)


@dataclass(frozen=True, slots=True)
class Sent:
    """What came of one try: no error, or one, perhaps with the seconds to wait."""

    batch: Batch
    error: str = ""
    wait: timedelta = field(default=timedelta(0))


def send_due(office: Office, patience: float = PATIENCE) -> int:
    """Send what is due now, and write down what came of it; give how many messages were sent."""
    count = 0
    with office.open_ledger() as ledger:
        for sent in send_all(ledger.notices.take(timedelta(seconds=patience + BEGIN)), office, patience):
            settle(ledger, sent, office)
            count += not sent.error
    return count


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
    name = msgspec.json.decode(batch.way, type=Way).via.get("type")
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
    name = str(way.via.get("type"))
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
    return office.resolver.redactor.shorten(f"{name}: {error}")


def tell_people(batch: Batch, way: Way, office: Office) -> None:
    """Call the notifier of a way; raises what it raises, and what keeps the way from being used."""
    use = resolve_way(way, office)
    redact, root = office.resolver.redactor.redact, office.workspace.root
    clean = [read_item(row, redact) for row in batch.rows]
    assert use.type.notify, "found by resolve_way"
    settings = office.workspace.checked.settings
    info = NoticeInfo(
        root=root,
        output=root / settings.output,
        output_mode=int(settings.output_mode, 8),
        store=root / STATE / "notices" / use.type.name,
        connection=use.connection,
        open_http=office.open_http,
        clock=office.clock,
        terminal=office.terminal,
    )
    notice = compose(batch.id, clean, way.to, batch.rows[0].created, root)
    find_function(use.type.notify)(notice, use.options, info)


def read_item(row: NoticeRow, redact: Callable[[str], str]) -> NoticeItem:
    """Give what a notice tells, without secrets; what has no time of its own happened when it was written down."""
    item = msgspec.json.decode(row.content, type=NoticeItem)
    return replace(
        item,
        at=item.at or row.created,
        reason=redact(item.reason),
        hits=redact(item.hits),
        advice=redact(item.advice),
        command=redact(item.command),
    )


def resolve_way(way: Way, office: Office) -> SinkUse:
    """Give the type of a way with its options and its connection, the values of their references put in.

    A job that wrote the block may name files under the root only, ``mmflow.yaml`` any.
    """
    checked, resolver = office.workspace.checked, office.resolver
    kind = office.workspace.registry.sink(str(way.via.get("type")))
    if kind.notify is None:
        raise GiveUp("it tells nobody; see notify in the job")
    common = get(checked.document.values, ("defaults", "notify", "via"))
    confined = not (isinstance(common, list) and way.via in common)
    values = change_texts(way.via, lambda text, _path: resolver.resolve(text, confined=confined))
    assert isinstance(values, dict), "a block stays one"
    use, findings = fit_way(values, (), kind, strict=False)
    if use is None:
        raise GiveUp("; ".join(finding.message for finding in findings))
    if kind.connection and get(checked.document.values, ("connections", use.connection_name)) is None:
        raise GiveUp(f"mmflow.yaml has no connection {use.connection_name!r} any more")
    return connect_sink(use, checked, resolver)
