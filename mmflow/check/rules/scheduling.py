"""Rules about when a job is due: its schedule, and what goes by it."""

from __future__ import annotations

import pathlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from itertools import islice, pairwise
from typing import Final, TypeAlias
from zoneinfo import ZoneInfo

import msgspec

from mmflow.check.faults import Finding, explain_error, show
from mmflow.check.layers import EACH, all_texts, get
from mmflow.check.rules.changes import Change
from mmflow.check.rules.facts import Facts
from mmflow.cron import Cron, find_faults, read_cron
from mmflow.document import Path, Value
from mmflow.durations import parse_duration
from mmflow.errors import UserError
from mmflow.job import Schedule
from mmflow.options import convert_values
from mmflow.plant.instants import find_zone
from mmflow.refs import has_reference
from mmflow.schedule import Timetable, make_timetable, read_moment
from mmflow.schedule.every import EXAMPLE_TIME, compile_every, is_length, read_days, read_length, read_time
from mmflow.schedule.shifts import find_plants
from mmflow.schedule.skips import FILES, HOLIDAYS, read_skip

Fixed: TypeAlias = tuple[Path, Cron, tuple[time, ...]]
"""A cron line that names times of day, with those times and the place where they stand."""

Moment: TypeAlias = tuple[Path, datetime]
"""A time of the wall clock, with the place where it stands."""

SAYS_NOTHING: Final = "says-nothing"
TIMED: Final = ("deadline", "restate")  # keys of a job that go by its schedule
NEEDS_NO_ZONE: Final = ("after", "after_shift")
LENGTHS: Final = (("expires",), ("catch_up_limit",), ("jitter",), ("settle",))
AHEAD: Final = timedelta(days=400)  # in which something has to be due: a year, and some days
MOST_SKIPPED: Final = 12_000  # due instants that are looked at: every 15 minutes of all weekends of that time
DAY: Final = timedelta(days=1)
LONG_AFTER: Final = timedelta(hours=12)  # from when a report is due to its deadline: longer is rarely meant
GAPS: Final = 10  # between due instants, of which the shortest counts
# What a job that follows another has of its own has no say in when it is due.
LED: Final = ("timezone", "calendar", "catch_up", "catch_up_limit")


def check_references(facts: Facts) -> Iterator[Finding]:
    """Expect plain words: when a job is due is read before any reference is."""
    for key in ("schedule", *TIMED):
        for path, text in all_texts(get(facts.values, (key,)), (key,)):
            if has_reference(text):
                yield Finding(path, "found a reference, expected plain words", "write the value here")


def check_empty(facts: Facts) -> Iterator[Finding]:
    """Expect something behind a key that says when; of the others in a schedule the rules below say it."""
    for path, block in facts.blocks("schedule"):
        for key in ("every", "at", "after"):
            if key in block and block[key] in ("", []):
                yield Finding((*path, key), "nothing stands here", "give it a value, or remove it", key=True)


def check_cron(facts: Facts) -> Iterator[Finding]:
    """Expect exactly five fields that can come true."""
    for path, text in facts.texts("schedule", "cron"):
        yield from (explain_error(path, fault) for fault in find_faults(text))


def check_every(facts: Facts) -> Iterator[Finding]:
    """Expect days with a time, or a length that divides an hour or a day."""
    path, every = ("schedule", "every"), list_words(facts, "every")
    if not every:
        return
    length = len(every) == 1 and is_length(every[0])
    try:
        _ = read_length(every[0]) if length else read_days(every)
    except UserError as error:
        yield explain_error(path, error)
    at = ("schedule", "at")
    if length and facts.has(*at):
        hint = "remove it, or write every: day"
        yield Finding(at, f"'at' does not go with every: {every[0]}", hint, key=True)
    elif not length and not facts.has(*at):
        yield Finding(at, "this key is missing", f'write at: "{EXAMPLE_TIME}"', key=True)


