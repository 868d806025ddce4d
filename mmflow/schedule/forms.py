"""A schedule as it was written: which form its keys make, what its texts mean, and how it is said in plain words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from mmflow.cron import read_cron
from mmflow.durations import parse_duration
from mmflow.errors import UserError
from mmflow.job import SCHEDULE_FORMS, Schedule
from mmflow.plant.instants import has_time, read_instant
from mmflow.schedule.every import EXAMPLE_TIME, Lines, compile_every, read_cron_line

SETTLE: Final = "10 min"  # after the end of a shift, unless the schedule says otherwise
BY_HAND: Final = "by hand"


def find_form(schedule: Schedule) -> frozenset[str]:
    """Give the keys that say when, as ``SCHEDULE_FORMS`` has them; raises :class:`UserError` when no form fits."""
    given = {key for needed, allowed in SCHEDULE_FORMS for key in needed | allowed if getattr(schedule, key)}
    for needed, allowed in SCHEDULE_FORMS:
        if needed <= given <= needed | allowed:
            return needed
    forms = " or ".join("+".join(sorted(needed)) for needed, _ in SCHEDULE_FORMS)
    raise UserError(f"a schedule cannot be made of {', '.join(sorted(given)) or 'no keys'}; use {forms}")


def read_lines(schedule: Schedule) -> Lines:
    """Give a schedule with ``cron`` or ``every`` as cron lines; raises :class:`UserError`."""
    if schedule.cron:
        return read_cron_line(read_cron(schedule.cron))
    return compile_every(schedule.every, schedule.at)


def read_moment(at: str | Sequence[str], zone: ZoneInfo) -> datetime:
    """Read an ``at`` without ``every``, one moment, to UTC; raises :class:`UserError`.

    Without an offset or a zone of its own it is on the wall of ``zone``.
    """
    if not isinstance(at, str):
        if len(at) != 1:
            raise UserError("without 'every' there is one moment; write every: day beside times of day")
        (at,) = at
    if has_time(at) and "-" not in at:
        raise UserError(f"{at!r} is a time of day; write every: day beside it, or a moment: 2026-12-01 {EXAMPLE_TIME}")
    return read_instant(at, zone)


def read_settle(schedule: Schedule) -> timedelta:
    """Give how long after the end of a shift; raises :class:`UserError`."""
    try:
        return parse_duration(schedule.settle or SETTLE)
    except ValueError as error:
        raise UserError(f"{schedule.settle!r} is no length of time; {error}") from error


def describe_schedule(schedule: Schedule | None, zone: ZoneInfo | None = None) -> str:
    """Say in plain words when a schedule is due, with the zone where it matters; raises like :func:`make_timetable`.

    No schedule is ``by hand``.
    """
    return WORDS[find_form(schedule)](schedule, f", {zone.key}" if zone else "") if schedule else BY_HAND


def _describe_lines(schedule: Schedule, zone: str) -> str:
    lines = read_lines(schedule)
    return lines.explain() + (zone if lines.fixed or schedule.cron else "")


def _describe_moment(schedule: Schedule, _zone: str) -> str:
    return f"once, {schedule.at if isinstance(schedule.at, str) else schedule.at[0]}"


def _describe_shift(schedule: Schedule, _zone: str) -> str:
    return f"{schedule.settle or SETTLE} after {schedule.after_shift} ends"


def _describe_after(schedule: Schedule, _zone: str) -> str:
    return f"after {schedule.after}"


WORDS: Final[Mapping[frozenset[str], Callable[[Schedule, str], str]]] = {
    frozenset({"cron"}): _describe_lines,
    frozenset({"every"}): _describe_lines,
    frozenset({"at"}): _describe_moment,
    frozenset({"after_shift"}): _describe_shift,
    frozenset({"after"}): _describe_after,
}
