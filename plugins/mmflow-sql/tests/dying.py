"""Delivers in processes that are killed, one statement later each time: a script, run by test_kills.

Reads what to do as JSON from stdin, and writes one line of JSON for each death: what stood there between it and the
next try, and after that. This process itself opens nothing, for its children to inherit.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.pool import Pool

from mmflow.table import Table
from mmflow.testing.deliveries import make_run
from mmflow_sql.connection import SqlConnection
from mmflow_sql.deliver import deliver_sql, probe_sql
from mmflow_sql.options import SqlOptions
from mmflow_sql.testing import Database

GIVEN: dict[str, Any] = json.load(sys.stdin)
DATABASE = Database(SqlConnection(url=GIVEN["url"]), Path(GIVEN["root"]))
LOOKS = ("SELECT PG_CATALOG", "SELECT TABLE_", "SELECT COLUMN_", "SELECT INDEX_", "PRAGMA", "SHOW", "DESCRIBE")
MOST = 60  # statements of one delivery; there are far fewer


def run_child(work: Callable[[], Any]) -> Any:
    """Do work in a process of its own; give what it returns, or None when it was killed."""
    with tempfile.TemporaryFile("w+") as told:
        child = os.fork()
        if child == 0:
            try:
                json.dump(work(), told)
                told.flush()
                os._exit(0)
            except BaseException:  # noqa: BLE001  the parent hears of it
                traceback.print_exc()
                os._exit(1)
        _, status = os.waitpid(child, 0)
        told.seek(0)
        if os.WIFSIGNALED(status):
            return None
        if os.waitstatus_to_exitcode(status):
            sys.exit(f"a delivery failed at {GIVEN}")
        return json.load(told)


def deliver(rows: str, name: str, **changes: Any) -> Callable[[], Any]:
    """Give the work of a delivery."""

    def work() -> Any:
        receipt = deliver_sql(Table.open(Path(GIVEN[rows])), choose(name), make(**changes))
        return [receipt.rows, receipt.details.get("notes", "")]

    return work


def choose(name: str) -> SqlOptions:
    return SqlOptions(table=name, mode=GIVEN["mode"])


def make(**changes: Any) -> Any:
    return make_run(DATABASE.root, connection=DATABASE.connection, **changes)


def dying(
    begin: Callable[[], Any] | None, work: Callable[[], Any], arm: Callable[[Callable[..., None]], None]
) -> Callable[[], Any]:
    """Give work during which the process kills itself, after some that is let alone."""

    def armed() -> Any:
        if begin:
            begin()
        arm(lambda *_: os.kill(os.getpid(), signal.SIGKILL))
        return work()

    return armed


def at_statement(number: int) -> Callable[[Callable[..., None]], None]:
    """Arm the n-th statement that does more than look, before it is run."""

    def arm(die: Callable[..., None]) -> None:
        left = number

        def count(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
            nonlocal left
            left -= not statement.lstrip().upper().startswith(LOOKS)
            if not left:
                die()

        event.listen(Engine, "before_cursor_execute", count)

    return arm


def before_commit(die: Callable[..., None]) -> None:
    """Arm the moment before COMMIT."""
    event.listen(Engine, "commit", die)


def after_commit(die: Callable[..., None]) -> None:
    """Arm the moment after COMMIT, before there is a receipt."""
    event.listen(Engine, "commit", lambda *_: event.listen(Pool, "reset", die))


def look(name: str) -> Any:
    """Give the rows of a table, or why there are none."""
    try:
        rows = DATABASE.query(f'SELECT "machine", "goodParts" FROM "{name}" ORDER BY 1, 2')
    except Exception as error:  # noqa: BLE001  each driver has its own
        return str(error)
    return [list(row) for row in rows]


def report(step: str, name: str, first: bool, arm: Callable[[Callable[..., None]], None]) -> bool:
    """Deliver, die, deliver again, and write what was seen; tells whether somebody died."""
    begin = None if first else deliver("old", name, key=f"{name}/old")
    killed = run_child(dying(begin, deliver("new", name, key=name), arm)) is None
    between, present = run_child(lambda: [look(name), probe_sql(choose(name), make(key=name))])
    again, after = run_child(lambda: [deliver("new", name, key=name, fence=2)(), look(name)])
    seen = {"step": step, "killed": killed, "between": between, "present": present, "again": again, "after": after}
    sys.stdout.write(json.dumps(seen) + "\n")
    sys.stdout.flush()
    return killed


for first in (True, False):
    label = "first" if first else "next"
    report(f"{label} before commit", f"{label}_before", first, before_commit)
    report(f"{label} after commit", f"{label}_after", first, after_commit)
    for number in range(1, MOST, GIVEN["stride"]):
        if not report(f"{label} {number}", f"{label}_{number}", first, at_statement(number)):
            break
    else:
        sys.exit("there was no end to the statements")
