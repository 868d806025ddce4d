"""Checks of what mmflow reads and keeps: files, plugins, the ledger, the daemon and its log."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path

from mmflow.atomic import refuse_closed
from mmflow.doctor import Diagnosis, fail, ok, warn
from mmflow.doctor.patient import Patient
from mmflow.errors import Problem, UserError
from mmflow.ledger import DaemonLock
from mmflow.ledger.backup import BACKUPS, find_latest, read_form
from mmflow.ledger.sqlite import refuse_lost
from mmflow.logs import Line, list_files, read_lines
from mmflow.planner.clock_rule import read_belief

OLD_BACKUP = timedelta(days=2)
SHOWN = 5  # problems that are shown; 'mmflow validate' shows all


def check_files(patient: Patient) -> Iterator[Diagnosis]:
    """Check mmflow.yaml and the jobs, as ``validate`` does."""
    jobs, unread = patient.read_jobs()
    problems = [*patient.workspace.checked.problems, *unread, *(problem for job in jobs for problem in job.problems)]
    wrong = [problem for problem in problems if problem.severity == "error"]
    yield from (fail(str(problem), "") for problem in wrong[:SHOWN])
    if len(wrong) > SHOWN:
        yield fail(f"{len(wrong) - SHOWN} more mistakes are in the files", "see them all: mmflow validate")
    if not wrong:
        yield judge_warnings(len(jobs), problems)


def judge_warnings(jobs: int, warnings: list[Problem]) -> Diagnosis:
    """Say that there are jobs, and whether they are all as they should be."""
    text = f"mmflow.yaml and {jobs} job{'s' * (jobs != 1)} have no mistakes"
    if warnings:
        return warn(f"{text}, but {len(warnings)} warnings", "see them: mmflow validate")
    return ok(text) if jobs else warn("there are no jobs", "write one under jobs/, or begin with: mmflow init")


def check_plugins(patient: Patient) -> Iterator[Diagnosis]:
    """Name the plugins that were left out, each with its reason."""
    plugins = patient.workspace.registry.plugins
    out = [info for info in plugins if info.state != "loaded"]
    for info in out:
        make = warn if info.state == "blocked" else fail
        yield make(f"{info.name} of {info.distribution} is {info.state}: {info.reason}", "see: mmflow plugins")
    packages = sorted({f"{info.distribution} {info.version}" for info in plugins if info.state == "loaded"})
    yield ok(", ".join(packages))


def check_ledger(patient: Patient) -> Iterator[Diagnosis]:
    """Look whether the ledger is sound, and how much is in it."""
    place = patient.find_place()
    if isinstance(place, Path):
        refuse_lost(place)
        if not place.exists():
            yield ok(f"there is no ledger at {place} yet; a first run makes it")
            return
        try:
            read_form(place)
        except UserError as error:
            yield fail(str(error).partition(";")[0], "put a copy in its place: mmflow state restore FILE")
            return
    with patient.open_ledger() as ledger:
        facts = ledger.facts()
        held = read_belief(ledger, patient.clock.now())[1]
    yield ok(f"{facts.place}, form {facts.schema_version}, {facts.size / 1e6:.1f} MB, sound")
    if held:
        yield fail(
            f"nothing is planned: {held.partition(';')[0]}", "see: mmflow clock; when it is right: mmflow clock accept"
        )
    if stuck := facts.states["delivery"].get("quarantined", 0):
        yield warn(f"{stuck} deliveries are quarantined: their process died three times", "see: mmflow runs")
    if isinstance(place, Path):
        yield from check_copies(patient)


def check_copies(patient: Patient) -> Iterator[Diagnosis]:
    """Look how old the latest copy of the ledger is."""
    latest = find_latest(patient.state / BACKUPS)
    if latest is None:
        yield warn("there is no copy of the ledger", "make one: mmflow state backup; the daemon makes one every day")
        return
    age = patient.clock.now().timestamp() - latest.stat().st_mtime
    text = f"the latest copy of the ledger is {latest.name}"
    old = age > OLD_BACKUP.total_seconds()
    yield warn(text, "make one: mmflow state backup; the daemon makes one every day") if old else ok(text)


def check_daemon(patient: Patient) -> Iterator[Diagnosis]:
    """Look whether a daemon is at work, and what its log says."""
    refuse_closed(patient.state)
    lock = DaemonLock(patient.state)
    if lock.is_held():
        yield ok(f"at work: {lock.owner}")
    elif isinstance(patient.find_place(), Path):
        advice = "start it: mmflow daemon, or for good: mmflow service install"
        yield warn("no daemon is at work, so nothing runs by itself", advice)
    yield from judge_log(read_log(patient.state / "logs", 1000))


def judge_log(lines: Iterable[Line]) -> Iterator[Diagnosis]:
    """Say what the latest lines of the log complain about."""
    listed = list(lines)
    errors = [line for line in listed if line.level in ("error", "critical")]
    dropped = [line for line in listed if "lines of this log were dropped" in line.message]
    if dropped:
        yield warn(f"{dropped[-1].message} ({dropped[-1].time:%Y-%m-%d %H:%M} UTC)", "look for a full disk")
    if errors:
        text = f"{len(errors)} errors are in the latest lines of the log; the last: {errors[-1].message}"
        yield warn(text, "see: mmflow logs --level error")


def read_log(folder: Path, most: int) -> list[Line]:
    """Give the latest lines of the log, oldest first."""
    lines: list[Line] = []
    for path in reversed(list_files(folder)):
        lines = [line for line, _ in read_lines(path)] + lines
        if len(lines) >= most:
            break
    return lines[-most:]
