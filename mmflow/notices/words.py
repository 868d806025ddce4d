"""Puts what people are to be told into one message: equal reasons together, so that a storm is a few lines.

It is written for somebody who was just woken: whether anything has to be done stands first, times are those of the
plant's clocks, and each command can be copied.
"""

from __future__ import annotations

import re
import socket
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeAlias
from zoneinfo import ZoneInfo

from mmflow.sinks import Notice, NoticeItem
from mmflow.text import show_start

# What a job did, by kind, and what is the matter with the daemon itself.
WORDS: Final = {
    "failed": "failed",
    "cancelled": "cancelled",
    "held": "held back",
    "degraded": "delivered in part",
    "late": "late",
    "missed": "missed",
    "skipped": "skipped",
    "expired": "too late to begin",
    "paused": "paused",
    "recovered": "delivered again",
    "broken": "a file is broken",
    "mended": "a file is mended",
    "blocked": "jobs lack something",
    "refused": "a key is refused",
    "accepted": "a key is accepted again",
    "clock": "the clock is not believed",
    "ahead": "the clock was set back",
    "state": "the ledger could be used again",
    "moved": "the ledger is elsewhere",
    "outage": "the ledger cannot be used",
}
# How many there are of what is counted by other words, for one and for more.
COUNTED: Final = {
    "broken": ("broken file", "broken files"),
    "mended": ("mended file", "mended files"),
    "blocked": ("thing that jobs lack", "things that jobs lack"),
    "refused": ("refused key", "refused keys"),
    "accepted": ("key accepted again", "keys accepted again"),
}
# Nobody has to do anything about these.
CALM: Final = frozenset({"missed", "skipped", "expired", "cancelled", "recovered", "mended", "accepted", "state"})
# What else is said of a report that is late, in one message: that tells why.
TELLING: Final = frozenset({"failed", "cancelled", "held", "paused", "missed", "skipped", "expired"})
LONGEST_SUBJECT: Final = 120
MOST_GROUPS: Final = 40
MOST_NAMED: Final = 8
VARIOUS: Final = "…"
Group: TypeAlias = Sequence[NoticeItem]

# What differs between two reasons that are the same one: how long it took and how often it was tried, of which all is
# said by the least and the greatest; and the times that it is about, which are said of each job.
_AMOUNT: Final = re.compile(r"\b\d[\d,]*(?:\.\d+)?(?= (?:s|min|h|seconds|minutes|hours|try|tries|failures)\b)")
_TIMES: Final = re.compile(
    r"\b\d+(?= times\b)|\b(?:\d{4}-\d\d-\d\d )?\d\d:\d\d(?::\d\d)?(?: (?:[A-Z]{3,5}|[+-]\d\d(?:\d\d)?)\b)?"
)
_PLACE: Final = "\0"  # of such an amount or time, while reasons are held against each other; no text has it
_INSTANT: Final = re.compile(r"\b(\d{4}-\d\d-\d\d \d\d:\d\d) UTC\b")


def compose(batch: str, items: Sequence[NoticeItem], to: tuple[str, ...], created: datetime, root: Path) -> Notice:
    """Give the message about some things, the oldest first; ``created`` is when the first was noticed."""
    groups = group_items(join_late(items))
    return Notice(
        id=batch,
        subject=show_start(write_subject(groups), LONGEST_SUBJECT),
        text="\n".join(write_text(groups, root)),
        to=to,
        items=tuple(items),
        created=created,
    )


def join_late(items: Sequence[NoticeItem]) -> list[NoticeItem]:
    """Give the items without those that are late of which others say more; these say that they are late as well."""
    late = {(item.job, item.slot): item.reason.partition(": ")[0] for item in items if item.kind == "late"}
    told = {(item.job, item.slot) for item in items if item.kind in TELLING}
    return [
        replace(item, hits="; ".join(filter(None, (item.hits, late.get((item.job, item.slot))))))
        if item.kind in TELLING
        else item
        for item in items
        if item.kind != "late" or (item.job, item.slot) not in told
    ]


