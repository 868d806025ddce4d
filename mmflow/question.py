"""What a job needs to be asked of the service, whatever its window: groups, metrics, and whether totals on top."""

from __future__ import annotations

from dataclasses import dataclass

from mmflow.catalogue import GROUPS, METRICS, metric
from mmflow.durations import parse_duration
from mmflow.expressions import names_in
from mmflow.job import Job, MetricUse, Schedule

# Rows of these groups may cover the same time twice: a machine in two groups, two operators at one machine.
OVERLAPPING_GROUPS = frozenset({"machineGroup", "operator", "jobOperation"})
PLANNED_TIME = "nonOptionalTime"  # taken for the planned production time, see load/idle.py


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of the service, cut at the borders of ``buckets`` and in pieces of at most ``longest`` days."""

    groups: tuple[str, ...]
    metrics: tuple[str, ...]
    buckets: tuple[str, ...] = ()
    longest: int | None = None


def question_rows(job: Job) -> Question:
    """Give what the rows of the report need."""
    groups = ask_groups(job)
    buckets = tuple(name for name in job.report.group_by if is_bucket(name))
    longest = parse_duration(job.slice, units=("day", "week")).days if {"day", "hour"} & set(groups) else None
    return Question(groups, ask_metrics(job), buckets, longest)


def question_totals(job: Job) -> Question:
    """Give what one row over the whole span needs."""
    return Question((), ask_metrics(job))


def question_planned() -> Question:
    """Give what tells whether anything was planned to run."""
    return Question((), (PLANNED_TIME,))


def asks_planned(job: Job) -> bool:
    """Say whether the planned time is asked for, because a scheduled report is skipped when there is none."""
    return isinstance(job.schedule, Schedule) and job.schedule.skip_when_idle


def asks_totals(job: Job) -> bool:
    """Say whether the totals must come from the service, because they do not follow from the rows.

    After ``where`` and after dropping the time outside shifts the service's totals are those of other rows, so they
    are not asked for.
    """
    groups = set(job.report.group_by)
    filtered = bool(job.shape.where) or (job.report.no_shift == "drop" and "shift" in groups)
    if not job.shape.totals or not groups or filtered:
        return False
    return bool(OVERLAPPING_GROUPS & groups) or any(metric(name).kind == "ask_only" for name in ask_metrics(job))


def ask_groups(job: Job) -> tuple[str, ...]:
    """Give the groups asked of the service, in the order of the job: not ours, and ``day`` for ``weekday``."""
    asked = ("day" if name == "weekday" else name for name in job.report.group_by)
    return tuple(dict.fromkeys(name for name in asked if name not in GROUPS or not GROUPS[name].ours))


def is_bucket(name: str) -> bool:
    """Say whether a group is a length of time that the service does not know: week, month, quarter."""
    return name in GROUPS and GROUPS[name].ours and GROUPS[name].time


def ask_metrics(job: Job) -> tuple[str, ...]:
    """Give the metrics asked of the service: those shown, those that expressions and checks speak of, their parts.

    Parts (rejected and total parts of a reject rate) are needed wherever rows are put together.
    """
    shown = [use.metric if isinstance(use, MetricUse) else use for use in job.report.metrics]
    spoken = spoken_names(job)
    asked = [*shown, *(name for name in METRICS if name in spoken)]
    folded = job.shape.totals or job.shape.rest or "weekday" in job.report.group_by
    parts = [part for name in asked for part in list_parts(name)] if folded else []
    return tuple(dict.fromkeys([*asked, *parts]))


def list_parts(name: str) -> tuple[str, ...]:
    """Give the two metrics that a derivable one is made of; nothing for the others."""
    found = metric(name)
    return (found.numerator, found.denominator) if found.kind == "derivable" else ()


def spoken_names(job: Job) -> frozenset[str]:
    """Give every name in the expressions, the sort and the checks of a job."""
    specs = job.shape.columns.values()
    texts = [spec if isinstance(spec, str) else spec.expr for spec in specs]
    names = [names_in(text) for text in [*texts, job.shape.where] if text]
    checks = {word for check in job.checks for word in (check.column, check.min, check.max) if isinstance(word, str)}
    return frozenset(checks.union({word.removeprefix("-") for word in job.shape.sort}, *names))
