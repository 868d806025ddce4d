"""Asks the service what cannot be known offline: keys, metrics, groups, names and calendars; and tries the sinks.

Each site gets one small request for each distinct report, about one past production day. Nothing is delivered, and
nothing is written but the cache of names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from mmflow.check import CheckedJob
from mmflow.check.faults import Finding, explain_error
from mmflow.check.layers import Layers
from mmflow.deliver import check_sink
from mmflow.deliver.told import about_check, sink_info
from mmflow.errors import BadRequest, KeyRefused, Problem, RunError, TryLater
from mmflow.fetch import ask_sites, open_apis
from mmflow.fetch.complaints import locate_errors
from mmflow.fetch.filters import Found, check_found, find_void
from mmflow.fetch.names import NameBook
from mmflow.job import Job
from mmflow.live.days import past_day
from mmflow.live.visit import Heard, Visit
from mmflow.plant import PlantCalendar
from mmflow.run import Engine
from mmflow.run.order import destination
from mmflow.windows.spans import span_days

__all__ = ["NO_ANSWER", "check_live"]

NO_ANSWER: Final = "no-answer"  # the id of the problem that a site did not answer, which no file can mend
REACH_IT: Final = "see that this machine reaches it, and check base_url and network.proxy; or try again later"

Calendars = Mapping[str, PlantCalendar]


def check_live(engine: Engine, jobs: Sequence[CheckedJob], settings: Layers) -> list[Problem]:
    """Give every problem that only the service and the sinks know of; a site that cannot be asked is one itself.

    All sites of ``engine.hosts`` are asked, whatever the jobs, which are resolved and free of mistakes.
    """
    sites = engine.settings.sites
    calendars = {name: PlantCalendar.from_site(name, sites[name], engine.root) for name in engine.hosts}
    heard, failed = ask_all(engine, calendars, [checked.job for checked in jobs])
    told = [finding for site in heard.values() for finding in site.calendar]
    told += [blame_site(site, error) for site, error in failed.items()]
    located = (problem for checked in jobs for problem in judge_job(checked, heard))
    tried = (problem for checked in jobs for problem in try_sinks(engine, calendars, checked))
    return [*settings.problems(told), *located, *tried]


def ask_all(engine: Engine, calendars: Calendars, jobs: Iterable[Job]) -> tuple[dict[str, Heard], dict[str, RunError]]:
    """Ask the sites side by side; give what each said, and the errors of those that could not be asked."""
    listed, clock, tell = list(jobs), engine.clock, engine.progress
    with ExitStack() as stack:
        folder = stack.enter_context(TemporaryDirectory(prefix="mmflow-", ignore_cleanup_errors=True))
        # A check writes nothing but names, so it takes no place in the budget that all processes share.
        apis = open_apis(engine.hosts, replace(engine.service, budget=None), stack)

        def ask(site: str) -> Heard:
            answers = Path(folder, site)
            answers.mkdir()
            book = NameBook(site, apis[site], engine.state / "cache", clock)
            visit = Visit(calendars[site], apis[site], book, answers, clock.now(), tell)
            return visit.ask_site(job for job in listed if site in job.sites)

        return ask_sites(apis, ask)


def blame_site(site: str, error: RunError) -> Finding:
    """Say why a site cannot be asked: at its key when that was refused."""
    path = ("sites", site, "api_key") if isinstance(error, KeyRefused) else ("sites", site)
    found = explain_error(path, error)
    if not isinstance(error, TryLater):
        return found
    return replace(found, id=NO_ANSWER, hint=f"{found.hint}; {REACH_IT}" if found.hint else REACH_IT)


def judge_job(checked: CheckedJob, heard: Mapping[str, Heard]) -> tuple[Problem, ...]:
    """Say what is wrong with a job by what its sites said; of names nothing unless all of them did."""
    name, sites, layers = checked.job.job, checked.job.sites, checked.layers
    told = {site: heard[site] for site in sites if site in heard}
    complaints = [complaint for one in told.values() for complaint in one.refused[name]]
    found = {site: one.found[name] for site, one in told.items() if name in one.found}
    if len(found) < len(sites):
        return locate_errors(complaints, layers)
    try:
        check_found(found)
    except BadRequest as unknown:
        return locate_errors([*complaints, *unknown.complaints], layers)
    return (*locate_errors(complaints, layers), *layers.problems(warn_void(found)))


def warn_void(found: Mapping[str, Found]) -> Iterator[Finding]:
    """Warn of sites that the filter leaves nothing of."""
    for site, names in found.items():
        if reason := find_void(names):
            message = f"{site} will be missing from every report: {reason}"
            hint = "take it from 'sites', or add a name of it"
            yield Finding(("report", "filter"), message, hint, severity="warning", id="filter-void")


def try_sinks(engine: Engine, calendars: Calendars, checked: CheckedJob) -> tuple[Problem, ...]:
    """Say which sinks of a job could not deliver, by their own word; they are told of one past day."""
    job, now, where = checked.job, engine.clock.now(), destination(engine, checked)
    days = {site: past_day(calendars[site], now) for site in job.sites if site in calendars}
    if not days:
        return ()
    spans = tuple((site, span_days(calendars[site], day, day, "a past day")) for site, day in days.items())
    about = about_check(job, spans, now)
    told = [(use, sink_info(about, use, where)) for use in checked.sinks]
    wrong = ((("sinks", place), check_sink(use, info)) for place, (use, info) in enumerate(told))
    return checked.layers.problems(explain_error(path, text) for path, text in wrong if text)
