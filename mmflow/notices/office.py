"""What every message needs before it can go out: ``mmflow.yaml``, its plugins, and the way that a job has written."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from mmflow.atomic import STATE
from mmflow.check import check_settings
from mmflow.check.layers import get
from mmflow.check.uses import SinkUse
from mmflow.check.ways import fit_way
from mmflow.clock import Clock
from mmflow.document import Value, change_texts, read_text
from mmflow.errors import GiveUp, UnresolvedReference
from mmflow.leaks import learn_secrets
from mmflow.ledger import Ledger, find_place
from mmflow.notices.verdict import Way
from mmflow.refs import Redactor, Resolver
from mmflow.resolve import connect_sink, resolve_settings, resolve_state
from mmflow.sinks import NoticeInfo
from mmflow.workspace import SETTINGS_FILE, Workspace, load_admitted

if TYPE_CHECKING:
    from httpx import Client

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Office:
    """What every message needs, with references unresolved."""

    workspace: Workspace
    resolver: Resolver
    clock: Clock
    terminal: TextIO | None = None

    def open_ledger(self) -> Ledger:
        """Open the record, which is there: what is sent stands in it."""
        state = resolve_state(self.workspace.checked, self.resolver)
        return Ledger.open(find_place(state, self.workspace.root / STATE), self.clock, known="")

    def open_http(self) -> Client:
        """Open a way to the network."""
        from mmflow.api.outward import open_client

        settings = resolve_settings(self.workspace.checked, self.resolver, ask=False, record=False)
        return open_client(settings.network)


def open_office(
    root: Path,
    settings: str,
    clock: Clock,
    environ: Mapping[str, str],
    redactor: Redactor,
    terminal: TextIO | None = None,
) -> Office:
    """Read ``mmflow.yaml`` from its text, with the plugins that it lets in."""
    document = read_text(settings, SETTINGS_FILE)
    registry = load_admitted(document)
    workspace = Workspace(root, check_settings(document, registry, root, clock.now(), kept=True), registry)
    resolver = Resolver(environ, root, redactor)
    learn_secrets(workspace.checked, registry, resolver)
    return Office(workspace, resolver, clock, terminal)


def resolve_way(way: Way, office: Office) -> SinkUse:
    """Give the type of a way with its options and its connection, the values of their references put in.

    A job that wrote the block may name files under the root only, ``mmflow.yaml`` any.
    """
    checked, resolver = office.workspace.checked, office.resolver
    kind = office.workspace.registry.sink(str(way.via.get("type")))
    if kind.notify is None:
        raise GiveUp("it tells nobody; see notify in the job")
    confined = way.via not in list_common(office, "notify", "via")
    values = change_texts(way.via, lambda text, _path: resolver.resolve(text, confined=confined))
    assert isinstance(values, dict), "a block stays one"
    use, findings = fit_way(values, (), kind, strict=False)
    if use is None:
        raise GiveUp("; ".join(finding.message for finding in findings))
    if kind.connection and get(checked.document.values, ("connections", use.connection_name)) is None:
        raise GiveUp(f"mmflow.yaml has no connection {use.connection_name!r} any more")
    return connect_sink(use, checked, resolver)


def name_way(way: Way) -> str:
    """Name a way as YAML does: by its type, and by its connection if it has one."""
    return " ".join(str(way.via[key]) for key in ("type", "connection") if key in way.via)


def resolve_people(way: Way, office: Office) -> tuple[str, ...]:
    """Give who is told, the values of references put in; whoever has none keeps nobody else from being told."""
    common = [*list_common(office, "owner"), *list_common(office, "notify", "to")]
    found: dict[str, None] = {}
    for name in way.to:
        try:
            found[office.resolver.resolve(name, confined=name not in common)] = None
        except UnresolvedReference as error:
            log.warning("nobody is told as %s: %s", name, error)
    return tuple(found)


def list_common(office: Office, *path: str) -> list[Value]:
    """Give what stands at a path of ``defaults`` in ``mmflow.yaml``: the items of a list, or the one value."""
    value = get(office.workspace.checked.document.values, ("defaults", *path))
    return value if isinstance(value, list) else [value]


def surround(use: SinkUse, office: Office) -> NoticeInfo:
    """Give what the notifier of a way needs beside its options."""
    root, settings = office.workspace.root, office.workspace.settings
    return NoticeInfo(
        root=root,
        output=root / settings.output,
        output_mode=int(settings.output_mode, 8),
        store=root / STATE / "notices" / use.type.name,
        connection=use.connection,
        open_http=office.open_http,
        clock=office.clock,
        terminal=office.terminal,
    )
