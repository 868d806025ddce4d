"""Good files as values, and ways to spoil them."""

from copy import deepcopy

from hypothesis import strategies as st

GOOD_JOB = {
    "job": "morning-oee",
    "description": "Yesterday by machine.",
    "owner": "ops@example.com",
    "sites": ["boston"],
    "report": {
        "metrics": ["oee", {"metric": "downtime", "unit": "min", "label": "Down", "decimals": 1}],
        "group_by": ["machine", "day", "shift"],
        "filter": {"machineGroup": ["Mills"]},
        "no_shift": "drop",
    },
    "window": {"shift": "Second", "on": "yesterday"},
    "schedule": {"cron": "40 6 * * mon-fri", "timezone": "America/New_York", "catch_up": "latest"},
    "shape": {
        "columns": {"a": "goodParts", "b": {"expr": "totalParts", "decimals": 2}},
        "where": "downtime > 0",
        "compare": {"to": "previous"},
        "totals": True,
        "sort": ["-downtime"],
        "limit": 20,
        "rest": False,
    },
    "checks": [{"rows": ">= 1"}, {"column": "goodParts", "min": 0, "max": "totalParts"}, {"sites": "all"}],
    "on_empty": "skip",
    "slice": "7 days",
    "sinks": [{"type": "csv"}],
}
GOOD_SETTINGS = {
    "version": 1,
    "sites": {
        "boston": {
            "environment": "standard",
            "timezone": "America/New_York",
            "start_of_day": "06:00",
            "week_starts": "monday",
            "shifts": [{"name": "First", "days": ["mon", "tue"], "from": "06:00", "to": "14:00"}],
            "holidays": ["2026-12-25"],
        }
    },
    "output_mode": "0644",
    "network": {"in_flight": 2},
    "plugins": {"block": ["x"]},
}
ODD = [None, True, 0, -1, 3.0, 10**30, "", "x", "06:00", "a\n", "${env:X}"]
ODD_BLOCKS = [[], {}, [{}], {"a": 1}, [None]]


def list_places(values, at=()):
    yield at
    for part, inner in (
        values.items() if isinstance(values, dict) else enumerate(values if isinstance(values, list) else ())
    ):
        yield from list_places(inner, (*at, part))


def put(values, path, value):
    copied = deepcopy(values)
    if not path:
        return value
    inner = copied
    for part in path[:-1]:
        inner = inner[part]
    inner[path[-1]] = value
    return copied


def remove(values, path):
    copied = deepcopy(values)
    inner = copied
    for part in path[:-1]:
        inner = inner[part]
    del inner[path[-1]]
    return copied


LEAVES = st.one_of(
    st.sampled_from(ODD), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=8)
)
ANYTHING = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
