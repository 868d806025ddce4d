"""The GraphQL endpoint: machines with filters, order and paging in Hasura's manner, and the documented limits."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import cast

from mmflow.simulator.days import write_iso
from mmflow.simulator.graphql import Field, GraphqlError, parse_query
from mmflow.simulator.members import Machine
from mmflow.simulator.plant import Plant

MAX_DEPTH = 3
MAX_NODES = 5
METRICS = (("execution", "STATE", "EXECUTION"), ("mode", "STATE", "MODE"), ("speed", "QUANTITY", "SPINDLE_SPEED"))
TYPES = {"machines": "MachineTP", "metrics": "MetricTP", "currentStates": "CurrentStateTP"}

Row = Mapping[str, object]


def _match_like(text: object, pattern: object) -> bool:
    """Match SQL LIKE: ``%`` any text, ``_`` any character."""
    parts = (".*" if c == "%" else "." if c == "_" else re.escape(c) for c in str(pattern))
    return re.fullmatch("".join(parts), str(text), re.DOTALL) is not None


def _compare(test: Callable[[float, float], bool]) -> Callable[[object, object], bool]:
    """Compare two numbers or two texts; null compares with nothing, as in SQL."""
    return lambda have, want: have is not None and test(cast("float", have), cast("float", want))


OPERATORS: dict[str, Callable[[object, object], bool]] = {
    "_eq": lambda have, want: have is not None and have == want,
    "_neq": lambda have, want: have is not None and have != want,
    "_in": lambda have, want: have is not None and have in cast("Sequence[object]", want),
    "_nin": lambda have, want: have is not None and have not in cast("Sequence[object]", want),
    "_is_null": lambda have, want: (have is None) is want,
    "_like": _match_like,
    "_ilike": lambda have, want: _match_like(str(have).lower(), str(want).lower()),
    "_gt": _compare(lambda have, want: have > want),
    "_gte": _compare(lambda have, want: have >= want),
    "_lt": _compare(lambda have, want: have < want),
    "_lte": _compare(lambda have, want: have <= want),
}


def answer_query(plant: Plant, query: str, variables: Mapping[str, object]) -> dict[str, object]:
    """Give ``{"data": …}`` or, with status 200 as Hasura does, ``{"errors": […]}``."""
    try:
        fields = parse_query(query, variables)
        _check_limits(fields)
        roots: dict[str, object] = {"machines": [_describe_machine(m) for m in plant.machines]}
        return {"data": _select_fields(roots, fields, "query_root", "$")}
    except GraphqlError as error:
        extensions = {"path": error.path, "code": error.code}
        return {"errors": [{"message": error.message, "extensions": extensions}]}


def _describe_machine(machine: Machine) -> Row:
    retired = machine.decommissioned_at
    return {
        "machineId": machine.id,
        "machineRef": machine.ref,
        "name": machine.name,
        "make": machine.make,
        "model": machine.model,
        "decommissionedAt": None if retired is None else write_iso(retired),
        "utilizationWarningPercent": 60,
        "utilizationFailurePercent": 40,
        "metrics": [{"metricKey": k, "type": t, "subtype": s} for k, t, s in METRICS],
        "currentStates": [{"metricKey": "MasterExecution", "value": "ACTIVE" if retired is None else "OFF"}],
    }


def _check_limits(fields: Sequence[Field]) -> None:
    depth, nodes = _measure(fields)
    if depth > MAX_DEPTH:
        raise GraphqlError(f"query depth {depth} exceeds the limit of {MAX_DEPTH}")
    if nodes > MAX_NODES:
        raise GraphqlError(f"query has {nodes} nodes, the limit is {MAX_NODES}")


def _measure(fields: Sequence[Field]) -> tuple[int, int]:
    """Give the nesting depth and the number of nodes: fields that have fields of their own."""
    below = [_measure(field.fields) for field in fields if field.fields]
    depth = 1 + max((levels for levels, _ in below), default=-1)
    return depth, len(below) + sum(nodes for _, nodes in below)


def _select_fields(row: Row, fields: Sequence[Field], kind: str, path: str) -> dict[str, object]:
    selected: dict[str, object] = {}
    for field in fields:
        where = f"{path}.selectionSet.{field.name}"
        if field.name == "__typename":
            selected[field.alias] = kind
            continue
        if field.name not in row:
            raise GraphqlError(f"field {field.name!r} not found in type: {kind!r}", path=where)
        value = row[field.name]
        if isinstance(value, list) != bool(field.fields):
            wanted = "missing" if isinstance(value, list) else "unexpected"
            raise GraphqlError(f"{wanted} subselection set for {field.name!r} in type: {kind!r}", path=where)
        selected[field.alias] = _select_rows(value, field, where) if isinstance(value, list) else value
    return selected


def _select_rows(rows: list[Row], field: Field, path: str) -> list[dict[str, object]]:
    """Filter, order, then cut, as SQL does."""
    arguments = dict(field.arguments)
    where, order = arguments.pop("where", None) or {}, arguments.pop("order_by", None) or []
    limit, offset = arguments.pop("limit", None), arguments.pop("offset", None) or 0
    if arguments:
        raise GraphqlError(f"{field.name!r} has no argument named {min(arguments)!r}", path=path)
    if not isinstance(offset, int) or not isinstance(limit, int | None) or offset < 0 or (limit or 0) < 0:
        raise GraphqlError("expected a non-negative integer for 'limit' and 'offset'", "parse-failed", path)
    kept = [row for row in rows if _is_match(row, where, path)]
    _sort_rows(kept, order, path)
    kept = kept[offset:] if limit is None else kept[offset : offset + limit]
    return [_select_fields(row, field.fields, TYPES[field.name], path) for row in kept]


def _sort_rows(rows: list[Row], order: object, path: str) -> None:
    columns = [pair for item in (order if isinstance(order, list) else [order]) for pair in _list_pairs(item, path)]
    for name, direction in reversed(columns):
        if direction not in ("asc", "desc"):
            raise GraphqlError(f"unexpected value {direction!r} for enum: 'order_by'", path=path)
        _check_column(rows, name, path)
        if any(isinstance(row[name], list) for row in rows):
            raise GraphqlError(f"cannot order by {name!r}", path=path)
        # Nulls come last going up and first going down, PostgreSQL's default.
        rows.sort(
            key=lambda row: (row[name] is None, "" if row[name] is None else row[name]), reverse=direction == "desc"
        )


def _is_match(row: Row, where: object, path: str) -> bool:
    return all(_is_column_match(row, name, want, path) for name, want in _list_pairs(where, path))


def _is_column_match(row: Row, name: str, want: object, path: str) -> bool:
    if name in ("_and", "_or"):
        parts = want if isinstance(want, list) else [want]
        results = [_is_match(row, part, path) for part in parts]
        return all(results) if name == "_and" else any(results)
    if name == "_not":
        return not _is_match(row, want, path)
    _check_column([row], name, path)
    have = row[name]
    if isinstance(have, list):
        return any(_is_match(item, want, path) for item in have)
    return all(_apply_operator(have, operator, value, path) for operator, value in _list_pairs(want, path))


def _apply_operator(have: object, operator: str, want: object, path: str) -> bool:
    if operator not in OPERATORS:
        raise GraphqlError(f"unexpected operator: {operator!r}", path=f"{path}.args.where")
    try:
        return OPERATORS[operator](have, want)
    except TypeError as error:
        raise GraphqlError(f"unexpected value for {operator!r}", "parse-failed", f"{path}.args.where") from error


def _list_pairs(value: object, path: str) -> list[tuple[str, object]]:
    if not isinstance(value, dict):
        raise GraphqlError(f"expected an object, found {value!r}", "parse-failed", path)
    return list(value.items())


def _check_column(rows: Sequence[Row], name: str, path: str) -> None:
    if rows and name not in rows[0]:
        raise GraphqlError(f"field {name!r} not found in type: 'MachineTP_bool_exp'", path=f"{path}.args")
