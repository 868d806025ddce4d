"""What people look at, take along and forget of a ledger as a whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final

import msgspec

from mmflow.ledger import statements as sql
from mmflow.ledger.driver import Driver, Value, as_moment
from mmflow.ledger.migrations import read_meta, read_version

# The tables, and what tells their rows apart and puts them in order.
TABLES: Final[Mapping[str, tuple[str, ...]]] = {
    "meta": ("key",),
    "job": ("job",),
    "slot": ("job", "due", "kind"),
    "run": ("id",),
    "delivery": ("run", "sink"),
    "notice": ("id",),
    "breaker": ("host",),
}
COUNTED: Final = ("slot", "run", "delivery", "notice")
PAGE: Final = 1000  # rows that are in memory at a time
PORTION: Final = 2000  # rows of a table that one run drops: far more than it adds, and a fraction of a second


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """A ledger in figures. ``states`` counts the rows of each table by state; ``oldest`` and ``newest`` are of runs."""

    place: str
    size: int
    schema_version: int
    written_by: str
    states: dict[str, dict[str, int]]
    oldest: datetime | None
    newest: datetime | None


def read_facts(driver: Driver) -> Facts:
    """Count; every figure comes from an index."""
    oldest, newest = driver.do(sql.RUN_RANGE).fetchone()
    return Facts(
        place=driver.place,
        size=driver.size(),
        schema_version=read_version(driver),
        written_by=read_meta(driver, "written_by"),
        states={table: dict(driver.do(sql.COUNT_STATES[table]).fetchall()) for table in COUNTED},
        oldest=as_moment(oldest or ""),
        newest=as_moment(newest or ""),
    )


def export_rows(driver: Driver) -> Iterator[dict[str, Value]]:
    """Give every row of every table as it is, with its table's name as ``table``; a page is read at a time."""
    for table, keys in TABLES.items():
        names = ", ".join(keys)
        pages = sql.EXPORT_PAGE.format(table=table, keys=names, marks=", ".join("?" * len(keys)))
        behind: tuple[str, ...] = ("",) * len(keys)
        while rows := (answer := driver.do(pages, *behind, PAGE)).fetchall():
            columns = [column[0] for column in answer.description]
            for row in rows:
                yield {"table": table, **dict(zip(columns, row, strict=True))}
            last = dict(zip(columns, rows[-1], strict=True))
            behind = tuple(str(last[key]) for key in keys)


def forget(driver: Driver, job: str = "") -> int:
    """Forget a job, or everything, as if it had never run; give how many runs there were."""
    with driver.transaction():
        if not job:
            runs = driver.do(sql.COUNT_RUNS).fetchone()[0]
            for statement in sql.FORGET_ALL:
                driver.do(statement)
            return int(runs)
        runs = driver.do(sql.COUNT_RUNS_OF, job).fetchone()[0]
        for statement in sql.FORGET_JOB:
            driver.do(statement, job)
        return int(runs)
