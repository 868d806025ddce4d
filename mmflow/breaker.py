"""Sites that do not answer are left alone for a while by all runs under a lease, and asked by one when it is over."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from mmflow.errors import KeyRefused, RunError, TryLater
from mmflow.fetch import Service
from mmflow.hosts import Host
from mmflow.ledger import Ledger
from mmflow.ledger.breakers import Trouble

REFUSED_PAUSE: Final = timedelta(hours=1)  # until a key that was refused is shown again
TRIES: Final = 3  # of one request under a lease; further patience costs no process


@contextmanager
def watch_sites(
    service: Service, sites: Iterable[str], ledger: Ledger, until: datetime | None = None
) -> Iterator[Service]:
    """Give a way to ask the sites that leaves out those in trouble; what is heard of the others is recorded at the end.

    Sites of one address and one key are in one trouble. ``until`` is when the time of the run is up.
    """
    named, admitted = {site: service.hosts[site] for site in sites}, service.clock.now()
    troubles = {host: ledger.breakers.admit(name_host(host), admitted, until) for host in set(named.values())}
    heard: dict[Host, RunError | None] = {}

    def hear(site: str, error: RunError | None) -> None:
        if named[site] not in heard or error is None:
            heard[named[site]] = error

    parked = {site: explain(trouble, service) for site, host in named.items() if (trouble := troubles[host])}
    try:
        yield replace(service, parked=parked, heard=hear, tries=TRIES)
    finally:
        for host, error in heard.items():
            record(host, error, ledger, service.clock.now(), admitted)


@contextmanager
def free_sites(service: Service, ledger: Ledger) -> Iterator[Service]:
    """Give a way to ask all sites; those that answer are left alone no more."""
    answered: set[Host] = set()

    def hear(site: str, error: RunError | None) -> None:
        if not isinstance(error, KeyRefused | TryLater):
            answered.add(service.hosts[site])

    try:
        yield replace(service, heard=hear)
    finally:
        for host in answered:
            ledger.breakers.free(name_host(host), name_key(host))


def record(host: Host, error: RunError | None, ledger: Ledger, now: datetime, admitted: datetime) -> None:
    """Write down what was heard of a host: it answers, it asks for patience, it refuses the key, or it is silent."""
    name, breakers = name_host(host), ledger.breakers
    if isinstance(error, KeyRefused):
        why = f"{host.base_url} refuses {host.key_name}; check the key, then it goes on within an hour"
        breakers.refuse(name, now + REFUSED_PAUSE, why, name_key(host))
    elif isinstance(error, TryLater):
        until = None if error.after is None else now + timedelta(seconds=error.after)
        breakers.fail(name, admitted, host.base_url, until)
    else:
        breakers.answer(name, admitted, name_key(host))


def find_parked(
    hosts: Mapping[str, Host], sites: Iterable[str], ledger: Ledger, until: datetime | None = None
) -> Trouble | None:
    """Give the trouble that ends first when all sites of a job are in one, None when any of them may be asked."""
    found = [ledger.breakers.look(name_host(hosts[site]), until) for site in sites]
    troubles = [trouble for trouble in found if trouble]
    return min(troubles, key=lambda trouble: trouble.resume_at) if len(troubles) == len(found) else None


def explain(trouble: Trouble, service: Service) -> TryLater:
    """Give the error of a site that is not even asked."""
    wait = (trouble.resume_at - service.clock.now()).total_seconds()
    return TryLater(trouble.reason, after=max(wait, 0.0))


def name_key(host: Host) -> str:
    """Give what people call an address with a key, whatever that key is by now."""
    return f"{host.key_name} for {host.base_url}"


def name_host(host: Host) -> str:
    """Give what the ledger calls an address with a key, which it does not hold."""
    return f"{host.base_url} {hashlib.sha256(host.key.reveal().encode()).hexdigest()[:12]}"
