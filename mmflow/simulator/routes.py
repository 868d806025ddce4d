"""The service's calls: which path needs which scope and who answers it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

import msgspec

from mmflow.simulator.answer import Answer, make_json, refuse_call, refuse_json, refuse_path, refuse_query
from mmflow.simulator.days import Days, to_instant
from mmflow.simulator.dispatch import Dispatches
from mmflow.simulator.machines import answer_query
from mmflow.simulator.plant import Plant
from mmflow.simulator.profiles import Profile
from mmflow.simulator.query import Query, QueryError, read_downtime, read_production
from mmflow.simulator.report import make_report
from mmflow.simulator.shapes import write_report

ALL_SCOPES = frozenset({"reporting", "erp"})


@dataclass(frozen=True, slots=True)
class Access:
    """What one key opens: one company, within its scopes."""

    plant: Plant
    scopes: frozenset[str] | set[str] = ALL_SCOPES


@dataclass(frozen=True, slots=True)
class Call:
    """A call by a known key. ``now`` is in UTC epoch milliseconds; ``path`` has no trailing slash."""

    method: str
    path: str
    content_type: str
    body: bytes
    plant: Plant
    dispatches: Dispatches
    profile: Profile
    now: int


@dataclass(frozen=True, slots=True)
class Route:
    """One call of the service, and the scope that a key needs for it."""

    method: str
    path: re.Pattern[str]
    scope: str | None
    answer: Callable[[Call], Answer]

    @property
    def is_graphql(self) -> bool:
        """Whether the documented limit of requests a minute counts it."""
        return self.answer is _answer_graphql


def find_route(method: str, path: str) -> Route | None:
    """Give the route of a call."""
    return next((r for r in ROUTES if r.method == method and r.path.fullmatch(path)), None)


class BodyError(Exception):
    """The body is not what the service can parse; ``answer`` is its reply."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.answer = answer


def read_body(call: Call) -> Mapping[str, object]:
    """Give the JSON object in the body; raise :class:`BodyError` as the service would answer."""
    if "json" not in call.content_type.lower():
        raise BodyError(refuse_json() if call.profile.wrong_type == "400" else refuse_path(call.method, call.path))
    try:
        body = msgspec.json.decode(call.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BodyError(refuse_json()) from error
    if not isinstance(body, dict):
        raise BodyError(refuse_json())
    return body


def _answer_home(call: Call) -> Answer:
    return make_json(200, {"company": call.plant.company})


def _answer_account(call: Call) -> Answer:
    plant = call.plant
    company = {
        "id": plant.company_id,
        "name": plant.company,
        "timezone": plant.zone.key,
        "startOfDay": plant.start_of_day,
        "startOfWeek": plant.week_starts,
    }
    user = {"displayName": "API key", "email": None, "role": "api", "isRoot": False}
    return make_json(200, {"id": plant.company_id, **user, "company": company})


def _answer_production(call: Call) -> Answer:
    return _answer_report(call, read_production)


def _answer_downtime(call: Call) -> Answer:
    return _answer_report(call, read_downtime)


def _answer_report(call: Call, read: Callable[[Mapping[str, object], Days, Profile], Query]) -> Answer:
    try:
        query = read(read_body(call), call.plant.days, call.profile)
    except QueryError as error:
        return refuse_query(error.errors)
    return write_report(make_report(call.plant, query, call.now), call.plant.zone, call.profile)


def _answer_graphql(call: Call) -> Answer:
    body = read_body(call)
    query, variables = body.get("query"), body.get("variables") or {}
    if not isinstance(query, str) or not isinstance(variables, dict):
        extensions = {"path": "$.query", "code": "parse-failed"}
        return make_json(200, {"errors": [{"message": "expected a query as text", "extensions": extensions}]})
    return make_json(200, answer_query(call.plant, query, variables))


def _answer_start(call: Call) -> Answer:
    body = read_body(call)
    machines = {machine.name: machine for machine in call.plant.machines}
    machine = machines.get(str(body.get("erpMachineId")))
    if machine is None:
        return _refuse_field("erpMachineId", "no machine has this ERP Machine ID")
    start = _read_instant(body, "startAt", call.now)
    if start is None:
        return _refuse_field("startAt", "must be an ISO 8601 date-time")
    call.dispatches.start(str(body.get("erpJobOperationRunId")), machine, start)
    return make_json(200, {"erpJobOperationRunId": body.get("erpJobOperationRunId")})


def _answer_stop(call: Call) -> Answer:
    body = read_body(call)
    end = _read_instant(body, "endAt", call.now)
    if end is None:
        return _refuse_field("endAt", "must be an ISO 8601 date-time")
    if not call.dispatches.stop(str(body.get("erpJobOperationRunId")), end):
        return _refuse_field("erpJobOperationRunId", "no run has this id")
    return make_json(200, {"erpJobOperationRunId": body.get("erpJobOperationRunId")})


def _answer_dispatch(call: Call) -> Answer:
    found = call.dispatches.describe(call.path.rsplit("/", 1)[-1], call.now)
    return make_json(200, found) if found else refuse_call(404, call.profile)


def _read_instant(body: Mapping[str, object], key: str, default: int) -> int | None:
    value = body.get(key)
    try:
        return default if value is None else to_instant(datetime.fromisoformat(str(value)))
    except (ValueError, TypeError):  # not a time, or one without a zone
        return None


def _refuse_field(field: str, message: str) -> Answer:
    return refuse_query([{"field": field, "code": "InvalidValue", "message": f"'{field}': {message}"}])


ROUTES = tuple(
    Route(method, re.compile(path), scope, answer)
    for method, path, scope, answer in (
        ("GET", "/", None, _answer_home),
        ("GET", "/accounts(-legacy)?/current(-lite)?", "reporting", _answer_account),
        ("POST", "/reports/production", "reporting", _answer_production),
        ("POST", "/reports/downtime", "reporting", _answer_downtime),
        ("POST", "(/proxy)?/graphql", "reporting", _answer_graphql),
        ("POST", "/erp/jobdispatch/start", "erp", _answer_start),
        ("POST", "/erp/jobdispatch/stop", "erp", _answer_stop),
        ("GET", "/erp/jobdispatch/[^/]+", "erp", _answer_dispatch),
    )
)
