"""Checks of what tells people: the ways of ``notify``, and the heartbeat. Nobody is told anything by them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from mmflow.doctor import Diagnosis, fail, ok, warn
from mmflow.doctor.patient import Patient
from mmflow.document import Value
from mmflow.errors import MmflowError, UnresolvedReference, UserError
from mmflow.hosts import check_hook
from mmflow.sinks import find_function
from mmflow.text import read_error

if TYPE_CHECKING:
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
