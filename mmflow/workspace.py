"""One installation on disk: its root, ``mmflow.yaml``, and the jobs under ``jobs/``."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final

from mmflow.check import CheckedJob, CheckedSettings, check_job, check_settings
from mmflow.check.faults import Finding, Owner, show
from mmflow.check.fit import fit_model
from mmflow.check.layers import all_texts, get
from mmflow.document import Document, read_file, read_text
from mmflow.errors import Problem, ProblemsError, UserError, hint_names
from mmflow.plugins import Registry, load
from mmflow.refs import has_reference
from mmflow.settings import JOBS_FOLDER, PluginRules, Settings

SETTINGS_FILE: Final = "mmflow.yaml"
MOST_JOBS: Final = 20_000


@dataclass(frozen=True, slots=True)
class Workspace:
    """A root with its checked settings and the installed plugins."""

    root: Path
    checked: CheckedSettings
    registry: Registry

    @property
    def settings(self) -> Settings:
        """Give the settings with references as written; raises :class:`ProblemsError` with every problem."""
        return self.checked.settings

    def list_files(self) -> tuple[Path, ...]:
        """Give the files of all jobs, sorted; raises :class:`UserError` when there are more than 20,000."""
        return list_jobs(self.root)

    def read_jobs(self) -> tuple[tuple[CheckedJob, ...], tuple[Problem, ...]]:
        """Read and check every job: give the jobs, each with its own problems, and the problems of unreadable files.

        Two files with one job name are both wrong, as are jobs that follow none, or each other in a circle.
        """
        jobs, unread = self._read_files(self.list_files())
        return refuse_followers(jobs, complete=not unread), (*unread, *self._refuse_endings())

    def read_job(self, word: str, cwd: Path | None = None) -> CheckedJob:
        """Give the job that a command line names: by its name, or by a path from ``cwd`` when it ends in ``.yaml``.

        Raises :class:`UserError` when there is none, and :class:`ProblemsError` when its file is not YAML.
        """
        if _is_path(word):
            return self.read_file((cwd or Path.cwd()) / word)
        # A file that does not hold the name cannot be the job; not parsing it is what makes this quick.
        holding = [path for path in self.list_files() if _holds(path, word)]
        named = [job for job in self._read_files(holding)[0] if job.name == word]
        if not named:
            jobs, unread = self.read_jobs()
            raise UserError(f"there is no job {show(word)} under {JOBS_FOLDER}/; {_hint_jobs(word, jobs, unread)}")
        return named[0]

    def read_file(self, path: Path) -> CheckedJob:
        """Read and check one file; raises :class:`ProblemsError` when it is not YAML."""
        return check_job(read_file(path, self.root), self.checked, self.registry)

    def check_lead(self, job: CheckedJob) -> CheckedJob:
        """Give a job with what is wrong with the one that it follows; the others are read only when it follows any."""
        if not find_lead(job):
            return job
        jobs, unread = self._read_files(self.list_files())
        others = (other for other in jobs if other.document.name != job.document.name)
        return refuse_followers((job, *others), complete=not unread)[0]

    def _refuse_endings(self) -> Iterator[Problem]:
        for path in sorted(_walk_jobs(self.root / JOBS_FOLDER, ".yml")):
            name = path.relative_to(self.root).as_posix()
            yield Problem(name, 0, 0, message="is not read, because jobs end in .yaml", hint="rename it")

    def _read_files(self, paths: Sequence[Path]) -> tuple[tuple[CheckedJob, ...], tuple[Problem, ...]]:
        jobs: list[CheckedJob] = []
        unread: list[Problem] = []
        for path in paths:
            try:
                jobs.append(self.read_file(path))
            except ProblemsError as error:
                unread.extend(error.problems)
        return refuse_twins(jobs), tuple(unread)


def find_root(start: Path, given: Path | None, environ: Mapping[str, str], job: str = "") -> Path:
    """Give the folder of ``mmflow.yaml``: the one given, else ``MMFLOW_ROOT``, else the nearest upwards.

    It is looked for from the file of ``job`` when a command names one by its path, then from ``start``. Raises
    :class:`UserError` that says where it was looked for.
    """
    asked = given or (Path(environ["MMFLOW_ROOT"]) if environ.get("MMFLOW_ROOT") else None)
    if asked:
        folder = (start / asked).resolve()
        source = "--root" if given else "MMFLOW_ROOT"
        try:
            if (folder / SETTINGS_FILE).is_file():
                return folder
        except PermissionError as error:
            message = f"{source} is {folder}, which is closed to this account; run mmflow as the one whose it is"
            raise UserError(message) from error
        raise UserError(
            f"{source} is {folder}, which holds no {SETTINGS_FILE}; run 'mmflow init' there, or give another"
        )
    places = [*([(start / job).parent.resolve()] if _is_path(job) else []), start.resolve()]
    for folder in (folder for here in places for folder in (here, *here.parents)):
        if os.access(folder, os.X_OK) and (folder / SETTINGS_FILE).is_file():
            return folder
    looked = " or ".join(dict.fromkeys(map(str, places)))
    advice = "go where it is, give --root FOLDER, or run 'mmflow init'"
    raise UserError(f"there is no {SETTINGS_FILE} in {looked} or any folder above it; {advice}")


def _is_path(job: str) -> bool:
    return job.endswith(".yaml")


def open_workspace(root: Path, now: datetime, registry: Registry | None = None) -> Workspace:
    """Read and check ``mmflow.yaml`` with the plugins that it lets in; mistakes in it are kept, not raised.

    ``now`` is the instant of the check. Raises :class:`ProblemsError` when the file is not YAML.
    """
    return make_workspace(read_file(root / SETTINGS_FILE, root), root, now, registry)


def read_workspace(text: str | bytes, root: Path, now: datetime, registry: Registry | None = None) -> Workspace:
    """Do as :func:`open_workspace` for a daemon, with a text that stands, or once stood, in ``mmflow.yaml``.

    What counts of files of days is what the daemon has kept of them.
    """
    return make_workspace(read_text(text, SETTINGS_FILE), root, now, registry, kept=True)


def make_workspace(
    document: Document, root: Path, now: datetime, registry: Registry | None = None, *, kept: bool = False
) -> Workspace:
    """Check ``mmflow.yaml`` with the plugins that it lets in, or those of a ``registry``."""
    registry = registry or load_admitted(document)
    return Workspace(root, check_settings(document, registry, root, now, kept=kept), registry)


def load_admitted(document: Document) -> Registry:
    """Load the plugins that ``mmflow.yaml`` lets in; none when it does not say clearly which, as the check tells."""
    written = get(document.values, ("plugins",))
    given = isinstance(document.values, dict) and "plugins" in document.values
    rules, _ = fit_model(written if given else {}, PluginRules, Owner("'plugins'"))
    if rules and not any(has_reference(text) for _, text in all_texts(written)):
        with suppress(UserError):
            return load(rules)
    return Registry({}, (), known=False)


def list_jobs(root: Path) -> tuple[Path, ...]:
    """Give every ``jobs/**/*.yaml``, sorted; raises :class:`UserError` when there are more than 20,000."""
    found = tuple(sorted(_walk_jobs(root / JOBS_FOLDER, ".yaml")))
    if len(found) > MOST_JOBS:
        raise UserError(f"{JOBS_FOLDER}/ holds {len(found):,} files, expected at most {MOST_JOBS:,}")
    return found


def _walk_jobs(folder: Path, ending: str) -> Iterator[Path]:
    for where, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(where, name) for name in files if name.endswith(ending) and not name.startswith("."))


def refuse_twins(jobs: Sequence[CheckedJob]) -> tuple[CheckedJob, ...]:
    """Give every job whose name another file has too the problem that says so, with the place in that other file."""
    named: dict[str, list[CheckedJob]] = defaultdict(list)
    for job in jobs:
        if job.name:
            named[job.name].append(job)
    return tuple(_refuse_twin(job, [one for one in named[job.name] if one is not job]) for job in jobs)


def _refuse_twin(job: CheckedJob, twins: Sequence[CheckedJob]) -> CheckedJob:
    if not job.name or not twins:
        return job
    line, column = twins[0].document.position(("job",))
    where = f"{twins[0].document.name}:{line}:{column}"
    twin = Finding(("job",), f"{where} has the name {job.name!r} too", "give one of them another name")
    return replace(job, problems=tuple(sorted((*job.problems, job.layers.problem(twin)))))


def refuse_followers(
    jobs: Sequence[CheckedJob], *, complete: bool, others: Iterable[str] = ()
) -> tuple[CheckedJob, ...]:
    """Give every job that follows a job that does not exist, or itself by way of others, the problem that says so.

    ``complete`` tells that no file was left out: otherwise the job that is missing may stand there. ``others`` are the
    names of jobs that exist beside these.
    """
    leads = {job.name: lead for job in jobs if job.name and (lead := find_lead(job))}
    names = {*others, *(job.name for job in jobs if job.name)}
    return tuple(_refuse_follower(job, leads, names if complete else {*names, *leads.values()}) for job in jobs)


def find_lead(job: CheckedJob) -> str:
    """Give the name of the job that a job follows, "" when it has a time of its own or none."""
    lead = get(job.layers.values, ("schedule", "after"))
    return lead if isinstance(lead, str) else ""


def _refuse_follower(job: CheckedJob, leads: Mapping[str, str], names: AbstractSet[str]) -> CheckedJob:
    lead = find_lead(job)
    if not lead or lead == job.name:  # itself: said of the job alone
        return job
    path = ("schedule", "after")
    if lead not in names:
        finding = Finding(path, f"there is no job {show(lead)}", hint_names(lead, names - {job.name}))
    elif job.name in (circle := list(_walk_leads(lead, leads))):
        followed = ", which follows ".join(show(name) for name in circle)
        finding = Finding(path, f"it follows {followed}: none of them is ever due", "give one of them a time")
    else:
        return job
    return replace(job, problems=tuple(sorted((*job.problems, job.layers.problem(finding)))))


def _walk_leads(job: str, leads: Mapping[str, str]) -> Iterator[str]:
    seen: set[str] = set()
    while job and job not in seen:
        yield job
        seen.add(job)
        job = leads.get(job, "")


def _holds(path: Path, word: str) -> bool:
    try:
        return word.encode() in path.read_bytes()
    except OSError:
        return False  # reading all jobs says what is wrong with it


def _hint_jobs(word: str, jobs: Sequence[CheckedJob], unread: Sequence[Problem]) -> str:
    if not jobs and not unread:
        return f"write {JOBS_FOLDER}/{word[:40]}.yaml"
    hint = hint_names(word, [job.name for job in jobs if job.name])
    files = {problem.file for problem in unread}
    return f"{hint} ({len(files)} file{'s' * (len(files) != 1)} cannot be read: {unread[0]})" if files else hint
