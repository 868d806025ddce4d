"""Every statement of the ledger, portable between SQLite and PostgreSQL, by name."""

from __future__ import annotations

CREATE_META = "CREATE TABLE IF NOT EXISTS meta (key TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL)"
READ_META = "SELECT value FROM meta WHERE key = ?"
WRITE_META = "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"

PUT_JOB = """
    INSERT INTO job (job, cursor, timetable, updated) VALUES (?, ?, ?, ?)
    ON CONFLICT (job) DO UPDATE SET timetable = excluded.timetable, updated = excluded.updated,
        cursor = CASE WHEN excluded.cursor > job.cursor THEN excluded.cursor ELSE job.cursor END
"""
DROP_TIMETABLE = "UPDATE job SET timetable = '', updated = ? WHERE job = ? AND timetable <> ''"
LOWER_CURSORS = "UPDATE job SET cursor = ?, updated = ? WHERE cursor > ?"
JOB_COLUMNS = "job, cursor, timetable, paused_until, paused_why, failures, updated"
READ_JOB = f"SELECT {JOB_COLUMNS} FROM job WHERE job = ?"
READ_JOBS = f"SELECT {JOB_COLUMNS} FROM job ORDER BY job"
# A job can be paused before it was ever planned, and goes on as if it were new.
PAUSE_JOB = """
    INSERT INTO job (job, cursor, paused_until, paused_why, updated) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (job) DO UPDATE SET paused_until = excluded.paused_until, paused_why = excluded.paused_why,
        updated = excluded.updated
"""
RESUME_JOB = """
    UPDATE job SET paused_until = '', paused_why = '', failures = 0, updated = ?,
        cursor = CASE WHEN cursor < ? THEN ? ELSE cursor END
    WHERE job = ?
"""
# What waits while its job is paused, and of which no delivery is left to do.
PAUSED_JOBS = """
    SELECT DISTINCT job.job, job.paused_until, job.paused_why FROM slot JOIN job ON job.job = slot.job
    WHERE slot.state = 'due' AND slot.resume = '' AND slot.kind IN ('schedule', 'restate') AND job.paused_until > ?
"""
SKIP_PAUSED = """
    UPDATE slot SET state = 'skipped', reason = ?, updated = ?
    WHERE job = ? AND state = 'due' AND resume = '' AND kind IN ('schedule', 'restate')
"""
COUNT_FAILURES = "UPDATE job SET failures = CASE WHEN ? = 1 THEN failures + 1 ELSE 0 END, updated = ? WHERE job = ?"

