"""The tables, as numbered steps forward; a step that has been released is never changed.

Only SQL that SQLite and PostgreSQL read alike stands here and in ``statements.py``: keys are text made by us, instants
are ISO 8601 in UTC with microseconds and ``Z`` (so that they sort as text), structures are JSON text.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from mmflow import __version__
from mmflow.errors import StateError
from mmflow.ledger import statements as sql
from mmflow.ledger.driver import Driver

Steps = Sequence[Sequence[str]]

MIGRATIONS: Final[Steps] = (
    (
        # One row for each job that ever had a schedule: how far it has been planned, and why it is paused.
        """CREATE TABLE job (
            job TEXT NOT NULL PRIMARY KEY, cursor TEXT NOT NULL, timetable TEXT NOT NULL DEFAULT '',
            paused_until TEXT NOT NULL DEFAULT '', paused_why TEXT NOT NULL DEFAULT '',
            failures INTEGER NOT NULL DEFAULT 0, updated TEXT NOT NULL)""",
        # A due instant. `next_at` is when it may be worked on, `rank` puts the urgent first, `expires` ends it ('':
        # never), `resume` is the run whose deliveries are left, `run` the latest run, `begun` whether it has begun
        # under the present lease, `spans` the dates given by hand as JSON, `told` whether its end had consequences.
        """CREATE TABLE slot (
            job TEXT NOT NULL, due TEXT NOT NULL, kind TEXT NOT NULL,
            state TEXT NOT NULL, reason TEXT NOT NULL DEFAULT '', updated TEXT NOT NULL,
            send INTEGER NOT NULL DEFAULT 1, planned TEXT NOT NULL DEFAULT '',
            next_at TEXT NOT NULL DEFAULT '', rank TEXT NOT NULL DEFAULT '', expires TEXT NOT NULL DEFAULT '',
            spans TEXT NOT NULL DEFAULT '', resume TEXT NOT NULL DEFAULT '', run TEXT NOT NULL DEFAULT '',
            owner TEXT NOT NULL DEFAULT '', lease_until TEXT NOT NULL DEFAULT '',
            fence INTEGER NOT NULL DEFAULT 0, begun INTEGER NOT NULL DEFAULT 0,
            tries INTEGER NOT NULL DEFAULT 0, deaths INTEGER NOT NULL DEFAULT 0, told INTEGER NOT NULL DEFAULT 0,
            PRIMARY KEY (job, due, kind))""",
        "CREATE INDEX slot_by_state ON slot (state, next_at)",
        "CREATE INDEX slot_by_update ON slot (updated)",
        "CREATE INDEX slot_by_due ON slot (due, job)",
        "CREATE INDEX slot_by_run ON slot (run)",
        """CREATE TABLE run (
            id TEXT NOT NULL PRIMARY KEY,
            job TEXT NOT NULL, due TEXT NOT NULL, kind TEXT NOT NULL,
            state TEXT NOT NULL, started TEXT NOT NULL, finished TEXT,
            row_count INTEGER, error TEXT NOT NULL DEFAULT '', notices TEXT NOT NULL DEFAULT '[]',
            spans TEXT NOT NULL DEFAULT '[]', extracted TEXT, snapshot TEXT NOT NULL DEFAULT '', version TEXT NOT NULL,
            missing TEXT NOT NULL DEFAULT '[]', moved TEXT NOT NULL DEFAULT '', wish TEXT NOT NULL DEFAULT '',
            requests INTEGER NOT NULL DEFAULT 0, tries INTEGER NOT NULL DEFAULT 0,
            received BIGINT NOT NULL DEFAULT 0, passing INTEGER NOT NULL DEFAULT 0,
            FOREIGN KEY (job, due, kind) REFERENCES slot (job, due, kind))""",
        "CREATE INDEX run_by_job ON run (job, started)",
        "CREATE INDEX run_by_slot ON run (job, due, kind)",
        "CREATE INDEX run_by_state ON run (state, job)",
        "CREATE INDEX run_by_start ON run (started, id)",
        "CREATE INDEX run_with_wish ON run (wish) WHERE wish <> ''",
        "CREATE INDEX run_with_snapshot ON run (started) WHERE snapshot <> ''",
        """CREATE TABLE delivery (
            run TEXT NOT NULL REFERENCES run (id) ON DELETE CASCADE, sink TEXT NOT NULL, type TEXT NOT NULL,
            key TEXT NOT NULL, generation INTEGER NOT NULL, fence INTEGER NOT NULL,
            state TEXT NOT NULL, attempts INTEGER NOT NULL, receipt TEXT NOT NULL DEFAULT '',
            error TEXT NOT NULL DEFAULT '', updated TEXT NOT NULL, next_at TEXT NOT NULL DEFAULT '',
            passing INTEGER NOT NULL DEFAULT 0,
            PRIMARY KEY (run, sink))""",
        "CREATE INDEX delivery_by_key ON delivery (key, generation)",
        "CREATE INDEX delivery_by_state ON delivery (state, next_at)",
        # What people are to be told, until they have been told: by which `way`, and with which others in one message.
        """CREATE TABLE notice (
            id TEXT NOT NULL PRIMARY KEY, job TEXT NOT NULL, about TEXT NOT NULL, kind TEXT NOT NULL,
            way TEXT NOT NULL, content TEXT NOT NULL, created TEXT NOT NULL, state TEXT NOT NULL,
            next_at TEXT NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, batch TEXT NOT NULL DEFAULT '',
            error TEXT NOT NULL DEFAULT '')""",
        "CREATE INDEX notice_by_state ON notice (state, next_at)",
        "CREATE INDEX notice_by_creation ON notice (created, id)",
        "CREATE INDEX notice_by_job ON notice (job, created)",
        "CREATE INDEX slot_untold ON slot (updated) WHERE told = 0",
        # A service, or a connection of sinks, that is in trouble: nobody asks it before `resume_at`. `recent` is what
        # came of the last runs, `pauses` how often in a row it was left alone, `probe` when the one was let in that
        # asks for all, `refused` the key that it refuses.
        """CREATE TABLE breaker (
            host TEXT NOT NULL PRIMARY KEY, recent TEXT NOT NULL, pauses INTEGER NOT NULL, resume_at TEXT NOT NULL,
            probe TEXT NOT NULL, why TEXT NOT NULL, refused TEXT NOT NULL DEFAULT '', updated TEXT NOT NULL)""",
    ),
)


def refuse_newer(driver: Driver, steps: Steps) -> None:
    """Raise :class:`StateError` for a ledger that a later version has brought up to date."""
    if read_version(driver) > len(steps):
        raise StateError(
            f"the ledger {driver.place} was written by a newer mmflow ({read_meta(driver, 'written_by')}); "
            f"this is {__version__}: install that version or a later one"
        )


def migrate(driver: Driver, steps: Steps, back_up: Callable[[int], None]) -> None:
    """Bring a ledger up to date, all of it or nothing; ``back_up`` is told the version of one that is not empty."""
    version = read_version(driver)
    if version >= len(steps):
        return
    if version:
        back_up(version)
    with driver.transaction():
        for step in steps[read_version(driver) :]:  # another process may have been quicker
            for statement in step:
                driver.do(statement)
        write_meta(driver, "schema_version", str(len(steps)))
        write_meta(driver, "written_by", __version__)


def read_version(driver: Driver) -> int:
    """Give how many steps a ledger has behind it."""
    return int(read_meta(driver, "schema_version") or 0)


def read_meta(driver: Driver, key: str) -> str:
    """Give what a ledger says of itself, "" when it does not."""
    row = driver.do(sql.READ_META, key).fetchone()
    return str(row[0]) if row else ""


def write_meta(driver: Driver, key: str, value: str) -> None:
    """Have a ledger say something of itself, within a transaction."""
    driver.do(sql.WRITE_META, key, value)
