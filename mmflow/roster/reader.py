"""Reads the files of a root: what each said last without an error is known here, and what all of it comes to.

It may take a while, for ten thousand jobs, so it is done beside the daemon's loop, which goes on by the state before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from mmflow.clock import Clock
from mmflow.errors import Problem, ProblemsError
from mmflow.leaks import learn_secrets
from mmflow.plugins import Registry
from mmflow.refs import Redactor, Resolver
from mmflow.roster.changes import State
from mmflow.roster.days import Days
from mmflow.roster.entries import Entries, Entry
from mmflow.roster.files import Files, Seen, list_files
from mmflow.roster.in_force import read_in_force, read_settings
from mmflow.roster.plans import JobPlan, find_lacking, list_references
from mmflow.roster.reading import Reading, Texts, keep_errors, read_jobs, read_many
from mmflow.roster.shelf import Shelf, describe_circumstances, keep_job, read_shelf, write_shelf
from mmflow.schedule.skips import FILES
from mmflow.settings import JOBS_FOLDER
from mmflow.workspace import MOST_JOBS, SETTINGS_FILE, Workspace


class Reader:
    """The files of a root as they were when they were read last. One thread at a time may call it.

    ``environ`` is where references look for their values. ``registry`` takes the place of the plugins that
    ``mmflow.yaml`` lets in. ``redactor`` gets to know the secrets of all that is in force.
    """

    def __init__(
        self, root: Path, clock: Clock, environ: Mapping[str, str], registry: Registry | None, redactor: Redactor
    ) -> None:
        self._root, self._clock, self._registry = root, clock, registry
        self._resolver = Resolver(environ, root, redactor)
        self._files = Files(root, clock)
        self._days = Days(root)
        self._entries = Entries()
        self._workspace: Workspace | None = None
        self._settings_text = ""
        self._problems: dict[str, tuple[Problem, ...]] = {}  # of mmflow.yaml and of the folder of jobs
        self._revision = 1  # of the settings

    @property
    def unsettled(self) -> bool:
        """Tell whether a file was seen in writing, so that it is to be read again in half a second; for any thread."""
        return self._files.unsettled

    @property
    def workspace(self) -> Workspace:
        """Give the root with the settings that were last good."""
        assert self._workspace, "nothing is known before the first look"
        return self._workspace

    def read(self, before: State) -> State:
        """Look at all files and give what counts now; the same plans as ``before`` are the very same.

        The first time everything counts at once; it raises :class:`ProblemsError` when ``mmflow.yaml`` is not good and
        never was. Later a change counts when it has stayed for half a second, and nothing is raised for what files
        say. Whatever else goes wrong, nothing was taken in then, and the next look finds it again.
        """
        known = self._copy_known()
        try:
            return self._read_files(before)
        except BaseException:
            vars(self).update(known)
            raise

    def _copy_known(self) -> dict[str, object]:
        return vars(self) | {
            "_files": self._files.copy(),
            "_days": replace(self._days, problems=dict(self._days.problems)),
            "_entries": Entries(dict(self._entries.files)),
            "_problems": dict(self._problems),
        }

    def _read_files(self, before: State) -> State:
        looked = self._clock.monotonic()
        seen = self._look() if self._workspace else self._begin()
        calendars = self._list_calendars()  # some may lie beside the jobs
        other_days = self._days.take(one for file, one in seen.items() if file in calendars)
        if SETTINGS_FILE in self._problems and (again := self._files.again(SETTINGS_FILE)):
            seen.setdefault(SETTINGS_FILE, again)  # what was wrong may have been another file, which it names
        anew = SETTINGS_FILE in seen and self._renew(seen[SETTINGS_FILE])
        if other_days and not anew:
            self._renew_days()
        jobs = [one for file, one in seen.items() if file.startswith(f"{JOBS_FOLDER}/") and file not in calendars]
        self._entries.take(jobs, self._read)
        named = self._list_calendars()  # by these jobs
        if self._days.take(self._files.meet(named)):
            self._renew_days()
        self._days.drop_others(named)
        return self._make_state(before, looked)

    def keep(self) -> None:
        """Write down what is known, for the next start."""
        circumstances = describe_circumstances(self._settings_text, self.workspace.registry)
        jobs = {
            file: keep_job(entry.text, None if entry.problems else self._files.mark(file), entry.plan)
            for file, entry in self._entries.files.items()
            if entry.text
        }
        write_shelf(self._root, Shelf(self._settings_text, circumstances, jobs))

    def _begin(self) -> dict[str, Seen]:
        """Open the root with what was known of it when it was last read; give the jobs that say something else now."""
        shelf = read_shelf(self._root)
        for file, kept in shelf.jobs.items():
            self._entries.files[file] = Entry(kept.text)
            self._files.recall(file, kept.mark, kept.digest)
        for file in self._days.names:
            self._files.recall(file, None, self._days.digest(file))
        seen = self._look(at_once=True)
        self._days.take(seen.pop(file) for file in self._days.names & seen.keys())
        self._open(seen.pop(SETTINGS_FILE), shelf)
        plans = shelf.plans(describe_circumstances(self._settings_text, self.workspace.registry))
        for file, plan in plans.items():
            self._entries.files[file] = Entry(shelf.jobs[file].text, plan, (), plan.job)
        self._entries.check_again(sorted(shelf.jobs.keys() - plans.keys() - seen.keys()), self._read)
        return seen

    def _open(self, seen: Seen, shelf: Shelf) -> None:
        found = read_in_force(seen, lambda: shelf.settings, self._read_settings)
        self._workspace, self._settings_text = found.workspace, found.text
        if found.problems:
            self._problems[SETTINGS_FILE] = found.problems

    def _renew(self, seen: Seen) -> bool:
        """Take in ``mmflow.yaml``; what cannot be used changes nothing."""
        try:
            self._workspace = self._read_settings(seen)
        except ProblemsError as error:
            self._problems[SETTINGS_FILE] = keep_errors(error.problems)
            return False
        assert seen.data is not None, "what was read is there"
        self._problems.pop(SETTINGS_FILE, None)
        self._settings_text = seen.data.decode()
        self._count_anew()
        files = sorted(file for file, entry in self._entries.files.items() if entry.text)
        self._entries.check_again(files, self._read)
        return True

    def _renew_days(self) -> None:
        """Take in files of days, by the settings in force; no good job becomes another by them."""
        try:
            self._workspace = self._read_settings(Seen(SETTINGS_FILE, "", self._settings_text.encode()))
        except ProblemsError as error:  # some other file that it names is broken by now
            self._problems[SETTINGS_FILE] = keep_errors(error.problems)
            return
        self._count_anew()

    def _count_anew(self) -> None:
        self._revision += 1
        self._files.forget(self._entries.broken)  # under these settings they may be good

    def _read_settings(self, seen: Seen) -> Workspace:
        return read_settings(seen, self._root, self._clock.now(), self._registry)

    def _read(self, texts: Texts) -> Sequence[Reading]:
        if self._registry:  # which no other process could load
            return read_jobs(texts, self.workspace)
        return read_many(texts, self.workspace, self._settings_text, self._clock.now())

    def _look(self, *, at_once: bool = False) -> dict[str, Seen]:
        """Give the files that say something new; of jobs none, when it cannot be said which there are."""
        jobs, problem = self._list_jobs()
        if problem:
            self._problems[JOBS_FOLDER] = (problem,)
        else:
            self._problems.pop(JOBS_FOLDER, None)
        found = self._files.look([SETTINGS_FILE, *self._list_calendars(), *jobs], whole=not problem, at_once=at_once)
        return {seen.file: seen for seen in found}

    def _list_jobs(self) -> tuple[list[str], Problem | None]:
        try:
            files = list_files(self._root)
        except OSError as error:
            if isinstance(error, FileNotFoundError) and not self._entries.files:
                return [], None
            # Perhaps a drive that is not there for a moment: that is not the end of all jobs.
            found = f"cannot be read ({error.strerror})"
            return [], Problem(JOBS_FOLDER, 0, 0, message=found, hint="put it back, and see who may read it")
        if len(files) > MOST_JOBS:
            found = f"holds {len(files):,} files, expected at most {MOST_JOBS:,}"
            return [], Problem(JOBS_FOLDER, 0, 0, message=found, hint="move some of them elsewhere")
        return files, None

    def _list_calendars(self) -> frozenset[str]:
        """Give the files of holidays that mmflow.yaml names, and of days that jobs skip."""
        if not self._workspace:
            return self._days.names  # as it was when the daemon ended
        skips = {plan.schedule.calendar for plan in self._entries.plans if plan.schedule and plan.schedule.calendar}
        named = {name for entries in skips for name in ((entries,) if isinstance(entries, str) else entries)}
        holidays = {site.holidays for site in self.workspace.settings.sites.values() if isinstance(site.holidays, str)}
        return frozenset(holidays | {name for name in named if name.lower().endswith(FILES)})

    def _make_state(self, before: State, looked: float) -> State:
        named = self._entries.list_names()
        wrong = self._entries.refuse_jobs(named, self.workspace)
        good = {job: files[0] for job, files in named.items() if wrong.keys().isdisjoint(files)}
        plans: Mapping[str, JobPlan] = {
            job: plan for job, file in good.items() if (plan := self._entries.files[file].plan)
        }
        if plans == before.plans:
            plans = before.plans
        refused = self._list_refused(named, wrong)
        problems = self._entries.broken | wrong
        in_force = set(good.values())
        learn_secrets(self.workspace.checked, self.workspace.registry, self._resolver)
        blocked = {self._name(file, named): sum_up(found) for file, found in problems.items() if file not in in_force}
        return State(
            workspace=self.workspace,
            settings_text=self._settings_text,
            plans=plans,
            refused=before.refused if refused == before.refused else refused,
            texts={job: self._entries.files[plan.file].text for job, plan in plans.items()},
            names=frozenset(entry.name for entry in self._entries.files.values()),
            problems=problems | self._problems | self._days.problems,
            blocked=blocked,
            lacking=find_lacking(plans.values(), self._resolver),
            references=before.references if plans is before.plans else list_references(plans.values()),
            calendars=self.workspace.checked.calendars,
            revision=self._revision,
            days=self._days.names,
            looked=looked,
        )

    def _list_refused(
        self, named: Mapping[str, Sequence[str]], wrong: Mapping[str, tuple[Problem, ...]]
    ) -> dict[str, tuple[JobPlan, str]]:
        """Give the plans of jobs whose files are good, each by itself, and what is wrong with them among the others."""
        found = {job: next((file for file in files if file in wrong), "") for job, files in named.items()}
        return {
            job: (plan, sum_up(wrong[file]))
            for job, file in found.items()
            if file and (plan := self._entries.files[file].plan)
        }

    def _name(self, file: str, named: Mapping[str, Sequence[str]]) -> str:
        """Give the name of the job in a file, or of the file when it has none, or that of another one."""
        name = self._entries.files[file].name
        return name if name and file in named.get(name, [file]) else file


def sum_up(problems: Sequence[Problem]) -> str:
    """Give the first of several problems, and how many more there are."""
    others = len(problems) - 1
    return f"{problems[0]}" + (f" (and {others} more)" if others else "")
