"""Puts the values of references into checked settings and jobs, when a run needs them, and only those it needs."""

from __future__ import annotations

import pathlib
from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import Final

import msgspec

from mmflow.check import HOST_KEYS, CheckedJob, CheckedSettings, check_layers, drop_said
from mmflow.check.faults import Finding, Owner, explain_error
from mmflow.check.fit import fit_model
from mmflow.check.layers import Layers, get
from mmflow.check.rules import SETTINGS_RULES, Facts, apply_rules
from mmflow.check.rules.settings import check_state
from mmflow.check.uses import SinkUse, fit_connection
from mmflow.document import Path, Value, change_texts
from mmflow.errors import ProblemsError, UnresolvedReference, UserError, raise_errors
from mmflow.job import Job
from mmflow.leaks import find_leaks, find_secrets, list_secrets
from mmflow.plugins import Registry
from mmflow.refs import Resolver, check_key_characters
from mmflow.settings import Settings, State

# The keys of a job that decide what is asked, and about which time.
ASKED_KEYS: Final = frozenset({"job", "sites", "report", "window", "shape", "checks", "slice", "schedule"})
STATE_KEYS: Final = frozenset({"url", "password", "ca"})  # of the ledger; nothing else in the settings has such keys
BEAT_KEYS: Final = frozenset({"heartbeat"})  # the daemon reads it at each beat; no run needs it
NOWHERE: Final[list[Value]] = [{"type": "console"}]


def resolve_settings(
    checked: CheckedSettings,
    resolver: Resolver,
    sites: Collection[str] | None = None,
    *,
    ask: bool = True,
    reach: bool = True,
    record: bool = True,
) -> Settings:
    """Give the settings with the values of their references, holding only the sites that are asked for (all: None).

    Connections and defaults stay as written; :func:`resolve_job` resolves those that a job uses. With ``ask=False``
    keys and addresses of the sites stay as written too, with ``record=False`` those of the ledger, and with
    ``reach=False`` ``network`` is left out, so that no secret is needed.
    Raises :class:`ProblemsError` with every reference that has no value and every value that does not fit.
    """
    raise_errors(checked.problems)
    values, named = checked.document.values, get(checked.document.values, ("sites",))
    assert isinstance(values, dict), "settings without problems are a block of keys"
    assert isinstance(named, dict), "settings without problems have sites"
    wanted = {name: site for name, site in named.items() if sites is None or name in sites}
    needed = {key: value for key, value in values.items() if reach or key != "network"}
    written = Layers({**needed, "sites": wanted, "connections": {}, "defaults": {}}, checked.document)
    left = BEAT_KEYS | (frozenset() if ask else HOST_KEYS) | (frozenset() if record else STATE_KEYS)
    layers = resolve_layers(written, resolver, left)
    settings, found = fit_model(layers.values, Settings, Owner("mmflow.yaml"), strict=False)
    found += drop_said(apply_rules(SETTINGS_RULES, Facts(layers.values, checked.changes, root=resolver.root)), found)
    raise_errors(layers.problems(found))
    assert settings, "what does not fit has been raised"
    if record:
        remember_secrets(settings.state, resolver)
    if ask:
        remember_secrets(settings.sites, resolver)
        raise_errors(written.problems(check_keys(settings, checked)))
    return place_bundle(settings, resolver.root)


def resolve_state(checked: CheckedSettings, resolver: Resolver) -> State:
    """Give where the ledger is, with the values of its references, whatever else is wrong in ``mmflow.yaml``.

    Raises :class:`ProblemsError` with what is wrong in ``state``.
    """
    written = get(checked.document.values, ("state",))
    if written is None:
        return State()
    raise_errors(problem for problem in checked.problems if problem.path.partition(".")[0] == "state")
    layers = resolve_layers(Layers({"state": written}, checked.document), resolver)
    block = get(layers.values, ("state",))
    state, found = fit_model(block, State, Owner("'state'"), ("state",), strict=False)
    raise_errors(layers.problems([*found, *check_state(Facts(layers.values, checked.changes, root=resolver.root))]))
    assert state, "what does not fit has been raised"
    remember_secrets(state, resolver)
    return state


