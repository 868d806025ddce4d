"""Checks of what is reached by network: the service of each site, its clock, its key, and connections of sinks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

from mmflow.check.layers import Layers
from mmflow.doctor import Diagnosis, fail, ok, warn
from mmflow.doctor.patient import Patient
from mmflow.doctor.tellers import ELSEWHERE, check_way
from mmflow.errors import Problem, ProblemsError, TryLater
from mmflow.hosts import ENVIRONMENTS, Host
from mmflow.plants import is_simulated, open_hosts
from mmflow.resolve import resolve_job
from mmflow.settings import Settings
from mmflow.text import read_error

if TYPE_CHECKING:
    from mmflow.run import Engine

REACH_IT = "see that this machine reaches it, and check sites: {site}: base_url and network: proxy in mmflow.yaml"
OFF, FAR_OFF = timedelta(minutes=1), timedelta(minutes=5)  # Google, for one, refuses tokens of a clock this far off


def check_site(patient: Patient, name: str) -> Iterator[Diagnosis]:
    """Reach the service of a site without its key, and compare its clock with ours."""
    from mmflow.api.reach import reach

    site = patient.workspace.settings.sites[name]
    if is_simulated(site):
        yield ok("a simulated plant, which each command starts for itself")
        return
    url = patient.resolver.resolve(site.base_url) or ENVIRONMENTS[site.environment or "standard"]
    network = patient.resolve(name).network
    asked = patient.clock.now()
    try:
        found = reach(url, network, patient.clock)
    except TryLater as error:
        yield fail(read_error(error), REACH_IT.format(site=name))
        return
    yield ok(f"{url} answers" + (f" by way of the proxy {found.proxy}" if found.proxy else ""))
    if found.date is None:
        return
    off = abs(found.date - asked)
    text = f"the clock of this machine and that of the service are {off.total_seconds():.0f} seconds apart"
    advice = "set the clock by a time server, such as with systemd-timesyncd, chrony or w32tm"
    if off > FAR_OFF:
        yield fail(text, advice)
    else:
        yield ok(text) if off <= OFF else warn(text, advice)


def check_key(patient: Patient, name: str) -> Iterator[Diagnosis]:
    """Ask the service with the site's key, as ``validate --live`` does."""
    from mmflow.live import check_live

    checked = patient.workspace.checked
    try:
        settings = patient.resolve(name, ask=True)
    except ProblemsError as error:
        yield from (warn(problem.message, ELSEWHERE) for problem in error.problems)
        return
    with open_hosts(checked, settings, (name,), patient.clock) as hosts:
        engine = make_engine(patient, settings, hosts)
        problems = check_live(engine, (), Layers(checked.document.values, checked.document))
    yield from show_problems(problems, "the service knows the key, and has the same calendar")


def check_connection(patient: Patient, name: str) -> Iterator[Diagnosis]:
    """Let the first sink that uses a connection say whether it could deliver; nothing is written."""
    from mmflow.live import try_sinks

    checked, registry = patient.workspace.checked, patient.workspace.registry
    user = next(patient.users(name), None)
    if user is None:
        way = next(patient.ways(name), None)
        yield from check_way(patient, name, way) if way else [ok("no job uses it")]
        return
    try:
        ready = resolve_job(user, checked, registry, patient.resolver)
    except ProblemsError as error:
        yield from (warn(problem.message, ELSEWHERE) for problem in error.problems)
        return
    engine = make_engine(patient, patient.resolve(*user.job.sites), {})
    yield from show_problems(
        try_sinks(engine, checked.calendars, ready), f"sink {user.sinks[0].name} of job {user.name} could deliver"
    )


def make_engine(patient: Patient, settings: Settings, hosts: Mapping[str, Host]) -> Engine:
    """Make what asking the service and sinks needs."""
    from mmflow.run import Engine

    redactor = patient.resolver.redactor
    return Engine(root=patient.root, settings=settings, clock=patient.clock, redactor=redactor, hosts=hosts)


def show_problems(problems: Iterable[Problem], good: str) -> Iterator[Diagnosis]:
    """Give each problem as a finding, or say that there is none."""
    listed = list(problems)
    for problem in listed:
        make = fail if problem.severity == "error" else warn
        yield make(problem.message, problem.hint)
    if not listed:
        yield ok(good)