def check_at(facts: Facts) -> Iterator[Finding]:
    """Expect times of day beside ``every``, and one moment without."""
    if facts.has("schedule", "every"):
        alone = (at for at in facts.texts("schedule", "at") if at[1])
        for path, text in (*alone, *facts.texts("schedule", "at", EACH)):
            try:
                read_time(text)
            except UserError as error:
                yield explain_error(path, error)
    elif at := list_words(facts, "at"):
        try:
            read_moment(at, find_schedule_zone(facts) or ZoneInfo("UTC"))
        except UserError as error:
            yield explain_error(("schedule", "at"), error)


def list_words(facts: Facts, key: str) -> Sequence[str]:
    """Give the text or the texts of a key of the schedule; none when something else or a reference stands there."""
    value = get(facts.values, ("schedule", key))
    texts: list[Value] = value if isinstance(value, list) else [value] if value else []
    words = [text for text in texts if isinstance(text, str) and not has_reference(text)]
    return words if len(words) == len(texts) else ()


def check_after_shift(facts: Facts) -> Iterator[Finding]:
    """Expect a shift that every site of the job has."""
    groups = [text for _, text in facts.texts("report", "filter", "machineGroup", EACH)]
    for path, shift in facts.texts("schedule", "after_shift"):
        try:
            find_plants(shift, facts.job_calendars, groups)
        except UserError as error:
            yield explain_error(path, error)


def check_after(facts: Facts) -> Iterator[Finding]:
    """Expect another job to follow; whether there is one, and no circle, only all jobs together tell."""
    for path, text in facts.texts("schedule", "after"):
        if text == facts.text("job"):
            yield Finding(path, "a job cannot follow itself", "name another job")


def check_zone(facts: Facts) -> Iterator[Finding]:
    """Expect one zone for a schedule, which is a place and no offset."""
    for path, text in facts.texts("schedule", "timezone"):
        try:
            find_zone(text)
        except UserError as error:
            yield explain_error(path, error)
    zones = sorted({calendar.zone.key for calendar in facts.job_calendars})
    for path, block in facts.blocks("schedule"):
        if len(zones) > 1 and "timezone" not in block and block.keys().isdisjoint(NEEDS_NO_ZONE):
            hint = f"write timezone: {zones[0]}, or make one job for each zone"
            yield Finding(path, f"the sites lie in {' and '.join(zones)}, so the time needs a zone", hint, key=True)


def check_lengths(facts: Facts) -> Iterator[Finding]:
    """Expect lengths of time, and a deadline that is one or a time of day."""
    for key in LENGTHS:
        for path, text in facts.texts("schedule", *key):
            yield from check_length(path, text)
    for path, text in facts.texts("restate"):
        yield from check_length(path, text, units=("day", "week"))
    for path, text in facts.texts("deadline"):
        yield from check_deadline(path, text)


def check_deadline(path: Path, text: str) -> Iterator[Finding]:
    """Expect a time of day, or a length."""
    try:
        _ = read_time(text) if ":" in text else parse_duration(text)
    except (UserError, ValueError):
        yield Finding(path, f"found {show(text)}, expected a time of day or a length", 'write "06:55" or 30 min')


def check_late_deadline(facts: Facts) -> Iterator[Finding]:
    """Warn of a time of day as a deadline that is long past when a report is due, so that the next day's counts."""
    text = facts.text("deadline")
    with suppress(UserError):  # said by check_deadline
        by = read_time(text) if ":" in text else None
        walls = [datetime.combine(date.min, at) for *_, times in find_fixed_times(facts) for at in times]
        for wall in (*walls, *(moment for _, moment in find_moments(facts))):
            if by and (datetime.combine(wall.date(), by) - wall) % DAY > LONG_AFTER:
                message = f"what is due at {wall:%H:%M} has until {by:%H:%M} of the next day"
                hint = "write a length such as 15 min"
                yield Finding(("deadline",), message, hint, severity="warning", id="deadline-next-day")
                return


def check_length(path: Path, text: str, **units: tuple[str, ...]) -> Iterator[Finding]:
    """Expect a number and a unit."""
    try:
        parse_duration(text, **units)
    except ValueError as error:
        yield Finding(path, f"found {show(text)}, {error}")