def group_items(items: Iterable[NoticeItem]) -> list[Group]:
    """Put together what has the same reason: what somebody has to act upon first, else the oldest first.

    Reasons are the same that differ only in how long something took, how often it was tried, or the times that it is
    about.
    """
    groups: dict[tuple[str, str, bool], list[NoticeItem]] = {}
    for item in items:
        reason = _TIMES.sub(_PLACE, _AMOUNT.sub(_PLACE, item.reason))
        groups.setdefault((item.kind, reason, item.temporary), []).append(item)
    return sorted(groups.values(), key=lambda group: rank_item(group[0]))


def rank_item(item: NoticeItem) -> int:
    """Give 0 for what somebody has to act upon, 1 for what may pass by itself, 2 for what is only said."""
    return 2 if item.kind in CALM else 1 if item.temporary else 0


def mark(groups: Sequence[Group]) -> str:
    """Say whether anything has to be done, of the worst of all."""
    return ("needs action", "temporary", "")[min(rank_item(group[0]) for group in groups)]


def write_subject(groups: Sequence[Group]) -> str:
    """Say it in one line: one thing with its reason, or how many of each kind."""
    head = ", ".join(filter(None, ("mmflow", mark(groups))))
    if len(groups) == 1:
        return f"{head}: {tell_group(groups[0])}"
    kinds: dict[str, list[NoticeItem]] = {}
    for item in (item for group in groups for item in group):
        kinds.setdefault(item.kind, []).append(item)
    return f"{head}: " + ", ".join(count_items(kind, found) for kind, found in kinds.items())


def count_items(kind: str, items: Sequence[NoticeItem]) -> str:
    """Say how many there are; what is about no job is counted by what it names first, such as a file."""
    if any(item.job for item in items):
        return f"{len(items)} {WORDS.get(kind, kind)}"
    count = len({item.reason.partition(":")[0] for item in items})
    return f"{count} {COUNTED[kind][count > 1]}" if kind in COUNTED else WORDS.get(kind, kind)


def tell_group(group: Group) -> str:
    """Say what happened and why, without the words that both begin with."""
    name, word, reasons = name_group(group), name_kind(group), list_reasons(group)
    reason = reasons[0][0] if len(reasons) == 1 else _TIMES.sub(VARIOUS, join_reasons([item.reason for item in group]))
    if name.endswith(word) and reason.startswith(word):
        return name + reason.removeprefix(word)
    return f"{name}: {reason}"


def name_group(group: Group) -> str:
    """Name what a group is about: the job, or how many there are and since when."""
    first, word, jobs = group[0], name_kind(group), list_jobs(group)
    if not jobs:
        return word
    if len(group) == 1:
        return f"{first.job} {word}"
    who = f"{len(jobs)} jobs" if len(jobs) > 1 else f"{first.job} {len(group)} times"
    times = [(item.at, item.zone) for item in group if item.at]
    return f"{who} {word}" + (f" since {show_clock(*min(times))}" if times else "")


def name_kind(group: Group) -> str:
    """Give the words for what happened."""
    return WORDS.get(group[0].kind, group[0].kind)


def list_jobs(group: Group) -> list[str]:
    """Give the names of the jobs of a group, each once."""
    return list(dict.fromkeys(item.job for item in group if item.job))


def write_text(groups: Sequence[Group], root: Path) -> Iterator[str]:
    """Give the lines of the message."""
    for group in groups[:MOST_GROUPS]:
        yield from write_group(group)
        yield ""
    if left := sum(map(len, groups[MOST_GROUPS:])):
        yield f"and {left} more; 'mmflow runs --all' lists them"
        yield ""
    yield f"-- mmflow on {socket.gethostname()}; commands are for its folder: cd {root}"


def write_group(group: Group) -> Iterator[str]:
    """Give the lines about one reason: what, since when, why, whom it hits, what to do, and by which commands."""
    first, jobs = group[0], list_jobs(group)
    sign = mark([group])
    yield name_group(group) + (f" ({sign})" if sign else "")
    if len(group) == 1 and first.slot:
        yield f"  due: {show_time(first.slot, first.zone)}"
    if len(group) == 1 and first.at:
        yield f"  {'at' if first.kind in CALM else 'since'}: {show_time(first.at, first.zone)}"
    if len(group) > 1 and not jobs and (times := [item.at for item in group if item.at]):
        yield f"  {len(group)} times, the last: {show_time(max(times), first.zone)}"
    yield from write_reasons(group)
    yield from (f"  whom it hits: {hits}" for hits in list_some(item.hits for item in group))
    yield from (f"  what to do: {advice}" for advice in list_some(item.advice for item in group))
    commands = list(dict.fromkeys(item.command for item in group if item.command))
    yield from (f"    {command}" for command in commands[:MOST_NAMED])
    if len(commands) > MOST_NAMED:
        yield f"    and so on for the other {len(commands) - MOST_NAMED}; 'mmflow runs --all' lists them"


