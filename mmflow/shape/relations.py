"""The tables that a report goes through on its way, each written as a query over the one before.

::

    rows ──> base_rows ──> all_rows ──> kept_rows ──┐
             weekday put   + columns    where       ├──> joined ──> sorted, limited, in the units of the job
             together                               │
    previous ──> base_previous ──> all_previous ────┘    (its kept_previous is for the totals)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from mmflow.catalogue import GROUPS
from mmflow.job import ColumnSpec
from mmflow.load import PLACE, Raw, RawForm, key_sql
from mmflow.plan import Plan, QueryKey
from mmflow.shape.rollup import MACHINE, OVERLAP, count_machines_once, reduce_groups, reduce_rows
from mmflow.table.cells import ColumnType, quote_name, quote_text

Side: TypeAlias = Literal["rows", "previous"]

WEEK = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True, slots=True)
class Derived:
    """A column of the job's own, ready to run: ``sql`` gives a finite number, text, date, instant or truth value."""

    name: str
    type: ColumnType
    sql: str
    spec: ColumnSpec


@dataclass(frozen=True, slots=True)
class Frame:
    """What every step of shaping must know: the columns of the raw tables, and what they are to the report."""

    groups: tuple[str, ...]  # shown, in the order of the report
    metrics: tuple[str, ...]  # asked, in the order of the plan
    form: RawForm
    tables: frozenset[QueryKey]
    derived: tuple[Derived, ...] = ()

    @classmethod
    def of(cls, raw: Raw, plan: Plan) -> Frame:
        """Describe the raw tables of a run."""
        return cls(plan.groups, plan.metrics, raw.forms["rows"], frozenset(raw.forms))

    @property
    def folds(self) -> bool:
        """Whether several days become one row: the weekday is shown and the day is not."""
        return "weekday" in self.groups and "day" not in self.groups

    @property
    def keys(self) -> Mapping[str, str]:
        """Give the SQL that tells two rows of the report apart, by group."""
        keys = {name: sql for name, sql in self.form.keys.items() if name in ("site", *self.groups)}
        return keys | ({"weekday": quote_name("weekday")} if self.folds else {})

    @property
    def labels(self) -> Mapping[str, str]:
        """Give the SQL type of each column that is no number: groups, ids, the place in time."""
        hidden = {*self.metrics, *(["day"] if self.folds else [])}
        return {name: kind for name, kind in self.form.columns.items() if name not in hidden}

    @property
    def compared(self) -> tuple[str, ...]:
        """Give the columns that have a partner in the other span: numbers, the hidden ones too."""
        numbers = (field.name for field in self.form.fields if field.type == "number")
        return (*numbers, *(column.name for column in self.derived if column.type in ("number", "integer")))

    @property
    def adds_up(self) -> bool:
        """Whether rows may be added up at all: a machine in two groups would count twice, unless it can be told."""
        return OVERLAP not in self.groups or MACHINE in self.groups


def base_query(frame: Frame, side: Side) -> str:
    """Give the raw rows; days of one weekday are put together when the day itself is not shown."""
    source = f"SELECT * FROM {side}"
    if not frame.folds:
        return source
    return reduce_groups(source, frame.metrics, frame.keys, frame.labels)


def add_columns(source: str, derived: Sequence[Derived]) -> str:
    """Add the job's own columns, one after the other, so that each may speak of those before it."""
    for column in derived:
        source = f"SELECT *, {column.sql} AS {quote_name(column.name)} FROM ({source})"
    return source


def join_query(frame: Frame) -> str:
    """Give each kept row its partner's numbers as ``<name>_previous``, and the difference as ``<name>_change``.

    Partners are equal in all groups but time, and stand at the same place in their spans. Without one all is null.
    """
    timeless = [name for name in ("site", *frame.groups) if not (name in GROUPS and GROUPS[name].time)]
    if "weekday" in frame.groups and not {"day", "hour"} & set(frame.groups):
        timeless.append("weekday")
    pairs = [(key_sql(name, "k."), key_sql(name, "p.")) for name in dict.fromkeys(timeless)]
    pairs.append((f"k.{quote_name(PLACE)}", f"p.{quote_name(PLACE)}"))
    match = " AND ".join(f"{kept} IS NOT DISTINCT FROM {partner}" for kept, partner in pairs)
    return f"{pair_query(frame)} FROM kept_rows k LEFT JOIN all_previous p ON {match}"


def pair_query(frame: Frame) -> str:
    """Begin a query over ``k`` and its partner ``p``."""
    names = [
        (quote_name(name), quote_name(f"{name}_previous"), quote_name(f"{name}_change")) for name in frame.compared
    ]
    pairs = [
        f"p.{name} AS {previous}, {trim_noise(f'k.{name} - p.{name}')} AS {change}" for name, previous, change in names
    ]
    return f"SELECT {', '.join(['k.*', *pairs])}"


def trim_noise(value: str) -> str:
    """Write a small number without the noise of binary fractions: 0.5 - 0.4 is 0.1, not 0.09999999999999998.

    Only numbers below 1,000 are rounded, to 12 decimals: beyond, the rounding itself would cost digits.
    """
    return f"CASE WHEN abs({value}) < 1000 THEN round({value}, 12) + 0 ELSE {value} END"


def partner_query(frame: Frame, source: str) -> str:
    """Give the partners of joined rows under the names that the rows themselves have."""
    previous = {name: quote_name(f"{name}_previous") for name in frame.compared}
    numbers = [f"{previous.get(name, 'NULL::TIMESTAMPTZ')} AS {quote_name(name)}" for name in frame.metrics]
    return f"SELECT {', '.join([*map(quote_name, frame.labels), *numbers])} FROM {source}"


def put_together(frame: Frame, source: str) -> str:
    """Make one row of all rows of ``source``, by the kind of each metric; each machine counts once."""
    if OVERLAP in frame.groups and frame.adds_up:
        source = count_machines_once(source, [*frame.labels, *frame.metrics], frame.keys)
    return reduce_rows(source, frame.metrics, frame.labels, adds=frame.adds_up)


def order_terms(frame: Frame, sort: Sequence[str]) -> str:
    """Write the order of the rows of ``j``: as the job says, nulls last, ties and all else by the groups."""
    ids = [field.name for field in frame.form.fields if field.type == "id"]
    groups = dict.fromkeys([*frame.groups, *ids] or ["site"])  # without groups there is one row, of one site
    terms = [(term.removeprefix("-"), "DESC" if term.startswith("-") else "ASC") for term in sort]
    return ", ".join(f"{_order_value(name)} {way} NULLS LAST" for name, way in [*terms, *((g, "ASC") for g in groups)])


def _order_value(name: str) -> str:
    if name != "weekday":
        return f"j.{quote_name(name)}"
    return f"list_position([{', '.join(map(quote_text, WEEK))}], j.{quote_name(name)})"