def check_calendar(facts: Facts) -> Iterator[Finding]:
    """Expect days that can be read, files included."""
    plants = facts.job_calendars
    zone = find_schedule_zone(facts) or next((plant.zone for plant in plants), None)
    if facts.root is None or zone is None:
        return
    for path, entry in (*facts.texts("schedule", "calendar"), *facts.texts("schedule", "calendar", EACH)):
        try:
            skip = read_skip(entry, plants, zone, facts.root, kept=facts.kept)
        except UserError as error:
            yield explain_error(path, error)
            continue
        if entry.lower().endswith(FILES) and not skip.days:
            message = f"{show(entry)} names no whole day, so none is skipped"
            yield Finding(path, message, "list them there", severity="warning", id="no-holidays")
        if entry == HOLIDAYS and (none := [plant.name for plant in plants if not plant.holidays]):
            message = f"mmflow.yaml has no holidays of {' and '.join(none)}, so none is skipped"
            yield Finding(path, message, "list them there", severity="warning", id="no-holidays")


def check_idle_keys(facts: Facts) -> Iterator[Finding]:
    """Warn of keys that go by a schedule where there is none, or where another job's counts."""
    if not isinstance(get(facts.values, ("schedule",)), dict):
        for key in TIMED:
            if facts.text(key):
                yield say_nothing((key,), f"'{key}' says nothing without a schedule", "add a schedule, or remove it")
    for path, block in facts.blocks("schedule"):
        for key in (key for key in LED if key in block and "after" in block):
            yield say_nothing((*path, key), f"'{key}' says nothing beside 'after'", "write it in the job that leads")
        if "after" in block and block.get("overlap") == "skip":
            hint = "a job that follows another waits in line, so that none is lost; remove it"
            yield say_nothing((*path, "overlap"), "'overlap: skip' says nothing beside 'after'", hint)


def say_nothing(path: Path, message: str, hint: str) -> Finding:
    """Warn of a key without a meaning."""
    return Finding(path, message, hint, key=True, severity="warning", id=SAYS_NOTHING)


def check_clock_changes(facts: Facts) -> Iterator[Finding]:
    """Warn of a fixed time that a clock change skips or repeats; the job is then due once all the same."""
    zone = find_schedule_zone(facts)
    if zone is None:
        return
    fixed, moments = find_fixed_times(facts), list(find_moments(facts))
    for change in facts.changes.list_changes(zone) if fixed or moments else ():
        for path, wall in list_walls(fixed, moments, change):
            what = "comes twice" if change.back else "does not exist"
            then = "it is due at the first of them" if change.back else f"it is due at {change.end:%H:%M} that day"
            message = f"{wall:%H:%M} {what} in {zone.key} on {change.day}"
            yield Finding(path, message, then, severity="warning", id="fixed-time-in-dst")
            return


def check_never(facts: Facts) -> Iterator[Finding]:
    """Warn of a schedule whose times have all passed, or are all skipped by its own calendar."""
    if not facts.has("schedule", "calendar") and find_fixed_times(facts):
        return  # times of day come again, of those that never do check_cron has told, and nothing skips them
    timetable, now = find_timetable(facts), facts.changes.now
    if timetable is None:
        return
    coming = islice(timetable.between(now, now + AHEAD), MOST_SKIPPED)
    skipped: list[datetime] = []
    for due in coming:
        if not timetable.skip_reason(due):
            return
        skipped.append(due)
    if not skipped and timetable.after(now) is None:
        yield never_due("no time of this schedule is still to come", "change it, or run the job by hand")
    elif 0 < len(skipped) < MOST_SKIPPED:
        day = f"{skipped[-1].astimezone(timetable.zone):%Y-%m-%d}"
        yield never_due(f"its calendar skips every time up to {day}", "name other days in one of the two")


def never_due(message: str, hint: str) -> Finding:
    """Warn of a schedule by which nothing runs."""
    return Finding(("schedule",), message, hint, key=True, severity="warning", id="never-due")