WRITE_SLOT = """
    INSERT INTO slot (job, due, kind, state, reason, updated, send, planned, next_at, rank, expires, spans)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (job, due, kind) DO UPDATE SET state = excluded.state, reason = excluded.reason,
        updated = excluded.updated, send = excluded.send, planned = excluded.planned, next_at = excluded.next_at,
        rank = excluded.rank, expires = excluded.expires, spans = excluded.spans, resume = '', deaths = 0, tries = 0,
        told = 0
"""
# A slot that is known already stays as it is: it is planned once, whatever the clock does, unless it was taken back.
AHEAD = "the clock was ahead; it comes again at its time"
ADD_SLOT = f"{WRITE_SLOT} WHERE slot.state = 'skipped' AND slot.reason = '{AHEAD}'"
# What was worked on before is to be worked on anew: restated windows, windows that are filled in again.
REOPEN_SLOT = f"{WRITE_SLOT} WHERE slot.state <> 'running'"
# What was planned by a clock that was ahead comes again. Who works on it has lost it; the next run of it ends that one.
EARLY_RUNS = """
    SELECT job, due FROM slot WHERE kind = 'schedule' AND due > ? AND run <> '' AND reason <> ? ORDER BY due, job
"""
EARLY_REST = "SELECT id FROM run WHERE kind = 'schedule' AND due > ? AND state = 'retrying'"
TAKE_BACK_SLOTS = """
    UPDATE slot SET state = 'skipped', reason = ?, updated = ?, resume = '', owner = '', lease_until = '', begun = 0,
        fence = fence + 1, told = 1
    WHERE kind = 'schedule' AND due > ? AND reason <> ?
"""
END_WAITS = (
    "UPDATE slot SET next_at = ? WHERE state = 'due' AND next_at > ? AND updated > ?",
    "UPDATE delivery SET next_at = ? WHERE state = 'retrying' AND next_at > ? AND updated > ?",
    "UPDATE notice SET next_at = ? WHERE state = 'pending' AND next_at > ? AND created > ?",
    "UPDATE breaker SET resume_at = ? WHERE resume_at > ? AND updated > ?",
)
# One that has waited while nothing ran: what becomes of it is decided anew, like that of the times that came meanwhile.
# A run of it has failed before when it was tried; that is what it comes to then.
TURN_SLOT = """
    UPDATE slot SET state = CASE WHEN ? = 'due' THEN 'due' WHEN tries > 0 THEN 'failed' ELSE ? END,
        reason = ?, send = CASE WHEN ? = 0 THEN 0 ELSE send END, planned = ?, updated = ?
    WHERE job = ? AND due = ? AND kind = 'schedule' AND state = 'due' AND resume = ''
"""
# A job that runs already is not taken a second time, but for windows that are filled in beside it. One that runs by
# hand has no lease, and may have been killed: whoever takes it meets its lock, or finds it gone. Of the times of a job
# the oldest comes first, also when it waits to be tried again: a newer report must not be written over by an older one.
# Of a job that is paused only what is left of a run goes on.
DUE_SLOTS = """
    SELECT job, due, kind FROM slot
    WHERE state = 'due' AND next_at <= ? AND kind <> 'backfill' AND job NOT IN
        (SELECT job FROM slot WHERE state = 'running' AND owner <> '' AND kind <> 'backfill')
        AND (resume <> '' OR job NOT IN (SELECT job FROM job WHERE paused_until > ?))
        AND (kind <> 'schedule' OR (job, due) IN
            (SELECT job, min(due) FROM slot WHERE state = 'due' AND kind = 'schedule' GROUP BY job))
    ORDER BY rank, due, job LIMIT ?
"""
# Whether a later time of a job is worked on, has been, or will be.
NEWER_SLOT = """
    SELECT max(due) FROM slot
    WHERE job = ? AND due > ? AND kind = 'schedule' AND state IN ('due', 'running', 'done')
"""
DUE_WINDOWS = """
    SELECT due FROM slot WHERE job = ? AND kind = 'backfill' AND state = 'due' AND next_at <= ? ORDER BY due LIMIT ?
"""
TAKE_SLOT = """
    UPDATE slot SET state = 'running', owner = ?, lease_until = ?, fence = fence + 1, begun = 0, updated = ?
    WHERE job = ? AND due = ? AND kind = ? AND state = 'due'
"""
RETURN_SLOTS = """
    UPDATE slot SET state = 'due', owner = '', lease_until = '', updated = ?
    WHERE state = 'running' AND owner <> '' AND owner <> ? AND kind <> 'backfill' AND begun = 0
"""
DROP_LEASES = """
    UPDATE slot SET lease_until = ? WHERE state = 'running' AND owner <> '' AND owner <> ? AND kind <> 'backfill'
"""
RENEW_SLOTS = "UPDATE slot SET lease_until = ? WHERE owner = ? AND state = 'running'"
PUT_BACK_SLOT = """
    UPDATE slot SET state = 'due', owner = '', lease_until = '', begun = 0, next_at = ?, reason = ?, resume = ?,
        updated = ?
    WHERE job = ? AND due = ? AND kind = ? AND fence = ? AND state = 'running'
"""
CLOSE_SLOT = """
    UPDATE slot SET state = ?, owner = '', lease_until = '', reason = ?, updated = ?
    WHERE job = ? AND due = ? AND kind = ? AND fence = ? AND state IN ('due', 'running')
"""
# One of which a run has begun and deliveries are left goes on; only its messages expire.
RETIRE_SLOTS = """
    UPDATE slot SET state = 'expired', updated = ?,
        reason = CASE WHEN reason = '' THEN ? ELSE ? || '; ' || reason END
    WHERE state = 'due' AND resume = '' AND kind <> 'backfill' AND expires <> '' AND expires <= ?
"""
COUNT_DEATH = """
    UPDATE slot SET deaths = ?, begun = 0, updated = ?
    WHERE job = ? AND due = ? AND kind = ? AND fence = ? AND state = 'running'
"""
SLOT_COLUMNS = (
    "job, due, kind, state, reason, updated, send, planned, next_at, rank, expires, spans, resume, run, owner, "
    "lease_until, fence, begun, tries, deaths, told"
)
READ_SLOT = f"SELECT {SLOT_COLUMNS} FROM slot WHERE job = ? AND due = ? AND kind = ?"
OPEN_SLOTS = f"SELECT {SLOT_COLUMNS} FROM slot WHERE state IN ('due', 'running') ORDER BY job, due"
OPEN_SLOTS_OF = f"SELECT {SLOT_COLUMNS} FROM slot WHERE state IN ('due', 'running') AND job = ? ORDER BY due"
WAITING_SLOTS = f"""
    SELECT {SLOT_COLUMNS} FROM slot WHERE state = 'due' AND resume = '' AND kind = 'schedule' ORDER BY job, due
"""
RECENT_SLOTS = f"SELECT {SLOT_COLUMNS} FROM slot ORDER BY due DESC, job LIMIT ?"
RECENT_SLOTS_OF = f"SELECT {SLOT_COLUMNS} FROM slot WHERE job = ? ORDER BY due DESC LIMIT ?"
OWNED_SLOTS = f"SELECT {SLOT_COLUMNS} FROM slot WHERE state = 'running' AND owner = ? ORDER BY due"
# Of what is only tried again the time is up when the job is due anyway; nobody works on what has been lost. What is due
# and could be leased now waits for nothing but room.
RUNNING_SLOTS = """
    SELECT job, due, updated, begun FROM slot
    WHERE state IN ('due', 'running') AND kind = 'schedule' AND send = 1 AND resume = '' AND tries <= begun
        AND (lease_until >= ? OR (state = 'due' AND next_at <= ?
            AND job NOT IN (SELECT job FROM slot WHERE state = 'running' AND owner <> '' AND kind <> 'backfill')
            AND (job, due) IN
                (SELECT job, min(due) FROM slot WHERE state = 'due' AND kind = 'schedule' GROUP BY job)))
    ORDER BY due
"""
DONE_SLOTS = """
    SELECT due FROM slot WHERE job = ? AND kind = 'schedule' AND state = 'done' AND due >= ? AND due < ? ORDER BY due
"""
# What another job has delivered, and the job that follows it has no slot for yet.
FOLLOWED_SLOTS = f"""
    SELECT due, updated, send FROM slot
    WHERE job = ? AND kind = 'schedule' AND state = 'done' AND due > ? AND updated > ?
        AND EXISTS (SELECT 1 FROM run WHERE run.id = slot.run AND run.state IN ('ok', 'degraded'))
        AND NOT EXISTS (SELECT 1 FROM slot AS mine WHERE mine.job = ? AND mine.due = slot.due AND mine.kind = slot.kind
            AND mine.reason <> '{AHEAD}')
    ORDER BY due
"""
NEXT_DUE = "SELECT min(next_at) FROM slot WHERE state = 'due' AND kind <> 'backfill'"
LOST_SLOTS = f"""
    SELECT {SLOT_COLUMNS} FROM slot WHERE state = 'running' AND owner <> '' AND lease_until < ? ORDER BY due LIMIT ?
"""

