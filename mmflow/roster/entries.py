"""What is known of each file of a job: its last good version, and what is wrong with it now."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from mmflow.check import CheckedJob, check_job
from mmflow.document import read_text
from mmflow.errors import Problem
from mmflow.roster.files import Seen
from mmflow.roster.plans import JobPlan
from mmflow.roster.reading import Reading, Texts, keep_errors
from mmflow.workspace import Workspace, refuse_followers, refuse_twins

Read: TypeAlias = Callable[[Texts], Iterable[Reading]]
"""Checks texts under the settings in force."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What is known of one file: its last good text with its plan, and the errors of what it says now.

    ``text`` is "" when it was never good; ``plan`` is None when it cannot be used under the settings in force. ``name``
    is that of the job, "" as long as none could be read.
    """

    text: str = ""
    plan: JobPlan | None = None
    problems: tuple[Problem, ...] = ()
    name: str = ""


@dataclass(slots=True)
class Entries:
    """All files of jobs that there are, by their names from the root."""

    files: dict[str, Entry] = field(default_factory=dict)

    @property
    def plans(self) -> Iterator[JobPlan]:
        """Give the plans of all files that have one, also of those that cannot be in force beside others."""
        return (entry.plan for entry in self.files.values() if entry.plan)

    @property
    def broken(self) -> dict[str, tuple[Problem, ...]]:
        """Give the errors of the files that cannot be used as they are now."""
        return {file: entry.problems for file, entry in self.files.items() if entry.problems}

    def take(self, seen: Sequence[Seen], read: Read) -> None:
        """Take in what files say now."""
        texts = [(one.file, one.data) for one in seen if one.data is not None]
        for (file, data), reading in zip(texts, read(texts), strict=True):
            if reading.plan:
                self.files[file] = Entry(data.decode(), self._keep_plan(file, reading), (), reading.name)
            else:
                self._break(file, reading.problems, reading.name, read)
        for one in seen:
            if one.problems:
                self._break(one.file, keep_errors(one.problems), "", read)
            elif one.data is None:
                self.files.pop(one.file, None)

    def check_again(self, files: Sequence[str], read: Read) -> None:
        """Hold last good texts against other settings; what these files say now may be something else."""
        texts = [(file, self.files[file].text.encode()) for file in files]
        for file, reading in zip(files, read(texts), strict=True):
            old = self.files[file]
            plan = self._keep_plan(file, reading)
            self.files[file] = Entry(old.text, plan, old.problems or reading.problems, reading.name)

    def _keep_plan(self, file: str, reading: Reading) -> JobPlan | None:
        """Give the very plan that was there before when the new one says the same."""
        old = self.files[file].plan if file in self.files else None
        return old if old == reading.plan else reading.plan

    def _break(self, file: str, problems: tuple[Problem, ...], name: str, read: Read) -> None:
        old = self.files.get(file, Entry())
        if old.text and not old.plan:  # it may not have been looked at since the daemon was started
            (again,) = read([(file, old.text.encode())])
            old = replace(old, plan=again.plan)
        self.files[file] = replace(old, problems=problems, name=name or old.name)

    def list_names(self) -> dict[str, list[str]]:
        """Give the files of each job that has a plan; of a good root each has one."""
        named: dict[str, list[str]] = defaultdict(list)
        for file, entry in sorted(self.files.items()):
            if entry.plan:
                named[entry.plan.job].append(file)
        return named

    def refuse_jobs(self, named: Mapping[str, Sequence[str]], workspace: Workspace) -> dict[str, tuple[Problem, ...]]:
        """Say what is wrong with files, each good by itself, among the others: one name twice, or nobody to follow."""
        twins = [file for files in named.values() if len(files) > 1 for file in files]
        names = {*named, *(entry.name for entry in self.files.values())}
        leads = {plan.job: plan.schedule.after for plan in self.plans if plan.schedule and plan.schedule.after}
        loose = [named[job][0] for job in find_loose(leads, names)]
        followers = refuse_followers(self._check(loose, workspace), complete="" not in names, others=names)
        found = (*refuse_twins(self._check(twins, workspace)), *followers)
        return {job.document.name: errors for job in found if (errors := keep_errors(job.problems))}

    def _check(self, files: Iterable[str], workspace: Workspace) -> list[CheckedJob]:
        documents = (read_text(self.files[file].text, file) for file in files)
        return [check_job(document, workspace.checked, workspace.registry) for document in documents]


def find_loose(leads: Mapping[str, str], names: Collection[str]) -> list[str]:
    """Give the jobs that follow one whose name is not among these, or that never come to one with times of its own."""
    loose = [job for job, lead in leads.items() if lead not in names]
    led = {job: lead for job, lead in leads.items() if lead in names}
    while settled := [job for job, lead in led.items() if lead not in led]:
        for job in settled:
            del led[job]
    return [*loose, *led]
