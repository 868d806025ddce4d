"""What the end of a slot means for people: what to tell them, what they can do, and whether the job is paused."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

import msgspec

from mmflow.job import Notify, Schedule
from mmflow.leases import CANCELLED
from mmflow.ledger import Delivery, Run, Slot
from mmflow.ledger.breakers import PARKED
from mmflow.ledger.notices import End, NewNotice, NoticeState, Sequel
from mmflow.notices.words import show_date
from mmflow.planner.choices import EXPIRED, MISSED, read_earlier
from mmflow.sinks import NoticeItem

REPEAT: Final = timedelta(hours=1)  # a job that goes on failing is told of no more often
BAD: Final = ("failed", "held", "degraded", "expired")
LIMITED: Final = (*BAD, "missed", "skipped")  # told of a job no more often than that
RECOVERING: Final = (*BAD, "late", "paused")  # what people are told of a job until they are told that it has recovered
LACKING: Final = ("failed", "unknown", "quarantined")  # of deliveries: who should have it and may not
LASTING: Final = "mend the cause first, then make the report again; trying again alone will not help"
DOUBTFUL: Final = "ask whether it has arrived by {}: only if it has not, send it again by the command"
DOUBTFUL_TOO: Final = "mend the cause first; ask whether it has arrived by {}, and leave out of the command what has"
BY_COMMAND: Final = "somebody ended it by 'mmflow cancel'"
NOT_BROKEN: Final = "nothing is broken; if somebody needs this report, make it again"
UNLESS: Final = "nothing has to be done, unless somebody needs this report"
PASSING: Final = "nothing has to be done unless it lasts: the next report is made as planned, this one by the command"


class Told(Protocol):
    """What has to be known of a job; the roster's plan of it."""

    @property
    def owner(self) -> str:
        """Who answers for it."""
        ...

    @property
    def schedule(self) -> Schedule | None:
        """When it is due."""
        ...

    @property
    def notify(self) -> Notify:
        """Who is told, and by which ways, with references as written."""
        ...

    @property
    def zone(self) -> str:
        """The IANA zone in which its times are read."""
        ...


class Way(msgspec.Struct, frozen=True):
    """By what people are told, as the block stands in YAML, and whom; the same for all that goes out together."""

    via: dict[str, Any]
    to: tuple[str, ...]


def judge_end(end: End, plan: Told | None, now: datetime, wait: timedelta) -> Sequel:
    """Say what follows from an end. ``plan`` is None for a job that is gone; then the log alone is told.

    Windows that are filled in by hand are told by the command that does so. Only scheduled slots count.
    """
    if end.slot.kind not in ("schedule", "restate"):
        return Sequel()
    counted = end.slot.kind == "schedule"
    failed = find_failed(end) if counted else None
    pause = find_pause(end, plan) if failed else ""
    notify = plan.notify if plan else Notify()
    zone = plan.zone if plan else ""
    items = [replace(item, zone=zone) for item in choose_items(list_items(end, pause, now + wait, zone), end, notify)]
    ways = list_ways(notify, plan.owner if plan else "")
    about = f"{end.slot.due:%Y%m%dT%H%M%SZ}/{end.slot.kind}/{end.slot.run}/{end.slot.fence}"
    notices = [
        notice for item in items for notice in make_notices(item, about, ways, now, *time_it(item.kind, end, now, wait))
    ]
    withdraw = now + wait if is_good(end) and may_wait(end) else None
    return Sequel(notices=notices, failed=failed, pause=pause, withdraw=withdraw)


def choose_items(items: Iterable[NoticeItem], end: End, notify: Notify) -> Iterable[NoticeItem]:
    """Give those that people want to hear; what was missed with others is told once, by its oldest."""
    wanted = {*notify.on, *(("cancelled",) if "failed" in notify.on else ())}
    if "missed" in wanted and any(slot.due == end.slot.due for slot in list_missed(end)):
        wanted -= {"skipped", "expired"}
    return (item for item in items if item.kind in wanted)


