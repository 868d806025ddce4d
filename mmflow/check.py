"""Checks ``mmflow.yaml`` and jobs: values in, typed settings and jobs out, or every problem at once.

The shape is checked in two steps, first the file with its sinks as plain blocks, then each sink against the one type
that it names; then the rules look at what the words mean. Nothing here needs the network or a reference's value.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from mmflow.document import Document, Value
from mmflow.errors import Problem, UserError, raise_errors
from mmflow.faults import Finding, Owner
from mmflow.fit import explain_misfit, fit_model
from mmflow.job import Job
from mmflow.layers import Layers, find, get, lay_over
from mmflow.options import Options, convert_values
from mmflow.plugins import Registry
from mmflow.schema import describe_model
from mmflow.settings import Settings
from mmflow.uses import SinkUse, check_connections, check_sinks

__all__ = ["CheckedJob", "CheckedSettings", "SinkUse", "check_job", "check_settings"]


T = TypeVar("T", bound=Options)

# What a job has to say, so that defaults can be read as if they were one.
COMPLETE: Final[dict[str, Value]] = {
    "job": "any",
    "report": {"metrics": ["oee"]},
    "window": "yesterday",
    "sinks": [{}],
}


@dataclass(frozen=True, slots=True)
class CheckedSettings:
    """``mmflow.yaml`` after the check: its problems, and the typed settings when there is no error among them."""

    document: Document
    problems: tuple[Problem, ...]
    parsed: Settings | None

    @property
    def settings(self) -> Settings:
        """Give the typed settings with references as written; raises :class:`ProblemsError` with every problem."""
        return _expect(self.parsed, self.problems, self.document)


@dataclass(frozen=True, slots=True)
class CheckedJob:
    """A job after the check. ``sinks`` are those without an error."""

    layers: Layers
    problems: tuple[Problem, ...]
    parsed: Job | None
    sinks: tuple[SinkUse, ...] = ()

    @property
    def document(self) -> Document:
        """Give the job's own file."""
        return self.layers.document

    @property
    def folder(self) -> Path:
        """Give the folder of the file, from the root; templates are looked up there."""
        return Path(self.document.name).parent

    @property
    def name(self) -> str:
        """Give the job's name, or "" when it has none."""
        name = get(self.layers.values, ("job",))
        return name if isinstance(name, str) else ""

    @property
    def job(self) -> Job:
        """Give the typed job, its sites filled in; raises :class:`ProblemsError` with every problem."""
        return _expect(self.parsed, self.problems, self.document)


def _expect(parsed: T | None, problems: tuple[Problem, ...], document: Document) -> T:
    raise_errors(problems)
    if parsed is None:
        raise UserError(f"{document.name} has references where a number or a word is expected; they are read by a run")
    return parsed


def check_settings(document: Document, registry: Registry) -> CheckedSettings:
    """Check ``mmflow.yaml``: connections against the installed sinks, defaults against the keys of a job."""
    layers = Layers(document.values, document)
    settings, findings = fit_model(layers.values, Settings, Owner("mmflow.yaml"))
    found = [*findings, *check_connections(layers.values, registry), *check_defaults(layers.values)]
    return CheckedSettings(document, layers.problems(found), settings)


def check_job(document: Document, settings: CheckedSettings, registry: Registry) -> CheckedJob:
    """Check one job over the defaults of ``mmflow.yaml``; offline, and without the values of references."""
    return check_layers(lay_over(document, settings.document), settings, registry)


def check_layers(layers: Layers, settings: CheckedSettings, registry: Registry, *, strict: bool = True) -> CheckedJob:
    """Check a job; ``strict`` is for values as written, without it their references have been resolved."""
    job, findings = fit_model(layers.values, Job, Owner("a job"), strict=strict)
    connections = get(settings.document.values, ("connections",))
    sinks, wrong = check_sinks(layers.values, connections, registry, strict=strict)
    if job and not job.sites and settings.parsed:
        job = msgspec.structs.replace(job, sites=tuple(settings.parsed.sites))
    return CheckedJob(layers, layers.problems([*findings, *wrong]), job, sinks)


def check_defaults(values: Value) -> Iterator[Finding]:
    """Say what is wrong with the defaults of ``mmflow.yaml``: any key of a job but its name, in its usual form."""
    for path, defaults in find(values, ("defaults",)):
        if not isinstance(defaults, dict):
            continue
        if "job" in defaults:
            yield Finding((*path, "job"), "each job has a name of its own", "remove this key", key=True)
        try:
            convert_values(COMPLETE | defaults, Job)
        except msgspec.ValidationError:
            yield from explain_misfit(defaults, describe_model(Job) | {"required": []}, Owner("a job"), path)
