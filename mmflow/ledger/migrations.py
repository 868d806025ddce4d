"""The tables, as numbered steps forward; a step that has been released is never changed.

Only SQL that SQLite and PostgreSQL read alike stands here and in ``statements.py``: keys are text made by us, instants
are ISO 8601 in UTC with microseconds and ``Z`` (so that they sort as text), structures are JSON text.
"""

from __future__ import annotations

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE slot (
            job TEXT NOT NULL, due TEXT NOT NULL, kind TEXT NOT NULL,
            state TEXT NOT NULL, reason TEXT NOT NULL DEFAULT '', updated TEXT NOT NULL,
            PRIMARY KEY (job, due, kind))""",
        """CREATE TABLE run (
            id TEXT NOT NULL PRIMARY KEY,
            job TEXT NOT NULL, due TEXT NOT NULL, kind TEXT NOT NULL,
            state TEXT NOT NULL, started TEXT NOT NULL, finished TEXT,
            row_count INTEGER, error TEXT NOT NULL DEFAULT '', notices TEXT NOT NULL DEFAULT '[]',
            spans TEXT NOT NULL DEFAULT '[]', extracted TEXT, snapshot TEXT NOT NULL DEFAULT '', version TEXT NOT NULL,
            missing TEXT NOT NULL DEFAULT '[]',
            FOREIGN KEY (job, due, kind) REFERENCES slot (job, due, kind))""",
        "CREATE INDEX run_by_job ON run (job, started)",
        """CREATE TABLE delivery (
            run TEXT NOT NULL REFERENCES run (id) ON DELETE CASCADE, sink TEXT NOT NULL, type TEXT NOT NULL,
            key TEXT NOT NULL, generation INTEGER NOT NULL, fence INTEGER NOT NULL,
            state TEXT NOT NULL, attempts INTEGER NOT NULL, receipt TEXT NOT NULL DEFAULT '',
            error TEXT NOT NULL DEFAULT '', updated TEXT NOT NULL,
            PRIMARY KEY (run, sink))""",
        "CREATE INDEX delivery_by_key ON delivery (key, generation)",
    ),
)
