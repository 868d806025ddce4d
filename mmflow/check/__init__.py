"""Checks ``mmflow.yaml`` and jobs: values in, typed settings and jobs out, or every problem at once.

The shape is checked in two steps, first the file with its sinks as plain blocks, then each sink against the one type
that it names; then the rules look at what the words mean. Nothing here needs the network or a reference's value.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final, TypeVar

import msgspec
from msgspec.structs import replace

from mmflow.check.faults import Finding, Owner, explain_error
from mmflow.check.fit import explain_misfit, fit_model
from mmflow.check.layers import EACH, Layers, all_texts, find, get, lay_over
from mmflow.check.links import check_links
from mmflow.check.rules import JOB_RULES, SETTINGS_RULES, WRITTEN_RULES, Facts, apply_rules
from mmflow.check.rules.changes import ClockChanges
from mmflow.check.rules.literals import LITERAL, check_reach
from mmflow.check.uses import SinkUse, check_connections, check_uses, find_rolling, fit_sinks
from mmflow.check.ways import check_ways
from mmflow.document import Document, Value
from mmflow.document import Path as ValuePath
from mmflow.errors import Problem, UserError, raise_errors
from mmflow.job import Job
from mmflow.options import Options, convert_values
from mmflow.plant import PlantCalendar
from mmflow.plugins import Registry
from mmflow.refs import has_reference
from mmflow.schema import describe_model
from mmflow.settings import Settings, Site

__all__ = ["CheckedJob", "CheckedSettings", "SinkUse", "check_job", "check_settings"]

T = TypeVar("T", bound=Options)

# What a job has to say, so that defaults can be read as if they were one.
COMPLETE: Final[dict[str, Value]] = {
    "job": "any",
    "report": {"metrics": ["oee"]},
    "window": "yesterday",
    "sinks": [{}],
}
CALENDAR_KEYS: Final = frozenset({"shifts", "schedules", "holidays"})  # each can be wrong by itself
HOST_KEYS: Final = frozenset({"api_key", "base_url"})  # the keys of a site that its calendar does not need


@dataclass(frozen=True, slots=True)
class CheckedSettings:
    """``mmflow.yaml`` after the check: its problems, and what can be known of it when there is no error among them.

    ``calendars`` are those of the sites without an error, ``root`` is where relative paths start. ``kept`` tells that
    files of days count as a daemon has kept them.
    """

    document: Document
    problems: tuple[Problem, ...]
    parsed: Settings | None
    calendars: Mapping[str, PlantCalendar]
    changes: ClockChanges
    root: Path
    kept: bool = False

    @property
    def site_names(self) -> tuple[str, ...]:
        """Give the names of all sites, in the order of the file."""
        sites = get(self.document.values, ("sites",))
        return tuple(sites) if isinstance(sites, dict) else ()

    @property
    def settings(self) -> Settings:
        """Give the typed settings with references as written; raises :class:`ProblemsError` with every problem."""
        return _expect(self.parsed, self.problems, self.document)


@dataclass(frozen=True, slots=True)
class CheckedJob:
    """A job after the check. ``sinks`` are those without an error."""

    layers: Layers
    problems: tuple[Problem, ...]
    parsed: Job | None = field(repr=False)  # once resolved it may hold secrets
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


def check_settings(
    document: Document, registry: Registry, root: Path, now: datetime, *, kept: bool = False
) -> CheckedSettings:
    """Check ``mmflow.yaml``: connections against the installed sinks, defaults against the keys of a job.

    Relative paths start at ``root``; clock changes that lie behind ``now`` are of no interest. ``kept`` is for a
    daemon and its workers, which go by the last good files of days, here and in every job.
    """
    changes = ClockChanges(now)
    layers = Layers(document.values, document)
    settings, found = fit_model(layers.values, Settings, Owner("mmflow.yaml"))
    found += [*check_connections(layers.values, registry), *check_defaults(layers.values)]
    found += check_ways(layers.values, registry, get(layers.values, ("connections",)), ("defaults",))
    facts = Facts(layers.values, changes, root=root)
    found += check_written(layers, facts, found)
    found += drop_said(apply_rules(SETTINGS_RULES, facts), found)
    calendars, wrong = make_calendars(layers.values, root, found, kept=kept)
    return CheckedSettings(document, layers.problems(found + wrong), settings, calendars, changes, root, kept)


def check_written(layers: Layers, facts: Facts, said: Iterable[Finding]) -> list[Finding]:
    """Say where a reference is malformed or reaches too far, and where a secret is written out.

    A secret counts unless somebody says that it is none.
    """
    found = [*apply_rules(WRITTEN_RULES, facts), *check_reach(layers, facts)]
    return [one for one in drop_said(found, said) if not layers.is_silenced(one)]


def drop_said(findings: Iterable[Finding], said: Iterable[Finding]) -> list[Finding]:
    """Leave out what is about places of which something has been said, or about what holds a secret written out.

    The text there is not to be shown, and a second opinion on one place only hides the first.
    """
    listed = list(said)
    places = {finding.path for finding in listed} | {finding.path[:-1] for finding in listed if finding.id == LITERAL}
    return [finding for finding in findings if finding.path not in places]


def make_calendars(
    values: Value, root: Path, said: Iterable[Finding], *, kept: bool
) -> tuple[dict[str, PlantCalendar], list[Finding]]:
    """Give the calendar of each site, and why others have none where nothing has been said of that yet."""
    calendars: dict[str, PlantCalendar] = {}
    found: list[Finding] = []
    wrong = {finding.path[:3] for finding in said if finding.severity == "error"}
    for path, site in find_sites(values):
        try:
            calendars[str(path[1])] = PlantCalendar.from_site(str(path[1]), site, root, kept=kept)
        except UserError:
            if (*path, "timezone") not in wrong:
                found += (fault for fault in find_faults(path, site, root, kept=kept) if fault.path not in wrong)
    return calendars, found


def find_faults(path: ValuePath, site: Site, root: Path, *, kept: bool) -> Iterator[Finding]:
    """Say what is wrong with each key of a calendar by itself."""
    for key in CALENDAR_KEYS:
        others = dict.fromkeys(CALENDAR_KEYS - {key}, ())
        try:
            PlantCalendar.from_site(str(path[1]), replace(site, **others), root, kept=kept)
        except UserError as error:
            yield explain_error((*path, key), error)


def find_sites(values: Value) -> Iterator[tuple[ValuePath, Site]]:
    """Give the sites whose calendar can be read now, whatever is wrong elsewhere."""
    for path, block in find(values, ("sites", EACH)):
        if any(has_reference(text) for place, text in all_texts(block) if HOST_KEYS.isdisjoint(place)):
            continue
        with suppress(msgspec.ValidationError):
            yield path, convert_values(block, Site)


def check_job(document: Document, settings: CheckedSettings, registry: Registry) -> CheckedJob:
    """Check one job over the defaults of ``mmflow.yaml``; offline, and without the values of references."""
    return check_layers(lay_over(document, settings.document), settings, registry)


def check_layers(layers: Layers, settings: CheckedSettings, registry: Registry, *, strict: bool = True) -> CheckedJob:
    """Check a job; ``strict`` is for values as written, without it their references have been resolved."""
    job, found = fit_model(layers.values, Job, Owner("a job"), strict=strict)
    names, connections = settings.site_names, get(settings.document.values, ("connections",))
    placed, misfits = fit_sinks(layers.values, registry, strict=strict)
    found += [*misfits, *check_ways(layers.values, registry, connections, strict=strict)]
    rolling = find_rolling(placed)
    facts = Facts(layers.values, settings.changes, names, settings.calendars, settings.root, rolling, settings.kept)
    if strict:
        found += check_written(layers, facts, found)
    uses = check_uses(placed, layers.values, connections, facts.outline)
    links = check_links(placed, layers.values, facts.outline)
    found += drop_said([*uses, *links, *apply_rules(JOB_RULES, facts)], found)
    if job and not job.sites:
        job = replace(job, sites=names)
    wrong = {finding.path[:2] for finding in found if finding.severity == "error"}
    sinks = tuple(one.use for one in placed if one.use and one.path not in wrong)
    return CheckedJob(layers, layers.problems(found), job, sinks)


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
