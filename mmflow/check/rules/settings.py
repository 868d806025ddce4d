"""Rules about ``mmflow.yaml``: sites and their calendars, the output folder, lengths of time."""

from __future__ import annotations

import os
import pathlib
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from mmflow.atomic import STATE
from mmflow.check.faults import Finding, explain_error, show, suggest_reference
from mmflow.check.layers import EACH, all_texts, get
from mmflow.check.rules.facts import Facts
from mmflow.check.rules.shifts import SHIFT_RULES
from mmflow.durations import parse_duration
from mmflow.errors import UserError
from mmflow.hosts import check_address, check_hook, check_proxy
from mmflow.plant.instants import find_zone, read_day
from mmflow.plugins.admission import Allowed
from mmflow.refs import has_reference
from mmflow.settings import JOBS_FOLDER, State
from mmflow.text import BadText, read_bytes

SITE_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
LARGEST_BUNDLE: Final = 8 * 1024 * 1024  # bytes
PEM: Final = b"-----BEGIN"
LEASE: Final = ("daemon", "lease")
SHORTEST_LEASE: Final = timedelta(seconds=5)  # it is renewed every third of it, between two looks of the daemon
DURATIONS: Final = (
    ("network", "deadline"),
    ("retention", "runs"),
    ("retention", "snapshots"),
    ("daemon", "run_time"),
    LEASE,
    ("daemon", "grace"),
    ("daemon", "notice_wait"),
)


def check_site_names(facts: Facts) -> Iterator[Finding]:
    """Expect names of sites that can be part of a file's name."""
    for path, _ in facts.blocks("sites", EACH):
        if not SITE_NAME.fullmatch(str(path[1])):
            hint = "use letters, digits, - and _, such as boston"
            yield Finding(path, f"{show(str(path[1]))} cannot be the name of a site", hint, key=True)


def check_hosts(facts: Facts) -> Iterator[Finding]:
    """Expect one address for a site, and a key unless it is a simulated plant; and an address for a proxy."""
    for path, site in facts.blocks("sites", EACH):
        if "environment" in site and "base_url" in site:
            yield Finding(
                (*path, "base_url"), "'base_url' does not go with 'environment'", "remove one of them", key=True
            )
        if "environment" not in site and "base_url" not in site:
            yield Finding(
                (*path, "environment"), "this key is missing", "write environment: standard, or a base_url", key=True
            )
        elif site.get("api_key") is None and site.get("environment") != "simulator":
            hint = f'write api_key: "{suggest_reference((*path, "api_key"))}"'
            yield Finding((*path, "api_key"), "this key is missing", hint, key=True)
    for path, url in facts.texts("sites", EACH, "base_url"):
        if wrong := check_address(url):
            yield Finding(path, f"this address {wrong}")
    for path, url in facts.texts("daemon", "heartbeat"):
        if url and (wrong := check_hook(url)):
            yield Finding(path, f"this address {wrong}")
    for path, url in facts.texts("network", "proxy"):
        if url and (wrong := check_proxy(url)):
            yield Finding(path, f"this address {wrong}")


def check_bundle(facts: Facts) -> Iterator[Finding]:
    """Expect the file of the company's own authority to be there, and to hold certificates."""
    for path, name in (*facts.texts("network", "ca_bundle"), *facts.texts("state", "ca")):
        try:
            if facts.root and name and PEM not in read_bytes(facts.root / name, LARGEST_BUNDLE):
                yield Finding(path, f"the file {show(name)} holds no PEM certificate", "give the company CA as PEM")
        except BadText as bad:
            yield Finding(path, f"the file {show(name)} {bad.message}", bad.hint)


def check_state(facts: Facts) -> Iterator[Finding]:
    """Expect the address of a PostgreSQL, and keys that mean something with it or without."""
    named = facts.has("state", "url")
    for key in ("network_drive",) if named else ("password", "tls", "ca"):
        if facts.has("state", key):
            told = "means nothing for a ledger in a database" if named else "means nothing without a url"
            yield Finding(("state", key), told, "leave it out" if named else "write url, or leave it out", key=True)
    for path, url in facts.texts("state", "url"):
        from mmflow.ledger.place import read_database  # few have a url, and all would wait for it

        try:
            read_database(State(url=url), facts.root or pathlib.Path())
        except UserError as error:
            yield explain_error(path, error)


