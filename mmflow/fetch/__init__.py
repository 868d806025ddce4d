"""Every slice of a plan becomes one file on disk, complete and well-formed, before anything else happens.

Sites are asked side by side, each with as many requests at a time as its key allows. A site that does not answer does
not stop the others. Filters are names in the job and become ids here, just before asking.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, CancelledError, ThreadPoolExecutor, wait
from contextlib import ExitStack
from contextvars import copy_context
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote

from mmflow.api.answers import check_grouped, check_ungrouped
from mmflow.api.retry import TRIES
from mmflow.api.traffic import Traffic
from mmflow.atomic import make_private
from mmflow.clock import Clock
from mmflow.errors import BadRequest, GiveUp, KeyRefused, RunError, TryLater
from mmflow.fetch.filters import Found, check_found, find_void, find_wanted, write_ids
from mmflow.fetch.names import NameBook
from mmflow.files import explain_errors
from mmflow.hosts import Host
from mmflow.job import Job
from mmflow.logs import bind
from mmflow.plan import Plan, Slice
from mmflow.settings import Network

if TYPE_CHECKING:
    from mmflow.api.client import Api

log = logging.getLogger(__name__)

T = TypeVar("T")
Tell = Callable[[str], None]
REPORT_PATH = "/reports/production"
MOST_SITES_AT_A_TIME = 16
RANKS: Mapping[type[RunError], int] = {BadRequest: 1, GiveUp: 2, TryLater: 3}


@dataclass(frozen=True, slots=True)
class Answer:
    """The raw JSON answer to one slice, whole and on disk; ``bytes`` is the size of the unpacked file."""

    slice: Slice
    path: Path
    bytes: int


@dataclass(frozen=True, slots=True)
class Missing:
    """A site that gave no complete answer; ``reason`` is one sentence for the reader of the report."""

    site: str
    reason: str

    def __str__(self) -> str:
        return f"{self.site} is missing: {self.reason}"


@dataclass(frozen=True, slots=True)
class Spool:
    """What was fetched: answers in the order of the plan, none of a missing site; ``extracted_at`` is UTC.

    ``found`` says by site what the names of the job's filters meant there.
    """

    folder: Path
    answers: tuple[Answer, ...]
    missing: tuple[Missing, ...]
    extracted_at: datetime
    found: Mapping[str, Found]


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """How the sites are asked. ``hosts`` and the names kept in the folder ``cache`` go by site.

    ``tell`` hears about progress and waits, from many threads. Sites that are ``parked`` are not asked, for that
    reason. ``heard`` is told of each other what it came to: an error, or None when it answered. ``tries`` are those of
    one request. ``budget`` is a folder by which all processes of a machine share what a key may ask at a time.
    ``traffic`` counts all that is asked and answered.
    """

    hosts: Mapping[str, Host]
    network: Network
    clock: Clock
    cache: Path
    tell: Tell = lambda _text: None
    parked: Mapping[str, TryLater] = field(default_factory=dict)
    heard: Callable[[str, RunError | None], None] = lambda _site, _error: None
    tries: int = TRIES
    budget: Path | None = None
    traffic: Traffic = field(default_factory=Traffic)


def fetch(plan: Plan, job: Job, service: Service, folder: Path) -> Spool:
    """Ask every slice of the plan and give the files, which lie in ``folder``.

    Raises :class:`BadRequest` for what the service or a filter cannot know, :class:`TryLater` or :class:`GiveUp` when
    no site answered or the disk did not take an answer.
    """
    clock, tell, extracted_at = service.clock, service.tell, service.clock.now()
    sites = [site for site, _span in plan.spans]
    asked = [site for site in sites if site not in service.parked]
    with explain_errors(folder), ExitStack() as stack:
        make_private(folder)
        apis = open_apis(asked, service, stack)
        try:
            found, missing = find_filters(plan, job, apis, service.cache, clock)
            tasks = list_tasks(plan, folder, found)
            answers, failed = ask_sites(tasks, lambda site: fetch_site(apis[site], tasks[site], tell))
        except BadRequest:
            tell_heard(asked, {}, service)  # who refuses a question answers
            raise
    missing |= failed
    tell_heard(asked, missing, service)
    missing |= service.parked
    if not answers:
        raise join_errors({site: missing[site] for site in sites})
    return Spool(
        folder=folder,
        answers=tuple(answer for site in sites for answer in answers.get(site, ())),
        missing=tuple(Missing(site, str(missing[site])) for site in sites if site in missing),
        extracted_at=extracted_at,
        found=found,
    )


def tell_heard(sites: Iterable[str], missing: Mapping[str, RunError], service: Service) -> None:
    """Tell of each site that was asked what it came to."""
    for site in sites:
        service.heard(site, missing.get(site))


def open_apis(sites: Iterable[str], service: Service, stack: ExitStack) -> dict[str, Api]:
    """Open one client for each address and key, which sites may share, so that its budget holds for all of them.

    When all are closed ``tell`` hears "": there is nothing more to tell.
    """
    from mmflow.api.client import Api

    stack.callback(service.tell, "")
    opened: dict[Host, Api] = {}
    hosts = {site: service.hosts[site] for site in sites}
    for host in hosts.values():
        if host not in opened:
            api = Api(
                host,
                service.network,
                service.clock,
                tell=service.tell,
                tries=service.tries,
                folder=service.budget,
                traffic=service.traffic,
            )
            opened[host] = stack.enter_context(api)
    return {site: opened[host] for site, host in hosts.items()}


def ask_sites(sites: Collection[str], ask: Callable[[str], T]) -> tuple[dict[str, T], dict[str, RunError]]:
    """Ask sites side by side; give what each returned, and the errors of those that could not answer.

    A request that no site can answer is the user's mistake, and is raised when all have ended.
    """
    if not sites:
        return {}, {}

    def ask_about(site: str) -> T:
        with bind(site=site):
            return ask(site)

    with ThreadPoolExecutor(min(len(sites), MOST_SITES_AT_A_TIME)) as pool:
        futures = {site: pool.submit(copy_context().run, ask_about, site) for site in sites}
    done: dict[str, T] = {}
    failed: dict[str, RunError] = {}
    for site, future in futures.items():
        try:
            done[site] = future.result()
        except BadRequest:
            raise
        except (TryLater, GiveUp) as error:
            failed[site] = error
    return done, failed


def find_filters(
    plan: Plan, job: Job, apis: Mapping[str, Api], cache: Path, clock: Clock
) -> tuple[dict[str, Found], dict[str, RunError]]:
    """Turn the names in a job's filters into ids, site by site; a site that has none of them is missing."""

    def find(site: str) -> Found:
        start = min(query.span.start for query in plan.queries if query.site == site)
        return find_wanted(job, NameBook(site, apis[site], cache, clock), start)

    found, failed = ask_sites(apis, find)
    if not failed:
        check_found(found)
    for site, reason in [(site, find_void(names)) for site, names in found.items()]:
        if reason:
            failed[site] = GiveUp(reason)
            del found[site]
    return found, failed


