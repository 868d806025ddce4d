"""Ledgers for tests: one in a file, one in a PostgreSQL of this process, and runs to put into them."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from mmflow.ledger import Database, Ledger, NewSlot, Place, PlanStep, Run
from mmflow.ledger import statements as sql
from mmflow.ledger.driver import as_text
from mmflow.windows import Span

SLOT = datetime(2026, 11, 3, 11, 40, tzinfo=UTC)
NOON = datetime(2026, 11, 3, 12, tzinfo=UTC)
SPAN = Span(
    start=datetime(2026, 11, 2, 11, tzinfo=UTC),
    end=datetime(2026, 11, 3, 11, tzinfo=UTC),
    zone="America/New_York",
    first_day=date(2026, 11, 2),
    last_day=date(2026, 11, 2),
    whole_days=True,
    why="the production day before",
)


def begin(
    ledger: Ledger, run: str = "r1", key: str = "k", sinks: tuple[str, ...] = ("csv",), slot: datetime = SLOT
) -> Run:
    """Begin a run of the job ``daily`` by hand, with these deliveries to come."""
    ledger.begin_run(run, "daily", slot, "manual")
    ledger.note_plan(run, (("boston", SPAN),), [(sink, sink, f"{key}-{sink}") for sink in sinks])
    return ledger.read_run(run)


def plan(ledger: Ledger, *jobs: str, due: datetime = SLOT, **slot: Any) -> None:
    """Write a slot that is due for each of these jobs."""
    new = NewSlot(due=due, **slot)
    ledger.slots.plan(PlanStep(job=job, cursor=due, timetable="", slots=(new,)) for job in jobs)


FILL_SLOTS = """
    WITH RECURSIVE numbers (number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM numbers WHERE number < ?)
    INSERT INTO slot (job, due, kind, state, updated, planned, next_at, rank, resume, run)
    SELECT 'job-' || (1000000 + number), ?, 'schedule', 'due', ?, ?, ?, ?, 'run-' || number, 'run-' || number
    FROM numbers
"""
FILL_RUNS = """
    INSERT INTO run (id, job, due, kind, state, started, version)
    SELECT run, job, due, kind, 'retrying', due, '1' FROM slot
"""
FILL_DELIVERIES = """
    INSERT INTO delivery (run, sink, type, key, generation, fence, state, attempts, updated, next_at)
    SELECT id, 'csv', 'csv', job, 1, 1, 'retrying', 1, due, due FROM run
"""


def fill(ledger: Ledger, count: int, due: datetime = SLOT) -> None:
    """Have each of so many jobs wait with one delivery that is to be tried again, from ``due`` on."""
    with ledger._transaction():
        ledger._do(FILL_SLOTS, count, *[as_text(due)] * 5)
        ledger._do(FILL_RUNS)
        ledger._do(FILL_DELIVERIES)


def empty_database(server: Any) -> Database:
    """Give a database of a server without a ledger, and without anybody who is connected to it."""
    # Making one anew takes longer than emptying it.
    if not server.execute("SELECT 1 FROM pg_database WHERE datname = 'ledger'"):
        server.execute("CREATE DATABASE ledger")
    server.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = 'ledger'")
    server.execute("SET client_min_messages = error; DROP SCHEMA IF EXISTS mmflow CASCADE", "ledger")
    return Database(host="127.0.0.1", port=server.port, name="ledger", user="postgres")


def ledger_file(root: Path) -> Path:
    """Give where the ledger of a root is."""
    return root / ".mmflow" / "ledger.sqlite"


def list_statements() -> dict[str, str]:
    """Give every statement of the ledger that reads or changes rows, by name."""
    listed = {name: text for name, text in vars(sql).items() if isinstance(text, str) and name.isupper()}
    listed |= {f"COUNT_{table}": text for table, text in sql.COUNT_STATES.items()}
    kinds = re.compile(r"\s*(SELECT|UPDATE|DELETE|INSERT)\b")
    return {name: text for name, text in listed.items() if kinds.match(text) and "{" not in text}


def wait_until(condition: Callable[[], bool], seconds: float = 30) -> None:
    """Wait for a fact; fail when it does not come about."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "this took too long"
        time.sleep(0.02)


def tell_place(place: Place) -> str:
    """Write a place as one word of a command line."""
    return str(place) if isinstance(place, Path) else f"{place.port}"


def read_place(word: str) -> Place:
    """Read what :func:`tell_place` wrote."""
    if not word.isdecimal():
        return Path(word)
    return Database(host="127.0.0.1", port=int(word), name="ledger", user="postgres")