def find_failed(end: End) -> bool | None:
    """Tell whether an end counts as a failure.

    A report that was held, skipped or cancelled, or for which nothing was asked, says nothing about the next one.
    """
    if end.slot.state == "failed":
        return None if is_cancelled(end.run) or was_parked(end.run) else True
    delivered = end.slot.state == "done" and end.run is not None and end.run.state in ("ok", "degraded")
    return False if delivered else None


def find_pause(end: End, plan: Told | None) -> str:
    """Give the reason to pause a job with this failure, "" when it goes on."""
    most = plan.schedule.pause_on_failure if plan and plan.schedule else None
    count = count_failures(end)
    paused = end.job is not None and end.job.paused_until is not None
    if not most or count < most or paused:
        return ""
    return f"{count_in_a_row(count)}; the last: {explain(end)}"


def count_in_a_row(count: int) -> str:
    """Say how many failures there were."""
    return "1 failure" if count == 1 else f"{count} failures in a row"


def count_failures(end: End) -> int:
    """Give how many slots failed in a row, with this one."""
    return (end.job.failures if end.job else 0) + 1


def time_it(kind: str, end: End, now: datetime, wait: timedelta) -> tuple[timedelta, NoticeState]:
    """Give how long a notice of an end waits, and whether it goes out at all."""
    recovered = end.told.get("recovered") if kind in RECOVERING else None
    return keep_quiet(end.told.get(kind), recovered, now, wait) if kind in LIMITED else (wait, "pending")


def keep_quiet(
    told: datetime | None, recovered: datetime | None, now: datetime, wait: timedelta
) -> tuple[timedelta, NoticeState]:
    """Give how long a notice waits, and whether it goes out, or only repeats what was ``told`` within the last hour.

    When people were told since that the job has recovered, that would be their last word, and a wrong one: then it goes
    out as soon as the hour is over, unless a report comes again until then.
    """
    if told is None or abs(now - told) >= REPEAT:
        return wait, "pending"
    if recovered is None or recovered < told:
        return wait, "muted"
    return max(wait, min(told + REPEAT - now, REPEAT)), "pending"


def may_wait(end: End) -> bool:
    """Tell whether notices of the job may be put off, which comes only after people were told that it has recovered."""
    return "recovered" in end.told


def list_items(end: End, pause: str, by: datetime, zone: str) -> Iterable[NoticeItem]:
    """Give what is to be told of an end ``by`` then, whether anybody wants to hear it or not."""
    kind = find_kind(end)
    if pause:
        hits = "no report of this job is made until it goes on"
        advice, command = "mend the cause, then let it go on", f"mmflow resume {end.slot.job}"
        yield describe(end, "paused", pause, advice, command, hits=hits)
    elif kind:
        hits = tell_hits(end, kind) if kind != "skipped" else ""
        yield describe(end, kind, explain(end), *advise(end, kind), temporary=is_passing(end, kind), hits=hits)
    if missed := find_missed(end):
        advice, hits = (
            "nothing has to be done, unless somebody needs them",
            "nobody gets these reports or their messages",
        )
        yield describe(end, "missed", tell_missed(missed, zone), advice, list_runs(end.slot.job), hits=hits)
    if is_recovered(end, by):
        yield describe(end, "recovered", tell_recovery(end), *advise_recovery(end))


def find_kind(end: End) -> str:
    """Give the kind of notice that an end is, "" when it is as it should be."""
    state, run = end.slot.state, end.run
    if state == "done" and run:
        return run.state if run.state in BAD else ""
    if state == "skipped" and end.slot.kind == "restate":
        return ""  # nothing moved
    if state == "failed" and is_cancelled(run):
        return "cancelled"
    return state if state in ("failed", "skipped", "expired") else ""


def find_missed(end: End) -> list[Slot]:
    """Give what was missed and is not made up for, if this is the oldest of it: that speaks for all."""
    missed = list_missed(end)
    return missed if missed and missed[0].due == end.slot.due else []


