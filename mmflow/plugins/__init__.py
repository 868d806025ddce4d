"""Finds the installed plugins, loads them one by one, and gives the registry of what they add.

A plugin that is blocked, made for another version, broken, or that takes a name which is not its own, is left out and
named with its reason; the others go on. Plugins are code with all the rights of mmflow: what may load is a matter of
``plugins.allow`` and ``plugins.block`` in ``mmflow.yaml``, decided before anything of a plugin is imported.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import EntryPoint, entry_points
from importlib.resources import files
from pathlib import Path
from traceback import format_exception
from types import MappingProxyType
from typing import Literal

import pluggy
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from mmflow import __version__, hookspecs
from mmflow.errors import UserError, hint_names
from mmflow.plugins.admission import ENGINE, Admission
from mmflow.plugins.notifiers import FILE, WEBHOOK
from mmflow.plugins.package import Package
from mmflow.settings import PluginRules
from mmflow.sinks import CONSOLE, SinkType
from mmflow.text import read_error

GROUP = "mmflow"
API_VERSIONS = (1,)  # what a plugin module may declare as mmflow_api; absent means 1

State = Literal["loaded", "failed", "duplicate", "incompatible", "blocked"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginInfo:
    """One row of ``mmflow plugins``: a sink, or a whole plugin (by the name of its entry point) that was left out.

    ``reason`` is one line and empty for what was loaded; ``traceback`` is there when the plugin raised.
    """

    name: str
    kind: Literal["sink", "plugin"]
    distribution: str
    version: str
    state: State
    summary: str
    reason: str = ""
    traceback: str = ""


def read_packages() -> Mapping[str, str]:
    """Give, for each sink of the project's own packages, the name of its package."""
    text = files("mmflow").joinpath("packages.json").read_text(encoding="utf-8")
    packages: dict[str, str] = json.loads(text)
    return MappingProxyType(packages)


@dataclass(frozen=True, slots=True)
class Registry:
    """What the installed plugins add. ``plugins`` is sorted by distribution and name, and includes those left out.

    Where nobody can say which plugins may load there are none, and it is not ``known`` which sinks there would be.
    """

    sinks: Mapping[str, SinkType]
    plugins: tuple[PluginInfo, ...]
    packages: Mapping[str, str] = field(default_factory=read_packages)
    known: bool = True

    def sink(self, name: str) -> SinkType:
        """Give a kind of sink; :class:`UserError` says why it is not there, and how to get it."""
        if name in self.sinks:
            return self.sinks[name]
        raise UserError(self.explain_absence(name))

    def explain_absence(self, name: str) -> str:
        """Say why there is no such sink, and what to do."""
        package = self.packages.get(name)
        left_out = [info for info in self.plugins if info.state != "loaded"]
        for info in left_out:
            if info.distribution == package if package else info.name == name:
                return f"the sink {name!r} of {info.distribution} cannot be used: {info.reason}"
        if package:
            return f"the sink {name!r} is not installed; install it with: {install_command(package)}"
        hint = hint_names(name, {*self.sinks, *self.packages})
        lost = ", ".join(info.name for info in left_out if info.kind == "plugin")
        return f"there is no sink {name!r}; {hint}" + (f" (left out, see 'mmflow plugins': {lost})" if lost else "")


class _Refused(Exception):  # noqa: N818  # a decision, not a failure
    def __init__(self, state: State, reason: str) -> None:
        super().__init__(reason)
        self.state: State = state


@hookspecs.hookimpl
def mmflow_sinks() -> Iterable[SinkType]:
    """Give the types of the engine itself, which is a plugin like any other."""
    yield from (CONSOLE, FILE, WEBHOOK)


def load(rules: PluginRules | None = None) -> Registry:
    """Load the plugins that are installed and that ``rules`` let in.

    A bad plugin never raises from here; a line of ``plugins.allow`` that names no package raises :class:`UserError`.
    """
    admission = Admission.read(rules or PluginRules())
    given: list[tuple[SinkType, PluginInfo]] = []
    left_out: list[PluginInfo] = []
    for entry in entry_points(group=GROUP):
        package = Package.read(entry)
        plugin = load_plugin(entry, package, admission)
        if isinstance(plugin, PluginInfo):
            left_out.append(plugin)
        else:
            given.extend((sink, describe_sink(sink, package)) for sink in plugin)
    return make_registry(given, left_out, read_packages())


def load_plugin(entry: EntryPoint, package: Package, admission: Admission) -> tuple[SinkType, ...] | PluginInfo:
    """Give what one plugin declares, or the row that says why it was left out."""
    try:
        if objection := admission.object_to(package, entry.name):
            return describe_refusal(entry.name, package, "blocked", objection)
        check_requirement(package)
        module = entry.load()
        check_api(module)
        return call_hooks(module)
    except _Refused as refusal:
        return describe_refusal(entry.name, package, refusal.state, str(refusal))
    except (Exception, SystemExit, GeneratorExit) as error:  # noqa: BLE001  # a stranger's module may raise anything
        reason = f"it raised {type(error).__name__}: {_first_line(error)}"
        return describe_refusal(entry.name, package, "failed", reason, "".join(format_exception(error)))