# A slot that nobody leases, such as that of a run by hand, is made when its run begins.
PUT_SLOT = """
    INSERT INTO slot (job, due, kind, state, updated, run, begun, tries, told)
    VALUES (?, ?, ?, 'running', ?, ?, 1, 1, 1)
    ON CONFLICT (job, due, kind) DO UPDATE SET state = excluded.state, reason = '', updated = excluded.updated,
        run = excluded.run, owner = '', lease_until = '', fence = slot.fence + 1, begun = 1, tries = slot.tries + 1
"""
BEGIN_SLOT = """
    UPDATE slot SET run = ?, begun = 1, tries = tries + 1, resume = '', updated = ?
    WHERE job = ? AND due = ? AND kind = ? AND fence = ? AND state = 'running'
"""

# Only the deliveries of a run go on; `resume` stays, so that they still do when this process dies.
RESUME_SLOT = """
    UPDATE slot SET begun = 1, updated = ? WHERE job = ? AND due = ? AND kind = ? AND fence = ? AND state = 'running'
        AND run = ?
"""
HELD_SLOT = "SELECT 1 FROM slot WHERE job = ? AND due = ? AND kind = ? AND fence = ? AND state = 'running'"
SET_RUN = "UPDATE run SET state = ?, error = ?, finished = NULL WHERE id = ?"
FORGET_DEATHS = "UPDATE slot SET deaths = 0 WHERE job = ? AND due = ? AND kind = ?"

