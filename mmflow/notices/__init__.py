"""Tells people what became of their reports: what ended is looked at once, written down, gathered, and sent until told.

Nothing here waits for anybody: what is to be told stands in the ledger, and :class:`~mmflow.notices.post.Postman` sends
it from a process of its own.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec

from mmflow.check import CheckedSettings
from mmflow.check.layers import get
from mmflow.errors import StateError
from mmflow.job import Notify
from mmflow.ledger import Ledger, Slot
from mmflow.ledger.notices import End, NewNotice, Sequel, Trouble
from mmflow.ledger.slots import FOREVER
from mmflow.logs import bind
from mmflow.notices.verdict import Plans, judge_end, list_ways, make_notices
from mmflow.options import convert_values
from mmflow.sinks import NoticeItem
from mmflow.text import join_lines

log = logging.getLogger(__name__)

WAIT: Final = timedelta(minutes=1)  # unless daemon.notice_wait says otherwise
EVERY_END: Final = sys.maxsize
REPEAT: Final = timedelta(hours=1)  # the same word about the daemon itself is said no more often
LEVELS: Final = dict.fromkeys(("recovered", "mended", "accepted", "skipped", "cancelled"), logging.INFO)
AT_ONCE: Final = 2
OPPOSITES: Final = {"broken": "mended", "mended": "broken", "refused": "accepted", "accepted": "refused"}
REFUSED_KEYS: Final = "refused_keys"  # the note of the ledger of which keys people have been told
# What to do about the daemon's own troubles, and by which command.
REMEDIES: Final[Mapping[str, tuple[str, str]]] = {
    "broken": ("mend the file; it counts as soon as it is saved", "mmflow validate"),
    "mended": ("nothing has to be done", ""),
    "blocked": ("give it a value; an environment variable counts when the daemon is started again", "mmflow doctor"),
    "refused": (
        "put a key that is accepted in its place; an environment variable counts when the daemon is started again",
        "mmflow validate --live",
    ),
    "accepted": ("nothing has to be done: what waited for it goes on", ""),
    "clock": ("look at the clock of this machine; nothing is lost meanwhile, and nothing runs", "mmflow clock"),
    "ahead": (
        "look at what sets the clock of this machine; tell those who read what was made too early",
        "mmflow clock",
    ),
    "state": ("nothing has to be done: what was due meanwhile is made up for", "mmflow runs --all"),
    "moved": ("start the daemon anew; it begins nothing until then", "mmflow service status"),
    "outage": (
        "look after the place where it lies: its disk, its rights, its server; nothing new is begun meanwhile",
        "mmflow doctor",
    ),
}


def follow_ends(
    ledger: Ledger,
    plans: Plans,
    now: datetime,
    wait: timedelta = WAIT,
    seen: Callable[[End], None] = lambda _end: None,
    most: int = EVERY_END,
) -> list[Slot]:
    """Let everything happen that follows from slots that have ended, and give those slots; none is given twice.

    Failures are counted, jobs that failed too often are paused, and notices are written, to go out after ``wait``. What
    follows from one slot is one transaction with its mark, so that a kill loses and doubles nothing; then ``seen`` is
    told of each. It ends soon after ``most`` slots. From one that cannot be judged nothing follows but a line in the
    log. Raises :class:`StateError`.
    """

    def judge(end: End) -> Sequel:
        try:
            return judge_end(end, plans.get(end.slot.job), now, wait)
        except Exception:
            with bind(job=end.slot.job, slot=end.slot.due, run=end.slot.run):
                log.exception("nobody is told what became of this time of %s, since that failed", end.slot.job)
            return Sequel()

    ended: list[Slot] = []
    while len(ended) < most and (followed := ledger.notices.follow(judge, FOREVER)):
        for end, sequel in followed:
            log_sequel(end, sequel)
            seen(end)
            ended.append(end.slot)
    return ended


def log_sequel(end: End, sequel: Sequel) -> None:
    """Put what is told into the log as well, each thing once."""
    told = {notice.kind: notice for notice in sequel.notices}
    for notice in told.values():
        log_item(msgspec.json.decode(notice.content, type=NoticeItem))
    if sequel.pause and "paused" not in told:
        with bind(job=end.slot.job, slot=end.slot.due, run=end.slot.run):
            log.warning("paused: %s", sequel.pause)


def log_item(item: NoticeItem) -> None:
    """Log one thing that people are told."""
    due = f", due {item.slot:%Y-%m-%d %H:%M} UTC" if item.slot else ""
    command = f"; {item.command}" if item.command else ""
    with bind(job=item.job, slot=item.slot, run=item.run):
        log.log(LEVELS.get(item.kind, logging.WARNING), "%s%s: %s%s", item.kind, due, join_lines(item.reason), command)


def tell(
    ledger: Ledger, settings: CheckedSettings, kind: str, text: str, now: datetime, wait: timedelta = WAIT
) -> None:
    """Tell those whom ``defaults`` of ``mmflow.yaml`` name something about the daemon itself; never raises.

    ``kind`` is one word (``broken``, ``clock``, ``state``, ``blocked``, ``mended``, …), ``text`` a sentence without
    secrets, with what to do. The same word and sentence within an hour are told once, unless people were told the
    opposite since.
    """
    item = describe_trouble(settings, kind, text)
    try:
        waits = time_trouble(item, ledger.notices.list_troubles(now - REPEAT), now, wait)
        if waits is not None:
            log_item(item)
            ledger.notices.add(address_trouble(item, settings, now, waits))
    except StateError as error:
        log.warning("%s: %s (nobody could be told: %s)", kind, text, error)


def time_trouble(item: NoticeItem, recent: Sequence[Trouble], now: datetime, wait: timedelta) -> timedelta | None:
    """Give how long trouble waits to be told, None when that is what people heard last.

    What comes and goes is told :data:`AT_ONCE` times an hour at once, and then when the hour is over.
    """
    content = msgspec.json.encode(item).decode()
    same = [one.created for one in recent if one.content == content]
    if not same:
        return wait
    if item.kind == "state":  # what it ends was perhaps told past the ledger
        return max(wait, same[0] + REPEAT - now) if len(same) < AT_ONCE else None
    if not any(one.kind == OPPOSITES.get(item.kind) and one.created > same[-1] for one in recent):
        return None
    return wait if len(same) < AT_ONCE else max(wait, same[0] + REPEAT - now)


def describe_trouble(settings: CheckedSettings, kind: str, text: str) -> NoticeItem:
    """Put together what is told about the daemon itself."""
    advice, command = REMEDIES.get(kind, ("", ""))
    return NoticeItem(kind=kind, reason=text, advice=advice, command=command, zone=find_zone(settings))


def address_trouble(
    item: NoticeItem, settings: CheckedSettings, now: datetime, wait: timedelta = WAIT
) -> list[NewNotice]:
    """Give the notices of it, for those whom ``defaults`` name."""
    notify, owner = read_defaults(settings)
    return make_notices(item, f"{now:%Y%m%dT%H%M%S.%fZ}", list_ways(notify, owner), now, wait)


def tell_keys(ledger: Ledger, settings: CheckedSettings, now: datetime, wait: timedelta = WAIT) -> None:
    """Tell once of each key that a service refuses, since all jobs of it wait, and once when it is accepted again.

    Raises :class:`StateError`.
    """
    told = msgspec.json.decode(ledger.noted(REFUSED_KEYS) or "[]", type=set[str])
    refused = ledger.breakers.list_refused()
    if told == refused.keys():
        return
    for key in sorted(refused.keys() - told):
        tell(ledger, settings, "refused", refused[key], now, wait)
    for key in sorted(told - refused.keys()):
        tell(ledger, settings, "accepted", f"{key} is accepted again", now, wait)
    ledger.note(REFUSED_KEYS, msgspec.json.encode(sorted(refused)).decode())


def find_zone(settings: CheckedSettings) -> str:
    """Give the zone in which people read times that are no single job's: that of all sites, "" when they differ."""
    zones = {calendar.zone.key for calendar in settings.calendars.values()}
    return zones.pop() if len(zones) == 1 else ""


def read_defaults(settings: CheckedSettings) -> tuple[Notify, str]:
    """Give who is told about what is no single job's, and the owner of all jobs that name none ("" for nobody)."""
    defaults = get(settings.document.values, ("defaults",))
    written = defaults if isinstance(defaults, dict) else {}
    try:
        notify = convert_values(written.get("notify", {}), Notify)
    except msgspec.ValidationError:
        notify = Notify()
    owner = written.get("owner")
    return notify, owner if isinstance(owner, str) else ""


__all__ = ["WAIT", "address_trouble", "describe_trouble", "follow_ends", "log_item", "tell", "tell_keys"]
