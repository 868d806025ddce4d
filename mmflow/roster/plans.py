"""What the daemon keeps of a job: when it is due, where it belongs, who is told. The rest is read when it runs."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

import msgspec

from mmflow.check import CheckedJob, CheckedSettings
from mmflow.check.faults import Finding
from mmflow.check.layers import EACH, all_texts, find_texts, get
from mmflow.document import Path, Value
from mmflow.errors import UnresolvedReference, raise_errors
from mmflow.job import Job, Notify, Schedule, Window
from mmflow.options import convert_values
from mmflow.refs import Resolver, find_references, has_reference

# The keys that the daemon goes by before anything runs, and what of them must not wait for a run.
PLAN_KEYS: Final = ("job", "owner", "sites", "window", "schedule", "deadline", "restate", "notify")
MOST_REFERENCES: Final = 1_000
WRITTEN: Final[tuple[Path, ...]] = (("sites",), ("notify", "on"), ("window", "to_now"))


class JobPlan(msgspec.Struct, frozen=True, kw_only=True):
    """A job as far as the daemon needs it between runs, with references as written.

    ``file`` is from the root with ``/``; ``digest`` is the SHA-256 of its text in hex; ``sites`` are never empty;
    ``schedule`` is None for a job that runs only by hand. ``needs`` are the references without a default that have to
    have a value when it runs: its own, and those of its connections and sites. ``zone`` is the IANA zone in which
    people read its times: that of its schedule, else of its first site.
    """

    job: str
    file: str
    digest: str
    owner: str
    sites: tuple[str, ...]
    machine_groups: tuple[str, ...]
    schedule: Schedule | None
    window: Window
    deadline: str
    restate: str
    notify: Notify
    needs: tuple[str, ...] = ()
    zone: str = ""


def plan_job(checked: CheckedJob, digest: str, settings: CheckedSettings, needs: Needs) -> JobPlan:
    """Give the plan of a checked job; ``needs`` are those of the blocks of its settings.

    Raises :class:`ProblemsError` with what is wrong with the job, or keeps a daemon from knowing when it is due.
    """
    raise_errors(checked.problems)
    values = checked.layers.values
    assert isinstance(values, dict), "a job without problems is a block of keys"
    raise_errors(checked.layers.problems(_find_unwritten(values)))
    job = checked.parsed or _read_part(values)
    sites = job.sites or settings.site_names
    connections = (use.connection_name for use in checked.sinks if use.connection_name)
    blocks = (*(("connections", name) for name in connections), *(("sites", name) for name in sites))
    return JobPlan(
        job=job.job,
        file=checked.document.name,
        digest=digest,
        owner=job.owner,
        sites=tuple(map(sys.intern, sites)),
        machine_groups=tuple(text for _, text in find_texts(values, ("report", "filter", "machineGroup", EACH))),
        schedule=job.schedule if isinstance(job.schedule, Schedule) else None,
        window=job.window,
        deadline=job.deadline,
        restate=job.restate,
        notify=job.notify,
        zone=sys.intern(_find_zone(job.schedule, sites, settings)),
        needs=tuple(dict.fromkeys([*list_needs(values), *(need for path in blocks for need in needs.find(path))])),
    )


def _find_zone(schedule: object, sites: tuple[str, ...], settings: CheckedSettings) -> str:
    if isinstance(schedule, Schedule) and schedule.timezone:
        return schedule.timezone
    return next((settings.calendars[site].zone.key for site in sites if site in settings.calendars), "")


def _find_unwritten(values: dict[str, Value]) -> list[Finding]:
    hint = "write the value itself: references are read when the job runs, and this has to be known before"
    return [
        Finding(path, "found a reference, expected a value", hint)
        for key in WRITTEN
        for path, text in all_texts(get(values, key), key)
        if has_reference(text)
    ]


def _read_part(values: dict[str, Value]) -> Job:
    """Read the keys that matter here of a job that has references elsewhere, where a number is expected."""
    part: dict[str, Value] = {"report": {"metrics": ["oee"]}, "sinks": [{}]}
    return convert_values(part | {key: values[key] for key in PLAN_KEYS if key in values}, Job)


def list_needs(values: Value) -> Iterator[str]:
    """Give the references without a default in the texts of a file or block."""
    for _, text in all_texts(values):
        for reference in find_references(text) if "${" in text else ():
            if reference.default is None:
                yield sys.intern(text[reference.start : reference.end])


@dataclass(frozen=True, slots=True)
class Needs:
    """What the blocks of ``mmflow.yaml`` need; each is looked through once, however many jobs use it."""

    settings: Value = field(repr=False)
    _found: dict[Path, tuple[str, ...]] = field(default_factory=dict)

    def find(self, path: Path) -> tuple[str, ...]:
        """Give the references without a default in the block at a path."""
        if path not in self._found:
            self._found[path] = tuple(list_needs(get(self.settings, path)))
        return self._found[path]


def list_references(plans: Iterable[JobPlan]) -> tuple[str, ...]:
    """Give what jobs need, each once and sorted; no more than each worker may look up for each of its tasks."""
    return tuple(sorted({need for plan in plans for need in plan.needs})[:MOST_REFERENCES])


def find_lacking(plans: Iterable[JobPlan], resolver: Resolver) -> dict[str, str]:
    """Say of each job that needs a reference without a value which one that is; the resolver hides what it finds."""
    needing: dict[str, list[str]] = defaultdict(list)
    for plan in plans:
        for need in plan.needs:
            needing[need].append(plan.job)
    return {job: why for need, jobs in needing.items() if (why := _lacks(need, resolver)) for job in jobs}


def _lacks(need: str, resolver: Resolver) -> str:
    try:
        resolver.resolve(need)
    except UnresolvedReference as error:
        return str(error)
    return ""