def check_jitter(facts: Facts) -> Iterator[Finding]:
    """Expect that what begins later by chance begins before it expires, and before it is due again."""
    path, jitter = ("schedule", "jitter"), read_length_of(facts, "jitter")
    if jitter is None:
        return
    expires = read_length_of(facts, "expires")
    if expires is not None and jitter >= expires:
        yield Finding(path, "by 'jitter' it may begin when it has expired", "make it shorter than 'expires'")
    elif timetable := find_timetable(facts):
        coming = islice(timetable.between(facts.changes.now, facts.changes.now + AHEAD), GAPS + 1)
        gap = min((later - due for due, later in pairwise(coming)), default=jitter + jitter)
        if jitter >= gap:
            message = "by 'jitter' it may begin when it is due again already"
            yield Finding(
                path,
                message,
                f"make it shorter than {gap.total_seconds() / 60:.0f} min",
                severity="warning",
                id="long-jitter",
            )


def read_length_of(facts: Facts, key: str) -> timedelta | None:
    """Give a length of the schedule; None when there is none or :func:`check_lengths` complains."""
    text = facts.text("schedule", key)
    with suppress(ValueError):
        return parse_duration(text) if text else None
    return None


def find_timetable(facts: Facts) -> Timetable | None:
    """Give the timetable of the job; None when it has none, or when something about it is wrong."""
    for _, block in facts.blocks("schedule"):
        if not any(has_reference(text) for _, text in all_texts(block)) and facts.job_calendars:
            groups = [text for _, text in facts.texts("report", "filter", "machineGroup", EACH)]
            with suppress(UserError, msgspec.ValidationError):
                schedule = convert_values(block, Schedule)
                root = facts.root or pathlib.Path()
                return make_timetable(schedule, facts.job_calendars, groups, root, kept=facts.kept)
    return None


def list_walls(fixed: Iterable[Fixed], moments: Iterable[Moment], change: Change) -> Iterator[Moment]:
    """Give the fixed times that a clock change hits, in order, each with the place to blame."""
    for path, cron, times in fixed:
        walls = (datetime.combine(change.day, at) for at in times)
        hit = [wall for wall in walls if change.first <= wall < change.end]
        if hit and cron.comes_on(change.day):
            yield path, hit[0]
    yield from ((path, wall) for path, wall in moments if change.first <= wall < change.end)


def find_moments(facts: Facts) -> Iterator[Moment]:
    """Give the one moment of a schedule that names it by the wall clock."""
    for path, text in facts.texts("schedule", "at"):
        with suppress(ValueError):  # said by check_at, or beside every
            moment = datetime.fromisoformat(text)
            if moment.tzinfo is None:
                yield path, moment


def find_schedule_zone(facts: Facts) -> ZoneInfo | None:
    """Give the zone of the schedule: its own, else the one of all sites."""
    try:
        if named := facts.text("schedule", "timezone"):
            return find_zone(named)
    except UserError:
        return None  # said by check_zone
    zones = {calendar.zone for calendar in facts.job_calendars}
    return zones.pop() if len(zones) == 1 else None


def find_fixed_times(facts: Facts) -> tuple[Fixed, ...]:
    """Give the cron lines of a schedule that names times of day, with the place of those times."""
    every, at = tuple(list_words(facts, "every")), tuple(list_words(facts, "at"))
    return read_fixed_times(facts.text("schedule", "cron"), every, at)


@lru_cache(maxsize=1024)  # many jobs are due at the same times
def read_fixed_times(line: str, every: Sequence[str], at: Sequence[str]) -> tuple[Fixed, ...]:
    """Give the cron lines that these words mean when they name times of day; nothing when they mean nothing."""
    fixed: list[Fixed] = []
    with suppress(UserError):  # said by the rules above
        if line and (cron := read_cron(line)).is_fixed:
            fixed.append((("schedule", "cron"), cron, cron.times))
    with suppress(UserError):
        if every and at and not is_length(every[0]):
            fixed += ((("schedule", "at"), cron, cron.times) for cron in compile_every(every, at).crons)
    return tuple(fixed)


SCHEDULE_RULES: Final = (
    check_references,
    check_empty,
    check_cron,
    check_every,
    check_at,
    check_after_shift,
    check_after,
    check_zone,
    check_lengths,
    check_late_deadline,
    check_calendar,
    check_idle_keys,
    check_clock_changes,
    check_jitter,
    check_never,
)
