"""What a site calls its machines, groups, shifts, operators and jobs, and the ids that filters need.

Machines come from GraphQL, the rest from a small production report grouped by them, since the service lists them
nowhere else. What was found is kept for a day in ``.mmflow/cache``; a name that is not found asks once more.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec

from mmflow.atomic import make_private, replace_file
from mmflow.catalogue import GROUPS
from mmflow.clock import Clock
from mmflow.errors import GiveUp, hint_names
from mmflow.text import show_start

if TYPE_CHECKING:
    from mmflow.api.client import Api

log = logging.getLogger(__name__)

FRESH = timedelta(hours=24)
RECENT = timedelta(days=30)  # how far back a name must have been in use, unless the report reaches further
PAGE = 500
MACHINES = (
    "query Machines($limit: Int!, $offset: Int!) {"
    "machines(limit: $limit, offset: $offset, order_by: {machineRef: asc})"
    " {machineId machineRef name decommissionedAt}}"
)
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


class Entry(msgspec.Struct, frozen=True):
    """A name and its id. ``retired_at`` is when a machine was decommissioned; ``ref`` its number in GraphQL."""

    name: str
    id: str
    retired_at: datetime | None = None
    ref: int | None = None


class Known(msgspec.Struct, frozen=True):
    """The names of one kind, sorted, as the service gave them at ``read_at`` for its data from ``since``."""

    read_at: datetime
    since: date
    entries: tuple[Entry, ...]


class Cache(msgspec.Struct):
    """The file of a site. ``owner`` tells one address and key from another, as their ids differ."""

    owner: str
    kinds: dict[str, Known] = {}


@dataclass(frozen=True, slots=True)
class Match:
    """What a name of the job means at one site: ids, or why none.

    ``names`` are those of the ids, none when the job itself names an id, as names may repeat. ``retired`` are machines
    of that name that were gone before the report begins; ``hint`` names what is near.
    """

    ids: tuple[str, ...]
    names: frozenset[str] = frozenset()
    retired: tuple[Entry, ...] = ()
    hint: str = ""


@dataclass(slots=True)
class NameBook:
    """The names of one site, asked for when they are needed. For one thread."""

    site: str
    api: Api
    folder: Path
    clock: Clock
    _asked: set[str] = field(default_factory=set)

    def find(self, kind: str, text: str, start: datetime) -> Match:
        """Find what ``text`` (``*`` stands for any text) means for a report that begins at ``start``.

        An id stands for itself. Raises what the service raises.
        """
        if UUID.fullmatch(text):
            return Match((text,))
        match = match_name(text, self.list_names(kind, start.date()), start)
        if match.ids or kind in self._asked:
            return match
        return match_name(text, self.list_names(kind, start.date(), refresh=True), start)

    def list_names(self, kind: str, since: date | None = None, *, refresh: bool = False) -> tuple[Entry, ...]:
        """Give the names of a kind in use from ``since`` or, if that is longer, in the last 30 days; sorted.

        They come from the cache when it is fresh enough and reaches back far enough.
        """
        now = self.clock.now()
        first = min(since or now.date(), (now - RECENT).date())
        cache = self._read_cache()
        known = cache.kinds.get(kind)
        if known and not refresh and known.since <= first and now - FRESH < known.read_at <= now:
            return known.entries
        found = set(ask_names(self.api, kind, first, now.date()))
        entries = tuple(sorted(found, key=lambda entry: (entry.name, entry.id)))
        cache.kinds[kind] = Known(now, first, entries)
        self._write_cache(cache)
        self._asked.add(kind)
        return entries

    def _read_cache(self) -> Cache:
        owner = name_owner(self.api)
        try:
            found = msgspec.json.decode(self._path.read_bytes(), type=Cache)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            return Cache(owner)  # it is only a cache: what cannot be read is asked for again
        return found if found.owner == owner else Cache(owner)

    def _write_cache(self, cache: Cache) -> None:
        try:
            make_private(self.folder)
            with replace_file(self._path) as file:
                file.write(msgspec.json.encode(cache))
        except OSError as error:  # what cannot be kept is asked for again
            log.warning("%s cannot be written: %s; names are asked for each time", self._path, error.strerror)

    @property
    def _path(self) -> Path:
        return self.folder / f"{quote(self.site, safe='')}.json"


def name_owner(api: Api) -> str:
    """Give a text that is the same for the same address and key, from which the key cannot be had."""
    return sha256(f"{api.host.base_url}\n{api.host.key.reveal()}".encode()).hexdigest()[:16]


def match_name(text: str, entries: tuple[Entry, ...], start: datetime) -> Match:
    """Find the entries that a name or pattern means. Letter case counts; equal names are all meant.

    A machine decommissioned before ``start`` is not: its number may have passed on to a new one.
    """
    pattern = re.compile(".*".join(map(re.escape, text.split("*"))), re.DOTALL)
    named = [entry for entry in entries if pattern.fullmatch(entry.name) or entry.id == text]
    live = [entry for entry in named if entry.retired_at is None or entry.retired_at > start]
    names = frozenset(entry.name for entry in live if entry.id != text)
    hint = "" if named else hint_names(text, {entry.name for entry in entries})
    return Match(tuple(entry.id for entry in live), names, () if live else tuple(named), hint)


def name_kind(kind: str) -> str:
    """Give the word for a kind in a sentence: ``machineGroup`` is "machine group"."""
    return GROUPS[kind].label.lower() if kind in GROUPS else kind


def ask_names(api: Api, kind: str, first: date, last: date) -> Iterator[Entry]:
    """Ask the service for the names of a kind in use between two days."""
    return ask_machines(api) if kind == "machine" else ask_members(api, kind, first, last)


class MachineRow(msgspec.Struct, rename="camel"):
    """A machine as GraphQL gives it."""

    machine_id: str
    name: str
    machine_ref: int | None = None
    decommissioned_at: datetime | None = None


class MachineRows(msgspec.Struct):
    """The part of the answer under ``data``."""

    machines: tuple[MachineRow, ...]


class GraphError(msgspec.Struct):
    """One thing that GraphQL refused."""

    message: str = ""


class MachineAnswer(msgspec.Struct):
    """A GraphQL answer: data, or errors with status 200."""

    data: MachineRows | None = None
    errors: tuple[GraphError, ...] = ()


def ask_machines(api: Api) -> Iterator[Entry]:
    """Ask for every machine, page by page; ordered by number, so that no page misses one.

    The last page is one that brings nothing new. A short one is not, since the service may give fewer than it is asked
    for, and one that ignores ``offset`` gives the same for ever.
    """
    seen: set[str] = set()
    offset = 0
    while page := ask_page(api, offset):
        fresh = [row for row in page if row.machine_id not in seen]
        if not fresh:
            return
        yield from (Entry(r.name, r.machine_id, read_instant(r.decommissioned_at), r.machine_ref) for r in fresh)
        seen.update(row.machine_id for row in fresh)
        offset += len(page)


def ask_page(api: Api, offset: int) -> tuple[MachineRow, ...]:
    """Ask for the machines from a place in their order."""
    body = {"query": MACHINES, "variables": {"limit": PAGE, "offset": offset}}
    answer = api.json("/graphql", body, MachineAnswer)
    if answer.data is None:
        said = show_start("; ".join(error.message for error in answer.errors)) or "no data and no reason"
        raise GiveUp(f"{api.host.base_url}/graphql gave no machines: {said}")
    return answer.data.machines


def read_instant(instant: datetime | None) -> datetime | None:
    """Take a time without a zone for UTC, which is what the rest of the service speaks (an assumption)."""
    return instant.replace(tzinfo=UTC) if instant and instant.tzinfo is None else instant


class Entity(msgspec.Struct):
    """A member of a group in a nested answer."""

    name: str


class FlatAnswer(msgspec.Struct):
    """A production answer in rows; one without ``items`` is an error, not an empty list of names."""

    items: tuple[dict[str, object], ...]


class NestedAnswer(msgspec.Struct):
    """A production answer in levels, with the members of each group by id."""

    entities: dict[str, dict[str, Entity]]


def ask_members(api: Api, group: str, first: date, last: date) -> Iterator[Entry]:
    """Ask a production report for the members of a group; those without an id cannot be filtered by.

    Flat rows are known to hold ``shiftId``; other ids are an assumption. Nested answers list ids for every group, so
    they are asked for when the flat ones lack them.
    """
    body = {
        "startDay": first.isoformat(),
        "endDay": last.isoformat(),
        "data": [{"metric": "allTime"}],
        "groupBy": [{"group": group}],
    }
    rows = api.json("/reports/production", body | {"flatten": True}, FlatAnswer).items
    id_column = GROUPS[group].id_column
    if all(group in row and id_column in row for row in rows):
        named = ((row[group], row[id_column]) for row in rows)
        yield from (Entry(str(name), str(key)) for name, key in named if name is not None and key is not None)
        return
    entities = api.json("/reports/production", body | {"flatten": False}, NestedAnswer).entities
    yield from (Entry(entity.name, key) for key, entity in entities.get(group, {}).items())