def check_requirement(package: Package) -> None:
    """Refuse a plugin whose package asks for another version of the engine."""
    for requirement in map(Requirement, package.requires):
        if canonicalize_name(requirement.name) != ENGINE or (requirement.marker and not requirement.marker.evaluate()):
            continue
        if not requirement.specifier.contains(__version__, prereleases=True):
            found = f"it needs {ENGINE} {requirement.specifier}, this is {__version__}"
            raise _Refused("incompatible", f"{found}; install a release of it that fits")


def check_api(module: object) -> None:
    """Refuse a plugin that was written for another plugin interface."""
    wanted = getattr(module, "mmflow_api", 1)
    if wanted not in API_VERSIONS:
        ours = ", ".join(map(str, API_VERSIONS))
        raise _Refused("incompatible", f"it was made for plugin interface {wanted}, this mmflow offers {ours}")


def call_hooks(plugin: object) -> tuple[SinkType, ...]:
    """Call the hooks of one plugin, in a manager of its own, so that what it does wrong harms nobody else."""
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(plugin)
    check_hooks(manager, plugin)
    return tuple(_expect_sink(sink) for sinks in manager.hook.mmflow_sinks() for sink in sinks)


def check_hooks(manager: pluggy.PluginManager, plugin: object) -> None:
    """Refuse a plugin without hooks, or with a misspelt one, which pluggy would pass over in silence."""
    callers = manager.get_hookcallers(plugin)
    if not callers:
        raise _Refused("failed", "it implements no hook; put @hookimpl above 'def mmflow_sinks()'")
    try:
        manager.check_pending()
    except pluggy.PluginValidationError:
        unknown = next(caller.name for caller in callers if not caller.has_spec())
        hint = hint_names(unknown, [name for name in dir(hookspecs) if name.startswith("mmflow_")])
        raise _Refused("failed", f"it implements {unknown!r}, which is not a hook; {hint}") from None


def make_registry(
    given: Sequence[tuple[SinkType, PluginInfo]], left_out: Iterable[PluginInfo], packages: Mapping[str, str]
) -> Registry:
    """Let every sink have its name that is the only one of it, or that comes from the package the name belongs to."""
    claims: dict[str, list[PluginInfo]] = defaultdict(list)
    for sink, info in given:
        claims[sink.name].append(info)
    rows = list(left_out)
    sinks = {}
    for sink, info in given:
        if reason := find_conflict(info, claims[sink.name], packages.get(sink.name)):
            rows.append(replace(info, state="duplicate", reason=reason))
        else:
            rows.append(info)
            sinks[sink.name] = replace(sink, distribution=info.distribution)
    rows.sort(key=lambda row: (row.distribution, row.name))
    return Registry(MappingProxyType(dict(sorted(sinks.items()))), tuple(rows), packages)


def find_conflict(info: PluginInfo, claims: Sequence[PluginInfo], owner: str | None) -> str:
    """Say why a sink may not have its name, or give ""."""
    if owner and info.distribution != owner:
        return f"the sink name {info.name!r} belongs to {owner}, {info.distribution} has to choose another"
    rivals = [claim for claim in claims if claim is not info and (not owner or claim.distribution == owner)]
    if not rivals:
        return ""
    packages = " and ".join(sorted([info.distribution, *(rival.distribution for rival in rivals)]))
    return f"{packages} both give a sink named {info.name!r}; uninstall one, or put it in plugins.block"


def describe_sink(sink: SinkType, package: Package) -> PluginInfo:
    """Make the row of a sink that may be used."""
    return PluginInfo(
        name=sink.name,
        kind="sink",
        distribution=package.name,
        version=package.version,
        state="loaded",
        summary=sink.summary,
    )


def describe_refusal(name: str, package: Package, state: State, reason: str, traceback: str = "") -> PluginInfo:
    """Make the row of a plugin that was left out, by the name of its entry point."""
    return PluginInfo(
        name=name,
        kind="plugin",
        distribution=package.name,
        version=package.version,
        state=state,
        summary=package.summary,
        reason=reason,
        traceback=traceback,
    )


def install_command(package: str) -> str:
    """Give the command that installs a package of ours: from this checkout, or else from a folder of wheels."""
    checkout = Path(str(files("mmflow"))).parent / "plugins" / package
    source = f"-e {checkout}" if checkout.is_dir() else f"--find-links FOLDER_OF_WHEELS {package}"
    return f"{Path(sys.executable).name} -m pip install {source}"


def _expect_sink(found: object) -> SinkType:
    if not isinstance(found, SinkType):
        raise TypeError(f"mmflow_sinks gave a {type(found).__name__}, expected a SinkType")
    return found


def _first_line(error: BaseException) -> str:
    return next(iter(read_error(error).splitlines()), "")