def check_zones(facts: Facts) -> Iterator[Finding]:
    """Expect zones that are places, and no offsets."""
    for path, zone in facts.texts("sites", EACH, "timezone"):
        try:
            find_zone(zone)
        except UserError as error:
            yield explain_error(path, error)


def check_start_of_day(facts: Facts) -> Iterator[Finding]:
    """Warn when the start of day is left at midnight, rarely a plant's; numbers would be of other days."""
    for path, site in facts.blocks("sites", EACH):
        if "start_of_day" not in site:
            message = "the production day is taken to start at midnight"
            hint = 'write start_of_day: "06:00", as MachineMetrics has it; "00:00" if midnight is right'
            yield Finding(path, message, hint, key=True, severity="warning", id="start-of-day-unset")


def check_simulated(facts: Facts) -> Iterator[Finding]:
    """Expect a start of day that a simulated plant can have: its facts are kept by quarters of an hour."""
    for path, site in facts.blocks("sites", EACH):
        start = facts.text(*map(str, path), "start_of_day")
        if site.get("environment") == "simulator" and start and start[-2:] not in {"00", "15", "30", "45"}:
            message = f"found {show(start)}, expected a quarter of an hour in a simulated plant"
            yield Finding((*path, "start_of_day"), message, f'write "{start[:-2]}00", or ask a real service')


def check_output(facts: Facts) -> Iterator[Finding]:
    """Expect a folder in which no report can take the place of what mmflow itself reads."""
    for path, text in facts.texts("output"):
        if taken := find_taken(facts.root, text) if facts.root else "":
            message = f"a report in {show(text)} could take the place of {taken}"
            yield Finding(path, message, "write a folder that holds nothing else, such as out")


def find_taken(root: pathlib.Path, output: str) -> str:
    """Say what lies in an output folder, or around it, and may not be written to; "" when nothing does."""
    folder, home = place_folder(root / output), place_folder(root)
    if home.is_relative_to(folder):
        return "mmflow.yaml"
    for kept in (JOBS_FOLDER, STATE):
        inner = place_folder(root / kept)
        if folder.is_relative_to(inner) or inner.is_relative_to(folder):
            return f"a file in {kept}/"
    return ""


def place_folder(folder: pathlib.Path) -> pathlib.Path:
    """Give the real place of a folder, in the one spelling that it has where letter case does not count."""
    return pathlib.Path(os.path.normcase(os.path.realpath(folder)))


def check_durations(facts: Facts) -> Iterator[Finding]:
    """Expect lengths of time to be a number and a unit, and a lease that can be renewed in time."""
    for pattern in DURATIONS:
        for path, text in facts.texts(*pattern):
            try:
                length = parse_duration(text)
            except ValueError as error:
                yield Finding(path, f"found {show(text)}, {error}")
                continue
            if pattern == LEASE and length < SHORTEST_LEASE:
                yield Finding(path, f"found {show(text)}, expected at least {SHORTEST_LEASE.seconds} seconds")


def check_holidays(facts: Facts) -> Iterator[Finding]:
    """Expect days of the calendar in a list of holidays."""
    for path, day in facts.texts("sites", EACH, "holidays", EACH):
        try:
            read_day(day)
        except UserError as error:
            yield explain_error(path, error)


def check_plugins(facts: Facts) -> Iterator[Finding]:
    """Expect names of packages where it is said which may load; they are read before any reference is."""
    for path, text in all_texts(get(facts.values, ("plugins",)), ("plugins",)):
        if has_reference(text):
            yield Finding(path, "found a reference, expected the name of a package or plugin", "write the name here")
        elif path[1:2] == ("allow",):
            try:
                Allowed.read(text)
            except UserError as error:
                yield explain_error(path, error)


SITE_RULES: Final = (
    check_site_names,
    check_hosts,
    check_zones,
    check_start_of_day,
    check_simulated,
    *SHIFT_RULES,
    check_holidays,
    check_bundle,
    check_state,
    check_output,
    check_durations,
    check_plugins,
)
