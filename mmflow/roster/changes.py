"""What one look at the files found to be new, in the words of a log."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from mmflow.errors import Problem
from mmflow.plant import PlantCalendar
from mmflow.roster.plans import JobPlan
from mmflow.schedule import choose_zone, describe_schedule
from mmflow.settings import JOBS_FOLDER
from mmflow.workspace import SETTINGS_FILE, Workspace

MOST_NAMES: Final = 10
MOST_LINES: Final = 100  # of one kind; who changes mmflow.yaml may change ten thousand jobs
MOST_TOLD: Final = 20  # of one kind, of those that people are told one by one


@dataclass(frozen=True, slots=True)
class State:
    """What is in force after a look.

    ``refused`` are the plans of jobs that cannot be in force beside others, each with the reason, such as one name in
    two files. ``texts`` are those of the jobs that have plans, ``names`` those of all files. ``problems`` are by file;
    ``blocked`` says of jobs (of files, where there is no name) that cannot run why, and ``lacking`` of jobs which of
    their references have no value; ``references`` are all that jobs cannot do without. ``revision`` is another one
    whenever ``mmflow.yaml`` or what it names has been read anew. ``days`` are the files of days that there are good
    copies of. ``looked`` is when the look began, by the monotonic clock.
    """

    workspace: Workspace | None = None
    settings_text: str = ""
    plans: Mapping[str, JobPlan] = field(default_factory=dict)
    refused: Mapping[str, tuple[JobPlan, str]] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    names: frozenset[str] = frozenset()
    problems: Mapping[str, tuple[Problem, ...]] = field(default_factory=dict)
    blocked: Mapping[str, str] = field(default_factory=dict)
    lacking: Mapping[str, str] = field(default_factory=dict)
    references: tuple[str, ...] = ()
    calendars: Mapping[str, PlantCalendar] = field(default_factory=dict)
    revision: int = 0
    days: frozenset[str] = frozenset()
    looked: float = 0.0


@dataclass(frozen=True, slots=True)
class Changes:
    """What differs from the look before. Jobs by name and files from the root, sorted; each thing is told once.

    ``added``, ``changed`` and ``removed`` are about the plans that count from now on. ``broken`` holds the problems of
    files that cannot be used as they are now, ``kept`` those of these files whose last good version stays, ``mended``
    the files that can be used again, and ``dropped`` those that could not until they were gone. ``blocked`` says of
    jobs whose files are good why they cannot run. ``settings`` tells that ``mmflow.yaml``, or a calendar it names, was
    read anew. ``times`` has a line for each job that is due at other times.
    """

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    broken: tuple[Problem, ...] = ()
    kept: frozenset[str] = frozenset()
    mended: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    blocked: tuple[tuple[str, str], ...] = ()
    settings: bool = False
    times: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self != Changes()

    @property
    def lines(self) -> tuple[str, ...]:
        """Give what a log should say, a line for each thing."""
        return tuple(self._write_lines())

    def __str__(self) -> str:
        return "\n".join(self.lines)

    def _write_lines(self) -> Iterator[str]:
        if self.settings:
            yield f"{SETTINGS_FILE} was read anew"
        for word, names in (("new", self.added), ("changed", self.changed), ("gone", self.removed)):
            if names:
                yield f"{len(names):,} job{'s' * (len(names) != 1)} {word}: {_list_names(names)}"
        yield from _cut(self.times)
        for _, found in self._list_troubles():
            yield from _cut(found)

    @property
    def words(self) -> tuple[tuple[str, str], ...]:
        """Give what people are to be told, as its kind and a sentence: ``broken``, ``mended`` or ``blocked``."""
        return tuple((kind, line) for kind, found in self._list_troubles() for line in _cut(found, MOST_TOLD))

    def _list_troubles(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        yield "broken", tuple(f"{problem}; {self._tell_outcome(problem)}" for problem in self.broken)
        yield "mended", tuple(f"{file} can be used again" for file in self.mended)
        yield (
            "mended",
            tuple(f"{file}, which could not be used, is gone or not named any more" for file in self.dropped),
        )
        lacking = defaultdict(list)
        for job, why in self.blocked:
            lacking[why].append(job)
        yield "blocked", tuple(_tell_lacking(jobs, why) for why, jobs in lacking.items())

    def _tell_outcome(self, problem: Problem) -> str:
        return "its last good version stays" if problem.file in self.kept else "it does not run until then"


@dataclass(frozen=True, slots=True)
class Found:
    """What a look has found, and how that differs from what is in force."""

    state: State
    changes: Changes


def compare_states(old: State, new: State) -> Changes:
    """Give what a new state has of its own."""
    broken = {file: found for file, found in new.problems.items() if found != old.problems.get(file)}
    usable = {SETTINGS_FILE, JOBS_FOLDER, *new.days, *(plan.file for plan in new.plans.values())}
    over = old.problems.keys() - new.problems.keys()
    changed = [job for job, plan in new.plans.items() if old.plans.get(job, plan) != plan]
    return Changes(
        added=tuple(sorted(new.plans.keys() - old.plans.keys())),
        changed=tuple(sorted(changed)),
        removed=tuple(sorted(old.plans.keys() - new.plans.keys())),
        broken=tuple(sorted(problem for found in broken.values() for problem in found)),
        kept=frozenset(broken.keys() & usable),
        mended=tuple(sorted(over & usable)),
        dropped=tuple(sorted(over - usable)),
        blocked=tuple(sorted(set(new.lacking.items()) - set(old.lacking.items()))),
        settings=0 < old.revision < new.revision,
        times=tuple(line for job in sorted(changed) if (line := _compare_times(job, old, new))),
    )


def _compare_times(job: str, old: State, new: State) -> str:
    """Say how the times of a job have changed, "" when they have not."""
    was, will = (describe_times(state.plans[job], state.calendars) for state in (old, new))
    return f"{job}: {was} → {will}" if was != will else ""


def describe_times(plan: JobPlan, calendars: Mapping[str, PlantCalendar]) -> str:
    """Say in plain words when a job is due."""
    plants = [calendars[site] for site in plan.sites]
    return describe_schedule(plan.schedule, choose_zone(plan.schedule, plants) if plan.schedule else None)


def _tell_lacking(jobs: Sequence[str], why: str) -> str:
    if len(jobs) == 1:
        return f"{jobs[0]} cannot run: {why}"
    return f"{len(jobs):,} jobs cannot run: {why} ({_list_names(jobs)})"


def _list_names(names: Sequence[str]) -> str:
    more = len(names) - MOST_NAMES
    return ", ".join(names[:MOST_NAMES]) + (f" and {more:,} more" if more > 0 else "")


def _cut(lines: tuple[str, ...], most: int = MOST_LINES) -> Iterator[str]:
    yield from lines[:most]
    if len(lines) > most:
        yield f"and {len(lines) - most:,} more of this kind; see mmflow validate"