ADD_RUN = """
    INSERT INTO run (id, job, due, kind, state, started, version) VALUES (?, ?, ?, ?, 'running', ?, ?)
"""
NOTE_SPANS = "UPDATE run SET spans = ? WHERE id = ?"
NOTE_TABLE = "UPDATE run SET row_count = ?, notices = ?, extracted = ?, snapshot = ?, missing = ? WHERE id = ?"
# Also one that has ended, when its slot is tried again; a slot that is planned anew has no tries yet.
WISH_RUN = """
    UPDATE run SET wish = ? WHERE id = ? AND (state IN ('running', 'retrying') OR EXISTS
        (SELECT 1 FROM slot WHERE slot.job = run.job AND slot.due = run.due AND slot.kind = run.kind
            AND slot.run = run.id AND slot.state = 'due' AND slot.tries > 0))
"""
WISHED_SLOTS = f"""
    SELECT {", ".join(f"slot.{name}" for name in SLOT_COLUMNS.split(", "))} FROM slot JOIN run ON run.id = slot.run
    WHERE slot.state IN ('due', 'running') AND run.wish = ? AND run.wish <> ''
        AND (run.state IN ('running', 'retrying') OR slot.tries > 0)
"""
NOTE_TRAFFIC = "UPDATE run SET requests = ?, tries = ?, received = ? WHERE id = ?"
NOTE_MOVED = "UPDATE run SET moved = ? WHERE id = ?"
READ_MOVED = "SELECT moved FROM run WHERE id = ?"
# One that is sent again had ended before: how long it took is not how long somebody thought about it.
FINISH_RUN = "UPDATE run SET state = ?, finished = COALESCE(finished, ?), error = ?, passing = ? WHERE id = ?"
# Only the latest run of a slot ends it: one that was thought dead and comes back ends nothing.
END_SLOT = """
    UPDATE slot SET state = ?, reason = ?, updated = ?, owner = '', lease_until = '', resume = ''
    WHERE run = ? AND EXISTS (SELECT 1 FROM run
        WHERE run.id = slot.run AND run.job = slot.job AND run.due = slot.due AND run.kind = slot.kind)
"""
# The last trouble of a job is mended by sending again what its run had made: that has consequences too.
MEND_SLOT = """
    UPDATE slot SET told = 0 WHERE run = ? AND kind = 'schedule' AND state IN ('done', 'failed')
        AND EXISTS (SELECT 1 FROM run WHERE run.id = slot.run AND run.state IN ('failed', 'held'))
        AND NOT EXISTS (SELECT 1 FROM slot AS later WHERE later.job = slot.job AND later.kind = slot.kind
            AND later.due > slot.due AND later.state IN ('done', 'failed'))
"""
# So it is by a run by hand for the same time: that is what has become of it then.
MEND_BY_HAND = """
    UPDATE slot SET state = 'done', reason = '', run = ?, told = 0, updated = ?
    WHERE job = (SELECT job FROM run WHERE id = ? AND kind = 'manual') AND due = (SELECT due FROM run WHERE id = ?)
        AND kind = 'schedule' AND (state = 'failed' OR (state = 'done'
            AND EXISTS (SELECT 1 FROM run WHERE run.id = slot.run AND run.state = 'held')))
        AND NOT EXISTS (SELECT 1 FROM slot AS later WHERE later.job = slot.job AND later.kind = slot.kind
            AND later.due > slot.due AND later.state IN ('done', 'failed'))
"""
# What a process left that ended: runs of the slot itself, and those of the job whose slot nobody has leased. One that
# waits to be tried again is none of them, nor are windows that are filled in beside it: each has a lock of its own.
LEASED_JOB = """
    SELECT owner FROM slot
    WHERE job = ? AND state = 'running' AND owner <> '' AND (kind <> 'backfill' OR due = ?) AND lease_until > ?
"""
LEFT_RUNS = """
    SELECT id FROM run WHERE job = ? AND ((due = ? AND kind = ? AND state IN ('running', ?))
        OR (state = 'running' AND kind <> 'backfill' AND ? <> 'backfill' AND NOT EXISTS
            (SELECT 1 FROM slot WHERE slot.job = run.job AND slot.due = run.due AND slot.kind = run.kind
                AND slot.state = 'running' AND slot.owner <> '')))
"""
ABANDON_RUN = "UPDATE run SET state = 'failed', finished = ?, error = ? WHERE id = ?"
ABANDON_SLOT = """
    UPDATE slot SET state = 'failed', reason = ?, updated = ?, resume = ''
    WHERE run = ? AND state = 'running' AND owner = ''
"""
ABANDON_DELIVERIES = """
    UPDATE delivery SET state = CASE WHEN state = 'running' THEN 'unknown' ELSE 'failed' END, error = ?, updated = ?
    WHERE state IN ('pending', 'running', 'retrying') AND run = ?
"""