def check_keys(settings: Settings, checked: CheckedSettings) -> Iterator[Finding]:
    """Expect keys that an HTTP header can carry."""
    for name, site in settings.sites.items():
        path: Path = ("sites", name, "api_key")
        try:
            if site.api_key is not None:
                check_key_characters(site.api_key, f"the key that {get(checked.document.values, path)} gives")
        except UserError as error:
            yield explain_error(path, error)


def place_bundle(settings: Settings, root: pathlib.Path) -> Settings:
    """Let a relative ``network.ca_bundle`` start at the root, like every path of ``mmflow.yaml``."""
    network = settings.network
    if not network.ca_bundle:
        return settings
    placed = msgspec.structs.replace(network, ca_bundle=str(root / network.ca_bundle))
    return msgspec.structs.replace(settings, network=placed)


def resolve_job(checked: CheckedJob, settings: CheckedSettings, registry: Registry, resolver: Resolver) -> CheckedJob:
    """Give the job with the values of its references and the options of its connections.

    Raises :class:`ProblemsError` with everything that is wrong, in the job or in its connections.
    """
    raise_errors(checked.problems)
    secrets = list_secrets(checked.layers, settings, registry, resolver)
    layers = resolve_layers(checked.layers, resolver)
    again = check_layers(layers, settings, registry, strict=False)
    raise_errors(again.problems)
    kept = {("sinks", place, *path) for place, use in enumerate(again.sinks) for path, _ in find_secrets(use.options)}
    raise_errors(layers.problems(find_leaks(checked.layers, layers, kept, secrets)))
    sinks = tuple(connect_sink(use, settings, resolver) for use in again.sinks)
    for use in sinks:
        remember_secrets(use.options, resolver)
    return replace(again, sinks=sinks)


def resolve_question(checked: CheckedJob, settings: CheckedSettings, registry: Registry, resolver: Resolver) -> Job:
    """Give the job with the values of those references that decide what is asked; its sinks are left out.

    Raises :class:`ProblemsError` with everything that is wrong in what is asked.
    """
    raise_errors(checked.problems)
    values = checked.layers.values
    assert isinstance(values, dict), "a job without problems is a block of keys"
    asked = {key: value for key, value in values.items() if key in ASKED_KEYS}
    if get(values, ("window", "cells")) is not None:  # dates given by hand stand in their place, whatever they say
        asked["window"] = "yesterday"
    written = replace(checked.layers, values={**asked, "sinks": NOWHERE})
    secrets = list_secrets(written, settings, registry, resolver)
    layers = resolve_layers(written, resolver)
    raise_errors(layers.problems(find_leaks(written, layers, (), secrets)))
    return check_layers(layers, settings, registry, strict=False).job


def connect_sink(use: SinkUse, settings: CheckedSettings, resolver: Resolver) -> SinkUse:
    """Give a sink the resolved options of its connection."""
    if use.type.connection is None:
        return use
    path: Path = ("connections", use.connection_name)
    block = get(settings.document.values, path)
    layers = resolve_layers(Layers({"connections": {use.connection_name: block}}, settings.document), resolver)
    resolved = get(layers.values, path)
    assert isinstance(resolved, dict), "a checked connection is a block"
    connection, findings = fit_connection(resolved, path, use.type, strict=False)
    if connection is None:
        raise ProblemsError(layers.problems(findings))
    remember_secrets(connection, resolver)
    return replace(use, connection=connection)


def resolve_layers(layers: Layers, resolver: Resolver, left: Collection[str] = ()) -> Layers:
    """Put in the value of every reference but those under the keys ``left``.

    Raises :class:`ProblemsError` with all that have no value.
    """
    missing: list[Finding] = []

    def resolve(text: str, path: Path) -> str:
        if path and path[-1] in left:
            return text
        try:
            return resolver.resolve(text, confined=layers.is_own(path))
        except UnresolvedReference as error:
            missing.append(Finding(path, error.message, error.hint))
            return text

    resolved = replace(layers, values=change_texts(layers.values, resolve))
    if missing:
        raise ProblemsError(layers.problems(missing))
    return resolved


def remember_secrets(options: object, resolver: Resolver) -> None:
    """Have every secret in these options hidden from all output."""
    for _, secret in find_secrets(options):
        resolver.redactor.remember(secret)