@dataclass(frozen=True, slots=True)
class Task:
    """One request to send: its slice, the whole body, and the file for the answer."""

    slice: Slice
    body: dict[str, object]
    path: Path


def list_tasks(plan: Plan, folder: Path, found: Mapping[str, Found]) -> dict[str, list[Task]]:
    """Give the requests of every site whose filters are known, in the order of the plan."""
    tasks: dict[str, list[Task]] = {site: [] for site in found}
    for place, piece in enumerate(plan.slices):
        if piece.site in found:
            path = folder / f"{place:05}-{piece.query}-{quote(piece.site, safe='')}.json"
            tasks[piece.site].append(Task(piece, piece.request | write_ids(found[piece.site]), path))
    return tasks


def fetch_site(api: Api, tasks: Sequence[Task], tell: Tell) -> tuple[Answer, ...]:
    """Fetch all slices of one site, as many at a time as its key allows; the first error ends the rest.

    Of several errors, of requests that were on their way together, one is raised that no patience helps against.
    """
    counter, failed = count(1), Event()

    def fetch_slice(task: Task) -> Answer:
        # Said here too: a worker may begin the next slice before the one who waits can cancel it.
        if failed.is_set():
            raise CancelledError
        try:
            return ask_slice(task)
        except BaseException:
            failed.set()
            raise

    def ask_slice(task: Task) -> Answer:
        check = check_grouped if task.slice.groups else check_ungrouped
        size = api.post(REPORT_PATH, task.body, sink=task.path, check=check)
        window = " to ".join(task.slice.window.values())
        log.info("%s: %s for %s, %s bytes", task.slice.site, task.slice.query, window, f"{size:,}")
        tell(f"{task.slice.site}: {next(counter)} of {len(tasks)} answers")
        return Answer(task.slice, task.path, size)

    with ThreadPoolExecutor(api.in_flight) as pool:
        futures = [pool.submit(copy_context().run, fetch_slice, task) for task in tasks]
        wait(futures, return_when=FIRST_EXCEPTION)
        pool.shutdown(wait=False, cancel_futures=True)
    errors = [error for future in futures if not future.cancelled() and (error := future.exception())]
    if told := [error for error in errors if not isinstance(error, CancelledError)]:
        raise min(told, key=rank_error)
    return tuple(future.result() for future in futures)


def rank_error(error: BaseException) -> int:
    """Give the place of an error among those of a site: the disk and our bugs, the user's mistakes, the service."""
    return next((rank for kind, rank in RANKS.items() if isinstance(error, kind)), 0)


def join_errors(errors: Mapping[str, RunError]) -> RunError:
    """Make one error of those of all sites: worth another try when that is true for any of them."""
    text = "; ".join(f"{site}: {error}" for site, error in errors.items())
    later = [error for error in errors.values() if isinstance(error, TryLater)]
    if not later:
        return KeyRefused(text) if all(isinstance(error, KeyRefused) for error in errors.values()) else GiveUp(text)
    waits = [error.after for error in later if error.after is not None]
    return TryLater(text, after=min(waits, default=None))