RUN_COLUMNS = (
    "id, job, due, kind, state, started, finished, row_count, error, notices, spans, extracted, snapshot, version, "
    "missing, requests, tries, received, passing"
)
READ_RUN = f"SELECT {RUN_COLUMNS} FROM run WHERE id = ?"
RECENT_RUNS = f"SELECT {RUN_COLUMNS} FROM run ORDER BY started DESC, id DESC LIMIT ?"
# Those between the report before and this one: what the report before was about may have moved since.
RESTATED_RUNS = f"""
    SELECT {RUN_COLUMNS} FROM run
    WHERE job = ? AND kind = 'restate' AND state IN ('ok', 'degraded') AND moved <> '' AND started < ? AND started >=
        COALESCE((SELECT MAX(started) FROM run AS earlier WHERE earlier.job = run.job AND earlier.kind = 'schedule'
            AND earlier.state IN ('ok', 'degraded') AND earlier.started < ?), '')
    ORDER BY due, started
"""
RECENT_RUNS_OF = f"SELECT {RUN_COLUMNS} FROM run WHERE job = ? ORDER BY started DESC, id DESC LIMIT ?"

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
"""
COMMIT_DELIVERY = """
    UPDATE delivery SET state = ?, receipt = CASE WHEN ? = '' THEN receipt ELSE ? END, error = ?, updated = ?,
        next_at = ?, passing = ?
    WHERE run = ? AND sink = ? AND fence = ? AND state = 'running'
"""
# Not tried this time, since its connection is in trouble: no attempt is counted.
PARK_DELIVERY = """
    UPDATE delivery SET state = 'retrying', next_at = ?, error = ?, updated = ?, passing = 1 WHERE run = ? AND sink = ?
"""
QUARANTINE_DELIVERIES = """
    UPDATE delivery SET state = 'quarantined', error = ?, updated = ? WHERE run = ? AND state = 'running'
"""
# Its table was found good: it has begun to deliver.
DELIVERING_RUN = """
    SELECT 1 FROM run WHERE id = ? AND state = 'running'
        AND EXISTS (SELECT 1 FROM delivery WHERE delivery.run = run.id AND attempts > 0)
"""
COUNT_OPEN_DELIVERIES = "SELECT count(*) FROM delivery WHERE run = ? AND state IN ('pending', 'retrying')"
SUPERSEDE = """
    UPDATE delivery SET state = 'superseded', updated = ?
    WHERE key = ? AND state IN ('done', 'unknown', 'failed') AND NOT (run = ? AND sink = ?)
"""
DELIVERY_COLUMNS = "run, sink, type, key, generation, fence, state, attempts, receipt, error, updated, next_at, passing"
READ_DELIVERIES = f"SELECT {DELIVERY_COLUMNS} FROM delivery WHERE run = ? ORDER BY sink"
READ_DELIVERY = f"SELECT {DELIVERY_COLUMNS} FROM delivery WHERE run = ? AND sink = ?"
LAST_RECEIPT = """
    SELECT receipt FROM delivery WHERE key = ? AND receipt <> '' ORDER BY generation DESC, fence DESC LIMIT 1
