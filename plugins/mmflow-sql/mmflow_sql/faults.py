"""Errors of databases, sorted by what to do next.

Messages hold what the database says in one line, and never a statement or its values: those of SQLAlchemy would.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy.exc import DBAPIError

from mmflow import GiveUp, TryLater, Unknown
from mmflow_sql.address import Address, Kind
from mmflow_sql.codes import (
    CONNECTING,
    DUCKDB,
    GONE,
    MADE,
    MYSQL,
    REFUSED,
    SECURE,
    SQLITE,
    SQLITE_EXTENDED,
    STATES,
    SYSTEM_INDEX,
    Meaning,
)
from mmflow_sql.engine import import_driver

LONGEST: Final = 300  # characters of what a database says


@contextmanager
def explain_faults(address: Address) -> Iterator[None]:
    """Turn an error of SQLAlchemy or the driver inside the block into :class:`TryLater` or :class:`GiveUp`."""
    yield from sort_faults(address, committing=False)


@contextmanager
def explain_commit(address: Address) -> Iterator[None]:
    """Like :func:`explain_faults` around COMMIT alone: a connection that is lost there leaves :class:`Unknown`."""
    yield from sort_faults(address, committing=True)


def sort_faults(address: Address, *, committing: bool) -> Iterator[None]:
    """Let the caller's block run, and sort what it raises."""
    driver = import_driver(address.kind)
    try:
        yield
    except DBAPIError as error:
        raise explain_fault(address, error.orig or error, committing=committing) from error
    except driver.Error as error:  # of a driver that is used without SQLAlchemy, as COPY is
        raise explain_fault(address, error, committing=committing) from error
    except RuntimeError as error:
        if "'cryptography' package is required" not in str(error):
            raise
        wanted = "wants an encrypted connection for this user's password; write tls: require in the connection"
        raise GiveUp(f"{address} {wanted}") from error


def explain_fault(address: Address, error: BaseException, *, committing: bool) -> GiveUp | TryLater | Unknown:
    """Give what to raise for an error of a driver."""
    meaning = READERS[address.kind](error)
    told = f"{address} {meaning.words} ({tell_fault(error, address)})"
    if meaning.verdict == "lost" and committing:
        return Unknown(f"{told}; it happened during COMMIT, so nobody can tell whether the rows are there")
    return GiveUp(told) if meaning.verdict == "never" else TryLater(told)


def tell_fault(error: BaseException, address: Address) -> str:
    """Give in one line what a database says, with the place where it names one; no statement and no password."""
    said = next(filter(None, map(str, reversed(error.args))), type(error).__name__)
    if (diag := getattr(error, "diag", None)) and diag.message_primary:
        key = diag.message_detail if diag.sqlstate == "23505" else None  # of others it holds the row
        said = "; ".join(filter(None, (diag.message_primary, key, diag.context)))
    line = " ".join(said.partition("\nLINE 1:")[0].split())  # behind it DuckDB repeats the statement
    shown = "".join(char if char.isprintable() else "?" for char in line)
    if address.password and (secret := address.password.reveal()):
        shown = shown.replace(secret, "***")
    return shown if len(shown) <= LONGEST else f"{shown[:LONGEST]}…"


def read_state(error: BaseException) -> Meaning:
    """Find the meaning of a SQLSTATE; what has none is about the connection, or was refused by the driver."""
    state = getattr(error, "sqlstate", None)
    if state is None:
        return read_connecting(error)
    if state == "23505" and SYSTEM_INDEX.search(getattr(error.diag, "constraint_name", None) or ""):  # type: ignore[attr-defined]
        return MADE
    return find_state(state)


def find_state(state: str) -> Meaning:
    """Look up a SQLSTATE, then its class."""
    return STATES.get(state) or STATES.get(state[:2], REFUSED)


def read_connecting(error: BaseException) -> Meaning:
    """Find the meaning of words; a server that speaks another language is tried again."""
    import psycopg

    if not isinstance(error, psycopg.OperationalError):
        return REFUSED
    return next((meaning for pattern, meaning in CONNECTING if pattern.search(str(error))), GONE)


def read_mysql(error: BaseException) -> Meaning:
    """Find the meaning of a number of MySQL."""
    code = error.args[0] if error.args else 0
    meaning = MYSQL.get(code, REFUSED) if isinstance(code, int) else REFUSED
    return SECURE if meaning is GONE and "CERTIFICATE_VERIFY_FAILED" in str(error) else meaning


def read_sqlite(error: BaseException) -> Meaning:
    """Find the meaning of a code of SQLite."""
    code = getattr(error, "sqlite_errorcode", 0)
    return SQLITE_EXTENDED.get(code) or SQLITE.get(code & 0xFF, REFUSED)


def read_duckdb(error: BaseException) -> Meaning:
    """Find the meaning of a class of DuckDB, and of the words in it."""
    kind, said = type(error).__name__, str(error)
    return next((meaning for name, words, meaning in DUCKDB if name == kind and words.search(said)), REFUSED)


def read_odbc(error: BaseException) -> Meaning:
    """Find the meaning of the SQLSTATE that ODBC puts first; a deadlock is 40001 there, too."""
    state = str(error.args[0]) if error.args else ""
    return find_state(state) if re.fullmatch(r"[0-9A-Z]{5}", state) else REFUSED


READERS: Final[Mapping[Kind, Callable[[Any], Meaning]]] = {
    "sqlite": read_sqlite,
    "duckdb": read_duckdb,
    "postgresql": read_state,
    "mysql": read_mysql,
    "mssql": read_odbc,
}