def list_missed(end: End) -> list[Slot]:
    """Give what was missed of the times that were refused together with this one."""
    return [slot for slot in end.refused if slot.reason.startswith(MISSED) or slot.reason == EXPIRED]


def tell_missed(missed: Sequence[Slot], zone: str) -> str:
    """Say how many times were missed, which, and what makes up for them, as the reason of the latest has it."""
    first, last = (show_date(missed[place].due, zone) for place in (0, -1))
    earlier = next((found for one in missed if (found := read_earlier(one.reason)[0])), None)
    count = len(missed) + (earlier.number if earlier else 0)
    rest = read_earlier(missed[-1].reason)[1].removeprefix(MISSED).lstrip(";, ")
    if count == 1:
        when = f"1 time was missed while nothing ran, {first}"
    else:
        many = f"{'at least ' * (earlier is not None and earlier.at_least)}{count}"
        begin = earlier.since if read_earlier(missed[0].reason)[0] and earlier else first
        when = f"{many} times were missed while nothing ran, {begin} to {last}"
        rest = rest.replace("makes up for it", "makes up for them")
    return f"{when}; {rest}" if rest else when


def is_good(end: End) -> bool:
    """Tell whether a report came, with nothing missing."""
    return find_failed(end) is False and find_kind(end) != "degraded"


def is_recovered(end: End, by: datetime) -> bool:
    """Tell whether a report came again after people were told that one had not, or will be ``by`` then."""
    if not is_good(end):
        return False
    waiting = end.waiting if may_wait(end) else {}
    told = [at for word, at in end.told.items() if word in RECOVERING and waiting.get(word, by) <= by]
    since = end.told.get("recovered")
    return bool(told) and (since is None or since < max(told))


def describe(
    end: End, kind: str, reason: str, advice: str = "", command: str = "", *, temporary: bool = False, hits: str = ""
) -> NoticeItem:
    """Put together what is told of a slot."""
    return NoticeItem(
        kind=kind,
        job=end.slot.job,
        slot=end.slot.due,
        run=end.slot.run,
        state=end.run.state if end.run else end.slot.state,
        reason=reason,
        advice=advice,
        command=command,
        temporary=temporary,
        at=end.slot.updated,
        hits=hits,
    )


def explain(end: End) -> str:
    """Give the sentence for what happened, as the ledger has it."""
    if is_cancelled(end.run):
        return BY_COMMAND
    found = (end.run.error if end.run else "") or end.slot.reason
    if is_replaced(end) and found != end.slot.reason:
        return f"{end.slot.reason}; before that: {found}"
    if not found and end.run and end.run.state == "degraded":
        found = "; ".join(f"{one.sink}: {one.error or one.state}" for one in end.deliveries if one.state == "failed")
    return found.removeprefix("held: ") or f"the slot was {end.slot.state}"


def tell_hits(end: End, kind: str) -> str:
    """Say who has the report all the same and who has not, by sinks, and how long it has been so."""
    if end.slot.kind == "restate" and kind != "degraded":
        return "what was delivered before stays as it is"
    got = ", ".join(one.sink for one in end.deliveries if one.state == "done")
    lack = ", ".join(one.sink for one in end.deliveries if one.state in LACKING)
    who = f"delivered to {got}" + (f", not to {lack}" if lack else "") if got else "nobody got the report"
    count = count_failures(end) if kind == "failed" else 1
    return f"{who}; {count_in_a_row(count)}" if count > 1 else who


def advise(end: End, kind: str) -> tuple[str, str]:
    """Give what people can do, and the command line for it."""
    run, again = end.run, run_again(end.slot.job, end.slot.due)
    if kind == "held" and run:
        return "look at it, then release it by the command, or mend the cause and run the job again", resend(run)
    if kind in ("skipped", "expired"):
        return UNLESS, again
    advice = NOT_BROKEN if kind == "cancelled" else PASSING if is_passing(end, kind) else LASTING
    lacking = [one for one in end.deliveries if one.state in LACKING]
    if not (run and run.snapshot and lacking):
        return advice, again
    doubtful = [one.sink for one in lacking if is_doubtful(one)]
    if not doubtful:
        return advice, f"{resend(run)} --failed"
    # A message that may be out is sent again only when its sink is named.
    command = " ".join([resend(run), *(f"--sink {one.sink}" for one in lacking)])
    what = DOUBTFUL if len(doubtful) == len(lacking) else DOUBTFUL_TOO
    return what.format(" and by ".join(doubtful)), command


