"""How several rows become one: the SQL that puts metrics together by their kind, and what cannot be put together.

Sums add up, ratios are made anew from their parts, and everything that only the service can work out stays empty,
unless there is just one row to speak of. No mean of ratios is ever taken. Null is not zero: rows without a value are
passed over, and when no row has one there is none.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from mmflow.catalogue import metric
from mmflow.table.cells import quote_name

OVERLAP = "machineGroup"  # a machine may be in several groups, and its rows come once for each
MACHINE = "machine"

# Exact to nine decimals, whatever the order of the rows: adding floats gives another last digit in another order.
_SUM = "sum({}::DECIMAL(38, 9))::DOUBLE"

# {0} is the metric, {1} and {2} are the parts of a derivable one.
_REDUCTIONS: Mapping[str, str] = {
    "sum": _SUM.format("{0}"),
    "min": "min({0})",
    "max": "max({0})",
    "constant": "CASE WHEN min({0}) = max({0}) THEN min({0}) END",
    "derivable": f"{_SUM.format('{1}')} / nullif({_SUM.format('{2}')}, 0)",
}
_ONLY_ROW = "CASE WHEN count(*) = 1 THEN any_value({0}) END"
_ADDING = frozenset({"sum", "derivable"})


def reduce_metric(name: str, available: Collection[str], *, adds: bool = True) -> str:
    """Write the SQL that puts the values of a metric together.

    ``available`` are the metrics at hand; ``adds=False`` says that rows overlap, so that nothing may be added up.
    """
    kind = metric(name)
    parts = [kind.numerator, kind.denominator] if kind.kind == "derivable" else []
    template = _REDUCTIONS[kind.kind] if can_reduce(name, available, adds=adds) else _ONLY_ROW
    return template.format(*map(quote_name, [name, *parts]))


def can_reduce(name: str, available: Collection[str], *, adds: bool = True) -> bool:
    """Say whether several values of a metric can be put together at all."""
    found = metric(name)
    if found.kind not in _REDUCTIONS or (found.kind in _ADDING and not adds):
        return False
    return found.kind != "derivable" or {found.numerator, found.denominator} <= set(available)


def reduce_rows(source: str, metrics: Sequence[str], empty: Mapping[str, str], *, adds: bool = True) -> str:
    """Write the query that makes one row of all rows of ``source``; ``empty`` are columns of that SQL type, null."""
    values = [f"{reduce_metric(name, metrics, adds=adds)} AS {quote_name(name)}" for name in metrics]
    nulls = [f"NULL::{kind} AS {quote_name(name)}" for name, kind in empty.items()]
    return f"SELECT {', '.join([*nulls, *values])} FROM ({source})"


def reduce_groups(source: str, metrics: Sequence[str], keys: Mapping[str, str], carried: Collection[str]) -> str:
    """Write the query that puts rows of equal ``keys`` together; ``carried`` columns follow from the keys."""
    values = [f"{reduce_metric(name, metrics)} AS {quote_name(name)}" for name in metrics]
    kept = [f"any_value({quote_name(name)}) AS {quote_name(name)}" for name in carried]
    return f"SELECT {', '.join([*kept, *values])} FROM ({source}) GROUP BY {', '.join(keys.values())}"


def count_machines_once(source: str, columns: Collection[str], keys: Mapping[str, str]) -> str:
    """Write the query that leaves one row of those that differ in the machine group only."""
    by = [key for name, key in keys.items() if name != OVERLAP]
    kept = [f"any_value({quote_name(name)}) AS {quote_name(name)}" for name in columns]
    return f"SELECT {', '.join(kept)} FROM ({source}) GROUP BY {', '.join(by)}"
