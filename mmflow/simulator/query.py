"""The body of a report request, read into a :class:`Query` or into the service's list of errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from mmflow.simulator.days import Days, to_instant
from mmflow.simulator.metrics import METRICS, Metric
from mmflow.simulator.profiles import Profile

GROUPS = ("machine", "machineGroup", "shift", "day", "hour", "operator", "jobOperation")
ENTITIES = ("machine", "machineGroup", "jobOperation", "shift", "operator")
DOWNTIME_GROUPS = (*GROUPS, "reason")
DOWNTIME = Metric("downtimeMs", "sum", "downtime")

Ids = dict[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Query:
    """What a request asks for. The span is half-open, in UTC epoch milliseconds.

    ``keep`` and ``drop`` hold ids by kind of thing; a kind that is missing there is not filtered at all.
    """

    metrics: tuple[Metric, ...]
    groups: tuple[str, ...]
    start: int
    end: int
    keep: Ids
    drop: Ids
    flatten: bool
    csv: bool
    only_down: bool


class QueryError(Exception):
    """The request breaks the rules; ``errors`` are the rows of the service's ValidationError."""

    def __init__(self, errors: list[dict[str, str]]) -> None:
        super().__init__(f"{len(errors)} errors")
        self.errors = errors


@dataclass(slots=True)
class _Reader:
    """Reads the keys of one body and collects everything that is wrong with them."""

    body: Mapping[str, object]
    days: Days
    profile: Profile
    errors: list[dict[str, str]] = field(default_factory=list)

    def refuse(self, key: str, code: str, message: str) -> None:
        self.errors.append({"field": key, "code": code, "message": message})

    def read_names(self, key: str, inner: str, codes: tuple[str, str], known: Callable[[str], bool]) -> list[str]:
        """Read ``[{inner: name}, …]`` without repeats."""
        items = self.body.get(key, [])
        if not isinstance(items, list):
            self.refuse(key, codes[0], f"'{key}' must be an array")
            return []
        names = [item.get(inner) if isinstance(item, dict) else item for item in items]
        for name in names:
            if not isinstance(name, str) or not known(name):
                self.refuse(key, codes[1], f"{inner.capitalize()} '{name}' is not valid")
        return [name for name in dict.fromkeys(map(str, names)) if known(name)]

    def read_metrics(self) -> tuple[Metric, ...]:
        def is_known(name: str) -> bool:
            return name in METRICS and (METRICS[name].is_listed or self.profile.unlisted_metrics)

        if not self.body.get("data"):
            self.refuse("data", "MissingData", "'data' must hold at least one metric")
        names = self.read_names("data", "metric", ("InvalidData", "InvalidDataItem"), is_known)
        return tuple(METRICS[name] for name in names)

    def read_groups(self, known: tuple[str, ...]) -> tuple[str, ...]:
        codes = ("InvalidGroupBy", "InvalidGroupByItem")
        return tuple(self.read_names("groupBy", "group", codes, known.__contains__))

    def read_span(self) -> tuple[int, int]:
        """Read whichever pair of dates is given; the profile says what happens when both are."""
        has_days = any(key in self.body for key in ("startDay", "endDay"))
        has_instants = any(key in self.body for key in ("start", "end"))
        if has_days and has_instants and self.profile.both_windows == "refused":
            self.refuse("start", "InvalidDate", "Use either start and end or startDay and endDay")
            return 0, 0
        if has_days and not (has_instants and self.profile.both_windows == "instants"):
            return self.read_days()
        return self.read_instants()

    def read_instants(self) -> tuple[int, int]:
        start, end = (self.read_instant(key) for key in ("start", "end"))
        if start is None or end is None:
            return 0, 0
        if start >= end:
            self.refuse("start", "InvalidDate", "'start' must be before 'end'")
        return start, end

    def read_days(self) -> tuple[int, int]:
        first, last = (self.read_day(key) for key in ("startDay", "endDay"))
        if first is None or last is None:
            return 0, 0
        if first > last:
            self.refuse("startDay", "InvalidDate", "'startDay' must be before or equal to 'endDay'")
        return self.days.on(first).start, self.days.on(last).end

    def read_instant(self, key: str) -> int | None:
        """Read an ISO date-time; one without a zone is taken as UTC."""
        text = self.body.get(key)
        if isinstance(text, str) and "T" in text.upper():
            with suppress(ValueError, OverflowError):
                moment = datetime.fromisoformat(text)
                return to_instant(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
        self.refuse(key, "InvalidDate", f"'{key}' must be an ISO 8601 date-time")
        return None

    def read_day(self, key: str) -> date | None:
        """Read ``2026-11-22``; the last two dates of the calendar have no days after them and are refused."""
        text = self.body.get(key)
        if isinstance(text, str) and len(text) == len("2026-11-22"):
            with suppress(ValueError):
                day = date.fromisoformat(text)
                if (date.max - day).days > 1:
                    return day
        self.refuse(key, "InvalidDate", f"'{key}' must be an ISO 8601 date")
        return None

    def read_ids(self, key: str) -> Ids:
        """Read ``{kind: [id, …]}``; an empty list means no filtering on that kind."""
        named = self.body.get(key, {})
        if not isinstance(named, dict):
            self.refuse(key, "InvalidFilter", f"'{key}' must be an object")
            return {}
        for kind, ids in named.items():
            if kind not in ENTITIES:
                self.refuse(f"{key}.{kind}", "InvalidFilter", f"Filter '{kind}' is not valid")
            elif not isinstance(ids, list) or not all(isinstance(i, str) for i in ids):
                self.refuse(f"{key}.{kind}", "InvalidFilter", f"Filter '{kind}' must be an array of string ids")
        return {kind: frozenset(ids) for kind, ids in named.items() if isinstance(ids, list) and ids}

    def read_flag(self, key: str) -> bool:
        """Read a boolean, or its name as text, which the vendor's own sample sends for ``flatten``."""
        value = self.body.get(key, False)
        if value == "false":
            return self.profile.flatten_false == "true"
        if value == "true" or isinstance(value, bool):
            return bool(value)
        self.refuse(key, "InvalidType", f"'{key}' must be a boolean")
        return False

    def finish(self, metrics: tuple[Metric, ...], groups: tuple[str, ...], *, only_down: bool) -> Query:
        span = self.read_span()
        filters = self.read_ids("filter"), self.read_ids("exclude")
        query = Query(metrics, groups, *span, *filters, self.read_flag("flatten"), self.read_flag("csv"), only_down)
        if self.errors:
            raise QueryError(self.errors)
        return query


def read_production(body: Mapping[str, object], days: Days, profile: Profile) -> Query:
    """Read the body of ``POST /reports/production``; raise :class:`QueryError` with every error in it."""
    reader = _Reader(body, days, profile)
    return reader.finish(reader.read_metrics(), reader.read_groups(GROUPS), only_down=False)


def read_downtime(body: Mapping[str, object], days: Days, profile: Profile) -> Query:
    """Read the body of ``POST /reports/downtime``, where ``data`` is ignored: the answer is always ``downtimeMs``."""
    reader = _Reader(body, days, profile)
    return reader.finish((DOWNTIME,), reader.read_groups(DOWNTIME_GROUPS), only_down=True)
