"""Rules about what becomes of the rows: columns, conditions, order, limit, checks, and ratios not to be averaged."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import lru_cache
from itertools import pairwise
from typing import Final

from mmflow.catalogue import GROUPS, METRICS
from mmflow.check.faults import Finding, explain_error, show
from mmflow.check.layers import EACH, get
from mmflow.check.rules.facts import Facts, find_repeated
from mmflow.document import Path
from mmflow.errors import UserError, suggest_name
from mmflow.expressions import Token, check_expression, names_in, split_tokens
from mmflow.job import COMPARED, ROW_BOUND
from mmflow.refs import has_reference

TAKEN: Final = frozenset(name.lower() for name in (*METRICS, *GROUPS))  # SQL does not tell capitals apart
COLUMN_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")


def list_expressions(facts: Facts) -> Iterator[tuple[Path, str]]:
    """Give the expressions in the order in which they are worked out: columns, then where."""
    for path, block in facts.blocks("shape", "columns"):
        for name, spec in block.items():
            here, text = ((*path, name, "expr"), spec.get("expr")) if isinstance(spec, dict) else ((*path, name), spec)
            if isinstance(text, str) and not has_reference(text):
                yield here, text
    yield from facts.texts("shape", "where")


def check_columns(facts: Facts) -> Iterator[Finding]:
    """Expect plain names of new columns that nothing else has."""
    for path, block in facts.blocks("shape", "columns"):
        taken = TAKEN.union(name.lower() for name in facts.asked)
        for name in block:
            if not COLUMN_NAME.fullmatch(name):
                hint = "use letters, digits and _, such as scrap_rate; its heading is the label"
                yield Finding((*path, name), f"{show(name)} cannot be the name of a column", hint, key=True)
            elif name.lower() in taken:
                yield Finding((*path, name), f"{show(name)} is taken", "give the column another name", key=True)


def check_expressions(facts: Facts) -> Iterator[Finding]:
    """Expect well-formed expressions over metrics, groups of the report and earlier columns."""
    added = facts.columns
    for path, text in list_expressions(facts):
        place = len(added) if path[1] == "where" else added.index(str(path[2]))
        if check_expression(text, facts.known):
            yield from (explain_error(path, fault) for fault in check_expression(text, [*facts.names, *added]))
        with suppress(UserError):  # said already
            later = names_in(text).intersection(added[place:])
            for name in sorted(later.difference(facts.names) if later else later):
                hint = "columns are computed in order; put it above this one"
                yield Finding(path, f"{show(name)} is not computed yet", hint)


def check_ratios(facts: Facts) -> Iterator[Finding]:
    """Warn of means and products of ratios, which are not the ratio of the whole."""
    hint = "ask for the metric at the grouping that is wanted"
    for path, text in list_expressions(facts):
        verb = find_mixing(text)
        if verb:
            message = f"this {verb} ratios, which gives no ratio of the whole"
            yield Finding(path, message, hint, severity="warning", id="mean-of-ratio")


@lru_cache(maxsize=1024)  # jobs of one root are much alike
def find_mixing(text: str) -> str:
    """Say what an expression does to two ratios that are both metrics of the service: adds, multiplies, or ""."""
    try:
        tokens = list(split_tokens(text))
    except UserError:
        return ""  # said by check_expressions
    ratios = [token for token in tokens if _is_ratio(token)]
    if len({token.value for token in ratios}) < 2:
        return ""
    if any(_is_ratio(left) and _is_ratio(right) for left, sign, right in _triples(tokens) if sign.value == "*"):
        return "multiplies"
    return "adds" if any(token.value == "+" and token.kind == "symbol" for token in tokens) else ""


def _is_ratio(token: Token) -> bool:
    return token.kind == "name" and token.value in METRICS and METRICS[token.value].unit == "ratio"


def _triples(tokens: list[Token]) -> Iterator[tuple[Token, Token, Token]]:
    yield from ((left, sign, right) for (left, sign), (_, right) in pairwise(pairwise(tokens)))


def check_weekdays(facts: Facts) -> Iterator[Finding]:
    """Warn that all Mondays together cannot be asked of the service."""
    groups = {name for _, name in facts.groups}
    if "weekday" not in groups or groups & {"day", "week", "hour"}:
        return
    for path, name in facts.metrics:
        if name in METRICS and METRICS[name].kind == "ask_only":
            message = f"{show(name)} by weekday alone stays empty, since it would be a mean of ratios"
            yield Finding(path, message, "add day or week to group_by", severity="warning", id="mean-of-ratio")


def check_sort(facts: Facts) -> Iterator[Finding]:
    """Expect rows to be sorted by columns that exist."""
    found = [(path, text.removeprefix("-")) for path, text in facts.texts("shape", "sort", EACH)]
    for path, name in found:
        if name not in facts.known and name not in (compared := list(compared_names(facts))):
            hint = hint_column(name, [*facts.names, *facts.columns, *compared])
            yield Finding(path, f"{show(name)} is not a column here", hint)
    yield from find_repeated(found)


def hint_column(name: str, names: Iterable[str]) -> str:
    """Give the nearest column; to list all metrics would hide the other problems."""
    near = suggest_name(name, names)
    return f"did you mean {near!r}?" if near else "name a metric, a group of the report or a new column"


def compared_names(facts: Facts) -> Iterator[str]:
    """Give the names of the columns that ``compare`` adds."""
    if facts.has("shape", "compare"):
        for name in [*(name for _, name in facts.metrics), *facts.columns]:
            yield from (f"{name}_{word}" for word in COMPARED)


def check_rest(facts: Facts) -> Iterator[Finding]:
    """Expect a limit where the rest is wanted."""
    if get(facts.values, ("shape", "rest")) is True and not facts.has("shape", "limit"):
        yield Finding(("shape", "rest"), "there is no rest without a limit", "add limit: 20, or remove this", key=True)


def check_checks(facts: Facts) -> Iterator[Finding]:
    """Expect checks to look at columns that exist, or at a number of rows."""
    looked_at = [text for key in ("column", "min", "max") for text in facts.texts("checks", EACH, key)]
    if looked_at:
        names = [name for name in (*facts.names, *facts.columns) if name not in GROUPS]
        for path, name in looked_at:
            if name not in names:
                yield Finding(path, f"{show(name)} is not a column here", hint_column(name, names))
    for path, text in facts.texts("checks", EACH, "rows"):
        if not ROW_BOUND.fullmatch(text):
            yield Finding(path, f"found {show(text)}, expected a number of rows", 'write ">= 1" or "<= 500"')


SHAPING_RULES: Final = (
    check_columns,
    check_expressions,
    check_ratios,
    check_weekdays,
    check_sort,
    check_rest,
    check_checks,
)
