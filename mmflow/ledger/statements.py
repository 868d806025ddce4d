"""Every statement of the ledger, portable between SQLite and PostgreSQL, by name."""

from __future__ import annotations

CREATE_META = "CREATE TABLE IF NOT EXISTS meta (key TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL)"
READ_META = "SELECT value FROM meta WHERE key = ?"
WRITE_META = "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"

PUT_SLOT = """
    INSERT INTO slot (job, due, kind, state, reason, updated) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (job, due, kind)
    DO UPDATE SET state = excluded.state, reason = excluded.reason, updated = excluded.updated
"""

ADD_RUN = """
    INSERT INTO run (id, job, due, kind, state, started, version) VALUES (?, ?, ?, ?, 'running', ?, ?)
"""
NOTE_SPANS = "UPDATE run SET spans = ? WHERE id = ?"
NOTE_TABLE = "UPDATE run SET row_count = ?, notices = ?, extracted = ?, snapshot = ?, missing = ? WHERE id = ?"
FINISH_RUN = "UPDATE run SET state = ?, finished = ?, error = ? WHERE id = ?"
END_SLOT = """
    UPDATE slot SET state = ?, reason = ?, updated = ?
    WHERE EXISTS (SELECT 1 FROM run
        WHERE run.id = ? AND run.job = slot.job AND run.due = slot.due AND run.kind = slot.kind)
"""
ABANDON_RUNS = """
    UPDATE run SET state = 'failed', finished = ?, error = ? WHERE job = ? AND state = 'running'
"""
ABANDON_SLOTS = "UPDATE slot SET state = 'failed', reason = ?, updated = ? WHERE job = ? AND state = 'running'"
ABANDON_DELIVERIES = """
    UPDATE delivery SET state = CASE WHEN state = 'running' THEN 'unknown' ELSE 'failed' END, error = ?, updated = ?
    WHERE state IN ('pending', 'running', 'retrying') AND run IN (SELECT id FROM run WHERE job = ?)
"""

RUN_COLUMNS = (
    "id, job, due, kind, state, started, finished, row_count, error, notices, spans, extracted, snapshot, version, "
    "missing"
)
READ_RUN = f"SELECT {RUN_COLUMNS} FROM run WHERE id = ?"  # noqa: S608  # our own column list, no data
RECENT_RUNS = f"SELECT {RUN_COLUMNS} FROM run ORDER BY started DESC, id DESC LIMIT ?"  # noqa: S608
RECENT_RUNS_OF = f"SELECT {RUN_COLUMNS} FROM run WHERE job = ? ORDER BY started DESC, id DESC LIMIT ?"  # noqa: S608

ADD_DELIVERY = """
    INSERT INTO delivery (run, sink, type, key, generation, fence, state, attempts, updated)
    VALUES (?, ?, ?, ?, 0, 0, 'pending', 0, ?)
    ON CONFLICT (run, sink) DO UPDATE SET type = excluded.type, key = excluded.key
"""
CLOSE_DELIVERIES = """
    UPDATE delivery SET updated = ?, error = CASE WHEN state = 'retrying' THEN error ELSE ? END,
        state = CASE WHEN state = 'pending' THEN ? WHEN state = 'running' THEN 'unknown' ELSE 'failed' END
    WHERE run = ? AND state IN ('pending', 'running', 'retrying')
"""
NEXT_GENERATION = """(SELECT max(other.generation) + CASE WHEN max(other.generation) =
                max(CASE WHEN other.state IN ('done', 'superseded', 'running') THEN other.generation ELSE 0 END)
            THEN 1 ELSE 0 END FROM delivery AS other WHERE other.key = delivery.key)"""
# The receipt of a part that is done is kept for the tries to come, and that of an older generation is not.
TAKE_DELIVERY = f"""
    UPDATE delivery SET state = 'running', attempts = attempts + 1, error = '', updated = ?,
        fence = (SELECT max(other.fence) + 1 FROM delivery AS other WHERE other.key = delivery.key),
        receipt = CASE WHEN generation = {NEXT_GENERATION} THEN receipt ELSE '' END,
        generation = {NEXT_GENERATION}
    WHERE run = ? AND sink = ?
"""  # noqa: S608  # our own text, no data
COMMIT_DELIVERY = """
    UPDATE delivery SET state = ?, receipt = CASE WHEN ? = '' THEN receipt ELSE ? END, error = ?, updated = ?
    WHERE run = ? AND sink = ? AND fence = ?
"""
SUPERSEDE = """
    UPDATE delivery SET state = 'superseded', updated = ?
    WHERE key = ? AND state IN ('done', 'unknown', 'failed') AND NOT (run = ? AND sink = ?)
"""
DELIVERY_COLUMNS = "run, sink, type, key, generation, fence, state, attempts, receipt, error, updated"
READ_DELIVERIES = f"SELECT {DELIVERY_COLUMNS} FROM delivery WHERE run = ? ORDER BY sink"  # noqa: S608
READ_DELIVERY = f"SELECT {DELIVERY_COLUMNS} FROM delivery WHERE run = ? AND sink = ?"  # noqa: S608
LAST_RECEIPT = """
    SELECT receipt FROM delivery WHERE key = ? AND receipt <> '' ORDER BY generation DESC, fence DESC LIMIT 1
"""
DOUBTFUL_RUN = (
    "SELECT run FROM delivery WHERE key = ? AND state = 'unknown' ORDER BY generation DESC, fence DESC LIMIT 1"
)
STANDING_RUN = "SELECT run FROM delivery WHERE key = ? AND state = 'done' ORDER BY generation DESC LIMIT 1"

FORGET_SNAPSHOTS = "UPDATE run SET snapshot = '' WHERE snapshot <> '' AND started < ?"
DROP_OLD_RUNS = "DELETE FROM run WHERE started < ?"
DROP_BARE_SLOTS = """
    DELETE FROM slot WHERE updated < ? AND NOT EXISTS
        (SELECT 1 FROM run WHERE run.job = slot.job AND run.due = slot.due AND run.kind = slot.kind)
"""