"""
DOUBTFUL_RUN = (
    "SELECT run FROM delivery WHERE key = ? AND state = 'unknown' ORDER BY generation DESC, fence DESC LIMIT 1"
)
STANDING_RUN = "SELECT run FROM delivery WHERE key = ? AND state = 'done' ORDER BY generation DESC LIMIT 1"
NEWER_RUNS = f"""
    SELECT {RUN_COLUMNS} FROM run WHERE job = ? AND due > ? AND EXISTS
        (SELECT 1 FROM delivery WHERE delivery.run = run.id AND delivery.sink = ? AND delivery.state = 'done')
    ORDER BY due DESC, id DESC
"""

FORGET_SNAPSHOTS = """
    UPDATE run SET snapshot = '' WHERE id IN (SELECT id FROM run WHERE snapshot <> '' AND started < ? LIMIT ?)
"""
# What is open is no past, however long ago it began: a backfill may wait for somebody to go on with it.
DROP_OLD_RUNS = """
    DELETE FROM run WHERE id IN (SELECT id FROM run WHERE started < ? AND state <> 'retrying' ORDER BY started LIMIT ?)
"""
DROP_BARE_SLOTS = """
    DELETE FROM slot WHERE (job, due, kind) IN
        (SELECT job, due, kind FROM slot WHERE updated < ? AND state NOT IN ('due', 'running') AND NOT EXISTS
            (SELECT 1 FROM run WHERE run.job = slot.job AND run.due = slot.due AND run.kind = slot.kind)
        ORDER BY updated LIMIT ?)
"""

# Ended slots from which nothing has followed yet: not by their states, of which the ledger may hold millions.
UNTOLD_SLOTS = f"""
    SELECT {SLOT_COLUMNS} FROM slot WHERE told = 0 AND state NOT IN ('due', 'running')
    ORDER BY updated, job, due LIMIT ?
"""
SLOTS_AT = f"SELECT {SLOT_COLUMNS} FROM slot WHERE job = ? AND due = ? ORDER BY kind"
# What one look at the clock refused of a job; those of one look are written in one transaction.
REFUSED_SLOTS = f"""
    SELECT {SLOT_COLUMNS} FROM slot WHERE job = ? AND updated = ? AND planned = updated AND kind = 'schedule'
        AND run = '' AND state IN ('skipped', 'expired') ORDER BY due
"""
MARK_TOLD = "UPDATE slot SET told = 1 WHERE job = ? AND due = ? AND kind = ?"
PAUSE_FAILING_JOB = "UPDATE job SET paused_until = ?, paused_why = ?, updated = ? WHERE job = ?"
ADD_NOTICE = """
    INSERT INTO notice (id, job, about, kind, way, content, created, state, next_at)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING
"""
TOLD_KINDS = "SELECT kind, max(created) FROM notice WHERE job = ? AND state <> 'muted' GROUP BY kind"
WAITING_KINDS = """
    SELECT kind, max(next_at) FROM notice WHERE job = ? AND state = 'pending' AND batch = '' GROUP BY kind
"""
WITHDRAW_NOTICES = """
    UPDATE notice SET state = 'muted' WHERE job = ? AND state = 'pending' AND batch = '' AND next_at > ?
"""
RECENT_TROUBLES = "SELECT DISTINCT kind, content, created FROM notice WHERE job = '' AND created >= ? ORDER BY created"
DUE_BATCHES = "SELECT DISTINCT batch FROM notice WHERE state = 'pending' AND batch <> '' AND next_at <= ?"
DUE_WAYS = "SELECT DISTINCT way FROM notice WHERE state = 'pending' AND batch = '' AND next_at <= ?"
ALL_DUE_WAYS = "SELECT DISTINCT way FROM notice WHERE state = 'pending' AND next_at <= ?"
NOTICE_COLUMNS = "id, job, about, kind, way, content, created, state, next_at, attempts, batch, error"
BATCH_NOTICES = f"""
    SELECT {NOTICE_COLUMNS} FROM notice WHERE state = 'pending' AND batch = ? ORDER BY created, id
"""
WAITING_NOTICES = f"""
    SELECT {NOTICE_COLUMNS} FROM notice WHERE state = 'pending' AND batch = '' AND way = ? ORDER BY created, id
