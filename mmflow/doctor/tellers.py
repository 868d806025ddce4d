"""Checks of what tells people: the ways of ``notify``, and the heartbeat. Nobody is told anything by them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from mmflow.doctor import Diagnosis, fail, ok, warn
from mmflow.doctor.patient import Patient
from mmflow.document import Value
from mmflow.errors import MmflowError, UnresolvedReference, UserError
from mmflow.hosts import check_hook
from mmflow.sinks import find_function
from mmflow.text import read_error

if TYPE_CHECKING:
    from mmflow.ledger.notices import Failing
    from mmflow.notices.office import Office

ELSEWHERE = "the daemon may have it where you have not; set it here to look, or see docs/operating.md"


def check_way(patient: Patient, name: str, block: dict[str, Value]) -> Iterator[Diagnosis]:
    """Let a way say whether people could be told by a connection."""
    from mmflow.notices.office import resolve_way, surround
    from mmflow.notices.verdict import Way

    office = open_office(patient)
    try:
        use = resolve_way(Way(block, ()), office)
    except UserError as error:
        yield warn(read_error(error), ELSEWHERE)
        return
    if use.type.check_notify is None:
        yield ok(f"{use.type.name} tells people by it, and cannot be tried without telling them")
        return
    try:
        find_function(use.type.check_notify)(use.options, surround(use, office))
    except MmflowError as error:
        text, _, advice = read_error(error).partition("; ")
        blame = f"nobody is told by it meanwhile: see that it runs, and check connections: {name} in mmflow.yaml"
        yield fail(f"{use.type.name}: {text}", advice or blame)
        return
    yield ok(f"{use.type.name} could tell people")


def check_unsent(patient: Patient) -> Iterator[Diagnosis]:
    """Name the ways by which people could not be told when that was tried last."""
    from mmflow.notices.office import name_way
    from mmflow.notices.verdict import Way

    place = patient.find_place()
    if isinstance(place, Path) and not place.exists():
        return
    ways: dict[str, list[Failing]] = defaultdict(list)
    with patient.open_ledger() as ledger:
        for one in ledger.notices.list_failing():
            ways[name_way(msgspec.json.decode(one.way, type=Way))].append(one)
    for failing in ways.values():
        count, since = sum(one.number for one in failing), min(one.since for one in failing)
        text, _, advice = failing[-1].error.partition("; ")
        many = f"{count} notice{'s' * (count != 1)} could not be sent yet, the oldest of {since:%Y-%m-%d %H:%M} UTC"
        yield fail(
            f"{many}: {text}", advice or "see what keeps it; each try is in the log: mmflow logs --level warning"
        )
    if not ways:
        yield ok("none waits for a way that failed")


def open_office(patient: Patient) -> Office:
    """Give what every way needs."""
    from mmflow.notices.office import Office

    return Office(patient.workspace, patient.resolver, patient.clock)


def check_heartbeat(patient: Patient) -> Iterator[Diagnosis]:
    """Look whether somebody is where the heartbeat goes; it is not given."""
    from mmflow.api.knock import knock

    try:
        url = patient.resolver.resolve(patient.workspace.settings.daemon.heartbeat)
    except UnresolvedReference as error:
        yield warn(read_error(error), ELSEWHERE)
        return
    patient.resolver.redactor.remember(url)
    advice = "who watches it takes the daemon for dead; see that it runs, and check daemon.heartbeat in mmflow.yaml"
    if wrong := check_hook(url):
        yield fail(f"the address of the heartbeat {wrong}", advice)
        return
    try:
        with open_office(patient).open_http() as client:
            knock(client, url)
    except MmflowError as error:
        yield fail(read_error(error), advice)
        return
    yield ok(f"{urlsplit(url).hostname} can be reached")
