"""Where the sites of a job answer; a simulated plant is started for as long as a command runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from mmflow.check import CheckedSettings
from mmflow.check.layers import get
from mmflow.clock import Clock
from mmflow.hosts import Host, find_host
from mmflow.refs import Secret
from mmflow.settings import Settings, Site


@contextmanager
def open_hosts(
    checked: CheckedSettings, settings: Settings, sites: Iterable[str], clock: Clock
) -> Iterator[Mapping[str, Host]]:
    """Give the host of each site; those with ``environment: simulator`` answer on this machine until the end.

    ``checked`` is the same file with references as written, so that messages can name a key's reference.
    """
    named = tuple(sites)
    with open_simulated(settings, named, clock) as simulated:
        yield find_hosts(checked, settings, named) | simulated


def find_hosts(checked: CheckedSettings, settings: Settings, sites: Iterable[str]) -> dict[str, Host]:
    """Give the host of each site that is no plant on this machine."""
    named = {name: settings.sites[name] for name in sites}
    return {
        name: find_host(name, site, reference=key_reference(checked, name))
        for name, site in named.items()
        if not is_simulated(site)
    }


@contextmanager
def open_simulated(settings: Settings, sites: Iterable[str], clock: Clock) -> Iterator[dict[str, Host]]:
    """Start a plant for each site that is one on this machine, and give its host."""
    simulated = {name: site for name in sites if is_simulated(site := settings.sites[name])}
    if not simulated:
        yield {}
        return
    # The simulator is a server with a plant of its own; only those who use it pay for importing it.
    from mmflow.simulator import Plant, Simulator

    keys = {name: f"simulated-{name}" for name in simulated}
    plants = {
        keys[name]: Plant(
            seed=place + 1, zone=site.timezone, start_of_day=site.start_of_day, week_starts=site.week_starts
        )
        for place, (name, site) in enumerate(sorted(simulated.items()))
    }
    with Simulator(plants=plants, now=clock.now) as simulator:
        yield {name: Host(simulator.url, Secret(key), f"the key of {name}") for name, key in keys.items()}


def is_simulated(site: Site) -> bool:
    """Say whether a site is a plant on this machine that nobody has started."""
    return site.environment == "simulator" and not site.base_url


def key_reference(checked: CheckedSettings, site: str) -> str:
    """Give the key of a site as it is written, which is a reference."""
    return str(get(checked.document.values, ("sites", site, "api_key")) or "")