def write_reasons(group: Group) -> Iterator[str]:
    """Give the lines that say why: one for all, else one for each reason, with the jobs that it is true of."""
    (reason, _), *others = reasons = list_reasons(group)
    if not others:
        yield f"  why: {reason}"
        if len(group) > 1 and (jobs := list_jobs(group)):
            yield f"  jobs: {join_some(sorted(jobs))}"
        return
    for text, items in reasons[:MOST_NAMED]:
        yield f"  {join_some(sorted(list_jobs(items))) or 'why'}: {text}"
    if left := sum(len(items) for _, items in reasons[MOST_NAMED:]):
        yield f"  and {left} more"


def list_reasons(group: Group) -> list[tuple[str, Group]]:
    """Give the reasons in a group as people read them, that of the most first, each with what it is true of."""
    found: dict[str, list[NoticeItem]] = {}
    for item in group:
        found.setdefault(_AMOUNT.sub(_PLACE, localize(item)), []).append(item)
    most = sorted(found.values(), key=len, reverse=True)
    return [(join_reasons([localize(item) for item in items]), items) for items in most]


def join_reasons(reasons: Sequence[str]) -> str:
    """Give the one reason of those that differ in amounts alone, with the least and the greatest of each."""
    amounts = iter([show_range(same) for same in zip(*map(_AMOUNT.findall, reasons), strict=True)])
    return _AMOUNT.sub(lambda _found: next(amounts), reasons[0])


def show_range(amounts: Iterable[str]) -> str:
    """Write amounts as their least and their greatest."""
    ordered = sorted(set(amounts), key=lambda amount: float(amount.replace(",", "")))
    return " to ".join(dict.fromkeys((ordered[0], ordered[-1])))


def list_some(texts: Iterable[str]) -> list[str]:
    """Give the texts that most have, each once and at most three."""
    return [text for text, _ in Counter(filter(None, texts)).most_common(3)]


def join_some(names: Sequence[str]) -> str:
    """List names, of many only the first."""
    left = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {left} more" if left > 0 else "")


# -- times, as the clocks of the plant show them


def localize(item: NoticeItem) -> str:
    """Give the reason with its instants as the clocks of the plant show them."""

    def show(found: re.Match[str]) -> str:
        return show_time(datetime.fromisoformat(found[1]).replace(tzinfo=UTC), item.zone)

    return _INSTANT.sub(show, item.reason)


def show_time(moment: datetime, zone: str) -> str:
    """Write an instant to the minute: the plant's time with its zone, and UTC beside it."""
    utc, local = moment.astimezone(UTC), move(moment, zone)
    if local is None:
        return f"{utc:%a %Y-%m-%d %H:%M} UTC"
    return f"{local:%a %Y-%m-%d %H:%M} {zone} ({utc:%H:%M} UTC)"


def show_clock(moment: datetime, zone: str) -> str:
    """Write the time of day alone, for a line that has to be short."""
    local = move(moment, zone)
    return f"{local:%H:%M} {zone}" if local else f"{moment.astimezone(UTC):%H:%M} UTC"


def show_date(moment: datetime, zone: str) -> str:
    """Write an instant as the reasons of times do: by the clocks of a plant alone."""
    return f"{move(moment, zone) or moment.astimezone(UTC):%Y-%m-%d %H:%M %Z}"


def move(moment: datetime, zone: str) -> datetime | None:
    """Give an instant in a zone, None for UTC and for a zone that this machine does not know (any more)."""
    try:
        return moment.astimezone(ZoneInfo(zone)) if zone not in ("", "UTC") else None
    except (KeyError, ValueError, OSError):
        return None
