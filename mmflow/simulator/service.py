"""The service without its sockets: who calls, what is asked, which fault is due, and what is answered."""

from __future__ import annotations

import math
import re
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Event, Lock
from urllib.parse import urlsplit

import msgspec

from mmflow.simulator.answer import Answer, refuse_call, refuse_path, write_date
from mmflow.simulator.days import to_instant
from mmflow.simulator.dispatch import Dispatches
from mmflow.simulator.faults import Faults, Scene, spoil_answer
from mmflow.simulator.profiles import Profile
from mmflow.simulator.routes import Access, BodyError, Call, find_route

KEPT_REQUESTS = 10_000
GRAPHQL_PER_MINUTE = 1000


@dataclass(frozen=True, slots=True)
class Request:
    """A request that came in. ``headers`` have lower-case names and lack the key; ``company`` tells whose it was.

    ``body`` is None when there was none or when it is not JSON. ``in_flight`` counts the requests of the same key
    that were being answered when this one came, itself included.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: object
    company: str | None
    in_flight: int


@dataclass(slots=True)
class Limiter:
    """At most so many calls in any minute for each name. ``tick`` gives seconds that never go back."""

    limit: int
    tick: Callable[[], float] = time.monotonic
    _calls: dict[str, deque[float]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def wait(self, name: str) -> float:
        """Count one call; give the seconds to wait when it is one too many, else 0."""
        now = self.tick()
        with self._lock:
            calls = self._calls.setdefault(name, deque())
            while calls and calls[0] <= now - 60:
                calls.popleft()
            if len(calls) >= self.limit:
                return calls[0] + 60 - now
            calls.append(now)
            return 0


class Service:
    """Answers requests; may be called from many threads at once."""

    def __init__(
        self, keys: Mapping[str, Access], clock: Callable[[], datetime], profile: Profile, *, graphql_limit: int
    ) -> None:
        self.keys = dict(keys)
        self.clock = clock
        self.profile = profile
        self.limiter = Limiter(graphql_limit)
        self.dispatches = {access.plant.company_id: Dispatches(access.plant) for access in keys.values()}
        self.requests: deque[Request] = deque(maxlen=KEPT_REQUESTS)
        self.faults = Faults()
        self.stopping = Event()
        self._in_flight: Counter[str] = Counter()
        self._lock = Lock()

    @contextmanager
    def receive(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Iterator[Answer]:
        """Give the answer to a request; the request counts as in flight until the caller has sent it."""
        path = urlsplit(target).path.rstrip("/") or "/"
        key = _read_key(headers.get("authorization", ""))
        access = self.keys.get(key)
        company = access.plant.company if access else None
        with self._count(key) as in_flight:
            shown = {name: value for name, value in headers.items() if name != "authorization"}
            self.requests.append(Request(method, path, shown, _parse_json(body), company, in_flight))

            def answer(body: bytes = body) -> Answer:
                return self._answer(method, path, headers.get("content-type", ""), body, access)

            fault = self.faults.pick(path, key)
            if fault is None:
                yield answer()
            else:
                self.stopping.wait(fault.delay)
                scene = Scene(fault, answer, lambda: answer(_drop_filters(body)), self.profile, self.clock())
                yield spoil_answer(scene)

    def _answer(self, method: str, path: str, content_type: str, body: bytes, access: Access | None) -> Answer:
        route = find_route(method, path)
        if access is None:
            return refuse_call(401, self.profile)
        if route is None:
            return refuse_path(method, path)
        if route.scope is not None and route.scope not in access.scopes:
            return refuse_call(403, self.profile)
        company = access.plant.company_id
        if route.is_graphql and (seconds := self.limiter.wait(company)):
            return refuse_call(429, self.profile, self._tell_wait(seconds))
        now = to_instant(self.clock())
        call = Call(method, path, content_type, body, access.plant, self.dispatches[company], self.profile, now)
        try:
            return route.answer(call)
        except BodyError as error:
            return error.answer

    def _tell_wait(self, seconds: float) -> dict[str, str]:
        if self.profile.retry_after == "none":
            return {}
        if self.profile.retry_after == "seconds":
            return {"Retry-After": str(math.ceil(seconds))}
        return {"Retry-After": write_date(self.clock() + timedelta(seconds=math.ceil(seconds)))}

    @contextmanager
    def _count(self, key: str) -> Iterator[int]:
        with self._lock:
            self._in_flight[key] += 1
            in_flight = self._in_flight[key]
        try:
            yield in_flight
        finally:
            with self._lock:
                self._in_flight[key] -= 1


def _read_key(authorization: str) -> str:
    """Give the key of a bearer header, whose scheme word may have any case; empty when it is something else."""
    match = re.fullmatch(r"(?i:bearer) +(\S+)", authorization.strip())
    return match[1] if match else ""


def _drop_filters(body: bytes) -> bytes:
    asked = _parse_json(body)
    if not isinstance(asked, dict):
        return body
    return msgspec.json.encode({name: value for name, value in asked.items() if name not in ("filter", "exclude")})


def _parse_json(body: bytes) -> object:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