"""
TRY_NOTICE = "UPDATE notice SET batch = ?, attempts = attempts + 1, next_at = ? WHERE id = ?"
END_NOTICES = "UPDATE notice SET state = ?, error = ? WHERE batch = ? AND state = 'pending'"
DELAY_NOTICES = "UPDATE notice SET next_at = ?, error = ? WHERE batch = ? AND state = 'pending'"
FAILING_WAYS = """
    SELECT way, error, count(*), min(created) FROM notice WHERE state = 'pending' AND error <> ''
    GROUP BY way, error ORDER BY max(next_at)
"""
NEXT_NOTICE = "SELECT min(next_at) FROM notice WHERE state = 'pending'"
COUNT_NOTICES = "SELECT state, count(*) FROM notice GROUP BY state"
RECENT_NOTICES = f"SELECT {NOTICE_COLUMNS} FROM notice ORDER BY created DESC, id DESC LIMIT ?"
OPEN_SLOT_COUNTS = "SELECT state, count(*) FROM slot WHERE state IN ('due', 'running') GROUP BY state"
OPEN_DELIVERY_COUNTS = """
    SELECT state, type, count(*) FROM delivery WHERE state IN ('pending', 'running', 'retrying') GROUP BY state, type
"""
OPEN_BREAKER_COUNT = "SELECT count(*) FROM breaker WHERE resume_at > ?"
PAUSED_COUNT = "SELECT count(*) FROM job WHERE paused_until > ?"
FAILING_JOBS = "SELECT job, failures FROM job WHERE failures > 0 ORDER BY failures DESC, job LIMIT ?"
DROP_OLD_NOTICES = """
    DELETE FROM notice WHERE id IN
        (SELECT id FROM notice WHERE created < ? AND state <> 'pending' ORDER BY created LIMIT ?)
"""
DROP_MUTED = "DELETE FROM notice WHERE state = 'muted' AND next_at < ?"

BREAKER_COLUMNS = "host, recent, pauses, resume_at, probe, why, refused, updated"
READ_BREAKER = f"SELECT {BREAKER_COLUMNS} FROM breaker WHERE host = ?"
REFUSED_KEYS = f"SELECT {BREAKER_COLUMNS} FROM breaker WHERE refused <> '' ORDER BY refused, updated"
PUT_BREAKER = """
    INSERT INTO breaker (host, recent, pauses, resume_at, probe, why, refused, updated) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (host) DO UPDATE SET recent = excluded.recent, pauses = excluded.pauses,
        resume_at = excluded.resume_at, probe = excluded.probe, why = excluded.why, refused = excluded.refused,
        updated = excluded.updated
"""
PROBE_BREAKER = "UPDATE breaker SET resume_at = ?, probe = ? WHERE host = ? AND resume_at = ?"
IN_TROUBLE = "SELECT 1 FROM breaker WHERE host = ? OR (refused <> '' AND refused = ?)"
DROP_BREAKER = "DELETE FROM breaker WHERE host = ?"
# What was put back for a trouble that is over need not wait for the end of its time.
WAKE_PARKED = "UPDATE slot SET next_at = ? WHERE state = 'due' AND reason = ? AND next_at > ?"

COUNT_STATES = {
    table: f"SELECT state, count(*) FROM {table} GROUP BY state ORDER BY state"
    for table in ("slot", "run", "delivery", "notice")
}
RUN_RANGE = "SELECT min(started), max(started) FROM run"
EXPORT_PAGE = "SELECT * FROM {table} WHERE ({keys}) > ({marks}) ORDER BY {keys} LIMIT ?"
COUNT_RUNS = "SELECT count(*) FROM run"
COUNT_RUNS_OF = "SELECT count(*) FROM run WHERE job = ?"
ANY_LEASE = "SELECT job, owner FROM slot WHERE state = 'running' AND owner <> '' AND lease_until > ? LIMIT 1"
FORGET_ALL = tuple(f"DELETE FROM {table}" for table in ("notice", "delivery", "run", "slot", "job", "breaker"))
FORGET_JOB = tuple(f"DELETE FROM {table} WHERE job = ?" for table in ("notice", "run", "slot", "job"))