def is_doubtful(delivery: Delivery) -> bool:
    """Tell whether a delivery is a message, known by a key for its slot, of which nobody knows whether it arrived."""
    return delivery.state == "unknown" and re.search(r"@\d{8}T\d{6}Z(?: to .*)?\Z", delivery.key) is not None


def run_again(job: str, due: datetime) -> str:
    """Give the command line that makes the report of a time again."""
    return f"mmflow run {job} --at {due.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def resend(run: Run) -> str:
    """Give the command line that delivers a run again."""
    return f"mmflow resend {run.id}"


def is_cancelled(run: Run | None) -> bool:
    """Tell whether somebody ended a run, so that nothing is broken."""
    return run is not None and run.error == CANCELLED


def was_parked(run: Run | None) -> bool:
    """Tell whether a run asked nothing, since its sites were left alone."""
    return run is not None and not run.requests and PARKED in run.error


def is_passing(end: End, kind: str) -> bool:
    """Tell whether a failure may pass by itself.

    The kind of its error tells, and not how often it was tried: what is due every minute has no time for a second try,
    and a key that is refused is shown once an hour. What kills its process is no weather either. A report that all have
    got, with something missing, was worth delivering.
    """
    if kind not in ("failed", "degraded") or is_quarantined(end):
        return False
    if is_replaced(end):
        return True
    lacking = [one for one in end.deliveries if one.state in LACKING]
    if kind == "degraded" and not lacking:
        return True
    return (end.run is not None and end.run.passing) or any(one.passing for one in lacking if one.state == "failed")


def is_replaced(end: End) -> bool:
    """Tell whether a later time makes up for a report that was tried, and not again since nothing ran."""
    return end.slot.state == "failed" and end.slot.reason.startswith(MISSED)


def is_quarantined(end: End) -> bool:
    """Tell whether nobody tries any more, because tries ended their process."""
    return end.slot.deaths > 0 or any(one.state == "quarantined" for one in end.deliveries)


def tell_recovery(end: End) -> str:
    """Say that it works again."""
    failures = end.job.failures if end.job else 0
    return f"delivered again, after {count_in_a_row(failures)}" if failures else "delivered again"


def advise_recovery(end: End) -> tuple[str, str]:
    """Give how to find what was not delivered in between, which nobody makes up for."""
    if end.job is None or not end.job.failures:
        return "nothing has to be done", ""
    return (
        "nothing has to be done; what else failed before stays undelivered unless somebody makes it again",
        list_runs(end.slot.job),
    )


def list_runs(job: str) -> str:
    """Give the command line that shows what became of the latest times of a job."""
    return f"mmflow runs --all --job {job}"


def list_ways(notify: Notify, owner: str) -> list[str]:
    """Give the ways as they are written into the ledger; [""] when the log alone is told."""
    to = tuple(dict.fromkeys(name for name in (owner, *notify.to) if name))
    return [msgspec.json.encode(Way(via, to), order="deterministic").decode() for via in notify.via] or [""]


def make_notices(
    item: NoticeItem, about: str, ways: Iterable[str], now: datetime, wait: timedelta, state: NoticeState = "pending"
) -> list[NewNotice]:
    """Give the notices of one thing, one for each way; what goes nowhere but to the log is done with that."""
    content = msgspec.json.encode(item).decode()
    return [
        NewNotice(
            job=item.job,
            about=about,
            kind=item.kind,
            way=way,
            content=content,
            next_at=now + wait,
            state=state if way or state == "muted" else "done",
        )
        for way in ways
    ]


Plans = Mapping[str, Told]
